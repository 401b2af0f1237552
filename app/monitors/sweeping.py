"""Deletes what is old of monitors: in the background, hourly, by one worker for all."""

import asyncio
import logging
import secrets
from collections.abc import Awaitable, Callable
from typing import Protocol

from app.core.errors import Unavailable
from app.store.db import Database
from app.store.monitors.feed import number_groups
from app.store.monitors.retention import (
    delete_old_deliveries,
    delete_old_events,
    delete_old_monitors,
    delete_old_webhooks,
)
from app.store.rounds import begin_round
from app.store.times import MS_PER_DAY, MS_PER_HOUR, now_ms

log = logging.getLogger(__name__)

ROUND = "monitor-sweeping"
WEBHOOK_DAYS = 7
"""Parallel sends a webhook again for two days; what comes twice later than that is known by its event group."""
FIRST_S, LOOK_S = 90.0, 600.0
AT_ONCE = 100
# So that others come in between.
PAUSE_S = 0.02


class Delete(Protocol):
    """Deletes up to `most` rows that are older than `before`, and tells how many there were."""

    def __call__(self, db: Database, *, before: int, most: int) -> Awaitable[int]: ...


class Sweep:
    """`run` deletes what is older than so many days; 0 keeps it for ever, but for what is known of webhooks.

    Args:
        days: how many that is now.
        clock: milliseconds since 1970.
    """

    def __init__(self, database: Database, *, days: Callable[[], int], clock: Callable[[], int] = now_ms) -> None:
        self._database = database
        self._days = days
        self._clock = clock
        self._holder = secrets.token_hex(8)

    async def run(self) -> None:
        """Sweep now and then, for as long as the gateway runs."""
        await asyncio.sleep(FIRST_S)
        while True:
            now = self._clock()
            try:
                if await begin_round(self._database, ROUND, self._holder, now=now, since=now - MS_PER_HOUR):
                    await self.sweep()
            except Unavailable as exc:
                log.warning("what is old of monitors is deleted later: %s", exc)
            await asyncio.sleep(LOOK_S)

    async def sweep(self) -> None:
        """Delete all that is old now.

        Raises:
            DatabaseUnavailable: the rest stays for the next time.
        """
        await number_groups(self._database)  # so that the first who listens after a long time need not wait for it
        await self._delete_all(delete_old_webhooks, WEBHOOK_DAYS)
        if days := self._days():
            for delete in (delete_old_deliveries, delete_old_events, delete_old_monitors):
                await self._delete_all(delete, days)

    async def _delete_all(self, delete: Delete, days: int) -> None:
        before = self._clock() - days * MS_PER_DAY
        while True:
            if await delete(self._database, before=before, most=AT_ONCE) < AT_ONCE:
                return
            await asyncio.sleep(PAUSE_S)
