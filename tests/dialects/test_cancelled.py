"""A reply that nobody waited for is metered for what came of it: by the provider's own numbers as far as it told them."""

import json
from dataclasses import replace
from typing import Any

import pytest

from app.core.usage import Usage
from app.dialects.convert import incoming
from tests.calls import make_call

ASKED = "x" * 40
CHATS: dict[str, dict[str, Any]] = {
    "openai": {"messages": [{"role": "user", "content": ASKED}]},
    "openai-completions": {"prompt": ASKED},
    "responses": {"input": ASKED},
    "anthropic": {"messages": [{"role": "user", "content": ASKED}], "max_tokens": 9},
    "gemini": {"contents": [{"role": "user", "parts": [{"text": ASKED}]}]},
    "ollama": {"messages": [{"role": "user", "content": ASKED}]},
    "ollama-generate": {"prompt": ASKED},
}
ANSWER = "y" * 80


def sse(*documents: Any) -> bytes:
    return b"".join(b"data: %s\n\n" % json.dumps(each).encode() for each in documents)


def lines(*documents: Any) -> bytes:
    return b"".join(json.dumps(each).encode() + b"\n" for each in documents)


def chunk(delta: dict[str, Any]) -> dict[str, Any]:
    return {"id": "1", "choices": [{"index": 0, "delta": delta, "finish_reason": None}]}


BEGUN = {"id": "1", "model": "m", "usage": {"input_tokens": 30, "cache_read_input_tokens": 70, "output_tokens": 1}}
# What came of a stream before its client left.
STREAMS: dict[str, bytes] = {
    "openai": sse(chunk({"role": "assistant"}), chunk({"content": ANSWER})),
    "openai-completions": sse({"choices": [{"text": ANSWER, "index": 0}]}),
    "responses": sse(
        {"type": "response.created", "response": {"id": "1"}},
        {"type": "response.output_text.delta", "output_index": 0, "content_index": 0, "delta": ANSWER},
    ),
    "anthropic": sse(
        {"type": "message_start", "message": BEGUN},
        {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
        {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": ANSWER}},
    ),
    "gemini": sse(
        {
            "candidates": [{"content": {"parts": [{"text": ANSWER}]}}],
            "usageMetadata": {"promptTokenCount": 100, "candidatesTokenCount": 19, "thoughtsTokenCount": 33},
        }
    ),
    "ollama": lines({"message": {"role": "assistant", "content": ANSWER}, "done": False}),
    "ollama-generate": lines({"response": ANSWER, "done": False}),
}
TOLD = {
    "anthropic": Usage(30, 70, output=20, estimated=True),
    "gemini": Usage(100, output=19, reasoning=33, estimated=True),
}
PAIRS = [
    (client, provider)
    for client in CHATS
    for provider in STREAMS
    if client == provider or not {client, provider} & {"openai-completions", "ollama-generate"}
]


def used(client: str, provider: str, came: bytes, *, streamed: bool) -> Usage:
    payload = {"model": "m", **CHATS[client], "stream": streamed}
    call = replace(make_call(), dialect=client, payload=payload, streamed=streamed)
    reading = incoming(call, provider="Acme", model="m", dialect=provider)
    reading.feed(came)
    return reading.read_usage()


@pytest.mark.parametrize(("client", "provider"), PAIRS)
def test_stream_that_is_left_used_what_came(client: str, provider: str) -> None:
    usage = used(client, provider, STREAMS[provider], streamed=True)

    if provider in TOLD:
        assert usage == TOLD[provider]
        return
    assert usage.estimated
    assert usage.prompt == 10
    assert 18 <= usage.completion <= 40  # where the bytes pass, what is not text is taken off by rule of thumb


@pytest.mark.parametrize(("client", "provider"), PAIRS)
@pytest.mark.parametrize("streamed", [True, False])
def test_reply_of_which_nothing_came_used_its_request(client: str, provider: str, *, streamed: bool) -> None:
    assert used(client, provider, b"", streamed=streamed) == Usage(10, estimated=True)
