"""Ends monitors whose time is over or whose user is gone, and all others that are to end: in the background, by one worker at a time on all machines."""

import asyncio
import logging
import secrets
from collections.abc import Callable

from app.core.errors import Unavailable
from app.monitors.ending import AT_ONCE, Ending
from app.store.db import Database
from app.store.leases import hold_lease
from app.store.monitors.rows import due_cancels, end_monitors_of_nobody, expire_monitors
from app.store.times import now_ms

log = logging.getLogger(__name__)

LEASE = "monitor-expiry"
# Longer than between two rounds, and than Parallel may take for as many as are ended at once: with these it is renewed.
LEASE_MS = 150_000
EVERY_S = 60.0


class Expiry:
    """`run` looks each minute.

    Args:
        clock: milliseconds since 1970.
    """

    def __init__(self, database: Database, ending: Ending, *, clock: Callable[[], int] = now_ms) -> None:
        self._database = database
        self._ending = ending
        self._clock = clock
        self._holder = secrets.token_hex(8)

    async def run(self) -> None:
        """Look for as long as the gateway runs."""
        while True:
            try:
                await self.look()
            except Unavailable as exc:
                log.warning("monitors are ended later: %s", exc)
            await asyncio.sleep(EVERY_S)

    async def look(self) -> bool:
        """End what is to end now, unless that is another worker's turn; whether it was ours.

        Raises:
            DatabaseUnavailable: the rest stays for the next time.
        """
        began = self._clock()
        if not await self._hold():
            return False
        await expire_monitors(self._database, began)
        await end_monitors_of_nobody(self._database, began)
        # Those that Parallel does not end now are due later than the round began.
        while due := await due_cancels(self._database, began, AT_ONCE):
            await self._ending.end_all(due)
            if not await self._hold():
                break
        return True

    async def _hold(self) -> bool:
        return await hold_lease(self._database, LEASE, self._holder, now=self._clock(), for_ms=LEASE_MS)
