"""Which single calls are meant, how many they are, and one with those that were made for it."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from app.core.jsonio import dumps
from app.core.reply import FAILURES, FIRST_ERROR_STATUS
from app.store.db import Database
from app.store.rollups import HOURS_PER_DAY
from app.store.selection import Conditions, Selection, conditions
from app.store.tables import REQUEST_LOGS
from app.store.times import MS_PER_DAY

Order = Literal["asc", "desc"]
Status = Literal["success", "error"]
Row = dict[str, Any]

PROMPT = ("input", "cache_read", "cache_write", "cache_write_1h", "input_audio", "input_image")
COMPLETION = ("output", "reasoning", "output_audio", "output_image")
"""The classes that are tokens of the request, and of the reply."""

COLUMNS = tuple(column.name for column in REQUEST_LOGS.columns)
SELECTED = ", ".join(f"r.{name}" for name in COLUMNS)
"""All columns of calls `r`."""

SORTS = {
    "timestamp": "r.received_at",
    "input_tokens": f"({' + '.join(f'r.{name}_tokens' for name in PROMPT)})",
    "output_tokens": f"({' + '.join(f'r.{name}_tokens' for name in COMPLETION)})",
    "cost": "coalesce(r.cost, -1)",
    "response_time_ms": "r.total_ms",
}
"""What calls can be sorted by."""

IN_PERIOD = "r.received_at >= :from_ms AND r.received_at < :until_ms"

# `went_well` in SQL.
_OK = f"r.status < {FIRST_ERROR_STATUS} AND r.outcome NOT IN {tuple(map(str, FAILURES))!r}"
_STATUSES = {None: "", "success": f" AND {_OK}", "error": f" AND NOT ({_OK})"}
COUNTS = {None: "u.calls", "success": "u.ok", "error": "u.calls - u.ok"}
"""How many of the clients' own calls have a status, by sums `u`."""


@dataclass(frozen=True, slots=True)
class After:
    """The last call of the page before: by what it was sorted there, and its id."""

    value: int
    id: str


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which calls, and in what order.

    Attributes:
        status: only those that went well, or only those that did not.
        helpers: also those that were made for others.
        failed: only those in which an attempt at this provider's model failed, whatever became of the call.
        sort: a name of `SORTS`; those that are the same by it come in the order of their ids.
        after: where the page begins; None for the first one.
    """

    selection: Selection
    status: Status | None = None
    helpers: bool = False
    failed: tuple[str, str] | None = None
    sort: str = "timestamp"
    order: Order = "desc"
    after: After | None = None


def conditions_on(wanted: Wanted) -> Conditions:
    """All but the period, on calls `r`."""
    where, values = conditions(wanted.selection, "r")
    where += _STATUSES[wanted.status]
    if not wanted.helpers:
        where += " AND r.parent_id IS NULL"
    if wanted.failed is not None:
        where += " AND replace(r.story, :failed, '') <> r.story"  # see `_with_tag`
        values["failed"] = _as_told(*wanted.failed)
    if wanted.after is not None:
        sort, sign = SORTS[wanted.sort], "<" if wanted.order == "desc" else ">"
        where += f" AND ({sort} {sign} :after OR ({sort} = :after AND r.id {sign} :after_id))"
        values |= {"after": wanted.after.value, "after_id": wanted.after.id}
    return where, values


async def count_calls(db: Database, wanted: Wanted) -> int:
    """How many calls there are on all pages.

    Raises:
        DatabaseUnavailable: the database cannot be read.
    """
    everything = replace(wanted, after=None)
    async with db.read() as connection:
        if wanted.helpers or wanted.failed is not None:
            return await _count_rows(connection, everything)
        # Of the oldest day some calls may be gone, and have to be counted one by one; of all others the sums know.
        selection = wanted.selection
        oldest_day = max(await read_oldest(connection) // MS_PER_DAY, selection.first_day)
        oldest = replace(selection, first_day=oldest_day, last_day=min(oldest_day, selection.last_day))
        count = await _count_rows(connection, replace(everything, selection=oldest))
        return count + await count_summed(
            connection, replace(everything, selection=replace(selection, first_day=oldest_day + 1))
        )


async def read_call(db: Database, call_id: str) -> tuple[Row, list[Row]] | None:
    """The row of one call, and of those that were made for it, in the order of their arrival; None where it is not there.

    Raises:
        DatabaseUnavailable: the database cannot be read.
    """
    sql = f"SELECT {SELECTED} FROM request_logs r WHERE %s ORDER BY r.received_at, r.id"  # noqa: S608 - our columns
    async with db.read() as connection:
        row = (await connection.execute(text(sql % "r.id = :id"), {"id": call_id})).first()
        if row is None:
            return None
        children = (await connection.execute(text(sql % "r.parent_id = :id"), {"id": call_id})).all()
    return dict(zip(COLUMNS, row, strict=True)), [dict(zip(COLUMNS, child, strict=True)) for child in children]


async def read_helper_costs(db: Database, call_ids: Sequence[str]) -> dict[str, tuple[int, int, int]]:
    """Of each call that others were made for: how many, what they cost together, and for how many of them no price is known.

    Raises:
        DatabaseUnavailable: the database cannot be read.
    """
    if not call_ids:
        return {}
    marks = {f"id{number}": call_id for number, call_id in enumerate(call_ids)}
    sql = (
        "SELECT r.parent_id, count(*), sum(coalesce(r.cost, 0)), count(*) - count(r.cost) FROM request_logs r"  # noqa: S608 - our marks
        f" WHERE r.parent_id IN ({', '.join(f':{mark}' for mark in marks)}) GROUP BY r.parent_id"
    )
    async with db.read() as connection:
        rows = (await connection.execute(text(sql), marks)).all()
    return {parent: (int(count), int(cost), int(unpriced)) for parent, count, cost, unpriced in rows}


async def count_summed(connection: AsyncConnection, wanted: Wanted) -> int:
    """How many there are of the clients' own, by the sums: also of those whose rows are gone."""
    selection = wanted.selection
    where, values = conditions(selection, "k")
    if where:
        source, days = f"usage_days u WHERE u.key_id IN (SELECT k.id FROM usage_keys k WHERE 1 = 1{where}) AND u.day", 1  # noqa: S608 - our conditions
    else:
        source, days = "usage_totals u WHERE u.hour", HOURS_PER_DAY
    sql = f"SELECT coalesce(sum({COUNTS[wanted.status]}), 0) FROM {source} BETWEEN :first AND :last"  # noqa: S608 - our names
    period = {"first": selection.first_day * days, "last": (selection.last_day + 1) * days - 1}
    return int((await connection.execute(text(sql), values | period)).scalar_one())


async def read_oldest(connection: AsyncConnection) -> int:
    """When the oldest call that is still kept arrived."""
    return (await connection.execute(text("SELECT min(received_at) FROM request_logs"))).scalar() or 0


def _as_told(provider: str, model: str) -> str:
    """As the failure of an attempt stands in a story: no text in it can hold the quotes."""
    return dumps({"provider": provider, "model": model}).decode()[1:-1] + ","


async def _count_rows(connection: AsyncConnection, wanted: Wanted) -> int:
    where, values = conditions_on(wanted)
    first, last = wanted.selection.first_day, wanted.selection.last_day
    bounds = {"from_ms": first * MS_PER_DAY, "until_ms": (last + 1) * MS_PER_DAY}
    sql = f"SELECT count(*) FROM request_logs r WHERE {IN_PERIOD}{where}"  # noqa: S608 - our conditions
    return int((await connection.execute(text(sql), values | bounds)).scalar_one())
