"""Where the next page of a list begins, as one text that clients give back as it is."""

import base64
import json

from app.core.jsonio import Json


class InvalidCursor(ValueError):
    """No page gave it; the message is a sentence."""


def write_cursor(*parts: str | int) -> str:
    """The text; `read_cursor` gives the parts again."""
    text = json.dumps(parts, separators=(",", ":"))
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def read_cursor(cursor: str, *kinds: type) -> Json:
    """A list of as many parts, each of its kind: whole numbers of 64 bits, or texts that a database can hold.

    Raises:
        InvalidCursor: it is none.
    """
    try:
        padded = cursor.encode() + b"=" * (-len(cursor) % 4)
        parts = json.loads(base64.b64decode(padded, altchars=b"-_", validate=True))
        if isinstance(parts, list) and [type(each) for each in parts] == list(kinds) and all(map(_is_kept, parts)):
            return parts
    except (ValueError, RecursionError):
        pass
    raise InvalidCursor("The cursor is none that a page gave as 'next_cursor'.")


def _is_kept(part: str | int) -> bool:
    if isinstance(part, int):
        return abs(part) < 2**63
    part.encode()  # half a character is a ValueError
    return "\0" not in part
