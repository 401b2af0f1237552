"""What the overview tells beside the usage: how long clients wait, and what caches have saved."""

from dataclasses import dataclass
from decimal import Decimal

from app.core.money import from_pico_usd
from app.metering.first_bytes import Waits, read_waits
from app.smart.desk import SmartDesk
from app.store.cache_hours import sum_cache_hours
from app.store.db import Database
from app.store.selection import Selection


@dataclass(frozen=True, slots=True)
class Savings:
    """What caches counted in a period, also those that are gone since; `caches` is how many there are now. `cost` is in USD."""

    caches: int
    requests: int
    hits: int
    tokens: int
    cost: Decimal


class Overview:
    """All functions raise `DatabaseUnavailable`. Filters of a selection say nothing here."""

    def __init__(self, db: Database, names: SmartDesk) -> None:
        self._db = db
        self._names = names

    async def waits(self, selection: Selection) -> Waits:
        """For the first byte, in the period."""
        return await read_waits(self._db, selection)

    async def savings(self, selection: Selection) -> Savings:
        """Of all caches, in the period."""
        caches = len(await self._names.list_all("cache"))
        sums = await sum_cache_hours(self._db, selection)
        cost = from_pico_usd(sums.cost_saved)
        return Savings(caches, sums.total_requests, sums.cache_hits, sums.tokens_saved, cost)
