"""What smart models count: added up in memory, and written to their rows now and then."""

import asyncio
import logging
from collections.abc import Callable, Mapping
from decimal import Decimal

from app.core.money import to_pico_usd
from app.core.smart import Kind
from app.store.db import Database, DatabaseUnavailable
from app.store.smart_models import add_to_stats
from app.store.times import MS_PER_HOUR, now_ms

log = logging.getLogger(__name__)

FLUSH_S = 1.0


Counts = dict[tuple[str, int], dict[str, int]]
"""By id and hour: a database that was away is told later what was counted then."""


class Stats:
    """`run` beside the calls, and `aclose` at the end.

    Args:
        clock: milliseconds since 1970.
    """

    def __init__(self, db: Database, clock: Callable[[], int] = now_ms) -> None:
        self._db = db
        self._clock = clock
        self._counts: dict[Kind, Counts] = {}

    def counter(self, kind: Kind) -> Callable[..., None]:
        """Gives the function that adds to what one of that kind, by its id, counts: `count(id, cache_hits=1)`; money in USD."""

        def count(key: str, **more: int | Decimal | None) -> None:
            self._add(kind, (key, self._clock() // MS_PER_HOUR), more)

        return count

    async def flush(self) -> None:
        """Write what has been counted.

        Raises:
            DatabaseUnavailable: it is kept, and written later.
        """
        counts, self._counts = self._counts, {}
        while counts:
            kind, of_kind = counts.popitem()
            try:
                await add_to_stats(self._db, kind, of_kind)
            except BaseException:
                counts[kind] = of_kind
                self._take_back(counts)
                raise

    async def run(self) -> None:
        """Flush once a second, for ever."""
        while True:
            await asyncio.sleep(FLUSH_S)
            try:
                await self.flush()
            except DatabaseUnavailable as exc:
                log.warning("What smart models counted is written later. %s", exc)

    def _add(self, kind: Kind, where: tuple[str, int], more: Mapping[str, int | Decimal | None]) -> None:
        counts = self._counts.setdefault(kind, {}).setdefault(where, {})
        for name, each in more.items():
            added = to_pico_usd(each) if isinstance(each, Decimal) else each or 0
            counts[name] = counts.get(name, 0) + added

    def _take_back(self, counts: Mapping[Kind, Counts]) -> None:
        for kind, of_kind in counts.items():
            for where, more in of_kind.items():
                self._add(kind, where, more)
