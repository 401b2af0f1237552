"""What smart models count: added up in memory, and written to their rows now and then."""

import asyncio
import logging
from collections.abc import Callable
from decimal import Decimal

from app.core.money import to_pico_usd
from app.core.smart import Kind
from app.store.db import Database, DatabaseUnavailable
from app.store.smart_models import add_to_stats

log = logging.getLogger(__name__)

FLUSH_S = 1.0


class Stats:
    """`run` beside the calls, and `aclose` at the end."""

    def __init__(self, db: Database) -> None:
        self._db = db
        self._counts: dict[Kind, dict[str, dict[str, int]]] = {}

    def counter(self, kind: Kind) -> Callable[..., None]:
        """Gives the function that adds to what one of that kind, by its id, counts: `count(id, cache_hits=1)`; money in USD."""

        def count(key: str, **more: int | Decimal | None) -> None:
            counts = self._counts.setdefault(kind, {}).setdefault(key, {})
            for name, each in more.items():
                added = to_pico_usd(each) if isinstance(each, Decimal) else each or 0
                counts[name] = counts.get(name, 0) + added

        return count

    async def flush(self) -> None:
        """Write what has been counted.

        Raises:
            DatabaseUnavailable: it is kept, and written later.
        """
        counts, self._counts = self._counts, {}
        while counts:
            kind, by_key = counts.popitem()
            try:
                await add_to_stats(self._db, kind, by_key)
            except BaseException:
                counts[kind] = by_key
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

    def _take_back(self, counts: dict[Kind, dict[str, dict[str, int]]]) -> None:
        for kind, by_key in counts.items():
            count = self.counter(kind)
            for key, more in by_key.items():
                count(key, **more)
