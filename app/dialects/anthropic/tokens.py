"""The answer of `/v1/messages/count_tokens`."""

from app.core.jsonio import dumps


def write_count(tokens: int) -> bytes:
    """The body that tells how many tokens a request has."""
    return dumps({"input_tokens": tokens})
