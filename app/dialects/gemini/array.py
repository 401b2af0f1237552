"""Events that pass, put into the JSON array that clients get who do not ask for `alt=sse`; each item as the provider wrote it."""

from app.dialects.framing import EventBuffer, read_data, split_events


class ArrayFrame:
    """Feed it the bytes of a stream of events; see `dialects.dialect.Frame`."""

    def __init__(self) -> None:
        self._buffer = EventBuffer()
        self._between = b"["
        self._closed = False

    def feed(self, data: bytes) -> bytes:
        """The items that `data` completes."""
        return self._items(self._buffer.feed(data))

    def close(self) -> bytes:
        """What was held back, and the end of the array; b"" when that was given before."""
        if self._closed:
            return b""
        self._closed = True
        items = self._items(self._buffer.rest() + b"\n\n")
        return items + (b"[]" if self._between == b"[" else b"]")

    def _items(self, block: bytes) -> bytes:
        out = b""
        for event in split_events(block):
            data = (read_data(event.removeprefix(b"\xef\xbb\xbf")) or b"").strip()
            if data.startswith(b"{"):
                out += self._between + data + b"\n"
                self._between = b","
        return out
