"""Streams: server-sent events read and written, and the JSON array that a client gets who does not ask for `alt=sse`."""

from app.core.errors import RelayError, UpstreamCut, UpstreamError, UpstreamInvalid
from app.core.events import Event, Failed
from app.core.jsonio import InvalidJson, Json, dumps, loads_repaired
from app.core.usage import Usage
from app.dialects.dialect import About, EventWriter
from app.dialects.framing import EventBuffer, read_data, split_events, write_data
from app.dialects.gemini.errors import error_object, find_error, read_failure
from app.dialects.gemini.reading import ReplyReader
from app.dialects.gemini.writing import ReplyWriter

STREAM_TYPE = "text/event-stream; charset=utf-8"
ARRAY_TYPE = "application/json"

_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_DONE = b"[DONE]"  # Google has no such event; gateways that speak its dialect do


def write_stream(about: About) -> EventWriter:
    """A new writer of a stream of events."""
    return _EventStream(about)


def write_array_stream(about: About) -> EventWriter:
    """A new writer of a JSON array, of media type `ARRAY_TYPE`: white space between its items is all that may be put in."""
    return _ArrayStream(about)


def write_array_error(error: RelayError) -> bytes:
    """An error in the midst of an array of which at least one item has been written, and the end of that array."""
    return b"," + dumps(error_object(error)) + b"\n]"


class StreamReader:
    """Reads a provider's events (an `EventReader`). What ends a stream is the end of its body, so that `Finished` comes then."""

    def __init__(self) -> None:
        self.ended = False
        self._buffer = EventBuffer()
        self._reader = ReplyReader()

    def feed(self, data: bytes) -> list[Event]:
        """The events that `data` completes.

        Raises:
            UpstreamInvalid: what came is no chunk.
        """
        return [] if self.ended else self._take_block(self._buffer.feed(data))

    def close(self, *, certain: bool) -> list[Event]:
        """What was held back, and the end.

        Raises:
            UpstreamCut: no chunk has said why the reply ended.
        """
        rest = b"" if self.ended else self._buffer.rest()
        try:
            events = self._take_block(rest + b"\n\n") if rest.strip() else []
        except UpstreamInvalid:
            raise UpstreamCut("The provider's stream ended in the midst of an event.") from None
        if self.ended:
            return events
        events += self._reader.finish(whole=False)
        self.ended = True
        return events

    def counted(self) -> Usage | None:
        """As `EventReader.counted`: each chunk tells."""
        return self._reader.counted()

    def _take_block(self, block: bytes) -> list[Event]:
        events: list[Event] = []
        for event in split_events(block):
            data = read_data(event.removeprefix(_BYTE_ORDER_MARK))
            if data is None or data.strip() in (b"", _DONE):
                continue
            try:
                chunk = loads_repaired(data)
            except InvalidJson:
                raise UpstreamInvalid("The provider sent an event that is no JSON.") from None
            if (error := find_error(chunk)) is not None:
                self.ended = True
                events.append(read_failure(error))
                return events
            events += self._reader.take(chunk)
        return events


class _EventStream:
    def __init__(self, about: About) -> None:
        self._writer = ReplyWriter(about)

    def write(self, event: Event) -> bytes:
        """The event that tells of `event`, if there is something to tell now."""
        chunk = _write_failure(event) if isinstance(event, Failed) else self._writer.write(event)
        return b"" if chunk is None else write_data(dumps(chunk))


class _ArrayStream:
    def __init__(self, about: About) -> None:
        self._writer = ReplyWriter(about)
        self._between = b"["

    def write(self, event: Event) -> bytes:
        """The item that tells of `event`, if there is something to tell now; with the last, the end of the array."""
        failed = isinstance(event, Failed)
        chunk = _write_failure(event) if isinstance(event, Failed) else self._writer.write(event)
        if chunk is None:
            return b""
        item = self._between + dumps(chunk) + b"\n"
        self._between = b","
        return item + b"]" if failed or "finishReason" in chunk["candidates"][0] else item


def _write_failure(failed: Failed) -> dict[str, Json]:
    return error_object(
        UpstreamError(failed.message, status=failed.status, body=failed.body, type=failed.type, code=failed.code)
    )
