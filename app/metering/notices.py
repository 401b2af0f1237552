"""Alerts of the gateway itself that may come in floods: counted in memory, and written now and then."""

import asyncio
import logging
from collections.abc import Callable

from app.core.alert import AlertKey
from app.core.errors import Unavailable
from app.metering.alerts import LONGEST_MESSAGE, add_hours
from app.store.alerts import MS_PER_HOUR, AlertHour, count_alerts
from app.store.db import Database
from app.store.times import now_ms

log = logging.getLogger(__name__)

WRITE_S = 5.0


class Notices:
    """Those of this worker. Strangers who send what is noted cost the database one row an hour and a write every few seconds.

    Args:
        clock: milliseconds since 1970.
        write_s: how often what was noted is written.
    """

    def __init__(self, database: Database, *, clock: Callable[[], int] = now_ms, write_s: float = WRITE_S) -> None:
        self._database = database
        self._clock = clock
        self._write_s = write_s
        self._waiting: dict[tuple[AlertKey, int], AlertHour] = {}

    def note(self, kind: str, message: str) -> None:
        """Count one."""
        now = self._clock()
        self._add(AlertHour(AlertKey(kind, "", "", 0), now // MS_PER_HOUR, 1, now, now, message[:LONGEST_MESSAGE]))

    async def run(self) -> None:
        """Write what was noted, for as long as the gateway runs."""
        while True:
            await asyncio.sleep(self._write_s)
            try:
                await self.write()
            except Unavailable as exc:
                log.info("alerts are written later: %s", exc)

    async def write(self) -> None:
        """Write it now.

        Raises:
            DatabaseUnavailable: it waits on.
        """
        if not self._waiting:
            return
        hours, self._waiting = list(self._waiting.values()), {}
        try:
            await self._database.transact(lambda statements: count_alerts(statements, hours))
        except BaseException:
            for hour in hours:
                self._add(hour)
            raise

    def _add(self, hour: AlertHour) -> None:
        before = self._waiting.get((hour.key, hour.hour))
        self._waiting[hour.key, hour.hour] = hour if before is None else add_hours(before, hour)
