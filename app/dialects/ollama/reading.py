"""A provider's reply read object by object: a whole one is a single object, a stream one object a line."""

from collections.abc import Iterator, Mapping

from app.core.errors import UpstreamInvalid
from app.core.events import (
    Event,
    Finished,
    FinishReason,
    ImageMade,
    ReasoningDelta,
    ReasoningSigned,
    Started,
    TextDelta,
    ToolCallDelta,
    ToolCallStarted,
)
from app.core.jsonio import Json
from app.dialects.ollama.calls import read_call
from app.dialects.ollama.errors import read_failure
from app.dialects.ollama.extension import read_citations, read_redacted, read_signature
from app.dialects.ollama.images import read_image
from app.dialects.ollama.times import read_time
from app.dialects.ollama.usage import read_usage
from app.dialects.think_tag import ThinkTag

# `load` and `unload` end a reply that only moved a model; the last four are no words of Ollama's own, but of others that
# speak its dialect, this gateway among them.
_REASONS: dict[str, FinishReason] = {
    "stop": "stop",
    "length": "length",
    "load": "stop",
    "unload": "stop",
    "tool_calls": "tool_calls",
    "content_filter": "content_filter",
    "refusal": "refusal",
    "pause": "pause",
}


class ObjectReader:
    """The events that the objects of one reply tell of, whichever endpoint they are from.

    Attributes:
        started: something of the reply has come.
        ended: the last object has come.
    """

    def __init__(self) -> None:
        self.started = False
        self.ended = False
        self._call_ids: set[str] = set()
        self._think = ThinkTag()  # older servers leave the tags in the text

    def read(self, document: Json) -> list[Event]:
        """The events of the next object; none where it is of a kind that we do not know.

        Raises:
            UpstreamInvalid: it is no object, or a field of it is not what it must be.
        """
        if not isinstance(document, dict):
            raise UpstreamInvalid("The provider sent something that is no JSON object.")
        if document.get("error"):
            self.ended = True
            return [*self._start(document), read_failure(document)]
        said, done = find_said(document), document.get("done") is True
        if said is None and not done:
            return []
        events = [*self._start(document), *self._read_said(said or {})]
        if done:
            events += read_citations(document)
            events += self.finish(document)
        return events

    def finish(self, document: Mapping[str, Json]) -> list[Event]:
        """The last event, as the last object has it; an empty one stands for a last object that never came."""
        self.ended = True
        held = self._think.close()
        word = document.get("done_reason")
        reason = _REASONS.get(word, "stop") if isinstance(word, str) else "stop"
        if reason == "stop" and self._call_ids:
            reason = "tool_calls"
        return [*held, Finished(reason, read_usage(document))]

    def _start(self, document: Mapping[str, Json]) -> list[Event]:
        if self.started:
            return []
        self.started = True
        model = document.get("model")
        named = model if isinstance(model, str) and model else None
        return [Started(model=named, created=read_time(document.get("created_at")))]

    def _read_said(self, said: Mapping[str, Json]) -> Iterator[Event]:
        if not self._think.over and any(said.get(key) for key in said if key not in ("role", "content")):
            yield from self._think.close()
        if thinking := _text(said, "thinking"):
            yield ReasoningDelta(thinking)
        if signature := read_signature(said.get("thinking_signature")):
            yield ReasoningSigned(signature)
        for redacted in read_redacted(said):
            yield ReasoningSigned(redacted, redacted=True)
        if content := _text(said, "content"):
            yield from [TextDelta(content)] if self._think.over else self._think.feed(content)
        for data in _list(said, "images"):
            if not isinstance(data, str):
                raise UpstreamInvalid("The provider sent a picture that is no text.")
            yield ImageMade(read_image(data))
        for value in _list(said, "tool_calls"):
            index = len(self._call_ids)  # counted here: what a server says is often 0 for all
            call = read_call(value, self._call_ids)
            yield ToolCallStarted(index, call.id, call.name, call.signature)
            yield ToolCallDelta(index, call.arguments)


def find_said(document: Mapping[str, Json]) -> Mapping[str, Json] | None:
    """What an object says: chat's `message`, or the like made of generate's fields; None where it says nothing.

    Raises:
        UpstreamInvalid: `message` is no object.
    """
    message = document.get("message")
    if isinstance(message, dict):
        return message
    if message is not None:
        raise UpstreamInvalid("The provider sent a message that is no object.")
    if "response" not in document:
        return None
    image = document.get("image")
    return {**document, "content": document["response"], "images": [image] if image else None}


def _text(said: Mapping[str, Json], key: str) -> str:
    value = said.get(key)
    if value is not None and not isinstance(value, str):
        raise UpstreamInvalid(f"The provider sent a {key!r} that is no text.")
    return value or ""


def _list(said: Mapping[str, Json], key: str) -> list[Json]:
    value = said.get(key)
    if value is not None and not isinstance(value, list):
        raise UpstreamInvalid(f"The provider sent {key!r} that are no list.")
    return value or []
