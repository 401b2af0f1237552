"""A message that a provider writes, event by event; a whole one is a stream whose blocks come in one piece."""

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field

from app.core.chat import Signature
from app.core.errors import UpstreamInvalid
from app.core.events import (
    Event,
    Finished,
    ReasoningDelta,
    ReasoningSigned,
    RefusalDelta,
    Started,
    TextDelta,
    ToolCallDelta,
    ToolCallStarted,
)
from app.core.jsonio import InvalidJson, Json, dumps
from app.core.usage import Usage
from app.dialects.anthropic.citations import read_citation
from app.dialects.anthropic.errors import read_failure
from app.dialects.anthropic.names import NAME
from app.dialects.anthropic.stops import read_stop
from app.dialects.anthropic.usage import read_usage
from app.dialects.signatures import UNSIGNED


@dataclass(slots=True)
class _Block:
    """A block that is being written.

    Attributes:
        start: the characters of text before it.
        call: which of the tool calls it is.
        given: the arguments of a tool call that came with its beginning; used where no others follow.
    """

    kind: str
    start: int
    call: int = 0
    given: str = ""
    signature: str = ""
    citations: list[Json] = field(default_factory=list)


class Answer:
    """Takes the decoded events of one message, and gives ours.

    What a model writes for the provider's own tools, and what these answer, is no part of an answer. Citations are told
    when their block is over, because only then it is known what they back.

    Attributes:
        ended: the message is over, or failed.
        stopped: it is told why it ended, so that nothing of weight is missing.
    """

    def __init__(self) -> None:
        self.ended = False
        self.stopped = False
        self._started = False
        self._blocks: dict[Json, _Block] = {}
        self._calls = 0
        self._characters = 0
        self._usage: dict[str, Json] = {}
        self._end: dict[str, Json] = {}

    def take(self, event: Mapping[str, Json]) -> list[Event]:
        """What `event` comes to; nothing where it is of an unknown kind.

        Raises:
            UpstreamInvalid: a tool is called without a name.
        """
        match event.get("type"):
            case "content_block_delta":
                return self._open() + self._add(event.get("index"), _object(event, "delta"))
            case "content_block_start":
                return self._open() + self._begin(event.get("index"), _object(event, "content_block"))
            case "content_block_stop":
                return self._close(event.get("index"))
            case "message_start":
                return self._open(_object(event, "message"))
            case "message_delta":
                self._end.update(_object(event, "delta"))
                self.stopped = self.stopped or self._end.get("stop_reason") is not None
                self._count(event)
                return self._open()
            case "message_stop":
                return self.finish()
            case "error":
                return self._fail(event)
            case None if "error" in event:  # as other APIs tell of one
                return self._fail(event)
        return []

    def finish(self) -> list[Event]:
        """The end of the message."""
        events = self._open()
        for index in list(self._blocks):
            events += self._close(index)
        reason, sequence = read_stop(self._end.get("stop_reason")), self._end.get("stop_sequence")
        explanation = _object(self._end, "stop_details").get("explanation")
        if reason == "refusal" and isinstance(explanation, str) and explanation:
            events.append(RefusalDelta(explanation))
        events.append(Finished(reason, self.counted(), stop_sequence=sequence if isinstance(sequence, str) else None))
        self.ended = True
        return events

    def counted(self) -> Usage | None:
        """What the provider has counted up to now."""
        return read_usage(self._usage)

    def _fail(self, event: Mapping[str, Json]) -> list[Event]:
        self.ended = True
        return [read_failure(event)]

    def _open(self, message: Mapping[str, Json] | None = None) -> list[Event]:
        if self._started:
            return []
        self._started = True
        message = message or {}
        self._count(message)
        return [Started(_text(message, "id") or None, _text(message, "model") or None)]

    def _count(self, holder: Mapping[str, Json]) -> None:
        """Later reports are totals, and tell only what has changed."""
        self._usage.update({key: value for key, value in _object(holder, "usage").items() if value is not None})

    def _begin(self, index: Json, content: Mapping[str, Json]) -> list[Event]:
        events = self._close(index)
        block = _Block(_text(content, "type"), self._characters)
        self._blocks[_key(index)] = block
        match block.kind:
            case "text":
                citations = content.get("citations")
                block.citations += citations if isinstance(citations, list) else []
                events += self._say(_text(content, "text"))
            case "thinking":
                block.signature = _text(content, "signature")
                events += _think(_text(content, "thinking"))
            case "redacted_thinking" if data := _text(content, "data"):
                events.append(ReasoningSigned(Signature(data, NAME), redacted=True))
            case "tool_use":
                name = _text(content, "name")
                if not name:
                    raise UpstreamInvalid("The provider called a tool without a name.")
                block.call, block.given = self._calls, _arguments(content.get("input"))
                self._calls += 1
                call_id = _text(content, "id") or f"call_{secrets.token_hex(12)}"
                events.append(ToolCallStarted(block.call, call_id, name))
        return events

    def _add(self, index: Json, delta: Mapping[str, Json]) -> list[Event]:
        block = self._blocks.get(_key(index))
        match delta.get("type"):
            case "text_delta":
                return self._say(_text(delta, "text"))
            case "thinking_delta":
                return _think(_text(delta, "thinking"))
            case "input_json_delta" if block is not None and block.kind == "tool_use":
                if arguments := _text(delta, "partial_json"):
                    block.given = ""
                    return [ToolCallDelta(block.call, arguments)]
            case "signature_delta" if block is not None:
                block.signature = _text(delta, "signature")
            case "citations_delta" if block is not None:
                block.citations.append(delta.get("citation"))
        return []

    def _close(self, index: Json) -> list[Event]:
        block = self._blocks.pop(_key(index), None)
        if block is None:
            return []
        events: list[Event] = []
        if block.kind == "thinking" and block.signature not in ("", UNSIGNED):
            events.append(ReasoningSigned(Signature(block.signature, NAME)))
        if block.kind == "tool_use" and block.given:
            events.append(ToolCallDelta(block.call, block.given))
        citations = [read_citation(value, block.start, self._characters) for value in block.citations]
        return events + [citation for citation in citations if citation is not None]

    def _say(self, text: str) -> list[Event]:
        self._characters += len(text)
        return [TextDelta(text)] if text else []


def _think(text: str) -> list[Event]:
    return [ReasoningDelta(text)] if text else []


def _arguments(given: Json) -> str:
    """The text of what came as an object; empty for an empty one, which in a stream only holds the place."""
    if not isinstance(given, dict) or not given:
        return given if isinstance(given, str) else ""
    try:
        return dumps(given).decode()
    except InvalidJson as exc:
        raise UpstreamInvalid(f"The provider called a tool with arguments that cannot be passed on: {exc}.") from None


def _key(index: Json) -> Json:
    """What a block is found by; some providers of this dialect tell no index, and have one block at a time."""
    return index if isinstance(index, int) else None


def _object(holder: Mapping[str, Json], key: str) -> Mapping[str, Json]:
    value = holder.get(key)
    return value if isinstance(value, dict) else {}


def _text(holder: Mapping[str, Json], key: str) -> str:
    value = holder.get(key)
    return value if isinstance(value, str) else ""
