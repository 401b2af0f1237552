"""What runs until it is cancelled, for the length of a block."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Coroutine
from typing import Any, Protocol


class Runner(Protocol):
    """A fetcher, a forwarder, a feed."""

    def run(self) -> Coroutine[Any, Any, None]:
        """Never ends by itself."""


@contextlib.asynccontextmanager
async def running(*runners: Runner) -> AsyncIterator[None]:
    """Run them all, as so many workers would."""
    tasks = [asyncio.create_task(each.run()) for each in runners]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
