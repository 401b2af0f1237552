"""The stream of a message for a client: one block at a time, each closed before the next begins."""

from dataclasses import dataclass, field
from typing import Literal

from app.core.events import (
    Citation,
    Event,
    Failed,
    Finished,
    ReasoningDelta,
    ReasoningSigned,
    RefusalDelta,
    Started,
    TextDelta,
    ToolCallDelta,
    ToolCallStarted,
)
from app.core.jsonio import InvalidJson, Json, loads
from app.dialects.anthropic.asked import named_model
from app.dialects.anthropic.citations import write_citation
from app.dialects.anthropic.errors import write_event, write_failure
from app.dialects.anthropic.names import NAME
from app.dialects.anthropic.signed_calls import wrap_call
from app.dialects.anthropic.stops import write_stop
from app.dialects.anthropic.usage import write_usage
from app.dialects.dialect import About
from app.dialects.signatures import UNSIGNED, wrap


@dataclass(slots=True)
class _Call:
    """A tool call, and of its arguments all that came so far."""

    started: ToolCallStarted
    arguments: list[str] = field(default_factory=list)

    def is_whole(self) -> bool:
        """Whether the arguments are a JSON object, so that no more can come."""
        text = "".join(self.arguments).strip()
        if not text.endswith("}"):
            return False
        try:
            return isinstance(loads(text), dict)
        except InvalidJson:
            return False


class MessageWriter:
    """Writes a stream for a client; see `EventWriter`.

    Other APIs tell of several tool calls by turns. What comes while a call is open whose arguments are not whole yet waits
    until they are, or until the reply ends.
    """

    def __init__(self, about: About) -> None:
        self._about = about
        self._index = -1
        self._open: Literal["text", "thinking", "call"] | None = None
        self._call: _Call | None = None
        self._calls: dict[int, _Call] = {}
        self._waiting: list[Event] = []
        self._citations: list[Citation] = []
        self._refused = False

    def write(self, event: Event) -> bytes:
        """The bytes that tell of `event`, and after the last one all that ends the stream."""
        match event:
            case Started():
                return self._start(event)
            case Finished():
                return self._finish(event)
            case Failed():
                return write_failure(event)
            case ToolCallDelta():
                return self._add_arguments(event)
            case ToolCallStarted():
                self._calls[event.index] = _Call(event)
            case TextDelta(text="") | RefusalDelta(text="") | ReasoningDelta(text=""):
                return b""
        if self._waiting or not self._may_go_on():
            self._waiting.append(event)
            return b""
        return self._put(event)

    def _start(self, started: Started) -> bytes:
        message: dict[str, Json] = {
            "id": started.id or f"msg_{self._about.call_id}",
            "type": "message",
            "role": "assistant",
            "model": named_model(self._about, started.model),
            "content": [],
            "stop_reason": None,
            "stop_sequence": None,
            "usage": write_usage(None),  # the numbers come with the end
        }
        return write_event("message_start", {"type": "message_start", "message": message})

    def _finish(self, finished: Finished) -> bytes:
        out = self._go_on(at_any_rate=True)
        if self._citations:
            out += self._switch("text")
        stop = write_stop(finished.reason, finished.stop_sequence, refused=self._refused)
        document = {
            "type": "message_delta",
            "delta": {"stop_reason": stop, "stop_sequence": finished.stop_sequence},
            "usage": write_usage(finished.usage),
        }
        return (
            out
            + self._close()
            + write_event("message_delta", document)
            + write_event("message_stop", {"type": "message_stop"})
        )

    def _add_arguments(self, delta: ToolCallDelta) -> bytes:
        call = self._calls.get(delta.index)
        if call is None or not delta.arguments:
            return b""
        call.arguments.append(delta.arguments)
        if call is not self._call:
            return b""
        out = self._delta("input_json_delta", partial_json=delta.arguments)
        return out + self._go_on() if self._waiting else out

    def _may_go_on(self) -> bool:
        return self._call is None or self._call.is_whole()

    def _go_on(self, *, at_any_rate: bool = False) -> bytes:
        """Write what has waited."""
        out = b""
        while self._waiting and (at_any_rate or self._may_go_on()):
            out += self._put(self._waiting.pop(0))
        return out

    def _put(self, event: Event) -> bytes:
        match event:
            case TextDelta():
                return self._switch("text") + self._delta("text_delta", text=event.text)
            case RefusalDelta():
                self._refused = True
                return self._switch("text") + self._delta("text_delta", text=event.text)
            case ReasoningDelta():
                return self._switch("thinking") + self._delta("thinking_delta", thinking=event.text)
            case ReasoningSigned(redacted=True):
                return self._redacted(wrap(event.signature, NAME))
            case ReasoningSigned():
                return self._switch("thinking") + self._sign(wrap(event.signature, NAME))
            case ToolCallStarted():
                return self._begin_call(self._calls[event.index])
            case Citation():
                self._citations.append(event)
                return self._cite() if self._open == "text" else b""
            case _:
                return b""  # a picture, for which there is no block

    def _begin_call(self, call: _Call) -> bytes:
        out, started = b"", call.started
        if started.signature is not None:
            out = self._redacted(wrap_call(started.signature))
        out += self._begin({"type": "tool_use", "id": started.id, "name": started.name, "input": {}})
        self._open, self._call = "call", call
        return out + self._delta("input_json_delta", partial_json="".join(call.arguments))

    def _redacted(self, data: str) -> bytes:
        return self._begin({"type": "redacted_thinking", "data": data}) + self._stop()

    def _switch(self, kind: Literal["text", "thinking"]) -> bytes:
        """Go on in a block of `kind`: the open one, or a new one."""
        if self._open == kind:
            return b""
        empty: dict[str, Json] = {"text": ""} if kind == "text" else {"thinking": "", "signature": ""}
        out = self._begin({"type": kind, **empty})
        self._open = kind
        return out + self._cite() if kind == "text" else out

    def _begin(self, block: dict[str, Json]) -> bytes:
        out = self._close()
        self._index += 1
        document = {"type": "content_block_start", "index": self._index, "content_block": block}
        return out + write_event("content_block_start", document)

    def _close(self) -> bytes:
        if self._open == "thinking":
            return self._sign(UNSIGNED)
        return self._stop() if self._open is not None else b""

    def _sign(self, signature: str) -> bytes:
        return self._delta("signature_delta", signature=signature) + self._stop()

    def _stop(self) -> bytes:
        self._open = self._call = None
        return write_event("content_block_stop", {"type": "content_block_stop", "index": self._index})

    def _cite(self) -> bytes:
        citations, self._citations = self._citations, []
        return b"".join([self._delta("citations_delta", citation=write_citation(citation)) for citation in citations])

    def _delta(self, kind: str, **fields: Json) -> bytes:
        document = {"type": "content_block_delta", "index": self._index, "delta": {"type": kind, **fields}}
        return write_event("content_block_delta", document)
