"""Reads calls page by page, in each order by the way that looks at the fewest of them."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from typing import Any

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from app.store.calls import COLUMNS, IN_PERIOD, SELECTED, SORTS, After, Row, Wanted, conditions_on, count_summed
from app.store.db import Database
from app.store.hours import hours_of, spans_of, take_hours
from app.store.rollups import HOURS_PER_DAY
from app.store.times import MS_PER_DAY, MS_PER_HOUR

_SELDOM = 50
"""Of so many calls fewer than one is meant: all of their hours are looked through sooner than most of each day."""

_FEW = 8
"""Of so many calls fewer than one failed: to look at all of those is sooner done than to look for them among the others."""

_DAYS_AT_ONCE = 100
_MOST_VALUES = 10_000
"""Of a statement: SQLite takes 32,766, and an address or a model stands for two."""

_DAY = f"r.received_at / {MS_PER_DAY}"


Read = Callable[[AsyncConnection, Wanted, int], Awaitable[Sequence[Sequence[Any]]]]


async def read_calls(db: Database, wanted: Wanted, limit: int) -> tuple[list[Row], After | None]:
    """The rows of a page, and where the next one begins; None where this is the last.

    Raises:
        DatabaseUnavailable: the database cannot be read.
    """
    async with db.read() as connection:
        read = await _best_way(connection, wanted)
        found = await read(connection, wanted, limit + 1)
    page = found[:limit]
    rows = [dict(zip(COLUMNS, row[1:], strict=True)) for row in page]
    return rows, After(int(page[-1][0]), rows[-1]["id"]) if len(found) > limit else None


async def _best_way(connection: AsyncConnection, wanted: Wanted) -> Read:
    if wanted.failed is not None:
        return _read_in_time  # no sums are of attempts
    has_filters = any(wanted.selection.filters.values())
    if wanted.status == "error" and await _are_few_failed(connection, wanted):
        return _read_in_time  # by the index of those that failed
    if wanted.sort == "timestamp":
        return _read_by_hours if has_filters or wanted.status else _read_in_time
    return _read_hours if has_filters and await _are_seldom(connection, wanted) else _read_by_days


async def _are_few_failed(connection: AsyncConnection, wanted: Wanted) -> bool:
    failed = replace(wanted, selection=replace(wanted.selection, filters={}))
    return await count_summed(connection, failed) * _FEW < await count_summed(connection, replace(failed, status=None))


async def _are_seldom(connection: AsyncConnection, wanted: Wanted) -> bool:
    of_all = replace(wanted, selection=replace(wanted.selection, filters={}), status=None)
    return await count_summed(connection, wanted) * _SELDOM < await count_summed(connection, of_all)


async def _read_in_time(connection: AsyncConnection, wanted: Wanted, limit: int) -> Sequence[Sequence[Any]]:
    where, values = conditions_on(wanted)
    sql = f"{_select(wanted)} FROM request_logs r WHERE {IN_PERIOD}{where}{_ending(wanted)}"
    return (await connection.execute(text(sql), values | _period(wanted) | {"limit": limit})).all()


async def _read_by_hours(connection: AsyncConnection, wanted: Wanted, limit: int) -> Sequence[Sequence[Any]]:
    """As `_read_in_time`, hour by hour of those in which there are such calls."""
    where, values = conditions_on(wanted)
    left = await hours_of(connection, wanted)
    found: list[Sequence[Any]] = []
    while len(found) < limit:
        hours, left = await take_hours(connection, left, wanted, limit - len(found))
        if not hours:
            break
        sql = (
            f"WITH hours(from_ms, until_ms) AS (VALUES {', '.join(map(str, spans_of(hours)))})"
            f" {_select(wanted)} FROM hours h CROSS JOIN request_logs r"
            f" WHERE r.received_at >= h.from_ms AND r.received_at < h.until_ms{where}{_ending(wanted)}"
        )
        found += (await connection.execute(text(sql), values | {"limit": limit - len(found)})).all()
    return found


async def _read_hours(connection: AsyncConnection, wanted: Wanted, limit: int) -> Sequence[Sequence[Any]]:
    """In any order, by a look through all hours in which there are such calls."""
    where, values = conditions_on(wanted)
    hours = await hours_of(connection, wanted)
    length = f"CAST({MS_PER_HOUR} AS BIGINT)"
    sql = (
        f"{_select(wanted)} FROM ({hours.sql}) h CROSS JOIN request_logs r"
        f" WHERE r.received_at >= h.hour * {length} AND r.received_at < (h.hour + 1) * {length}{where}{_ending(wanted)}"
    )
    return (await connection.execute(text(sql), {**hours.values, **values, "limit": limit})).all()


async def _read_by_days(connection: AsyncConnection, wanted: Wanted, limit: int) -> Sequence[Sequence[Any]]:
    """The first of each day, for which there is an index, and the first of all these. The database does it: it has an order of texts of its own."""
    where, values = conditions_on(wanted)
    sort, order = SORTS[wanted.sort], wanted.order
    if wanted.after is not None:
        where += f" AND {sort} {'<=' if order == 'desc' else '>='} :after"  # where the index begins
    days = await _days_of(connection, wanted)
    at_once = max(1, min(_DAYS_AT_ONCE, _MOST_VALUES // (2 * len(values) + 1)))
    found: Sequence[Sequence[Any]] = []
    for begin in range(0, len(days), at_once):
        parts = [
            f"SELECT * FROM (SELECT {sort} AS sorted, r.id AS id FROM request_logs r WHERE {_DAY} = {day}{where}{_ending(wanted)}) d"  # noqa: S608 - our names
            for day in days[begin : begin + at_once]
        ]
        before = {f"before{number}": row[1] for number, row in enumerate(found)}
        if before:
            marks = ", ".join(f":{mark}" for mark in before)
            parts.append(f"SELECT {sort} AS sorted, r.id AS id FROM request_logs r WHERE r.id IN ({marks})")  # noqa: S608 - our marks
        sql = (
            f"SELECT f.sorted, {SELECTED} FROM (SELECT * FROM ({' UNION ALL '.join(parts)}) e"  # noqa: S608 - our names
            f" ORDER BY sorted {order}, id {order} LIMIT :limit) f CROSS JOIN request_logs r WHERE r.id = f.id"
            f" ORDER BY f.sorted {order}, f.id {order}"
        )
        found = (await connection.execute(text(sql), {**values, **before, "limit": limit})).all()
    return found


async def _days_of(connection: AsyncConnection, wanted: Wanted) -> Sequence[int]:
    """Those on which there are any calls."""
    hours = await hours_of(connection, replace(wanted, selection=replace(wanted.selection, filters={}), helpers=True))
    sql = f"SELECT DISTINCT h.hour / {HOURS_PER_DAY} FROM ({hours.sql}) h ORDER BY 1"  # noqa: S608 - our names
    return [int(day) for (day,) in (await connection.execute(text(sql), hours.values)).all()]


def _select(wanted: Wanted) -> str:
    return f"SELECT {SORTS[wanted.sort]} AS sorted, {SELECTED}"


def _ending(wanted: Wanted) -> str:
    return f" ORDER BY sorted {wanted.order}, r.id {wanted.order} LIMIT :limit"


def _period(wanted: Wanted) -> dict[str, object]:
    """From when until when. Where the page before tells more, it must do so here: an index has one bound at each end."""
    first = wanted.selection.first_day * MS_PER_DAY
    end = (wanted.selection.last_day + 1) * MS_PER_DAY
    if wanted.after is not None:
        if wanted.order == "desc":
            end = min(end, wanted.after.value + 1)
        else:
            first = max(first, wanted.after.value)
    return {"from_ms": first, "until_ms": end}
