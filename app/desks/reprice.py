"""The cost of logged calls computed anew, for whoever looks first and then has it changed."""

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass

from app.core.moments import write_moment
from app.core.money import from_pico_usd, write_usd
from app.metering.prices import Prices
from app.metering.reprice import reprice
from app.store.audit import acting
from app.store.costs import count_asked
from app.store.db import Database
from app.store.times import from_ms


@dataclass(frozen=True, slots=True)
class Repriced:
    """The calls of a period; sums are texts in USD.

    Attributes:
        unknown: of how many no price is known, so that they keep what they cost.
    """

    calls: int
    changed: int
    unknown: int
    old: str
    new: str


class RepriceDesk:
    """All functions raise `DatabaseUnavailable`, and take the ends of a period in milliseconds since 1970, the second excluded."""

    def __init__(self, db: Database, prices: Prices) -> None:
        self._db = db
        self._prices = prices

    async def count(self, since: int, until: int) -> int:
        """How many calls there are to look at."""
        return await count_asked(self._db, since, until)

    async def look(self, since: int, until: int, advance: Callable[[int], None] = lambda _: None) -> Repriced:
        """What would change.

        Args:
            advance: is told how many more calls were looked at.
        """
        async for sums in self._sums(since, until, advance, writes=False):
            done = sums
        return done

    async def apply(self, since: int, until: int, advance: Callable[[int], None] = lambda _: None) -> Repriced:
        """Change it, batch by batch: what was changed is as `look` tells it, and what of it was done before a failure the audit log."""
        period = " to ".join(write_moment(from_ms(each)) for each in (since, until))
        # It is many transactions; an entry in each would bury all others.
        async with acting(self._db, "usage.reprice", f"calls from {period}") as told:
            async for sums in self._sums(since, until, advance, writes=True):
                done = sums
                told |= {"calls_changed": done.changed, "usd_before": done.old, "usd_after": done.new}
        return done

    async def _sums(
        self, since: int, until: int, advance: Callable[[int], None], *, writes: bool
    ) -> AsyncIterator[Repriced]:
        """Those so far: at first of nothing, then after each batch."""
        calls = changed = unknown = old = new = 0
        yield Repriced(0, 0, 0, "0", "0")
        async for batch in reprice(self._db, self._prices, since, until, dry_run=not writes):
            calls, changed, unknown = calls + batch.rows, changed + batch.changed, unknown + batch.unknown
            old, new = old + batch.old, new + batch.new
            advance(batch.rows)
            yield Repriced(calls, changed, unknown, *(write_usd(from_pico_usd(each)) for each in (old, new)))
