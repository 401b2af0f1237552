"""Queries on the units of a token's day, and on the stock that workers hold of them."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import delete, func, select

from app.store.db import Database
from app.store.statements import Statements
from app.store.tables import QUOTA_DAYS, QUOTA_LEASES

LIVE_MS = 5000
"""A worker whose heartbeat is older is dead, and what it held is lost for that day."""

_BLOCK_SHARE = 64  # of what is left of the day: the last units are leased one by one
_MAX_BLOCK = 1000  # a lease costs a transaction; beyond this it is nothing a call
_DAYS_KEPT = 7  # for who wants to look; nothing reads them


@dataclass(frozen=True, slots=True)
class Leased:
    """What asking for units brought.

    Attributes:
        units: how many; 0 where the day is used up.
        taken: how many of the day are taken now, by everybody, whether admitted or in stock.
        recalled: the limit under which nobody keeps units in stock any more; 0 for none.
        held: where `units` is 0, what other living workers still have in stock.
    """

    units: int
    taken: int
    recalled: int
    held: int = 0


@dataclass(frozen=True, slots=True)
class Change:
    """How a worker's stock of a token's day changed since it last told.

    Attributes:
        returned: units that go back, to be taken by anybody.
        unused: by how much its stock is larger (or smaller) now, returned ones included.
        over: it has none, and wants none for now.
    """

    token_id: str
    day: int
    returned: int
    unused: int
    over: bool = False


_DAY_STATE = "SELECT taken, recalled FROM quota_days WHERE token_id = :token_id AND day = :day"
_TAKE = (
    "INSERT INTO quota_days (token_id, day, taken, recalled) VALUES (:token_id, :day, :units, 0)"
    " ON CONFLICT (token_id, day) DO UPDATE SET taken = quota_days.taken + :units"
    " WHERE quota_days.taken + :units <= :limit RETURNING taken"
)
_STOCK_UP = (
    "INSERT INTO quota_leases (worker_id, token_id, day, unused, heartbeat_at)"
    " VALUES (:worker_id, :token_id, :day, :units, :now)"
    " ON CONFLICT (worker_id, token_id, day) DO UPDATE"
    " SET unused = quota_leases.unused + :units, heartbeat_at = :now"
)
_HELD_ELSEWHERE = (
    "SELECT coalesce(sum(unused), 0) FROM quota_leases WHERE token_id = :token_id AND day = :day"
    " AND worker_id <> :worker_id AND heartbeat_at > :alive_since AND unused > 0"
)
_RECALL = "UPDATE quota_days SET recalled = :limit WHERE token_id = :token_id AND day = :day"
_RETURN = "UPDATE quota_days SET taken = taken - :returned WHERE token_id = :token_id AND day = :day"
_CHANGE = (
    "UPDATE quota_leases SET unused = unused + :unused"
    " WHERE worker_id = :worker_id AND token_id = :token_id AND day = :day"
)
_END = "DELETE FROM quota_leases WHERE worker_id = :worker_id AND token_id = :token_id AND day = :day AND unused <= 0"
_BEAT = "UPDATE quota_leases SET heartbeat_at = :now WHERE worker_id = :worker_id"
_RECALLED = (
    "SELECT d.token_id, d.day, d.recalled FROM quota_days d"
    " JOIN quota_leases l ON l.token_id = d.token_id AND l.day = d.day"
    " WHERE l.worker_id = :worker_id AND d.recalled > 0"
)


async def lease_units(
    db: Database, worker_id: str, token_id: str, day: int, *, limit: int, wanted: int, back: int, now: int
) -> Leased:
    """Take units of a day into a worker's stock, in one transaction; all that are admitted come through here.

    It brings a block, smaller the less is left, or `wanted` where more callers wait than that. First, `back` units of the
    worker's stock return. Where the day is used up but others hold units, it asks them to return those.

    Raises:
        DatabaseUnavailable: nothing was leased; `back` did not return, unless the error is `in_doubt`.
    """
    key = {"token_id": token_id, "day": day, "worker_id": worker_id, "limit": limit, "now": now}

    def lease(statements: Statements) -> Leased:
        if back:
            _apply(statements, worker_id, [Change(token_id, day, returned=back, unused=-back)])
        state = statements.rows(_DAY_STATE, key)
        taken, recalled = state[0] if state else (0, 0)
        # The state may be old by now where the database locks rows, not files; the statement itself decides.
        for units in _sizes(limit - taken, wanted, in_stock=recalled < limit):
            if now_taken := statements.rows(_TAKE, {**key, "units": units}):
                statements.rows(_STOCK_UP, {**key, "units": units})
                return Leased(units, now_taken[0][0], recalled)
        ((held,),) = statements.rows(_HELD_ELSEWHERE, {**key, "alive_since": now - LIVE_MS})
        if held and recalled < limit:
            statements.rows(_RECALL, key)
        return Leased(0, taken, recalled, int(held))

    return await db.transact(lease)


def _sizes(free: int, wanted: int, *, in_stock: bool) -> tuple[int, ...]:
    """How many units to try for, one after the other."""
    if free <= 0:
        return ()
    block = min(max(free // _BLOCK_SHARE, 1), _MAX_BLOCK) if in_stock else 1
    units = min(max(block, wanted), free)
    return (units, 1) if units > 1 else (1,)


async def report_stock(db: Database, worker_id: str, changes: Sequence[Change], now: int) -> None:
    """Tell how a worker's stock changed, and that it lives.

    Raises:
        DatabaseUnavailable: nothing was told, unless the error is `in_doubt`.
    """
    # In the order of their ids, so that two workers never wait for each other crosswise.
    ordered = sorted(changes, key=lambda change: (change.token_id, change.day))

    def report(statements: Statements) -> None:
        _apply(statements, worker_id, ordered)
        statements.rows(_BEAT, {"worker_id": worker_id, "now": now})

    await db.transact(report)


async def read_recalls(db: Database, worker_id: str) -> dict[tuple[str, int], int]:
    """The limit under which units are recalled, by token and day, for what a worker has or had in stock."""
    key = {"worker_id": worker_id}
    rows = await db.transact(lambda statements: statements.rows(_RECALLED, key), writes=False)
    return {(token_id, day): recalled for token_id, day, recalled in rows}


async def read_used(db: Database, day: int, now: int) -> dict[str, int]:
    """Units of a day that are used, by token. Stock of living workers is not; that of dead ones is, for it is lost."""
    stock = (
        select(QUOTA_LEASES.c.token_id, func.sum(QUOTA_LEASES.c.unused).label("unused"))
        .where(QUOTA_LEASES.c.day == day, QUOTA_LEASES.c.heartbeat_at > now - LIVE_MS)
        .group_by(QUOTA_LEASES.c.token_id)
        .subquery()
    )
    used = (
        select(QUOTA_DAYS.c.token_id, QUOTA_DAYS.c.taken - func.coalesce(stock.c.unused, 0))
        .outerjoin(stock, stock.c.token_id == QUOTA_DAYS.c.token_id)
        .where(QUOTA_DAYS.c.day == day)
    )
    async with db.read() as connection:
        return {token_id: int(units) for token_id, units in await connection.execute(used)}


async def delete_old_days(db: Database, today: int) -> None:
    """Forget leases of days that are over, and days that nobody looks at any more."""
    async with db.begin() as connection:
        # Yesterday's leases may still be on their way back.
        await connection.execute(delete(QUOTA_LEASES).where(QUOTA_LEASES.c.day < today - 1))
        await connection.execute(delete(QUOTA_DAYS).where(QUOTA_DAYS.c.day < today - _DAYS_KEPT))


def _apply(statements: Statements, worker_id: str, changes: Sequence[Change]) -> None:
    rows = [
        {
            "worker_id": worker_id,
            "token_id": change.token_id,
            "day": change.day,
            "returned": change.returned,
            "unused": change.unused,
        }
        for change in changes
    ]
    if returns := [row for row in rows if row["returned"]]:
        statements.many(_RETURN, returns)
    if differences := [row for row in rows if row["unused"]]:
        statements.many(_CHANGE, differences)
    if ends := [row for row, change in zip(rows, changes, strict=True) if change.over]:
        statements.many(_END, ends)
