"""Waiting for what comes by itself, and what nobody tells a test of."""

import asyncio
import inspect
import time
from collections.abc import Callable
from typing import Any

WAIT_S = 20.0
_PAUSE_S = 0.02


def wait_for(found: Callable[[], Any], wait_s: float = WAIT_S) -> Any:
    """What `found` gives as soon as that is anything."""
    give_up_at = time.monotonic() + wait_s
    while not (got := found()):
        assert time.monotonic() < give_up_at, "it did not come"
        time.sleep(_PAUSE_S)
    return got


async def until(found: Callable[[], Any]) -> Any:
    """The same for tests with a loop; `found` may be asynchronous."""
    async with asyncio.timeout(WAIT_S):
        while True:
            got = found()
            if got := await got if inspect.isawaitable(got) else got:
                return got
            await asyncio.sleep(_PAUSE_S)
