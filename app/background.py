"""Keeps the background's loops running for as long as the gateway does."""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Awaitable, Callable

log = logging.getLogger(__name__)

RESTART_S = 1.0

BEGIN_STOP = "begin_stop"
"""Where the state of ASGI's lifespan has what the server calls, once or more often, as soon as it begins to stop. The
lifespan's own shutdown comes when the last client has been served: too late to end streams that go on for ever."""


@contextlib.asynccontextmanager
async def running(*loops: Callable[[], Awaitable[None]]) -> AsyncIterator[None]:
    """Run each of `loops` beside the body, and end them when it ends. A loop that fails is told of and begun again."""
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(_keep_running(loop)) for loop in loops]
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()


async def _keep_running(loop: Callable[[], Awaitable[None]]) -> None:
    while True:
        try:
            await loop()
        except Exception:
            log.exception("a background loop failed and is begun again: %s", getattr(loop, "__qualname__", loop))
        await asyncio.sleep(RESTART_S)
