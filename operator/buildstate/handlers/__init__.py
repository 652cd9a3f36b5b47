"""The edge: kopf runs the process and its watches, and only tells us that something changed."""
