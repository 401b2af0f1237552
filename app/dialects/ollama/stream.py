"""Streams: one JSON object a line, the last of them with `done` true."""

import time
from collections.abc import Iterator
from dataclasses import dataclass, field

from app.core.chat import ToolCall
from app.core.errors import UpstreamCut, UpstreamInvalid
from app.core.events import (
    Citation,
    Event,
    Failed,
    Finished,
    ImageMade,
    ReasoningDelta,
    ReasoningSigned,
    RefusalDelta,
    Started,
    TextDelta,
    ToolCallDelta,
    ToolCallStarted,
)
from app.core.jsonio import InvalidJson, Json, dumps, loads_repaired
from app.core.usage import Usage
from app.dialects.dialect import About
from app.dialects.ollama.calls import object_of, write_call
from app.dialects.ollama.extension import for_client, write_citations
from app.dialects.ollama.lines import LineBuffer
from app.dialects.ollama.reading import ObjectReader
from app.dialects.ollama.times import took_ns
from app.dialects.ollama.writing import Enclose, Envelope, enclose_chat, enclose_generate, write_end, write_image


class StreamReader:
    """Reads a provider's stream, of either endpoint, fed in any pieces.

    Attributes:
        ended: the stream has said that it is over.
    """

    def __init__(self) -> None:
        self.ended = False
        self._buffer = LineBuffer()
        self._reader = ObjectReader()

    def feed(self, data: bytes) -> list[Event]:
        """The events that `data` completes; none after the last.

        Raises:
            UpstreamInvalid: a line is no JSON object, or not of this dialect.
        """
        events: list[Event] = []
        for line in self._buffer.feed(data):
            if self.ended:
                return events
            try:
                document = loads_repaired(line)
            except InvalidJson:
                raise UpstreamInvalid("The provider sent a line that is not valid JSON.") from None
            events += self._reader.read(document)
            self.ended = self._reader.ended
        return events

    def close(self, *, certain: bool) -> list[Event]:
        """The last events. A last line without LF counts: cut short, it would be no JSON object.

        Args:
            certain: the transport knows that the body is whole; then an end without a last object is taken for one.

        Raises:
            UpstreamCut: the stream has no proper end.
            UpstreamInvalid: its last line is not of this dialect.
        """
        if self.ended:
            return []
        events: list[Event] = []
        if rest := self._buffer.rest():
            try:
                document = loads_repaired(rest)
            except InvalidJson:
                raise UpstreamCut("The provider's stream ended in the midst of a line.") from None
            events += self._reader.read(document)
        if not self._reader.ended:
            if not (certain and self._reader.started):
                raise UpstreamCut("The provider's stream ended before its answer did.")
            events += self._reader.finish({})
        self.ended = True
        return events

    def counted(self) -> Usage | None:
        """As `EventReader.counted`: nothing before the end."""
        return None


@dataclass(slots=True)
class _OpenCall:
    """A tool call whose arguments may not be complete."""

    started: ToolCallStarted
    pieces: list[str] = field(default_factory=list)


class StreamWriter:
    """Writes a stream for a client: a line a delta, and one for each tool call when its arguments are complete.

    Durations are counted from when the call came.
    """

    def __init__(self, about: About, enclose: Enclose) -> None:
        self._envelope = Envelope(about, enclose)
        self._began_ns = time.monotonic_ns() - took_ns(about)
        self._first_ns: int | None = None
        self._open_calls: dict[int, _OpenCall] = {}
        self._citations: list[Citation] = []

    def write(self, event: Event) -> bytes:
        """The lines that tell of `event`. Sources are told in the last line, which is the only one with `done` true."""
        match event:
            case Started():
                self._envelope.name(event.model, event.created)
                return b""
            case Citation():
                self._citations.append(event)
                return b""
            case Failed():
                return dumps({"error": event.message}) + b"\n"
            case Finished():
                return b"".join(self._close_calls()) + self._end(event)
        match event:
            case ToolCallStarted():
                self._note_first()
                lines = b"".join(self._close_calls(only_complete=True))
                self._open_calls[event.index] = _OpenCall(event)
                return lines
            case ToolCallDelta():
                self._open_calls[event.index].pieces.append(event.arguments)
                return b""
            case TextDelta() | RefusalDelta():
                said: dict[str, Json] = {"content": event.text}
            case ReasoningDelta():
                said = {"thinking": event.text}
            case ReasoningSigned(redacted=True):
                said = {"thinking_redacted": [for_client(event.signature)]}
            case ReasoningSigned():
                said = {"thinking_signature": for_client(event.signature)}
            case ImageMade():
                said = write_image(event.image)
        if not any(said.values()):
            return b""
        self._note_first()
        return b"".join([*self._close_calls(), self._line(said)])

    def _note_first(self) -> None:
        if self._first_ns is None:
            self._first_ns = time.monotonic_ns()

    def _close_calls(self, *, only_complete: bool = False) -> Iterator[bytes]:
        """The lines of the open calls in their order, up to the first whose arguments may go on if `only_complete`."""
        for index, call in list(self._open_calls.items()):
            arguments = "".join(call.pieces)
            if only_complete and (not arguments or object_of(arguments) is None):
                return
            del self._open_calls[index]
            started = call.started
            whole = ToolCall(started.id, started.name, arguments or "{}", signature=started.signature)
            yield self._line({"tool_calls": [write_call(whole, index)]})

    def _end(self, finished: Finished) -> bytes:
        total_ns = time.monotonic_ns() - self._began_ns
        first_ns = total_ns if self._first_ns is None else self._first_ns - self._began_ns
        end = write_end(finished, total_ns=total_ns, first_ns=first_ns)
        return self._line({}, {**end, **write_citations(self._citations)})

    def _line(self, said: dict[str, Json], further: dict[str, Json] | None = None) -> bytes:
        return dumps(self._envelope.write(said, further)) + b"\n"


def write_stream(about: About) -> StreamWriter:
    """The writer of one stream of /api/chat."""
    return StreamWriter(about, enclose_chat)


def write_generate_stream(about: About) -> StreamWriter:
    """The writer of one stream of /api/generate."""
    return StreamWriter(about, enclose_generate)
