"""Server-sent events as bytes: where one ends, what it says.

Lines end at LF, CR or CRLF and nowhere else (WHATWG HTML, section 9.2.6): U+2028 inside a JSON string is text.
"""

import re
from collections.abc import Iterator

from app.core.errors import UpstreamInvalid

# Images come inline as base64; no provider sends an event near this size.
MAX_EVENT_BYTES = 32 * 1024 * 1024

_LINE_END = re.compile(rb"\r\n|\n|\r")
_FIELDS = (b"", b"event", b"data", b"id", b"retry")  # nothing before the colon: a comment
_BLANK_LINE = re.compile(rb"(?:\r\n|\n|\r(?!\n))(?:\r\n|\n|\r)")


class EventBuffer:
    """Collects bytes that come in any pieces, and gives them back as whole events.

    Raises from `feed`:
        UpstreamInvalid: one event is longer than `max_event_bytes`.
    """

    def __init__(self, max_event_bytes: int = MAX_EVENT_BYTES) -> None:
        self._max_event_bytes = max_event_bytes
        self._rest = bytearray()

    def feed(self, data: bytes) -> bytes:
        """All events that are complete now, their blank lines included; what is not complete waits."""
        rest = self._rest
        if not rest and data.endswith(b"\n\n"):
            return data
        searched = max(len(rest) - 3, 0)
        rest += data
        end = _last_blank_line(rest, searched)
        if end == 0:
            if len(rest) > self._max_event_bytes:
                raise UpstreamInvalid(f"The provider sent an event of more than {self._max_event_bytes} bytes.")
            return b""
        block = bytes(rest[:end])
        del rest[:end]
        return block

    def rest(self) -> bytes:
        """What came after the last complete event; empties the buffer."""
        rest = bytes(self._rest)
        self._rest.clear()
        return rest


def split_events(block: bytes) -> Iterator[bytes]:
    """The events of a block of whole events, each with its blank line, byte for byte."""
    start = 0
    for blank in _BLANK_LINE.finditer(block):
        yield block[start : blank.end()]
        start = blank.end()
    if start < len(block):
        yield block[start:]


def first_event(block: bytes) -> bytes:
    """The first event of a block of whole events, with its blank line."""
    blank = _BLANK_LINE.search(block)
    return block[: blank.end()] if blank else block


def read_data(event: bytes) -> bytes | None:
    """The event's data, its lines joined by LF; None where it has none, as in a comment."""
    if event.startswith(b"data: ") and event.endswith(b"\n\n") and event.find(b"\n") == len(event) - 2:
        line = event[6:-2]
        if b"\r" not in line:
            return line
    lines = []
    for line in _LINE_END.split(event):
        field, _, value = line.partition(b":")
        if field == b"data":
            lines.append(value.removeprefix(b" "))
    return b"\n".join(lines) if lines else None


def is_event(text: bytes) -> bool:
    """True where each line of `text` is one that the format knows. Readers skip others; error pages are made of them."""
    return all(not line or line.partition(b":")[0] in _FIELDS for line in _LINE_END.split(text))


def write_data(data: bytes) -> bytes:
    """One event with `data`, which is a single line."""
    return b"data: " + data + b"\n\n"


def comment(text: bytes) -> bytes:
    """A line that clients ignore, and that keeps the connection alive."""
    return b": " + text + b"\n\n"


def _last_blank_line(buffer: bytearray, searched: int) -> int:
    """The end of the last blank line, not looking before `searched`; 0 where there is none."""
    line_feeds = buffer.rfind(b"\n\n", searched)
    mixed = buffer.rfind(b"\n\r\n", searched)
    returns = buffer.rfind(b"\r\r", searched)
    return max(
        line_feeds + 2 if line_feeds >= 0 else 0, mixed + 3 if mixed >= 0 else 0, returns + 2 if returns >= 0 else 0
    )
