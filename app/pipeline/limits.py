"""The stage of limits beside calls a day: reserves what a call may use of them before it is sent."""

import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from decimal import Decimal

from app.core.call import Call, Target
from app.core.errors import PermissionDenied
from app.core.limits import BUDGETS, TOKENS, Ask, Cap, Standing, period_of
from app.core.money import ceil_pico_usd
from app.core.ports import Estimate, EstimateCall, Forecasts, Handler, Ledger
from app.core.record import Hold
from app.core.reply import Reply
from app.pipeline.limit_errors import refusal, tightest_per_minute, token_headers

OUTPUT_CEILING = 4096
"""Tokens of a reply for which the client gave no limit, where its model has none that is known."""

_BY_SIZE = TOKENS | BUDGETS


class Limits:
    """Keeps callers to the limits of their tokens and users. What is reserved is settled with the call's record.

    Args:
        estimate: how many tokens a call will use.
        ceiling: the most tokens that a model can write, where that is known.
        output_ceiling: what is reserved for a reply that the client did not limit, or less where its model cannot write as much.
        clock: seconds since the epoch.
    """

    def __init__(
        self,
        ledger: Ledger,
        estimate: EstimateCall,
        prices: Forecasts,
        *,
        output_ceiling: int = OUTPUT_CEILING,
        ceiling: Callable[[Target], int | None] = lambda _target: None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._ledger = ledger
        self._estimate = estimate
        self._prices = prices
        self._ceiling = ceiling
        self._output_ceiling = output_ceiling
        self._clock = clock

    def handle(self, call: Call, call_next: Handler) -> Awaitable[Reply]:
        """Pass the call on when there is room for it.

        Raises:
            LimitReached: there is none, and not within a moment.
            PermissionDenied: it has a budget, and nobody knows what the call may cost.
            Unavailable: the database does not answer.
        """
        if not call.principal.caps or call.free:
            return call_next(call)
        return self._limited(call, call_next)

    async def admit(self, call: Call) -> None:
        """Reserve what `call` takes by being one, before other calls are made for it; `handle` reserves the rest when its target is known.

        Raises:
            LimitReached, Unavailable: as `handle`.
        """
        caps = () if call.free else [cap for cap in _left_of(call) if cap.limit not in _BY_SIZE]
        if caps:
            now = self._clock()
            await self._reserve(call, [Ask(cap, period_of(cap.limit, now), 1) for cap in caps])

    async def _limited(self, call: Call, call_next: Handler) -> Reply:
        asks = await self._asks(call)
        if not asks:
            return await call_next(call)
        standings = await self._reserve(call, asks)
        now = self._clock()
        reply = await call_next(call)
        reply.headers += _told(standings, now)
        return reply

    async def _reserve(self, call: Call, asks: Sequence[Ask]) -> Sequence[Standing]:
        reservation = await self._ledger.reserve(call.id, asks, call.deadline)
        if not reservation.granted:
            raise refusal([_as_asked(call, standing) for standing in reservation.standings], self._clock())
        call.trace.holds += tuple(Hold(ask.cap.subject, ask.cap.limit, ask.period, ask.amount) for ask in asks)
        return reservation.standings

    async def _asks(self, call: Call) -> list[Ask]:
        # A call that is made for another one counts with that one, but for what it uses itself.
        caps = [cap for cap in _left_of(call) if call.parent_id is None or cap.limit in _BY_SIZE]
        limits = {cap.limit for cap in caps}
        tokens = cost = 0
        if not limits.isdisjoint(_BY_SIZE):
            estimate = self._estimate(call)
            output = self._output_of(call, estimate)
            tokens = estimate.input_tokens + output
            cost = 0 if limits.isdisjoint(BUDGETS) else await self._cost_of(call, estimate, output)
        amounts = dict.fromkeys(limits, 1) | dict.fromkeys(TOKENS, tokens) | dict.fromkeys(BUDGETS, cost)
        now = self._clock()
        asks = [Ask(cap, period_of(cap.limit, now), amounts[cap.limit]) for cap in caps]
        return asks if call.parent_id is None else [_for_helper(ask) for ask in asks]

    def _output_of(self, call: Call, estimate: Estimate) -> int:
        said = estimate.output_tokens
        if said is None:
            most = self._output_ceiling
            said = max(min(self._ceiling(target) or most, most) for target in _targets(call))
        return said * estimate.replies

    async def _cost_of(self, call: Call, estimate: Estimate, output_tokens: int) -> int:
        """The most that any of the call's targets may cost, in pico-USD."""
        most, input_tokens, pieces = Decimal(0), estimate.input_tokens, estimate.pieces
        for target in _targets(call):
            cost = self._prices.most(target, input_tokens, output_tokens, pieces)
            if cost is None:
                await self._prices.settled()
                cost = self._prices.most(target, input_tokens, output_tokens, pieces)
            if cost is None:
                raise _price_unknown(target, is_priced=self._prices.is_priced(target))
            most = max(most, cost)
        return ceil_pico_usd(most)


def _for_helper(ask: Ask) -> Ask:
    """What a helper call asks for. What it takes nothing of, as a search takes no tokens, the call that it is made for does: there
    has to be room for one."""
    return ask if ask.amount else replace(ask, cap=replace(ask.cap, most=ask.cap.most - 1))


def _as_asked(call: Call, standing: Standing) -> Standing:
    """How a cap stands for that one, in the cap's own number."""
    ask = standing.ask
    if call.parent_id is None or ask.amount:
        return standing
    return replace(standing, ask=replace(ask, cap=replace(ask.cap, most=ask.cap.most + 1), amount=1))


def _left_of(call: Call) -> Sequence[Cap]:
    """The limits of which nothing is reserved for `call` yet."""
    caps, holds = call.principal.caps, call.trace.holds
    if not holds:
        return caps
    held = {(hold.subject, hold.limit) for hold in holds}
    return [cap for cap in caps if (cap.subject, cap.limit) not in held]


def _price_unknown(target: Target, *, is_priced: bool) -> PermissionDenied:
    lacks, other = ("lacks a rate for tokens", " and the rates that it has") if is_priced else ("is not known here", "")
    return PermissionDenied(
        f"This token has a budget, and the price of {str(target)!r} {lacks}. The gateway's operator can set one"
        f" (llm-relay models price set {target} --input … --output …{other}), or lift the budget.",
        param="model",
        code="price_unknown",
    )


def _targets(call: Call) -> Sequence[Target]:
    if call.route is None:
        raise ValueError("limits are looked at before the call's name is resolved")
    return [choice.target for choice in call.route.choices]


def _told(standings: Sequence[Standing], now: float) -> list[tuple[bytes, bytes]]:
    tightest = tightest_per_minute(standings)
    if tightest is None:
        return []
    headers = token_headers(tightest, now, taken=tightest.ask.amount)
    return [(name.encode(), value.encode()) for name, value in headers]
