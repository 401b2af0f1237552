"""Answers of a made-up provider, as OpenAI writes them."""

from typing import Any

from tests.e2e.standin import Answer

ENVELOPE = {"id": "chatcmpl-e2e", "created": 1767225600, "model": "gpt-test-large-2026-01-01"}
USAGE = {
    "prompt_tokens": 21,
    "completion_tokens": 9,
    "total_tokens": 30,
    "prompt_tokens_details": {"cached_tokens": 16},
    "completion_tokens_details": {"reasoning_tokens": 4},
}
HELLO: Any = [{"role": "user", "content": "Hello"}]


def whole(content: str | None = "Hi there", *, usage: Any = USAGE, reason: str = "stop", **message: Any) -> Answer:
    """A whole reply."""
    choice = {
        "index": 0,
        "message": {"role": "assistant", "content": content, **message},
        "finish_reason": reason,
        "logprobs": None,
    }
    return Answer.json({**ENVELOPE, "object": "chat.completion", "choices": [choice], "usage": usage})


def chunk(delta: dict[str, Any] | None = None, reason: str | None = None, **fields: Any) -> dict[str, Any]:
    """A chunk of a stream; without a delta, one that has no choice."""
    choices = [] if delta is None else [{"index": 0, "delta": delta, "finish_reason": reason}]
    return {**ENVELOPE, "object": "chat.completion.chunk", "choices": choices, **fields}


def stream(*deltas: dict[str, Any], reason: str = "stop", usage: Any = USAGE, **options: Any) -> Answer:
    """A stream of these deltas; usage comes at its end, as for everybody who asked."""
    chunks = [chunk({"role": "assistant", "content": ""}), *map(chunk, deltas), chunk({}, reason)]
    return Answer.events(*chunks, *([chunk(usage=usage)] if usage else []), **options)


def words(*contents: str) -> Answer:
    """A stream of text."""
    return stream(*({"content": content} for content in contents))


def failure(
    status: int, message: str, *, kind: str = "server_error", param: str | None = None, **headers: str
) -> Answer:
    """An error as OpenAI writes it."""
    error = {"message": message, "type": kind, "param": param, "code": f"code_{status}"}
    return Answer.json({"error": error}, status, **headers)
