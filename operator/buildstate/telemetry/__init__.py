"""What the operator tells of itself: figures, logs, and whether it is well."""
