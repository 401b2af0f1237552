"""What a reply says, as OpenAI's own SDK reads it, and as our events tell it."""

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import httpx2
from openai import OpenAI
from openai.lib.streaming.chat import ChatCompletionStreamState
from openai.types.chat import ChatCompletion

from app.core.events import Completion, Event, fold
from app.core.usage import NO_USAGE, Usage
from app.dialects.dialect import About
from app.dialects.openai.events import ChatEventReader, ChatEventWriter
from app.dialects.openai.usage import read_usage

ABOUT = About(call_id="req_1", model="m", created=1_700_000_000, wants_usage=True, payload={})
_THINKING = re.compile(r"\s*<think>\s*(.*?)\s*</think>\s*(.*)", re.DOTALL)


@dataclass
class Said:
    """What counts of a reply."""

    text: str = ""
    reasoning: str = ""
    refusal: str = ""
    calls: list[tuple[str, str, Any]] = field(default_factory=list)
    reason: str = ""
    usage: Usage = NO_USAGE


def said_by_sdk(completion: ChatCompletion, usage: Any) -> Said:
    """The first choice of a reply that the SDK read, and what the gateway makes of its usage."""
    choice = completion.choices[0]
    message = choice.message
    extra = message.model_extra or {}
    text, reasoning = message.content or "", extra.get("reasoning_content") or extra.get("reasoning") or ""
    if thinking := _THINKING.fullmatch(text):
        reasoning, text = thinking[1], thinking[2]
    calls = [call for call in message.tool_calls or [] if call.type == "function"]
    reason = str(choice.finish_reason)
    if reason in ("stop", "eos"):
        reason = "tool_calls" if calls else "refusal" if message.refusal else "stop"
    return Said(
        text=text,
        reasoning=reasoning,
        refusal=message.refusal or "",
        calls=[(call.id, call.function.name, json.loads(call.function.arguments)) for call in calls],
        reason=reason,
        usage=read_usage(usage) or NO_USAGE,
    )


def said_by(completion: Completion) -> Said:
    """The same of a reply of ours."""
    return Said(
        text=completion.text,
        reasoning=completion.reasoning,
        refusal=completion.refusal,
        calls=[(call.id, call.name, json.loads(call.arguments)) for call in completion.tool_calls],
        reason=completion.reason,
        usage=completion.usage,
    )


def sdk_whole(body: bytes) -> Said:
    """What the SDK reads from a whole reply."""
    completion = _client(body, "application/json").chat.completions.create(model="m", messages=[])
    return said_by_sdk(completion, completion.usage and completion.usage.to_dict())


def sdk_stream(body: bytes, *, without: str = "") -> Said:
    """What the SDK's accumulator makes of a stream, `without` a field of deltas that it cannot put together.

    Raises:
        APIError: the stream has an error.
    """
    state = ChatCompletionStreamState()
    usage = None
    for chunk in _client(body, "text/event-stream").chat.completions.create(model="m", messages=[], stream=True):
        for choice in chunk.choices:
            (choice.delta.model_extra or {}).pop(without, None)
        state.handle_chunk(chunk)
        usage = chunk.usage.to_dict() if chunk.usage else usage
    return said_by_sdk(state.current_completion_snapshot, usage)


def read_stream(pieces: Iterable[bytes]) -> list[Event]:
    """All events of a stream that comes in `pieces`, whose end is known to be one."""
    reader = ChatEventReader()
    events: list[Event] = []
    for piece in pieces:
        events += reader.feed(piece)
    if not reader.ended:
        events += reader.close(certain=True)
    assert reader.ended
    return events


def written(events: Iterable[Event], about: About = ABOUT) -> bytes:
    """The stream that a client gets."""
    writer = ChatEventWriter(about)
    return b"".join([writer.write(event) for event in events])


def said(events: list[Event]) -> Said:
    """What `events` come to."""
    return said_by(fold(events))


def _client(body: bytes, media_type: str) -> OpenAI:
    transport = httpx2.MockTransport(lambda _: httpx2.Response(200, content=body, headers={"content-type": media_type}))
    return OpenAI(api_key="none", base_url="http://provider", http_client=httpx2.Client(transport=transport))
