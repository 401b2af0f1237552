"""Streams of chat chunks: a provider's read into events, and a client's written from them."""

from collections.abc import Callable
from typing import Protocol

from app.core.chat import Reasoning
from app.core.errors import UpstreamCut, UpstreamError, UpstreamInvalid
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
from app.core.usage import NO_USAGE, Usage
from app.dialects.dialect import About
from app.dialects.framing import EventBuffer, read_data, split_events, write_data
from app.dialects.openai.answer import is_legacy, write_call, write_images, write_reason
from app.dialects.openai.chunks import ChunkReader
from app.dialects.openai.citations import write_annotation
from app.dialects.openai.errors import write_error_event
from app.dialects.openai.reasoning import write_details
from app.dialects.openai.stream import DONE
from app.dialects.openai.usage import write_usage

_DONE_EVENT = write_data(DONE)
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_END_OF_CHUNK = b',"finish_reason":null}]}\n\n'


class Chunks(Protocol):
    """Reads chunks, one after the other.

    Attributes:
        opened: a chunk with a choice has come.
        finished: the answer's end has come; usage may follow.
    """

    opened: bool
    finished: bool

    def take(self, chunk: dict[str, Json]) -> list[Event]:
        """The events of one chunk. Raises `UpstreamError` where it tells of an error, and `UpstreamInvalid`."""

    def close(self) -> list[Event]:
        """The last events."""

    def counted(self) -> Usage | None:
        """What the provider has counted up to now."""


class ChatEventReader:
    """Reads a provider's stream, as it came or as the pass-through puts it right; see `EventReader`.

    Args:
        chunks: what reads them where they are no chat's.
    """

    def __init__(self, chunks: Chunks | None = None) -> None:
        self.ended = False
        self._buffer = EventBuffer()
        self._chunks: Chunks = chunks or ChunkReader()
        self._begun = False

    def feed(self, data: bytes) -> list[Event]:
        """The events that `data` completes."""
        block = self._buffer.feed(data)
        if self.ended or not block:
            return []
        return self._read(block)

    def close(self, *, certain: bool) -> list[Event]:
        """What was held back. A finish reason is a proper end, and so is a body that is known to be whole."""
        return [] if self.ended else self._close(certain=certain)

    def counted(self) -> Usage | None:
        """As `EventReader.counted`."""
        return self._chunks.counted()

    def _close(self, *, certain: bool) -> list[Event]:
        rest = self._buffer.rest()
        try:
            events = self._read(rest + b"\n\n") if rest.strip() else []
        except UpstreamInvalid:
            raise UpstreamCut("The provider's stream ended in the midst of an event.") from None
        if self.ended:
            return events
        if not (self._chunks.finished or (certain and self._chunks.opened)):
            raise UpstreamCut("The provider's stream ended before its answer did.")
        self.ended = True
        return events + self._chunks.close()

    def _read(self, block: bytes) -> list[Event]:
        if not self._begun:
            self._begun = True
            block = block.removeprefix(_BYTE_ORDER_MARK)
        # Where lines end at LF, as they mostly do, the standard's rules come to something simple.
        events: list[Event] = []
        for event in block.split(b"\n\n") if block.find(b"\r") < 0 else split_events(block):
            if not event:
                continue
            plain = event.startswith(b"data: ") and event.find(b"\n") < 0 and event.find(b"\r") < 0
            data = event[6:] if plain else read_data(event)
            if data is not None:
                events += self._read_data(data)
            if self.ended:
                break
        return events

    def _read_data(self, data: bytes) -> list[Event]:
        try:
            chunk = loads_repaired(data)
        except InvalidJson:
            return self._read_word(data.strip())
        if not isinstance(chunk, dict):
            raise UpstreamInvalid("The provider sent an event that is no JSON object.")
        try:
            return self._chunks.take(chunk)
        except UpstreamError as error:
            self.ended = True
            return [Failed(error.message, error.status, _own_type(error), error.code, error.body)]

    def _read_word(self, word: bytes) -> list[Event]:
        if not word:
            return []
        if word != DONE:
            raise UpstreamInvalid("The provider sent an event that is no JSON object.")
        self.ended = True
        return self._chunks.close()


class ChatEventWriter:
    """Writes a stream of chat chunks; see `EventWriter`."""

    def __init__(self, about: About) -> None:
        self._about = about
        self._legacy = is_legacy(about.payload)
        self._head = b""
        self._text_head = b""
        self._annotations: list[Json] = []
        self._thought: list[str] = []
        self._details = 0
        self._images = 0
        self._without_arguments: list[int] = []
        self._refused = False
        self._writers: dict[type[Event], Callable[..., bytes]] = {
            Started: self._start,
            ReasoningDelta: self._write_reasoning,
            ReasoningSigned: self._write_signature,
            RefusalDelta: self._write_refusal,
            ToolCallStarted: self._write_call,
            ToolCallDelta: self._write_arguments,
            ImageMade: self._write_image,
            Citation: self._keep_citation,
            Finished: self._finish,
            Failed: self._fail,
        }

    def write(self, event: Event) -> bytes:
        """The bytes that tell of `event`."""
        if type(event) is TextDelta:
            return self._text_head + dumps(event.text) + b"}" + _END_OF_CHUNK
        return self._writers[type(event)](event)

    def _start(self, event: Started) -> bytes:
        about = self._about
        envelope = {
            "id": event.id or f"chatcmpl-{about.call_id}",
            "object": "chat.completion.chunk",
            "created": event.created or about.created,
            "model": event.model or about.model,
        }
        self._head = b"data: " + dumps(envelope)[:-1] + b","
        self._text_head = self._head + b'"choices":[{"index":0,"delta":{"content":'
        return self._write_delta({"role": "assistant", "content": "", "refusal": None})

    def _write_delta(self, delta: dict[str, Json]) -> bytes:
        return self._head + b'"choices":[{"index":0,"delta":' + dumps(delta) + _END_OF_CHUNK

    def _write_reasoning(self, event: ReasoningDelta) -> bytes:
        self._thought.append(event.text)
        return self._write_delta({"reasoning_content": event.text})

    def _write_signature(self, event: ReasoningSigned) -> bytes:
        """The proof, and with it the text that it proves: a client sends the list back as it is."""
        if event.redacted:
            piece = Reasoning(redacted=event.signature, id=event.id)
        else:
            piece = Reasoning("".join(self._thought), event.signature, id=event.id)
        self._thought.clear()
        details = write_details([piece], self._details)
        self._details += 1
        return self._write_delta({"reasoning_details": details})

    def _write_refusal(self, event: RefusalDelta) -> bytes:
        self._refused = True
        return self._write_delta({"refusal": event.text})

    def _write_call(self, event: ToolCallStarted) -> bytes:
        self._without_arguments.append(event.index)
        if self._legacy:
            return (
                self._write_delta({"function_call": {"name": event.name, "arguments": ""}}) if not event.index else b""
            )
        call = write_call(event.id, event.name, "", event.signature)
        return self._write_delta({"tool_calls": [{"index": event.index, **call}]})

    def _write_arguments(self, event: ToolCallDelta) -> bytes:
        if event.arguments and event.index in self._without_arguments:
            self._without_arguments.remove(event.index)
        function = {"arguments": event.arguments}
        if self._legacy:
            return self._write_delta({"function_call": function}) if not event.index else b""
        return self._write_delta({"tool_calls": [{"index": event.index, "function": function}]})

    def _write_image(self, event: ImageMade) -> bytes:
        images = write_images([event.image], self._images)
        self._images += len(images)
        return self._write_delta({"images": images}) if images else b""

    def _keep_citation(self, event: Citation) -> bytes:
        self._annotations.append(write_annotation(event))
        return b""

    def _finish(self, event: Finished) -> bytes:
        # Clients decode what has come, also of a call without any.
        out = b"".join([self._write_arguments(ToolCallDelta(index, "{}")) for index in [*self._without_arguments]])
        if self._annotations:
            out += self._write_delta({"annotations": self._annotations})
        reason = write_reason(event.reason, refused=self._refused, legacy=self._legacy)
        choice = {"index": 0, "delta": {}, "finish_reason": reason}
        out += self._head + b'"choices":' + dumps([choice]) + b"}\n\n"
        if self._about.wants_usage:
            usage = write_usage(event.usage or NO_USAGE)
            out += self._head + b'"choices":[],"usage":' + dumps(usage) + b"}\n\n"
        return out + _DONE_EVENT

    @staticmethod
    def _fail(event: Failed) -> bytes:
        error = UpstreamError(event.message, status=event.status, body=event.body, type=event.type, code=event.code)
        return write_error_event(error) + _DONE_EVENT


def _own_type(error: UpstreamError) -> str | None:
    """The type as the provider gave it."""
    return None if error.type == UpstreamError.type else error.type
