"""Queries on single calls: pages of them, and one with those that were made for it."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, NamedTuple

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from app.store.db import Database
from app.store.rollups import HOURS_PER_DAY
from app.store.selection import Selection, conditions
from app.store.tables import REQUEST_LOGS
from app.store.times import MS_PER_DAY, MS_PER_HOUR

Order = Literal["asc", "desc"]
Status = Literal["success", "error"]
Row = dict[str, Any]

PROMPT = ("input", "cache_read", "cache_write", "cache_write_1h", "input_audio", "input_image")
COMPLETION = ("output", "reasoning", "output_audio", "output_image")
"""The classes that are tokens of the request, and of the reply."""

_COLUMNS = tuple(column.name for column in REQUEST_LOGS.columns)
_SELECT = ", ".join(f"r.{name}" for name in _COLUMNS)
SORTS = {
    "timestamp": "r.received_at",
    "input_tokens": f"({' + '.join(f'r.{name}_tokens' for name in PROMPT)})",
    "output_tokens": f"({' + '.join(f'r.{name}_tokens' for name in COMPLETION)})",
    "cost": "coalesce(r.cost, -1)",
    "response_time_ms": "r.total_ms",
}
"""What calls can be sorted by."""

_FEW_KEYS = 16
"""As many are looked up in each hour; of more it takes no longer to read all that there are."""

_STATUSES = {None: "", "success": " AND r.status < 400", "error": " AND r.status >= 400"}
_COUNTS = {None: "u.calls", "success": "u.ok", "error": "u.calls - u.ok"}


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
        sort: a name of `SORTS`; those that are the same by it come in the order of their ids.
        after: where the page begins; None for the first one.
    """

    selection: Selection
    status: Status | None = None
    helpers: bool = False
    sort: str = "timestamp"
    order: Order = "desc"
    after: After | None = None


class _Summed(NamedTuple):
    """Where the sums of hours are of the calls that are meant.

    Attributes:
        source: SQL behind FROM, up to where the period is told.
        hour: the column that it is told of.
    """

    source: str
    hour: str
    values: Mapping[str, object]


async def read_calls(db: Database, wanted: Wanted, limit: int) -> tuple[list[Row], After | None]:
    """The rows of a page, and where the next one begins; None where this is the last.

    Raises:
        DatabaseUnavailable: the database cannot be read.
    """
    async with db.read() as connection:
        by_hours = wanted.sort == "timestamp" and bool(wanted.selection.filters or wanted.status)
        read = _read_by_hours if by_hours else _read_all
        found = await read(connection, wanted, limit + 1)
    page = found[:limit]
    rows = [dict(zip(_COLUMNS, row[1:], strict=True)) for row in page]
    return rows, After(int(page[-1][0]), rows[-1]["id"]) if len(found) > limit else None


async def count_calls(db: Database, wanted: Wanted) -> int:
    """How many calls there are on all pages.

    Raises:
        DatabaseUnavailable: the database cannot be read.
    """
    everything = replace(wanted, after=None)
    async with db.read() as connection:
        if wanted.helpers:
            return await _count_rows(connection, everything)
        # Of the oldest day some calls may be gone, and have to be counted one by one; of all others the sums know.
        selection = wanted.selection
        oldest_day = max(await _oldest(connection) // MS_PER_DAY, selection.first_day)
        oldest = replace(selection, first_day=oldest_day, last_day=min(oldest_day, selection.last_day))
        count = await _count_rows(connection, replace(everything, selection=oldest))
        return count + await _count_summed(
            connection, replace(everything, selection=replace(selection, first_day=oldest_day + 1))
        )


async def read_call(db: Database, call_id: str) -> tuple[Row, list[Row]] | None:
    """The row of one call, and of those that were made for it, in the order of their arrival; None where it is not there.

    Raises:
        DatabaseUnavailable: the database cannot be read.
    """
    sql = f"SELECT {_SELECT} FROM request_logs r WHERE %s ORDER BY r.received_at, r.id"  # noqa: S608 - our columns
    async with db.read() as connection:
        row = (await connection.execute(text(sql % "r.id = :id"), {"id": call_id})).first()
        if row is None:
            return None
        children = (await connection.execute(text(sql % "r.parent_id = :id"), {"id": call_id})).all()
    return dict(zip(_COLUMNS, row, strict=True)), [dict(zip(_COLUMNS, child, strict=True)) for child in children]


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


_PERIOD = "r.received_at >= :from_ms AND r.received_at < :until_ms"


async def _count_rows(connection: AsyncConnection, wanted: Wanted) -> int:
    where, values = _conditions(wanted)
    sql = f"SELECT count(*) FROM request_logs r WHERE {_PERIOD}{where}"  # noqa: S608 - our conditions
    return int((await connection.execute(text(sql), values | _period(wanted))).scalar_one())


async def _count_summed(connection: AsyncConnection, wanted: Wanted) -> int:
    """As `_count_rows`, from the sums: only the clients' own."""
    selection = wanted.selection
    where, values = conditions(selection, "k")
    if where:
        source, days = f"usage_days u WHERE u.key_id IN (SELECT k.id FROM usage_keys k WHERE 1 = 1{where}) AND u.day", 1  # noqa: S608 - our conditions
    else:
        source, days = "usage_totals u WHERE u.hour", HOURS_PER_DAY
    sql = f"SELECT coalesce(sum({_COUNTS[wanted.status]}), 0) FROM {source} BETWEEN :first AND :last"  # noqa: S608 - our names
    period = {"first": selection.first_day * days, "last": (selection.last_day + 1) * days - 1}
    return int((await connection.execute(text(sql), values | period)).scalar_one())


async def _oldest(connection: AsyncConnection) -> int:
    """When the oldest call that is still kept arrived."""
    return (await connection.execute(text("SELECT min(received_at) FROM request_logs"))).scalar() or 0


async def _read_all(connection: AsyncConnection, wanted: Wanted, limit: int) -> Sequence[Sequence[Any]]:
    where, values = _conditions(wanted)
    sql = (
        f"SELECT {SORTS[wanted.sort]} AS sorted, {_SELECT} FROM request_logs r WHERE {_PERIOD}{where}{_ending(wanted)}"  # noqa: S608 - our names
    )
    return (await connection.execute(text(sql), values | _period(wanted) | {"limit": limit})).all()


async def _read_by_hours(connection: AsyncConnection, wanted: Wanted, limit: int) -> Sequence[Sequence[Any]]:
    """As `_read_all`, but only those hours are looked through in which the sums know of such calls.

    Without that, a page of calls that are seldom would take a look at every call of the period.
    """
    where, values = _conditions(wanted)
    first, last = await _hours_left(connection, wanted)
    summed = await _summed_by(connection, wanted.selection)
    found: list[Sequence[Any]] = []
    while len(found) < limit:
        hours = await _hours_with_calls(connection, wanted, summed, first, last, limit - len(found))
        if not hours:
            break
        sql = (
            f"WITH hours(from_ms, until_ms) AS (VALUES {', '.join(map(str, _spans(hours)))})"  # noqa: S608 - numbers and names of ours
            f" SELECT {SORTS[wanted.sort]} AS sorted, {_SELECT} FROM hours h CROSS JOIN request_logs r"
            f" WHERE r.received_at >= h.from_ms AND r.received_at < h.until_ms{where}{_ending(wanted)}"
        )
        found += (await connection.execute(text(sql), values | {"limit": limit - len(found)})).all()
        if wanted.order == "desc":
            last = hours[-1] - 1
        else:
            first = hours[-1] + 1
    return found


async def _hours_left(connection: AsyncConnection, wanted: Wanted) -> tuple[int, int]:
    """The hours in which the page can be: from where the one before ended, and not before the oldest call that is still kept."""
    selection, after = wanted.selection, wanted.after
    first, last = selection.first_day * HOURS_PER_DAY, (selection.last_day + 1) * HOURS_PER_DAY - 1
    if after is not None and wanted.order == "desc":
        last = min(last, after.value // MS_PER_HOUR)
    elif after is not None:
        first = max(first, after.value // MS_PER_HOUR)
    return max(first, await _oldest(connection) // MS_PER_HOUR), last


async def _summed_by(connection: AsyncConnection, selection: Selection) -> _Summed:
    where, values = conditions(selection, "k")
    if not where:
        return _Summed("usage_totals u WHERE u.hour", "u.hour", {})
    keys = f"SELECT k.id FROM usage_keys k WHERE 1 = 1{where}"  # noqa: S608 - our conditions
    few = (await connection.execute(text(f"{keys} LIMIT {_FEW_KEYS + 1}"), values)).scalars().all()
    if len(few) > _FEW_KEYS:
        return _Summed(f"usage_hours u WHERE u.key_id IN ({keys}) AND u.hour", "u.hour", values)
    ids = ", ".join(map(str, few)) or "NULL"
    # SQLite does a CROSS JOIN from left to right: the hours there are, and in each these keys by the primary key.
    source = f"usage_totals t CROSS JOIN usage_hours u WHERE u.hour = t.hour AND u.key_id IN ({ids}) AND t.hour"
    return _Summed(source, "t.hour", {})


async def _hours_with_calls(
    connection: AsyncConnection, wanted: Wanted, summed: _Summed, first: int, last: int, limit: int
) -> Sequence[int]:
    """The next hours with calls that are meant, as many as it takes to have `limit` of them; fewer at the end."""
    # What is made for others has no count of what went well, and is seldom enough to look.
    count = "u.calls + u.helper_calls" if wanted.helpers else _COUNTS[wanted.status]
    sql = (
        f"SELECT {summed.hour}, sum({count}) FROM {summed.source} BETWEEN :first AND :last"  # noqa: S608 - our names
        f" GROUP BY {summed.hour} HAVING sum({count}) > 0 ORDER BY {summed.hour} {wanted.order} LIMIT :limit"
    )
    rows = await connection.execute(text(sql), {**summed.values, "first": first, "last": last, "limit": limit})
    hours, expected = [], 0
    for hour, calls in rows.all():
        hours.append(int(hour))
        expected += int(calls)
        if expected >= limit:
            break
    return hours


def _spans(hours: Iterable[int]) -> list[tuple[int, int]]:
    """From when until when, in milliseconds; hours that follow each other are one span."""
    spans: list[tuple[int, int]] = []
    for hour in sorted(hours):
        begin, end = hour * MS_PER_HOUR, (hour + 1) * MS_PER_HOUR
        if spans and spans[-1][1] == begin:
            begin = spans.pop()[0]
        spans.append((begin, end))
    return spans


def _conditions(wanted: Wanted) -> tuple[str, dict[str, object]]:
    where, values = conditions(wanted.selection, "r")
    where += _STATUSES[wanted.status]
    if not wanted.helpers:
        where += " AND r.parent_id IS NULL"
    if wanted.after is not None:
        sort, sign = SORTS[wanted.sort], "<" if wanted.order == "desc" else ">"
        where += f" AND ({sort} {sign} :after OR ({sort} = :after AND r.id {sign} :after_id))"
        values |= {"after": wanted.after.value, "after_id": wanted.after.id}
    return where, values


def _ending(wanted: Wanted) -> str:
    return f" ORDER BY sorted {wanted.order}, r.id {wanted.order} LIMIT :limit"


def _period(wanted: Wanted) -> dict[str, object]:
    """From when until when. Where the page before tells more, it must do so here: an index has one bound at each end."""
    first = wanted.selection.first_day * MS_PER_DAY
    end = (wanted.selection.last_day + 1) * MS_PER_DAY
    if wanted.after is not None and wanted.sort == "timestamp":
        if wanted.order == "desc":
            end = min(end, wanted.after.value + 1)
        else:
            first = max(first, wanted.after.value)
    return {"from_ms": first, "until_ms": end}
