"""What a provider's chunks say, as events; a whole reply is read as one chunk."""

from app.core.chat import Reasoning
from app.core.errors import UpstreamInvalid
from app.core.events import (
    Event,
    Finished,
    FinishReason,
    ImageMade,
    ReasoningDelta,
    ReasoningSigned,
    RefusalDelta,
    Started,
    TextDelta,
)
from app.core.jsonio import InvalidJson, Json
from app.core.usage import Usage
from app.dialects.openai.calls import CallReader
from app.dialects.openai.citations import Citations
from app.dialects.openai.failures import read_failure
from app.dialects.openai.media import read_image
from app.dialects.openai.reasoning import read_details
from app.dialects.openai.usage import read_usage
from app.dialects.think_tag import ThinkTag

_REASONS: dict[str, FinishReason] = {
    "stop": "stop",
    "eos": "stop",  # Together
    "end_turn": "stop",
    "length": "length",
    "max_tokens": "length",
    "model_length": "length",  # Mistral
    "insufficient_system_resource": "length",  # DeepSeek broke the answer off
    "tool_calls": "tool_calls",
    "function_call": "tool_calls",
    "tool_use": "tool_calls",
    "content_filter": "content_filter",
    "safety": "content_filter",
}


class ChunkReader:
    """Takes chunk after chunk; of several choices the first counts, all others being for who asked for them.

    Attributes:
        opened: a chunk with a choice has come.
        finished: the answer's end has come; usage may follow.
    """

    def __init__(self) -> None:
        self.opened = False
        self.finished = False
        self._usage: Json = None
        self._tier: Json = None
        self._reason = ""
        self._tag = ThinkTag()
        self._calls = CallReader()
        self._citations = Citations()
        self._thought = False
        self._refused = False

    def take(self, chunk: dict[str, Json]) -> list[Event]:
        """The events of one chunk.

        Raises:
            UpstreamError: it tells of an error.
            UpstreamInvalid: its choices are no list.
        """
        try:
            return self._take(chunk, whole=False)
        except InvalidJson as exc:
            raise UpstreamInvalid(f"The provider sent an event that cannot be read: {exc}.") from None

    def take_whole(self, reply: dict[str, Json]) -> list[Event]:
        """All events of a whole reply.

        Raises:
            UpstreamError: it is an error.
            UpstreamInvalid: it is no reply.
        """
        try:
            events = self._take(reply, whole=True)
        except InvalidJson as exc:
            raise UpstreamInvalid(f"The provider's reply cannot be read: {exc}.") from None
        if not self.opened:
            raise UpstreamInvalid("The provider's reply has no choice.")
        return events + self.close()

    def close(self) -> list[Event]:
        """The last events: what was held back, and the end."""
        events = [] if self.opened else self._open({})
        events += self._tag.close()
        events += self._calls.close()
        events.append(Finished(self._finish_reason(), self.counted()))
        return events

    def counted(self) -> Usage | None:
        """What the provider has counted up to now."""
        return read_usage(self._usage, self._tier)

    def _open(self, chunk: dict[str, Json]) -> list[Event]:
        self.opened = True
        created = chunk.get("created")
        return [
            Started(
                _text(chunk.get("id")) or None,
                _text(chunk.get("model")) or None,
                int(created) if isinstance(created, int | float) and 0 < created < 1 << 53 else None,
            )
        ]

    def _take(self, chunk: dict[str, Json], *, whole: bool) -> list[Event]:
        if usage := chunk.get("usage"):
            self._usage, self._tier = usage, chunk.get("service_tier")
        if chunk.get("error"):
            raise read_failure(chunk, {})
        choice = _first(chunk.get("choices"))
        if choice is None:
            if chunk.get("object") == "error":
                raise read_failure(chunk, {})
            return []
        reason = choice.get("finish_reason")
        if reason == "error" or choice.get("error"):
            raise read_failure(chunk, choice)
        events = [] if self.opened else self._open(chunk)
        if "citations" in chunk or "search_results" in chunk:
            events += self._citations.read_lists(chunk.get("citations"), chunk.get("search_results"))
        said = choice.get("message" if whole else "delta")
        if isinstance(said, dict):
            self._take_said(said, events, whole=whole)
        elif whole:
            raise UpstreamInvalid("The provider's reply has no message.")
        if reason and isinstance(reason, str):
            self._reason = reason
            self.finished = True
        return events

    def _take_said(self, delta: dict[str, Json], events: list[Event], *, whole: bool) -> None:
        content = delta.get("content")
        if len(delta) == ("content" in delta) + ("role" in delta):  # most chunks say nothing else
            if content:
                self._take_content(content, events)
            return
        thought = delta.get("reasoning_content") or delta.get("reasoning")
        details = delta.get("reasoning_details")
        if thought or details:
            self._take_reasoning(
                _text(thought), self._calls.take_proofs(read_details(details), delta.get("tool_calls")), events
            )
        if content:
            self._take_content(content, events)
        if refusal := _text(delta.get("refusal")):
            self._refused = True
            events += self._tag.close()
            events.append(RefusalDelta(refusal))
        if images := delta.get("images"):
            self._take_images(images, events)
        if calls := delta.get("tool_calls"):
            events += self._tag.close()
            events += self._calls.read(calls, whole=whole)
        if function := delta.get("function_call"):
            events += self._tag.close()
            events += self._calls.read_legacy(function)
        if annotations := delta.get("annotations"):
            events += self._citations.read_annotations(annotations)

    def _take_content(self, content: Json, events: list[Event]) -> None:
        if isinstance(content, str):
            if self._tag.over:
                events.append(TextDelta(content))
            else:
                events += self._tag.feed(content)
            return
        for part in content if isinstance(content, list) else ():
            self._take_part(part, events)

    def _take_part(self, part: Json, events: list[Event]) -> None:
        """Some content is a list of parts; Mistral's has what the model thought as one of them."""
        if not isinstance(part, dict):
            return
        kind = part.get("type")
        if kind == "thinking":
            thought = part.get("thinking")
            if isinstance(thought, list):
                thought = "".join([_text(piece.get("text")) for piece in thought if isinstance(piece, dict)])
            self._take_reasoning(_text(thought), [], events)
        elif kind == "image_url":
            self._take_images([part], events)
        elif text := _text(part.get("text")):
            self._take_content(text, events)

    def _take_reasoning(self, thought: str, pieces: list[Reasoning], events: list[Event]) -> None:
        """Text that is told both as a string and in details is told once: by the details, which say where a piece ends."""
        events += self._tag.close()
        detailed = "".join([piece.text for piece in pieces])
        if thought and thought != detailed:
            events.append(ReasoningDelta(thought))
        tell_texts = not self._thought if not thought else thought == detailed
        self._thought = self._thought or bool(thought)
        for piece in pieces:
            if piece.text and tell_texts:
                events.append(ReasoningDelta(piece.text, piece.id))
            if piece.signature is not None:
                events.append(ReasoningSigned(piece.signature, id=piece.id))
            if piece.redacted is not None:
                events.append(ReasoningSigned(piece.redacted, redacted=True, id=piece.id))

    def _take_images(self, images: Json, events: list[Event]) -> None:
        events += self._tag.close()
        for image in images if isinstance(images, list) else ():
            shown = image.get("image_url") if isinstance(image, dict) else None
            url = shown.get("url") if isinstance(shown, dict) else shown
            if isinstance(url, str) and url:
                events.append(ImageMade(read_image(url)))

    def _finish_reason(self) -> FinishReason:
        """By what was said where the provider's word does not fit: several say `stop` where tools are called."""
        reason = _REASONS.get(self._reason.lower(), "stop")
        if reason in ("stop", "tool_calls"):
            reason = "tool_calls" if self._calls.any else "stop"
        return "refusal" if reason == "stop" and self._refused else reason


def _first(choices: Json) -> dict[str, Json] | None:
    """The choice 0, which is the only one where none has a number."""
    if not choices:
        return None
    if not isinstance(choices, list):
        raise UpstreamInvalid("The provider sent a chunk whose choices are no list.")
    for choice in choices:
        if isinstance(choice, dict) and not choice.get("index"):
            return choice
    return None


def _text(value: Json) -> str:
    return value if isinstance(value, str) else ""
