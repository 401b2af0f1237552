"""NDJSON as bytes: a line is one JSON object and ends at LF (a CR before it is white space to JSON)."""

from app.core.errors import UpstreamInvalid
from app.dialects.framing import MAX_EVENT_BYTES


class LineBuffer:
    """Collects bytes that come in any pieces, and gives them back as whole lines.

    Raises from `feed`:
        UpstreamInvalid: one line is longer than `max_line_bytes`.
    """

    def __init__(self, max_line_bytes: int = MAX_EVENT_BYTES) -> None:
        self._max_line_bytes = max_line_bytes
        self._rest = bytearray()

    def feed(self, data: bytes) -> list[bytes]:
        """The lines that are complete now, without blank ones; what is not complete waits."""
        rest = self._rest
        end = data.rfind(b"\n")
        if end < 0:
            rest += data
            if len(rest) > self._max_line_bytes:
                raise UpstreamInvalid(f"The provider sent a line of more than {self._max_line_bytes} bytes.")
            return []
        block = bytes(rest) + data[:end]
        rest[:] = data[end + 1 :]
        return [line for line in block.split(b"\n") if line and not line.isspace()]

    def rest(self) -> bytes:
        """What came after the last complete line; empties the buffer."""
        rest = bytes(self._rest)
        self._rest.clear()
        return rest.strip()
