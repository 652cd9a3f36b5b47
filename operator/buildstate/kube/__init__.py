"""The way to the API server; the only room that knows the `kubernetes` package."""
