"""A provider's stream of events, read; and one for a client, written."""

from collections.abc import Callable, Iterator

from app.core.errors import UpstreamCut, UpstreamInvalid
from app.core.events import Event
from app.core.jsonio import InvalidJson, Json, loads_repaired
from app.core.usage import Usage
from app.dialects.dialect import About
from app.dialects.framing import EventBuffer, is_event, read_data, split_events
from app.dialects.responses.arriving import Events, Fields, as_object
from app.dialects.responses.errors import read_failure
from app.dialects.responses.output import Output, read_started
from app.dialects.responses.wire import frame
from app.dialects.responses.written import Writing

_DONE = b"[DONE]"
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"


class ResponsesReader:
    """Reads a provider's stream, fed in any pieces; see `EventReader`. What it does not know, it skips."""

    def __init__(self) -> None:
        self.ended = False
        self._buffer = EventBuffer()
        self._output = Output()
        self._started = False
        self._read_any = False
        self._open: set[Json] = set()
        self._readers: dict[Json, Callable[[Json, Fields], Events]] = {
            "response.output_item.added": self._begin_item,
            "response.output_item.done": self._end_item,
            "response.content_part.added": self._begin_part,
            "response.content_part.done": self._end_part,
            "response.output_text.delta": self._add_text,
            "response.output_text.done": self._end_text,
            "response.output_text.annotation.added": self._annotate,
            "response.refusal.delta": self._add_refusal,
            "response.refusal.done": self._end_refusal,
            "response.reasoning_summary_text.delta": self._add_summary,
            "response.reasoning_summary_text.done": self._end_summary,
            "response.reasoning_text.delta": self._add_reasoning,
            "response.reasoning_text.done": self._end_reasoning,
            "response.function_call_arguments.delta": self._add_arguments,
            "response.function_call_arguments.done": self._end_arguments,
        }

    def feed(self, data: bytes) -> list[Event]:
        """The events that `data` completes.

        Raises:
            UpstreamInvalid: what came is no stream of responses.
        """
        block = self._buffer.feed(data)
        return [] if self.ended or not block else list(self._take_block(block))

    def close(self, *, certain: bool) -> list[Event]:
        """The last events. Without `response.completed` a reply is whole where the transport is certain, and each item was.

        Raises:
            UpstreamCut: the stream has no proper end.
        """
        rest = b"" if self.ended else self._buffer.rest()
        try:
            events = list(self._take_block(rest + b"\n\n")) if rest.strip() else []
        except UpstreamInvalid:
            raise UpstreamCut("The provider's stream ended in the midst of an event.") from None
        if self.ended:
            return events
        if not certain or not self._started or self._open:
            raise UpstreamCut("The provider's stream ended before its answer did.")
        self.ended = True
        return [*events, *self._output.end({})]

    def counted(self) -> Usage | None:
        """As `EventReader.counted`: nothing before the end."""
        return None

    def _take_block(self, block: bytes) -> Iterator[Event]:
        for event in split_events(block):
            if self.ended:
                return
            if not self._read_any:
                event = event.removeprefix(_BYTE_ORDER_MARK)
            data = read_data(event)
            if data is None and not self._read_any and not is_event(event):
                raise UpstreamInvalid("The provider's answer is no stream of events.")
            if data is None or not data.strip() or data.strip() == _DONE:
                continue
            self._read_any = True
            yield from self._take(_decode(data))

    def _take(self, event: Fields) -> Events:
        kind = event.get("type")
        response = as_object(event.get("response"))
        match kind:
            case "error" | None if kind or event.get("error"):
                self.ended = True
                yield read_failure(event)
            case "response.failed":
                self.ended = True
                yield read_failure(response)
            case "response.created" | "response.queued" | "response.in_progress":
                yield from self._start(response)
            case "response.completed" | "response.incomplete":
                yield from self._start(response)
                self.ended = True
                yield from self._output.end(response, incomplete=kind == "response.incomplete")
            case str() if kind in self._readers:
                yield from self._start({})
                yield from self._readers[kind](_key(event), event)

    def _start(self, response: Fields) -> Events:
        if not self._started:
            self._started = True
            yield read_started(response)

    def _begin_item(self, key: Json, event: Fields) -> Events:
        self._open.add(key)
        return self._output.begin_item(key, as_object(event.get("item")))

    def _end_item(self, key: Json, event: Fields) -> Events:
        self._open.discard(key)
        return self._output.end_item(key, as_object(event.get("item")))

    def _begin_part(self, key: Json, event: Fields) -> Events:
        refused = as_object(event.get("part")).get("type") == "refusal"
        return self._output.message(key).refuse("") if refused else iter(())

    def _end_part(self, key: Json, event: Fields) -> Events:
        part = as_object(event.get("part"))
        if part.get("type") == "reasoning_text":
            return self._output.reasoning(key).end_text("content", _place(event, "content_index"), part.get("text"))
        return self._output.message(key).end_part(_place(event, "content_index"), part)

    def _add_text(self, key: Json, event: Fields) -> Events:
        return self._output.message(key).add_text(_place(event, "content_index"), _delta(event))

    def _end_text(self, key: Json, event: Fields) -> Events:
        return self._output.message(key).end_text(_place(event, "content_index"), event.get("text"))

    def _annotate(self, key: Json, event: Fields) -> Events:
        return self._output.message(key).annotate(_place(event, "content_index"), event.get("annotation"))

    def _add_refusal(self, key: Json, event: Fields) -> Events:
        return self._output.message(key).add_refusal(_place(event, "content_index"), _delta(event))

    def _end_refusal(self, key: Json, event: Fields) -> Events:
        return self._output.message(key).end_refusal(_place(event, "content_index"), event.get("refusal"))

    def _add_summary(self, key: Json, event: Fields) -> Events:
        place = _place(event, "summary_index")
        return self._output.reasoning(key).add_text("summary", place, _delta(event), event.get("item_id"))

    def _end_summary(self, key: Json, event: Fields) -> Events:
        return self._output.reasoning(key).end_text("summary", _place(event, "summary_index"), event.get("text"))

    def _add_reasoning(self, key: Json, event: Fields) -> Events:
        place = _place(event, "content_index")
        return self._output.reasoning(key).add_text("content", place, _delta(event), event.get("item_id"))

    def _end_reasoning(self, key: Json, event: Fields) -> Events:
        return self._output.reasoning(key).end_text("content", _place(event, "content_index"), event.get("text"))

    def _add_arguments(self, key: Json, event: Fields) -> Events:
        return self._output.call(key).add_arguments(_delta(event))

    def _end_arguments(self, key: Json, event: Fields) -> Events:
        return self._output.call(key).end_arguments(event.get("arguments"))


class ResponsesWriter:
    """Writes a stream for a client; see `EventWriter`."""

    def __init__(self, about: About) -> None:
        self._writing = Writing(about)

    def write(self, event: Event) -> bytes:
        """The events that tell of `event`, each with its type also before its data."""
        return b"".join([frame(said) for said in self._writing.take(event)])


def _decode(data: bytes) -> Fields:
    try:
        event = loads_repaired(data)
    except InvalidJson:
        event = None
    if not isinstance(event, dict):
        raise UpstreamInvalid("The provider sent an event that is no JSON object.")
    return event


def _key(event: Fields) -> Json:
    """What tells the item of `event`: its place, or else its id."""
    index = event.get("output_index")
    if isinstance(index, int):
        return index
    name = event.get("item_id") or as_object(event.get("item")).get("id")
    return name if isinstance(name, str) else 0


def _place(event: Fields, key: str) -> int:
    index = event.get(key)
    return index if isinstance(index, int) else 0


def _delta(event: Fields) -> str:
    delta = event.get("delta")
    return delta if isinstance(delta, str) else ""
