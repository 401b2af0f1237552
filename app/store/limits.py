"""Queries on limits: what is reserved of them before a call, and settled with its row.

`limit_uses.reserved` is the sum of `limit_holds.amount` at the end of every transaction. All of them write `limit_holds` first,
where each call has rows of its own, and `limit_uses` last, in the order of the keys: nobody waits for another crosswise, and a row
that many calls wait for is locked for as short as can be.
"""

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence

from app.core.frozen import frozen
from app.core.limits import (
    BUDGETS,
    LIMITS,
    MAX_CONCURRENT,
    REQUESTS_PER_MINUTE,
    TOKENS,
    Ask,
    Cap,
    Reservation,
    Standing,
    period_of,
)
from app.core.record import Hold
from app.store.db import Database
from app.store.statements import Statements

Key = tuple[str, str, int]
"""Subject, limit, period."""

LIVE_MS = 60_000
"""A worker whose last sign is older has no calls under way. What it used is known when its journal is read."""

_GONE_MS = 86_400_000
"""After so long nobody waits for the journal of a worker any more."""
_KEPT_S = 62 * 86_400  # the last month is there for who wants to look

_KEY = '"limit" = :limit AND subject = :subject AND period = :period'
_RESERVE = (
    'INSERT INTO limit_uses (subject, "limit", period, used, reserved) VALUES (:subject, :limit, :period, 0, :amount)'
    ' ON CONFLICT (subject, "limit", period) DO UPDATE SET reserved = limit_uses.reserved + :amount'
    " WHERE limit_uses.used + limit_uses.reserved + :amount <= :most RETURNING used, reserved"
)
_HOLD = (
    'INSERT INTO limit_holds (call_id, subject, "limit", period, worker_id, amount)'
    " VALUES (:call_id, :subject, :limit, :period, :worker_id, :amount)"
)
_STATE = f"SELECT used, reserved FROM limit_uses WHERE {_KEY}"  # noqa: S608 - our words
_ALL_STATES = 'SELECT subject, "limit", period, used, reserved FROM limit_uses WHERE period IN ({})'
_SETTLE = (
    'INSERT INTO limit_uses (subject, "limit", period, used, reserved) VALUES (:subject, :limit, :period, :used, 0)'
    ' ON CONFLICT (subject, "limit", period) DO UPDATE'
    " SET used = limit_uses.used + :used, reserved = limit_uses.reserved - :freed"
)
_LET_GO = "DELETE FROM limit_holds WHERE "
_GIVING = ' RETURNING subject, "limit", period, amount'
_OF_WORKER = "worker_id = :worker_id"
_STALE = f"{_KEY} AND worker_id NOT IN (SELECT worker_id FROM limit_workers WHERE beat_at > :alive_since)"  # noqa: S608
_BEAT = (
    "INSERT INTO limit_workers (worker_id, beat_at) VALUES (:worker_id, :now)"
    " ON CONFLICT (worker_id) DO UPDATE SET beat_at = :now"
)
_SILENT = (
    "SELECT DISTINCT worker_id FROM limit_holds"
    " WHERE worker_id NOT IN (SELECT worker_id FROM limit_workers WHERE beat_at > :alive_since)"
)
_FORGET_WORKER = "DELETE FROM limit_workers WHERE worker_id = :worker_id"
_FORGET_WORKERS = "DELETE FROM limit_workers WHERE beat_at <= :alive_since"
_FORGET_USES = 'DELETE FROM limit_uses WHERE "limit" = :limit AND period < :period AND reserved = 0'


@frozen
class Settled:
    """What a call took that had reserved something.

    Attributes:
        requests: how many counted.
        tokens: of all classes.
        cost: in pico-USD; None where no price is known, and all that was reserved counts.
    """

    call_id: str
    holds: Sequence[Hold]
    requests: int
    tokens: int
    cost: int | None


async def reserve(
    db: Database, worker_id: str, call_id: str, asks: Sequence[Ask], is_wanted: Callable[[], bool] = lambda: True
) -> Reservation:
    """Reserve all of `asks` for a call, or nothing, in one transaction; one that is not wanted any more reserves nothing.

    Raises:
        DatabaseUnavailable: nothing was reserved, unless the error is `in_doubt`.
    """
    ordered = sorted(asks, key=lambda ask: _key_of(ask))

    def work(statements: Statements) -> Reservation:
        if not is_wanted():
            return Reservation(False, ())
        standings: list[Standing] = []
        holds = [{**_values(_key_of(ask)), "amount": ask.amount} for ask in ordered]
        statements.many(_HOLD, [{**hold, "call_id": call_id, "worker_id": worker_id} for hold in holds])
        for ask, hold in zip(ordered, holds, strict=True):
            # Where there is no row yet, it is made without a look at the limit.
            fits = ask.amount <= ask.cap.most
            rows = statements.rows(_RESERVE, {**hold, "most": ask.cap.most}) if fits else ()
            if not rows:
                rest = (_stand(statements, other) for other in ordered[len(standings) :])
                raise _Refused((*standings, *rest))
            standings.append(Standing(ask, rows[0][0], rows[0][1] - ask.amount))
        return Reservation(True, tuple(standings))

    try:
        return await db.transact(work)
    except _Refused as exc:
        return Reservation(False, exc.standings)


async def reserve_together(
    db: Database, worker_id: str, read_asks: Callable[[], Mapping[str, Sequence[Ask]]]
) -> Mapping[str, Reservation]:
    """Reserve all that several calls ask for, or nothing at all, in one transaction; what became of each, by its id.

    Args:
        read_asks: what they ask for, by their ids; called in the transaction, when some may have left.

    Returns:
        Nothing where not all of them fit.

    Raises:
        DatabaseUnavailable: nothing was reserved, unless the error is `in_doubt`.
    """

    def work(statements: Statements) -> Mapping[str, Reservation]:
        asked = read_asks()
        amounts: defaultdict[Key, int] = defaultdict(int)
        most: dict[Key, int] = {}
        holds = []
        for call_id, asks in asked.items():
            for ask in asks:
                key = _key_of(ask)
                amounts[key] += ask.amount
                most[key] = min(ask.cap.most, most.get(key, ask.cap.most))
                holds.append({**_values(key), "amount": ask.amount, "call_id": call_id, "worker_id": worker_id})
        if not holds or any(amounts[key] > most[key] for key in amounts):
            return {}
        statements.many(_HOLD, holds)
        stands = {}
        for key in sorted(amounts):
            rows = statements.rows(_RESERVE, {**_values(key), "amount": amounts[key], "most": most[key]})
            if not rows:
                raise _Refused(())
            stands[key] = rows[0]
        return {call_id: Reservation(True, _standings(asks, stands)) for call_id, asks in asked.items()}

    try:
        return await db.transact(work)
    except _Refused:
        return {}


def settle(statements: Statements, calls: Sequence[Settled]) -> None:
    """Count what `calls` used, and release what they hold. For calls whose rows are new in this transaction."""
    used: defaultdict[Key, int] = defaultdict(int)
    for call in calls:
        for hold in call.holds:
            used[hold.subject, hold.limit, hold.period] += _used_of(call, hold)
    if used:
        _let_go(statements, *_of_calls([call.call_id for call in calls]), used)


async def release_calls(db: Database, call_ids: Sequence[str]) -> None:
    """Release what calls hold of which no row will come.

    Raises:
        DatabaseUnavailable: do it again.
    """
    await db.transact(lambda statements: _let_go(statements, *_of_calls(call_ids)))


async def release_worker(db: Database, worker_id: str) -> None:
    """Release what the calls of a worker hold that is no more, and whose rows are all there. Twice is once.

    Raises:
        DatabaseUnavailable: do it again.
    """

    def work(statements: Statements) -> None:
        _let_go(statements, _OF_WORKER, {"worker_id": worker_id})
        statements.rows(_FORGET_WORKER, {"worker_id": worker_id})

    await db.transact(work)


async def release_places(db: Database, subject: str, now: int) -> None:
    """Release the places among calls at the same time that workers hold which have been silent for long.

    Raises:
        DatabaseUnavailable: do it again.
    """
    values = {**_values((subject, MAX_CONCURRENT, 0)), "alive_since": now - LIVE_MS}
    await db.transact(lambda statements: _let_go(statements, _STALE, values))


async def beat(db: Database, worker_id: str, now: int) -> None:
    """Tell that a worker is alive.

    Raises:
        DatabaseUnavailable: do it again.
    """
    await db.transact(lambda statements: statements.rows(_BEAT, {"worker_id": worker_id, "now": now}))


async def read_standings(db: Database, caps: Sequence[Cap], at: float) -> list[Standing]:
    """How `caps` stand in the periods of that moment, in seconds since the epoch.

    Raises:
        DatabaseUnavailable: they cannot be read.
    """
    asks = [Ask(cap, period_of(cap.limit, at), 0) for cap in caps]
    return await db.transact(lambda statements: [_stand(statements, ask) for ask in asks], writes=False)


async def read_all_standings(db: Database, caps: Sequence[Cap], at: float) -> list[Standing]:
    """The same of so many that all of the periods are read at once.

    Raises:
        DatabaseUnavailable: they cannot be read.
    """
    asks = [Ask(cap, period_of(cap.limit, at), 0) for cap in caps]
    periods = {f"period{number}": period for number, period in enumerate(sorted({ask.period for ask in asks}))}
    sql = _ALL_STATES.format(", ".join(f":{name}" for name in periods))
    rows = await db.transact(lambda statements: statements.rows(sql, periods), writes=False)
    stands = {tuple(key): (used, reserved) for *key, used, reserved in rows}
    return [Standing(ask, *stands.get(_key_of(ask), (0, 0))) for ask in asks]


async def tidy(db: Database, now: float) -> None:
    """Forget periods that nobody looks at any more, and release what workers hold that have been silent for a day.

    Raises:
        DatabaseUnavailable: do it again.
    """
    silent = {"alive_since": int(now * 1000) - _GONE_MS}

    def work(statements: Statements) -> None:
        for (worker_id,) in statements.rows(_SILENT, silent):
            _let_go(statements, _OF_WORKER, {"worker_id": worker_id})
        statements.rows(_FORGET_WORKERS, silent)
        kept = [{"limit": limit, "period": period_of(limit, now - _KEPT_S)} for limit in LIMITS]
        statements.many(_FORGET_USES, [each for each in kept if each["period"]])

    await db.transact(work)


class _Refused(Exception):
    """Rolls back what was reserved of other limits."""

    def __init__(self, standings: tuple[Standing, ...]) -> None:
        self.standings = standings


def _key_of(ask: Ask) -> Key:
    return ask.cap.subject, ask.cap.limit, ask.period


def _values(key: Key) -> dict[str, object]:
    return dict(zip(("subject", "limit", "period"), key, strict=True))


def _stand(statements: Statements, ask: Ask) -> Standing:
    rows = statements.rows(_STATE, _values(_key_of(ask)))
    used, reserved = rows[0] if rows else (0, 0)
    return Standing(ask, used, reserved)


def _standings(asks: Sequence[Ask], stands: Mapping[Key, Sequence[int]]) -> tuple[Standing, ...]:
    """Of a call whose part is reserved in `stands`, which are used and reserved by key."""
    found = [(ask, stands[_key_of(ask)]) for ask in sorted(asks, key=_key_of)]
    return tuple(Standing(ask, used, reserved - ask.amount) for ask, (used, reserved) in found)


def _used_of(call: Settled, hold: Hold) -> int:
    if hold.limit == REQUESTS_PER_MINUTE:
        return call.requests
    if hold.limit in TOKENS:
        return call.tokens
    if hold.limit in BUDGETS:
        return hold.amount if call.cost is None else call.cost
    return 0


def _of_calls(call_ids: Sequence[str]) -> tuple[str, dict[str, object]]:
    names = [f"call{number}" for number in range(len(call_ids))]
    return f"call_id IN ({', '.join(f':{name}' for name in names)})", dict(zip(names, call_ids, strict=True))


def _let_go(
    statements: Statements, which: str, values: Mapping[str, object], used: Mapping[Key, int] | None = None
) -> None:
    """Release the holds for which `which` is true, and count what was `used`."""
    freed: defaultdict[Key, int] = defaultdict(int)
    for subject, limit, period, amount in statements.rows(_LET_GO + which + _GIVING, values):
        freed[subject, limit, period] += amount
    used = used or {}
    keys = sorted(used.keys() | freed.keys())
    if keys:
        statements.many(_SETTLE, [{**_values(key), "used": used.get(key, 0), "freed": freed[key]} for key in keys])
