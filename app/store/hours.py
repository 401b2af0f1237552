"""In which hours there are calls that are meant, by the sums: so those that are seldom are found without a look at all others."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from app.store.calls import COUNTS, Wanted, read_oldest
from app.store.rollups import HOURS_PER_DAY
from app.store.selection import conditions
from app.store.times import MS_PER_HOUR

_FEW_KEYS = 16
"""As many are looked up in each hour; of more it takes no longer to read all that there are."""


@dataclass(frozen=True, slots=True)
class Hours:
    """Hours with calls that are meant.

    Attributes:
        sql: gives each as `hour`, and how many `calls` it has at least, between `:first` and `:last`.
        values: all that stand in `sql`.
    """

    sql: str
    values: Mapping[str, object]


async def hours_of(connection: AsyncConnection, wanted: Wanted) -> Hours:
    """Those of the page that is wanted, and of all behind it."""
    source, hour, values = await _sums_of(connection, wanted)
    # What is made for others has no count of what went well, and is seldom enough to look.
    count = "u.calls + u.helper_calls" if wanted.helpers else COUNTS[wanted.status]
    first, last = await _bounds(connection, wanted)
    sql = (
        f"SELECT {hour} AS hour, sum({count}) AS calls FROM {source} BETWEEN :first AND :last"  # noqa: S608 - our names
        f" GROUP BY {hour} HAVING sum({count}) > 0"
    )
    return Hours(sql, {**values, "first": first, "last": last})


async def take_hours(
    connection: AsyncConnection, hours: Hours, wanted: Wanted, limit: int
) -> tuple[Sequence[int], Hours]:
    """The next of them, as many as it takes to have `limit` calls, fewer at the end; and those that are left."""
    rows = await connection.execute(
        text(f"{hours.sql} ORDER BY 1 {wanted.order} LIMIT :limit"), {**hours.values, "limit": limit}
    )
    taken, expected = list[int](), 0
    for hour, calls in rows.all():
        taken.append(int(hour))
        expected += int(calls)
        if expected >= limit:
            break
    if not taken:
        return taken, hours
    bound = {"last": taken[-1] - 1} if wanted.order == "desc" else {"first": taken[-1] + 1}
    return taken, Hours(hours.sql, {**hours.values, **bound})


def spans_of(hours: Iterable[int]) -> list[tuple[int, int]]:
    """From when until when, in milliseconds; hours that follow each other are one span."""
    spans: list[tuple[int, int]] = []
    for hour in sorted(hours):
        begin, end = hour * MS_PER_HOUR, (hour + 1) * MS_PER_HOUR
        if spans and spans[-1][1] == begin:
            begin = spans.pop()[0]
        spans.append((begin, end))
    return spans


async def _sums_of(connection: AsyncConnection, wanted: Wanted) -> tuple[str, str, Mapping[str, object]]:
    """Where the sums of these calls are: SQL behind FROM up to the bounds of the hour, the column of that, and values."""
    where, values = conditions(wanted.selection, "k")
    if not where:
        return "usage_totals u WHERE u.hour", "u.hour", {}
    keys = f"SELECT k.id FROM usage_keys k WHERE 1 = 1{where}"  # noqa: S608 - our conditions
    few = (await connection.execute(text(f"{keys} LIMIT {_FEW_KEYS + 1}"), values)).scalars().all()
    if len(few) > _FEW_KEYS:
        return f"usage_hours u WHERE u.key_id IN ({keys}) AND u.hour", "u.hour", values
    ids = ", ".join(map(str, few)) or "NULL"
    # SQLite does a CROSS JOIN from left to right: the hours there are, and in each these keys by the primary key.
    source = f"usage_totals t CROSS JOIN usage_hours u WHERE u.hour = t.hour AND u.key_id IN ({ids}) AND t.hour"
    return source, "t.hour", {}


async def _bounds(connection: AsyncConnection, wanted: Wanted) -> tuple[int, int]:
    """The hours in which the page can be: from where the one before ended, and not before the oldest call that is still kept."""
    selection, after = wanted.selection, wanted.after
    first, last = selection.first_day * HOURS_PER_DAY, (selection.last_day + 1) * HOURS_PER_DAY - 1
    if after is not None and wanted.sort == "timestamp":
        if wanted.order == "desc":
            last = min(last, after.value // MS_PER_HOUR)
        else:
            first = max(first, after.value // MS_PER_HOUR)
    return max(first, await read_oldest(connection) // MS_PER_HOUR), last
