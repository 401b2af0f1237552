"""What the overview tells beside the usage: how long clients wait, and what caches have saved."""

from dataclasses import dataclass
from decimal import Decimal

from app.metering.first_bytes import Waits, read_waits
from app.smart.desk import SmartDesk
from app.store.db import Database
from app.store.selection import Selection


@dataclass(frozen=True, slots=True)
class Savings:
    """What the caches that there are saved since each was made: they do not note when. `cost` is in USD."""

    caches: int
    tokens: int
    cost: Decimal


class Overview:
    """All functions raise `DatabaseUnavailable`."""

    def __init__(self, db: Database, names: SmartDesk) -> None:
        self._db = db
        self._names = names

    async def waits(self, selection: Selection) -> Waits:
        """For the first byte, in the period."""
        return await read_waits(self._db, selection)

    async def savings(self) -> Savings:
        """Of all caches."""
        stats = [each.stats for each in await self._names.list_all("cache")]
        tokens = sum(each["tokens_saved"] for each in stats)
        return Savings(len(stats), tokens, sum((each["cost_saved"] for each in stats), Decimal(0)))
