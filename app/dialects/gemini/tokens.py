"""`countTokens`: how many tokens a request has."""

from app.core.jsonio import dumps


def write_count(tokens: int) -> bytes:
    """The body of an answer."""
    return dumps({"totalTokens": tokens})
