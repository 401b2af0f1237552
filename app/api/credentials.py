"""Where clients put their token: each API's own clients have another place for it."""

from collections.abc import Mapping
from urllib.parse import parse_qs

# Anthropic's, Google's and Azure's clients.
_KEY_HEADERS = (b"x-api-key", b"x-goog-api-key", b"api-key")


def read_authorization(headers: Mapping[bytes, bytes], query: bytes) -> str | None:
    """The token as an `Authorization` header has it, wherever the client put it; None where it sent none.

    `Authorization` itself counts first, then the headers of other APIs, then Google's `?key=`.
    """
    authorization = headers.get(b"authorization")
    if authorization is not None:
        return authorization.decode("latin-1")
    for name in _KEY_HEADERS:
        if key := headers.get(name):
            return f"Bearer {key.decode('latin-1')}"
    if query.find(b"key=") >= 0 and (keys := parse_qs(query.decode("latin-1")).get("key")):
        return f"Bearer {keys[-1]}"
    return None
