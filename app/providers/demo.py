"""The built-in provider: answers without a key, so that a fresh install can be tried at once."""

import asyncio
import re
import time
from collections.abc import AsyncGenerator

from app.core.call import Call, Target
from app.core.errors import InvalidRequest
from app.core.events import Event, Finished, Started, TextDelta, fold
from app.core.jsonio import dumps
from app.core.reply import JSON_TYPE, Reply
from app.dialects.convert import require_no_state
from app.dialects.counting import count_tokens, estimate_usage
from app.dialects.dialect import About, EventWriter
from app.dialects.registry import DIALECTS
from app.providers.told import Told

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
    models: tuple[str, ...] = (MODEL,)

    async def send(self, call: Call, target: Target) -> Reply:
        """Answer with `ANSWER`, word by word where a stream was asked for.

        Raises:
            InvalidRequest: it was asked for something else than words, or to go on from what it does not keep.
        """
        if (count := count_tokens(call)) is not None:
            return Reply(200, JSON_TYPE, count)
        goal = DIALECTS.get(call.dialect)
        if goal is None:
            raise InvalidRequest(f"The demo can only chat, not serve {call.surface!r}.", param="model")
        require_no_state(call)
        usage = estimate_usage(call, goal, len(ANSWER))
        about = About(call.id, target.model, int(time.time()), call.wants_usage, call.payload, call.started_at)
        events: list[Event] = [
            Started(),
            *(TextDelta(word) for word in re.findall(r"\S+\s*", ANSWER)),
            Finished("stop", usage),
        ]
        if not call.streamed:
            return Reply(200, JSON_TYPE, dumps(goal.write_reply(fold(events), about)), read_usage=lambda: usage)
        writer = goal.write_stream(about)
        words = _Words(events[1:], writer)
        rest = words.each()
        return Reply(200, goal.stream_type, writer.write(events[0]), rest, rest.aclose, lambda: usage, ending=words)

    async def list_models(self) -> list[Told]:
        """One."""
        return [Told(MODEL)]


class _Words:
    """A stream, at the pace of a model."""

    def __init__(self, events: list[Event], writer: EventWriter) -> None:
        self.ended = False
        self._events = events
        self._writer = writer

    async def each(self) -> AsyncGenerator[bytes, None]:
        for event in self._events:
            await asyncio.sleep(WORD_S)
            self.ended = event is self._events[-1]
            if data := self._writer.write(event):
                yield data
