"""What runs beside the work in its Pod: it measures artifacts, knowing nothing of the operator."""
