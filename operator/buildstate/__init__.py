"""BuildState: a Kubernetes operator that keeps the state of a build true."""

__version__ = "0.1.0"
