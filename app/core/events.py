"""A reply in no dialect: what happens in one, in its order, and what it comes to in all.

A whole reply is the fold of its events, so a dialect's way to read and write one is the same for streams and for whole replies.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from app.core.chat import Image, Reasoning, Refusal, Signature, Text, ToolCall
from app.core.frozen import frozen
from app.core.jsonio import Json
from app.core.usage import NO_USAGE, Usage

FinishReason = Literal["stop", "length", "tool_calls", "content_filter", "refusal", "pause"]
"""Why a reply ended. `pause` is Anthropic's `pause_turn`: send it back to go on."""


@frozen
class Started:
    """The first event. `created` is in seconds since the epoch. What the provider did not say is None."""

    id: str | None = None
    model: str | None = None
    created: int | None = None


@frozen
class TextDelta:
    """More of the answer's text."""

    text: str


@frozen
class ReasoningDelta:
    """More of what the model thinks. `id` is the item's, where the provider names it."""

    text: str
    id: str | None = None


@frozen
class ReasoningSigned:
    """The piece of reasoning that came before is over, and this is its signature; with `redacted`, the piece itself."""

    signature: Signature
    redacted: bool = False
    id: str | None = None


@frozen
class RefusalDelta:
    """More of the words of a refusal."""

    text: str


@frozen
class ToolCallStarted:
    """A tool is called; its arguments follow. `index` counts the calls of one reply from 0."""

    index: int
    id: str
    name: str
    signature: Signature | None = None


@frozen
class ToolCallDelta:
    """More of the text of the arguments of the call `index`."""

    index: int
    arguments: str


@frozen
class ImageMade:
    """The model made a picture."""

    image: Image


@frozen
class Citation:
    """A source of the answer. `text` is what is quoted of it; `start` and `end` tell the characters of the answer that it backs."""

    url: str
    title: str | None = None
    text: str | None = None
    start: int | None = None
    end: int | None = None


@frozen
class Finished:
    """The last event of a reply that did not fail. `stop_sequence` is the one that ended it, where the provider says so."""

    reason: FinishReason
    usage: Usage | None = None
    stop_sequence: str | None = None


@frozen
class Failed:
    """The last event of a stream in which the provider reported an error, in its words.

    `status` is what the error would have had as a response; `body` the provider's error object.
    """

    message: str
    status: int = 502
    type: str | None = None
    code: str | None = None
    body: Mapping[str, Json] | None = None


Event = (
    Started
    | TextDelta
    | ReasoningDelta
    | ReasoningSigned
    | RefusalDelta
    | ToolCallStarted
    | ToolCallDelta
    | ImageMade
    | Citation
    | Finished
    | Failed
)

AnswerPart = Text | Reasoning | Refusal | ToolCall | Image


@frozen
class Completion:
    """A whole reply: the parts of the answer in their order."""

    id: str | None
    model: str | None
    created: int | None
    parts: tuple[AnswerPart, ...]
    citations: tuple[Citation, ...]
    reason: FinishReason
    usage: Usage
    stop_sequence: str | None = None

    @property
    def text(self) -> str:
        """All text of the answer."""
        return "".join([part.text for part in self.parts if isinstance(part, Text)])

    @property
    def reasoning(self) -> str:
        """All readable reasoning."""
        return "".join([part.text for part in self.parts if isinstance(part, Reasoning)])

    @property
    def refusal(self) -> str:
        """The words of a refusal; empty where there is none."""
        return "".join([part.text for part in self.parts if isinstance(part, Refusal)])

    @property
    def tool_calls(self) -> tuple[ToolCall, ...]:
        """The tools that are called."""
        return tuple(part for part in self.parts if isinstance(part, ToolCall))


def fold(events: Iterable[Event]) -> Completion:
    """What `events` come to. They hold no `Failed`; where `Finished` is missing, the reply is taken as stopped."""
    folding = _Folding()
    for event in events:
        folding.take(event)
    return folding.done()


def unfold(completion: Completion) -> Iterator[Event]:
    """Events that fold to `completion`: each part in one piece."""
    yield Started(completion.id, completion.model, completion.created)
    index = 0
    for part in completion.parts:
        match part:
            case Text():
                yield TextDelta(part.text)
            case Refusal():
                yield RefusalDelta(part.text)
            case Image():
                yield ImageMade(part)
            case Reasoning():
                if part.text:
                    yield ReasoningDelta(part.text, part.id)
                if part.signature is not None:
                    yield ReasoningSigned(part.signature, id=part.id)
                if part.redacted is not None:
                    yield ReasoningSigned(part.redacted, redacted=True, id=part.id)
            case ToolCall():
                yield ToolCallStarted(index, part.id, part.name, part.signature)
                yield ToolCallDelta(index, part.arguments)
                index += 1
    yield from completion.citations
    yield Finished(completion.reason, completion.usage, completion.stop_sequence)


@dataclass(slots=True)
class _OpenCall:
    """A tool call whose arguments are still coming."""

    started: ToolCallStarted
    arguments: list[str] = field(default_factory=list)

    def close(self) -> ToolCall:
        return ToolCall(
            self.started.id, self.started.name, "".join(self.arguments) or "{}", signature=self.started.signature
        )


class _Folding:
    def __init__(self) -> None:
        self._started = Started()
        self._parts: list[Text | Reasoning | Refusal | Image | _OpenCall] = []
        self._calls: dict[int, _OpenCall] = {}
        self._citations: list[Citation] = []
        self._finished = Finished("stop")

    def take(self, event: Event) -> None:
        parts = self._parts
        last = parts[-1] if parts else None
        match event:
            case TextDelta():
                _append(parts, Text(last.text + event.text) if isinstance(last, Text) else Text(event.text), last)
            case ReasoningDelta():
                if isinstance(last, Reasoning) and last.signature is None and last.redacted is None:
                    parts[-1] = Reasoning(last.text + event.text, id=last.id or event.id)
                else:
                    parts.append(Reasoning(event.text, id=event.id))
            case ReasoningSigned(redacted=True):
                parts.append(Reasoning(redacted=event.signature, id=event.id))
            case ReasoningSigned():
                if isinstance(last, Reasoning) and last.signature is None and last.redacted is None:
                    parts[-1] = Reasoning(last.text, event.signature, id=last.id or event.id)
                else:
                    parts.append(Reasoning(signature=event.signature, id=event.id))
            case RefusalDelta():
                _append(
                    parts, Refusal(last.text + event.text) if isinstance(last, Refusal) else Refusal(event.text), last
                )
            case ToolCallStarted():
                self._calls[event.index] = call = _OpenCall(event)
                parts.append(call)
            case ToolCallDelta():
                self._calls[event.index].arguments.append(event.arguments)
            case ImageMade():
                parts.append(event.image)
            case Citation():
                self._citations.append(event)
            case Started():
                self._started = event
            case Finished():
                self._finished = event
            case Failed():
                raise ValueError("a reply that failed comes to nothing")

    def done(self) -> Completion:
        started, finished = self._started, self._finished
        return Completion(
            id=started.id,
            model=started.model,
            created=started.created,
            parts=tuple(part.close() if isinstance(part, _OpenCall) else part for part in self._parts),
            citations=tuple(self._citations),
            reason=finished.reason,
            usage=finished.usage or NO_USAGE,
            stop_sequence=finished.stop_sequence,
        )


def _append(parts: "list[Text | Reasoning | Refusal | Image | _OpenCall]", part: Text | Refusal, last: object) -> None:
    """Put `part` in the place of `last` where it goes on with it, else behind it."""
    if type(part) is type(last):
        parts[-1] = part
    else:
        parts.append(part)


def merge(events: Sequence[Event]) -> list[Event]:
    """The same events with neighbouring deltas of one kind joined: equal for two streams that say the same."""
    merged: list[Event] = []
    for event in events:
        last = merged[-1] if merged else None
        match last, event:
            case TextDelta(before), TextDelta(after):
                merged[-1] = TextDelta(before + after)
            case RefusalDelta(before), RefusalDelta(after):
                merged[-1] = RefusalDelta(before + after)
            case ReasoningDelta(before, first), ReasoningDelta(after, second) if first == second:
                merged[-1] = ReasoningDelta(before + after, first)
            case ToolCallDelta(one, before), ToolCallDelta(other, after) if one == other:
                merged[-1] = ToolCallDelta(one, before + after)
            case _:
                merged.append(event)
    return merged
