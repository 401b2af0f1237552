"""Ends monitors at Parallel: one has ended here only when Parallel agreed, or does not know it any more."""

import asyncio
import logging
import random
from collections.abc import Callable, Sequence

from app.core.errors import RelayError
from app.monitors.failures import UnknownMonitor
from app.monitors.parallel import ParallelMonitors
from app.store.db import Database, DatabaseUnavailable
from app.store.monitors.rows import Monitor, finish_cancel, note_cancel_failure
from app.store.times import MS_PER_HOUR, now_ms

log = logging.getLogger(__name__)

FIRST_RETRY_MS, LONGEST_RETRY_MS = 60_000, MS_PER_HOUR
AT_ONCE = 8


class Ending:
    """Asks Parallel to cancel monitors that are `cancelling` here.

    Args:
        clock: milliseconds since 1970.
    """

    def __init__(self, database: Database, remote: ParallelMonitors, clock: Callable[[], int] = now_ms) -> None:
        self._database = database
        self._remote = remote
        self._clock = clock

    async def end(self, monitor: Monitor) -> str | None:
        """Have one cancelled; why Parallel did not agree, in which case it is asked again later, or None.

        Raises:
            DatabaseUnavailable: what Parallel said could not be kept; it is asked again later.
        """
        if monitor.parallel_id is not None:
            try:
                await self._remote.cancel(monitor.parallel_id)
            except UnknownMonitor:
                pass
            except RelayError as exc:
                log.warning("monitor %s is not cancelled yet: %s", monitor.handle, exc.message)
                retry_at = self._clock() + _pause_ms(monitor.attempts)
                await note_cancel_failure(self._database, monitor.id, exc.message, retry_at)
                return exc.message
        if await finish_cancel(self._database, monitor.id, self._clock()):
            log.info("monitor %s of %s is cancelled (%s)", monitor.handle, monitor.username, monitor.reason or "gone")
        return None

    async def try_to_end(self, monitor: Monitor) -> str | None:
        """The same where somebody waits for the answer: that the database is away is one, too."""
        try:
            return await self.end(monitor)
        except DatabaseUnavailable as exc:
            return exc.message

    async def end_all(self, monitors: Sequence[Monitor]) -> None:
        """The same of several at a time.

        Raises:
            DatabaseUnavailable: as `end`.
        """
        for first in range(0, len(monitors), AT_ONCE):
            await asyncio.gather(*map(self.end, monitors[first : first + AT_ONCE]))


def _pause_ms(attempts: int) -> int:
    """A minute, then twice as long each time, up to an hour; a little less by lot, so that not all come at once."""
    pause: int = min(FIRST_RETRY_MS << min(attempts, 10), LONGEST_RETRY_MS)
    return round(pause * random.uniform(0.8, 1.0))
