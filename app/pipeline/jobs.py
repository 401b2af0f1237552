"""What goes on behind calls that have ended: bounded in number, held until it is done."""

import asyncio
import logging
from collections.abc import Coroutine
from typing import Any

log = logging.getLogger(__name__)

# Each holds an answer; where so many wait, the store is slow, and more would only wait longer.
MOST = 200
# What is not done by then is not worth a slower stop: nobody waits for it.
CLOSE_S = 2.0


class Jobs:
    """Runs jobs beside the calls; one that fails is told in the log."""

    def __init__(self, most: int = MOST) -> None:
        self._most = most
        self._tasks: set[asyncio.Task[None]] = set()

    def start(self, job: Coroutine[Any, Any, None]) -> bool:
        """Begin it; False where there are too many, and it is left undone."""
        if len(self._tasks) >= self._most:
            job.close()
            return False
        task = asyncio.create_task(_told(job))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return True

    async def settled(self) -> None:
        """Return when all that have begun are done."""
        while self._tasks:
            await asyncio.wait(set(self._tasks))

    async def aclose(self) -> None:
        """Wait a moment for what is under way, and end the rest."""
        if self._tasks:
            await asyncio.wait(set(self._tasks), timeout=CLOSE_S)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)


async def _told(job: Coroutine[Any, Any, None]) -> None:
    try:
        await job
    except Exception:
        log.exception("a job behind a call failed")
