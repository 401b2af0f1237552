"""Ends monitors whose time is over, and all others that are to end: in the background, by one worker at a time on all machines."""

import asyncio
import logging
import secrets
from collections.abc import Callable

from app.core.errors import Unavailable
from app.monitors.ending import Ending
from app.store.db import Database
from app.store.leases import hold_lease
from app.store.monitors.rows import due_cancels, expire_monitors
from app.store.times import now_ms

log = logging.getLogger(__name__)

LEASE = "monitor-expiry"
# Longer than a round may take: what Parallel has not answered by then is asked once more by another worker, which does no harm.
LEASE_MS = 150_000
EVERY_S = 60.0
AT_ONCE = 100


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
        now = self._clock()
        if not await hold_lease(self._database, LEASE, self._holder, now=now, for_ms=LEASE_MS):
            return False
        await expire_monitors(self._database, now)
        await self._ending.end_all(await due_cancels(self._database, now, AT_ONCE))
        return True
