"""Deletes records and bodies when their time is over: in the background, by one worker at a time, a little at a time."""

import asyncio
import logging
import secrets
from collections.abc import Awaitable, Callable
from typing import Protocol

from app.core.errors import Unavailable
from app.store.db import Database
from app.store.leases import hold_lease, release_lease
from app.store.retention import delete_old_bodies, delete_old_calls
from app.store.times import MS_PER_DAY, now_ms

log = logging.getLogger(__name__)

LEASE = "retention"
LEASE_MS = 60_000
EVERY_S = 3600.0
# A start has better things to do.
FIRST_S = 60.0
# A hundred rows keep other writers of an SQLite file from it for 2 ms, five hundred for 8 ms.
ROWS_AT_ONCE = 100
# Each may have 2 MiB.
BODIES_AT_ONCE = 10
# So that others come in between; a million rows take some five minutes.
PAUSE_S = 0.02


class Delete(Protocol):
    """Deletes up to `most` rows that are older than `before`, and tells how many there were."""

    def __call__(self, db: Database, *, before: int, most: int) -> Awaitable[int]: ...


class Retention:
    """`run` deletes, once an hour, what is older than so many days; 0 keeps it for ever.

    Calls go by whole UTC days, so that those which are left are all of their days, and their sums can be told from them.

    Args:
        calls_days, bodies_days: how many days that is now.
        clock: milliseconds since 1970.
    """

    def __init__(
        self,
        db: Database,
        *,
        calls_days: Callable[[], int],
        bodies_days: Callable[[], int],
        clock: Callable[[], int] = now_ms,
    ) -> None:
        self._db = db
        self._calls_days = calls_days
        self._bodies_days = bodies_days
        self._clock = clock
        self._holder = secrets.token_hex(8)

    async def run(self) -> None:
        """Sweep now and then, for as long as the gateway runs."""
        await asyncio.sleep(FIRST_S)
        while True:
            try:
                await self.sweep()
            except Unavailable as exc:
                log.warning("what is old is deleted later: %s", exc)
            await asyncio.sleep(EVERY_S)

    async def sweep(self) -> None:
        """Delete all that is old now, unless another worker is at it.

        Raises:
            DatabaseUnavailable: the rest stays for the next time.
        """
        if not await self._hold():
            return
        now = self._clock()
        if calls_days := self._calls_days():
            before = (now // MS_PER_DAY - calls_days) * MS_PER_DAY
            await self._delete_all("calls", delete_old_calls, before, ROWS_AT_ONCE)
        if bodies_days := self._bodies_days():
            before = now - bodies_days * MS_PER_DAY
            await self._delete_all("bodies of calls", delete_old_bodies, before, BODIES_AT_ONCE)
        await release_lease(self._db, LEASE, self._holder)

    async def _delete_all(self, what: str, delete: Delete, before: int, most: int) -> None:
        deleted, held_at = 0, self._clock()
        while True:
            count = await delete(self._db, before=before, most=most)
            deleted += count
            if count < most:
                break
            await asyncio.sleep(PAUSE_S)
            if self._clock() - held_at > LEASE_MS // 3:
                if not await self._hold():
                    break
                held_at = self._clock()
        if deleted:
            log.info("%d %s were deleted, as their time is over", deleted, what)

    async def _hold(self) -> bool:
        return await hold_lease(self._db, LEASE, self._holder, now=self._clock(), for_ms=LEASE_MS)
