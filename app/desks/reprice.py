"""The cost of logged calls computed anew, for whoever looks first and then has it changed."""

from collections.abc import Callable
from dataclasses import dataclass

from app.core.moments import write_moment
from app.core.money import from_pico_usd, write_usd
from app.metering.prices import Prices
from app.metering.reprice import reprice
from app.store.audit import note
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
        return await self._run(since, until, advance, writes=False)

    async def apply(self, since: int, until: int, advance: Callable[[int], None] = lambda _: None) -> Repriced:
        """Change it, batch by batch; what was changed is as `look` tells it."""
        done = await self._run(since, until, advance, writes=True)
        if done.changed:
            period = " to ".join(write_moment(from_ms(each)) for each in (since, until))
            after = {"usd": done.new, "calls": done.changed}
            await note(self._db, "usage.reprice", f"calls from {period}", before={"usd": done.old}, after=after)
        return done

    async def _run(self, since: int, until: int, advance: Callable[[int], None], *, writes: bool) -> Repriced:
        calls = changed = unknown = old = new = 0
        async for batch in reprice(self._db, self._prices, since, until, dry_run=not writes):
            calls, changed, unknown = calls + batch.rows, changed + batch.changed, unknown + batch.unknown
            old, new = old + batch.old, new + batch.new
            advance(batch.rows)
        return Repriced(calls, changed, unknown, *(write_usd(from_pico_usd(each)) for each in (old, new)))
