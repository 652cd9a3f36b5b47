"""A very small project: it greets."""


def greet(name: str) -> str:
    """Give a greeting for somebody; raises ValueError where nobody is named."""
    if not name.strip():
        message = "whom shall I greet?"
        raise ValueError(message)
    return f"Hello, {name.strip()}!"
