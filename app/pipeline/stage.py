"""What a stage is, and how stages make one handler."""

from collections.abc import Awaitable, Sequence
from typing import Protocol

from app.core.call import Call
from app.core.ports import Handler
from app.core.reply import Reply


class Stage(Protocol):
    """Sees a call go in and its reply come out; may change, answer or refuse it."""

    def handle(self, call: Call, call_next: Handler) -> Awaitable[Reply]:
        """Give the reply to `call`, mostly by passing it on: where nothing comes after that, without a coroutine of its own."""


def chain(stages: Sequence[Stage], last: Handler) -> Handler:
    """One handler that goes through `stages` in their order and ends with `last`."""
    handler = last
    for stage in reversed(stages):
        handler = _before(stage, handler)
    return handler


def _before(stage: Stage, call_next: Handler) -> Handler:
    handle = stage.handle

    def handler(
        call: Call,
    ) -> Awaitable[Reply]:  # no coroutine of its own: each would be gone through whenever the call goes on
        return handle(call, call_next)

    return handler
