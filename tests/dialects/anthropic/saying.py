"""What a reply says, as Anthropic's own SDK reads it and as the gateway does, to be compared."""

import json
from dataclasses import dataclass, field
from typing import Any

import httpx2
from anthropic import Anthropic
from anthropic.types import Message, RawMessageStreamEvent
from pydantic import TypeAdapter

from app.core.chat import Reasoning
from app.core.events import Completion, Event
from app.core.usage import Usage
from app.dialects.anthropic.stream import MessageReader
from app.dialects.dialect import About
from app.dialects.signatures import UNSIGNED

ABOUT = About(call_id="req_1", model="claude-x", created=1_700_000_000, wants_usage=True, payload={})

_REASONS = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "max_tokens": "length",
    "tool_use": "tool_calls",
    "refusal": "refusal",
    "pause_turn": "pause",
}
_EVENTS: TypeAdapter[Any] = TypeAdapter(RawMessageStreamEvent)


@dataclass
class Said:
    """The substance of a reply."""

    id: str | None = None
    model: str | None = None
    text: str = ""
    thinking: list[tuple[str, str]] = field(default_factory=list)
    redacted: list[str] = field(default_factory=list)
    calls: list[tuple[str, str, Any]] = field(default_factory=list)
    sources: list[tuple[str, str | None, str | None]] = field(default_factory=list)
    reason: str = "stop"
    stop_sequence: str | None = None
    usage: Usage = field(default_factory=Usage)


def by_sdk(message: Message) -> Said:
    """What the SDK makes of a message."""
    said = Said(id=message.id, model=message.model, stop_sequence=message.stop_sequence)
    for block in message.content:
        match block.type:
            case "text":
                said.text += block.text
                for citation in block.citations or []:
                    assert citation.type == "web_search_result_location"
                    said.sources.append((citation.url, citation.title, citation.cited_text))
            case "thinking":
                said.thinking.append((block.thinking, block.signature.removeprefix(UNSIGNED)))
            case "redacted_thinking":
                said.redacted.append(block.data)
            case "tool_use":
                said.calls.append((block.id, block.name, block.input))
            case _:
                pass
    said.reason = _REASONS[message.stop_reason or "end_turn"]
    usage = message.usage
    thought = usage.output_tokens_details.thinking_tokens if usage.output_tokens_details else 0
    said.usage = Usage(
        input=usage.input_tokens,
        cache_read=usage.cache_read_input_tokens or 0,
        cache_write=usage.cache_creation_input_tokens or 0,
        output=usage.output_tokens - thought,
        reasoning=thought,
        searches=usage.server_tool_use.web_search_requests if usage.server_tool_use else 0,
    )
    return said


def by_gateway(completion: Completion) -> Said:
    """What the gateway makes of a reply."""
    thoughts = [part for part in completion.parts if isinstance(part, Reasoning)]
    return Said(
        id=completion.id,
        model=completion.model,
        text=completion.text,
        thinking=[
            (part.text, part.signature.value if part.signature else "") for part in thoughts if part.redacted is None
        ],
        redacted=[part.redacted.value for part in thoughts if part.redacted is not None],
        calls=[(call.id, call.name, json.loads(call.arguments)) for call in completion.tool_calls],
        sources=[(source.url, source.title, source.text) for source in completion.citations],
        reason=completion.reason,
        stop_sequence=completion.stop_sequence,
        usage=completion.usage,
    )


def sdk_stream(body: bytes) -> Message:
    """The message that the SDK's client puts together from the bytes of a stream."""
    transport = httpx2.MockTransport(
        lambda _: httpx2.Response(200, content=body, headers={"content-type": "text/event-stream"})
    )
    client = Anthropic(api_key="none", max_retries=0, http_client=httpx2.Client(transport=transport))
    with client.messages.stream(model="m", max_tokens=1, messages=[{"role": "user", "content": "Hi"}]) as stream:
        return stream.get_final_message()


def check_events(stream: bytes) -> list[dict[str, Any]]:
    """The documents of a stream, each one that the SDK's types allow and that its own line names."""
    documents = []
    for event in stream.removesuffix(b"\n\n").split(b"\n\n"):
        name, data = event.split(b"\n")
        document = json.loads(data.removeprefix(b"data: "))
        assert name == b"event: " + document["type"].encode()
        _EVENTS.validate_python(document)
        documents.append(document)
    return documents


def read(pieces: list[bytes]) -> list[Event]:
    """The events of a stream that comes in `pieces`."""
    reader = MessageReader()
    events = [event for piece in pieces for event in reader.feed(piece)]
    return events if reader.ended else events + reader.close(certain=True)


def cut(body: bytes, size: int) -> list[bytes]:
    """`body` in pieces of `size` bytes."""
    return [body[start : start + size] for start in range(0, len(body), size)]


def event(document: dict[str, Any]) -> bytes:
    """One event of a provider's stream."""
    return f"event: {document['type']}\ndata: {json.dumps(document)}\n\n".encode()
