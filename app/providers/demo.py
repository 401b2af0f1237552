"""The built-in provider: answers without a key, so that a fresh install can be tried at once."""

import asyncio
import re
import time
from collections.abc import AsyncGenerator

from app.core.call import Call, Target
from app.core.jsonio import Json, dumps
from app.core.reply import EVENT_STREAM_TYPE, JSON_TYPE, Reply
from app.core.usage import Usage
from app.dialects.framing import write_data
from app.dialects.openai.stream import DONE
from app.dialects.openai.usage import count_prompt_characters, estimate_tokens, write_usage

MODEL = "demo"
ANSWER = (
    "This is LLM Relay's built-in demo: your request arrived, your token is good, and streaming works. No language model"
    " wrote this. To reach a real one, put a provider's key into the file .env, for example OPENAI_API_KEY=…, restart, and"
    " use one of the names that GET /v1/models lists."
)

# So that a stream is seen to be one.
WORD_S = 0.015


class Demo:
    """Says that it is a demo, and how to add a key."""

    key = "demo"
    name = "Demo"

    async def send(self, call: Call, target: Target) -> Reply:
        """Answer with `ANSWER`, word by word where a stream was asked for."""
        usage = Usage(
            input=estimate_tokens(count_prompt_characters(call.payload)),
            output=estimate_tokens(len(ANSWER)),
            estimated=True,
        )
        envelope = {"id": f"chatcmpl-{call.id}", "created": int(time.time()), "model": target.model}
        if call.streamed:
            first, *events = _write_stream(envelope, usage if call.wants_usage else None)
            rest = _each(events)
            return Reply(200, EVENT_STREAM_TYPE, first, rest, rest.aclose, lambda: usage)
        return Reply(200, JSON_TYPE, _write_whole(envelope, usage), read_usage=lambda: usage)

    async def list_models(self) -> list[str]:
        """One."""
        return [MODEL]


def _write_whole(envelope: dict[str, Json], usage: Usage) -> bytes:
    choice = {"index": 0, "message": {"role": "assistant", "content": ANSWER}, "finish_reason": "stop"}
    return dumps({**envelope, "object": "chat.completion", "choices": [choice], "usage": write_usage(usage)})


def _write_stream(envelope: dict[str, Json], usage: Usage | None) -> list[bytes]:
    envelope = {**envelope, "object": "chat.completion.chunk"}
    deltas: list[tuple[dict[str, Json], str | None]] = [({"role": "assistant", "content": ""}, None)]
    deltas += [({"content": word}, None) for word in re.findall(r"\S+\s*", ANSWER)]
    deltas.append(({}, "stop"))
    chunks: list[dict[str, Json]] = [
        {**envelope, "choices": [{"index": 0, "delta": delta, "finish_reason": reason}]} for delta, reason in deltas
    ]
    if usage is not None:
        chunks.append({**envelope, "choices": [], "usage": write_usage(usage)})
    return [write_data(dumps(chunk)) for chunk in chunks] + [write_data(DONE)]


async def _each(events: list[bytes]) -> AsyncGenerator[bytes, None]:
    for event in events:
        await asyncio.sleep(WORD_S)
        yield event
