"""Daily quotas: exactly as many calls as a token is allowed, over any number of workers.

All units of a token's day are counted in one row of the database. A worker leases a block of them by one atomic statement
into its stock, admits calls from there without waiting for anything, and returns what is left. Near the limit a block is
one unit. Where the day is used up while other workers have stock, they are asked to return it before a call is refused.

So never more than the limit are admitted, also after `kill -9`: a worker that dies without closing takes the units in
its stock (at most 1000, and at most a 64th of what was left of the day) with it for that day.
"""

import asyncio
import logging
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

from app.core.errors import Headers, QuotaExceeded
from app.core.limits import duration
from app.core.principal import Principal
from app.store.db import Database, DatabaseUnavailable
from app.store.quota import Change, delete_old_days, lease_units, read_recalls, report_stock

SECONDS_PER_DAY = 86_400

_REPORT_EVERY_S = 0.5
_IDLE_REPORTS = 10  # after this many without a call, stock goes back
_RECALL_WAIT_S = 2.0  # others answer a recall with their next report
_RECALL_POLL_S = 0.05
# Anthropic's SDK would wait for as long as it is told, in silence.
_LONGEST_WAIT_S = 60
_REFUSE_FOR_S = 0.5  # how long "used up" is believed without asking again

log = logging.getLogger(__name__)


@dataclass(slots=True)
class Admission:
    """One unit of a token's day, for one call. `give_back` it where the call fails and is not the caller's fault.

    Attributes:
        day: days since 1970, UTC.
        remaining: units left after this one, as far as this worker knows: what others have in stock counts as gone.
        reset_s: seconds until the day is over.
    """

    token_id: str
    day: int
    limit: int
    remaining: int
    reset_s: int
    returned: bool = False

    def headers(self) -> Headers:
        """The three `x-ratelimit` headers, as OpenAI's API has them."""
        return _headers(self.limit, self.remaining, self.reset_s)


@dataclass(slots=True, eq=False)
class _Stock:
    """What this worker has of one token's day.

    Attributes:
        unused: units to admit calls from.
        told: what the database believes `unused` to be.
        taken: of the day, by everybody, when units were last leased.
        recalled: the limit under which nothing is kept in stock; 0 for none.
        limit: the token's, when units were last leased.
        waiting: callers that wait for units.
        used_up_limit: the limit under which the day is used up, until `used_up_until` on the monotonic clock.
        quiet_reports: how many reports in a row found `unused` as it was.
    """

    token_id: str
    day: int
    unused: int = 0
    told: int = 0
    taken: int = 0
    recalled: int = 0
    limit: int = 0
    waiting: int = 0
    used_up_limit: int = 0
    used_up_until: float = 0.0
    seen_unused: int = 0
    quiet_reports: int = 0
    filling: "asyncio.Task[DatabaseUnavailable | None] | None" = None


class Quota:
    """Admits calls. Run `run` beside it, and close it when no call is admitted any more.

    Args:
        worker_id: of this process and this start, unlike any other; at most 64 characters.
        clock: seconds since the epoch.
    """

    def __init__(self, db: Database, worker_id: str, *, clock: Callable[[], float] = time.time) -> None:
        self._db = db
        self._worker_id = worker_id
        self._clock = clock
        self._stocks: dict[str, _Stock] = {}
        self._of_other_days: list[_Stock] = []
        self._strays: Counter[tuple[str, int]] = Counter()
        self._reporting: asyncio.Task[None] | None = None
        self._tidied_day = 0

    def take(self, principal: Principal) -> Admission | None:
        """A unit from this worker's stock; None where it has none that may be used."""
        now = int(self._clock())
        stock = self._stocks.get(principal.token_id)
        limit = principal.daily_limit
        # `taken` is over a limit that was lowered since: the stock must go back before it is known what is still free.
        if stock is None or not stock.unused or stock.taken > limit or stock.day != now // SECONDS_PER_DAY:
            return None
        stock.unused -= 1
        remaining = limit - stock.taken + stock.unused
        return Admission(stock.token_id, stock.day, limit, remaining, SECONDS_PER_DAY - now % SECONDS_PER_DAY)

    async def admit(self, principal: Principal) -> Admission:
        """A unit for a call.

        Raises:
            QuotaExceeded: the day is used up; the error carries `Retry-After` and the `x-ratelimit` headers.
            DatabaseUnavailable: the stock is empty and cannot be filled.
        """
        while (admission := self.take(principal)) is None:
            stock, limit = self._stock_of_today(principal.token_id), principal.daily_limit
            if limit <= 0 or (limit <= stock.used_up_limit and time.monotonic() < stock.used_up_until):
                raise self._exceeded(limit)
            stock.waiting += 1
            try:
                await self._fill(stock, limit)
            finally:
                stock.waiting -= 1
        return admission

    def give_back(self, admission: Admission) -> None:
        """Let the unit be used by another call. Twice is once."""
        if admission.returned:
            return
        admission.returned = True
        stock = self._stocks.get(admission.token_id)
        if stock is not None and stock.day == admission.day:
            stock.unused += 1
        else:
            self._strays[admission.token_id, admission.day] += 1

    async def run(self) -> None:
        """Report twice a second, for ever. It outlives a database that does not answer."""
        while True:
            await asyncio.sleep(_REPORT_EVERY_S)
            # Shielded: half a report, cancelled at shutdown, would leave open what was returned.
            self._reporting = asyncio.create_task(self._report_or_log())
            await asyncio.shield(self._reporting)

    async def report(self) -> None:
        """Tell the database what is unused, and return what is recalled, idle, or of another day.

        Raises:
            DatabaseUnavailable: it is told next time.
        """
        today = int(self._clock()) // SECONDS_PER_DAY
        if self._tidied_day != today:
            await delete_old_days(self._db, today)
            self._tidied_day = today
        if any(stock.told for stock in self._stocks.values()):
            recalls = await read_recalls(self._db, self._worker_id)
            for stock in self._stocks.values():
                stock.recalled = recalls.get((stock.token_id, stock.day), stock.recalled)
        self._part_with_other_days(today)
        await self._tell(closing=False)

    async def aclose(self) -> None:
        """Return everything."""
        stocks = [*self._stocks.values(), *self._of_other_days]
        under_way = [task for task in (self._reporting, *(stock.filling for stock in stocks)) if task is not None]
        if under_way:
            await asyncio.wait(under_way)
        try:
            await self._tell(closing=True)
        except DatabaseUnavailable:
            log.warning("Units of today's quotas could not be returned; they are lost for today", exc_info=True)

    async def _fill(self, stock: _Stock, limit: int) -> None:
        """Wait for the lease that is under way, or start one. A caller that leaves does not end it: others wait for it too."""
        if stock.filling is None:
            stock.filling = asyncio.create_task(self._lease(stock, limit))
        failure = await asyncio.shield(stock.filling)
        if failure is not None:
            raise DatabaseUnavailable(failure.message) from failure

    async def _lease(self, stock: _Stock, limit: int) -> DatabaseUnavailable | None:
        give_up_at = time.monotonic() + _RECALL_WAIT_S
        try:
            while stock.waiting and await self._lease_once(stock, limit):
                if time.monotonic() >= give_up_at:
                    self._use_up(stock, limit)
                    break
                await asyncio.sleep(_RECALL_POLL_S)
                if stock.unused:
                    break
        except DatabaseUnavailable as exc:
            return exc
        finally:
            stock.filling = None
        return None

    async def _lease_once(self, stock: _Stock, limit: int, *, again: bool = False) -> bool:
        """Lease units; True where there are none, but other workers were asked to return theirs."""
        back = stock.unused if stock.taken > limit else 0
        stock.unused -= back
        try:
            leased = await lease_units(
                self._db,
                self._worker_id,
                stock.token_id,
                stock.day,
                limit=limit,
                wanted=stock.waiting,
                back=back,
                now=self._now_ms(),
            )
        except DatabaseUnavailable as exc:
            if not exc.in_doubt:
                stock.unused += back
            raise
        stock.told += leased.units - back
        stock.unused += leased.units
        stock.taken, stock.recalled, stock.limit = leased.taken, leased.recalled, limit
        if leased.units or leased.held:
            return bool(leased.held)
        # On a server a unit may come back between the look at the day and that at what others hold: look again, once.
        if self._db.path is None and not again:
            return await self._lease_once(stock, limit, again=True)
        self._use_up(stock, limit)
        return False

    def _use_up(self, stock: _Stock, limit: int) -> None:
        stock.used_up_limit = limit
        stock.used_up_until = time.monotonic() + _REFUSE_FOR_S

    def _stock_of_today(self, token_id: str) -> _Stock:
        today = int(self._clock()) // SECONDS_PER_DAY
        stock = self._stocks.get(token_id)
        if stock is None or stock.day != today:
            if stock is not None:
                self._of_other_days.append(stock)
            stock = self._stocks[token_id] = _Stock(token_id, today)
        return stock

    def _part_with_other_days(self, today: int) -> None:
        over = [stock for stock in self._stocks.values() if stock.day != today]
        self._of_other_days += over
        for stock in over:
            del self._stocks[stock.token_id]

    async def _report_or_log(self) -> None:
        try:
            await self.report()
        except DatabaseUnavailable as exc:
            log.warning("The use of today's quotas could not be reported; it is tried again. %s", exc)

    async def _tell(self, *, closing: bool) -> None:
        """Report every stock. What the database is told holds already here; it is taken back where that fails."""
        told: list[tuple[_Stock, Change]] = []
        for stock in [*self._stocks.values(), *self._of_other_days]:
            stock.quiet_reports = stock.quiet_reports + 1 if stock.unused == stock.seen_unused else 0
            back = stock.unused if closing or self._is_surplus(stock) else 0
            stock.unused -= back
            over = closing or (not stock.unused and self._is_done_with(stock))
            told.append((stock, Change(stock.token_id, stock.day, back, stock.unused - stock.told, over)))
            stock.told = stock.unused
            stock.seen_unused = stock.unused
        strays, self._strays = self._strays, Counter()
        changes = [change for stock, change in told if change.returned or change.unused or change.over or stock.told]
        changes += [Change(token_id, day, units, 0) for (token_id, day), units in strays.items()]
        if not changes:
            return
        try:
            await report_stock(self._db, self._worker_id, changes, self._now_ms())
        except DatabaseUnavailable as exc:
            for stock, change in told:
                stock.told -= change.unused
                if not exc.in_doubt:
                    stock.unused += change.returned
            if not exc.in_doubt:
                self._strays += strays
            raise
        self._forget([stock for stock, change in told if change.over])

    def _is_surplus(self, stock: _Stock) -> bool:
        """Whether its units are to go back. Units that callers wait for are never."""
        if stock.waiting or stock.filling:
            return False
        return self._is_done_with(stock) or stock.recalled >= max(stock.limit, 1)

    def _is_done_with(self, stock: _Stock) -> bool:
        if stock.waiting or stock.filling:
            return False
        return stock.quiet_reports >= _IDLE_REPORTS or stock is not self._stocks.get(stock.token_id)

    def _forget(self, stocks: list[_Stock]) -> None:
        for stock in stocks:
            if stock.waiting or stock.filling or stock.unused:
                continue  # it was needed again while this was told
            if stock is self._stocks.get(stock.token_id):
                del self._stocks[stock.token_id]
            elif stock in self._of_other_days:
                self._of_other_days.remove(stock)

    def _exceeded(self, limit: int) -> QuotaExceeded:
        reset_s = SECONDS_PER_DAY - int(self._clock()) % SECONDS_PER_DAY
        message = f"This token's limit of {limit} requests a day is used up. It starts anew at 00:00 UTC, in {duration(reset_s)}."
        headers = [("retry-after", str(reset_s)), *_headers(limit, 0, reset_s)]
        if reset_s > _LONGEST_WAIT_S:
            headers.append(("x-should-retry", "false"))
        return QuotaExceeded(message, headers=headers)

    def _now_ms(self) -> int:
        return int(self._clock() * 1000)


def _headers(limit: int, remaining: int, reset_s: int) -> Headers:
    return (
        ("x-ratelimit-limit-requests", str(limit)),
        ("x-ratelimit-remaining-requests", str(remaining)),
        ("x-ratelimit-reset-requests", duration(reset_s)),
    )
