"""Recorded replies taken through the gateway's conversion for clients of every dialect, and what such a client reads of them."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from app.core.events import Completion, Event, Failed, fold
from app.core.jsonio import dumps, loads
from app.dialects.convert import incoming
from app.dialects.openai.stream import Mender
from app.dialects.registry import DIALECTS
from app.providers.perplexity import PerplexityMender
from tests.calls import make_call
from tests.recordings import FOLDER, Recording

PROVIDER_DIALECTS = {
    "chat": "openai",
    "responses": "responses",
    "messages": "anthropic",
    "generate": "gemini",
    "native-chat": "ollama",
}
"""From the first part of a recording's name to the dialect that it is in."""

CLIENT_DIALECTS = ("openai", "responses", "anthropic", "gemini", "gemini-array", "ollama", "ollama-generate")

ASKED: dict[str, dict[str, Any]] = {
    "openai": {"model": "m", "messages": [{"role": "user", "content": "Hi"}]},
    "responses": {"model": "m", "input": "Hi"},
    "anthropic": {"model": "m", "max_tokens": 9, "messages": [{"role": "user", "content": "Hi"}]},
    "gemini": {"contents": [{"role": "user", "parts": [{"text": "Hi"}]}]},
    "gemini-array": {"contents": [{"role": "user", "parts": [{"text": "Hi"}]}]},
    "ollama": {"model": "m", "messages": [{"role": "user", "content": "Hi"}]},
    "ollama-generate": {"model": "m", "prompt": "Hi"},
}


@dataclass(frozen=True)
class Facts:
    """What a client learns from a reply, in the words of no dialect."""

    text: str
    reasoning: str
    refusal: str
    tools: tuple[tuple[str, Any], ...]
    citations: tuple[str, ...]
    images: int
    reason: str
    prompt_tokens: int
    completion_tokens: int


def facts_of(completion: Completion) -> Facts:
    """The facts of a folded reply."""
    usage = completion.usage
    return Facts(
        text=completion.text,
        reasoning=completion.reasoning,
        refusal=completion.refusal,
        tools=tuple((call.name, json.loads(call.arguments)) for call in completion.tool_calls),
        citations=tuple(dict.fromkeys(citation.url for citation in completion.citations)),
        images=sum(type(part).__name__ == "Image" for part in completion.parts),
        reason=completion.reason,
        prompt_tokens=usage.prompt,
        completion_tokens=usage.completion,
    )


@cache
def chat_recordings() -> tuple[Recording, ...]:
    """All recorded answers of models, without errors and without what is not chat."""
    found = [Recording(path) for path in sorted(FOLDER.glob("*/*.json"))]
    return tuple(each for each in found if dialect_of(each) and each.status == 200)


def dialect_of(recording: Recording) -> str | None:
    """The dialect of a recorded chat; None of all else."""
    return PROVIDER_DIALECTS.get(recording.path.stem.partition(".")[0])


def read_recorded(recording: Recording) -> list[Event]:
    """The events of the recorded reply itself, its provider's ways mended."""
    dialect = DIALECTS[dialect_of(recording) or ""]
    mender = _mender(recording)
    if not recording.streamed:
        return dialect.read_reply(loads(recording.body))
    body = recording.body
    if mender is not None:
        call = make_call({"stream": True, "stream_options": {"include_usage": True}})
        stream = incoming(call, provider="Acme", model="m", mender=mender)
        body = stream.feed(body) + stream.close(certain=True)
    reader = dialect.read_stream()
    return [*reader.feed(body), *([] if reader.ended else reader.close(certain=True))]


def cross(recording: Recording, client: str, pieces: Sequence[bytes] | None = None) -> bytes:
    """What a client of the dialect `client` gets where the provider sends the recording."""
    streamed = recording.streamed
    payload = ASKED[client] | ({"stream": True} if streamed and not client.startswith("gemini") else {})
    call = make_call(
        dialect=client, body=dumps(payload), payload=payload, streamed=streamed, wants_usage=True, name="m"
    )
    reading = incoming(call, provider="Acme", model="m", dialect=dialect_of(recording) or "", mender=_mender(recording))
    out = b"".join([reading.feed(piece) for piece in (pieces or [recording.body])])
    return out + reading.close(certain=True)


def read_back(client: str, data: bytes, *, streamed: bool) -> list[Event]:
    """What a client of that dialect reads."""
    if client == "ollama-generate":
        data = b"\n".join(_as_chat(line) for line in data.splitlines())
    if client == "gemini-array" and streamed:
        data = b"".join(b"data: " + dumps(item) + b"\n\n" for item in loads(data))
    dialect = DIALECTS[client]
    if not streamed:
        return dialect.read_reply(loads(data))
    reader = dialect.read_stream()
    events = reader.feed(data)
    return events if reader.ended else [*events, *reader.close(certain=True)]


def failure_in(events: Sequence[Event]) -> Failed | None:
    """The error that the events end with, where they do."""
    return next((event for event in events if isinstance(event, Failed)), None)


def folded(events: Sequence[Event]) -> Facts:
    """The facts that the events come to."""
    return facts_of(fold(events))


def one_by_one(data: bytes) -> Iterator[bytes]:
    """One byte at a time."""
    return (data[at : at + 1] for at in range(len(data)))


def _mender(recording: Recording) -> Mender | None:
    return PerplexityMender() if recording.provider == "perplexity" else None


def _as_chat(line: bytes) -> bytes:
    """A line of /api/generate as /api/chat would have it."""
    document = loads(line)
    message = {"role": "assistant", "content": document.pop("response", "")}
    for key in ("thinking", "tool_calls", "thinking_signature", "thinking_redacted"):
        if key in document:
            message[key] = document.pop(key)
    if image := document.pop("image", None):
        message["images"] = [image]
    return dumps({**document, "message": message})
