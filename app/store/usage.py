"""Queries on the sums of calls."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal, NamedTuple

from sqlalchemy import text

from app.store.calls import COMPLETION, PROMPT
from app.store.db import Database
from app.store.rollups import HOURS_PER_DAY, KEY, MILL, SUMS
from app.store.selection import FILTERS, Selection, conditions, spelled

Unit = Literal["day", "hour"]
Group = tuple[Any, ...]
SumsByName = dict[str, int]

_PROMPT = " + ".join(f"u.{name}_tokens" for name in PROMPT)
_COMPLETION = " + ".join(f"u.{name}_tokens" for name in COMPLETION)
BRIEF = {
    "calls": "u.calls",
    "helper_calls": "u.helper_calls",
    "ok": "u.ok",
    "unpriced": "u.unpriced",
    "prompt_tokens": _PROMPT,
    "completion_tokens": _COMPLETION,
    "cost": "u.cost",
}
"""A few sums, which take half the time of all of them."""

FULL = {name: f"u.{name}" for name in SUMS}
"""All of them."""

Measure = Literal["calls", "tokens", "cost"]
MEASURES: Mapping[Measure, Mapping[str, str]] = {
    "calls": {"calls": "u.calls"},
    "tokens": {"tokens": f"{_PROMPT} + {_COMPLETION}"},
    "cost": {"priced": "u.calls + u.helper_calls - u.unpriced", "cost": "u.cost"},
}
"""What it takes to tell one thing alone; `priced` counts the calls whose price is known."""

_COST_PARTS = f"u.cost / {MILL}", f"u.cost % {MILL}"
_TOTAL_COST_PARTS = "u.cost_mills", "u.cost"


async def read_sums(
    db: Database, selection: Selection, by: Sequence[str] = (), *, unit: Unit = "day", sums: Mapping[str, str] = FULL
) -> list[tuple[Group, SumsByName]]:
    """The sums of the calls that are meant, in groups.

    Args:
        by: columns of `usage_keys`, or the name of the unit; none for all together, which are one group.
        unit: of the sums by key; days are much faster. Of calls of all keys together the totals are read, of either unit.
        sums: `FULL` or `BRIEF`.

    Raises:
        DatabaseUnavailable: the database cannot be read.
    """
    filters, values = conditions(selection, "k")
    cost = _COST_PARTS
    if set(by) & set(KEY):
        source = f"usage_{unit}s u JOIN usage_keys k ON k.id = u.key_id"
    elif filters:
        source = f"usage_{unit}s u"
        filters = f" AND u.key_id IN (SELECT k.id FROM usage_keys k WHERE 1 = 1{filters})"  # noqa: S608 - our conditions
    else:
        source, unit, cost = "usage_totals u", "hour", _TOTAL_COST_PARTS
    columns = ", ".join(f"k.{name}" if name in KEY else _period(name, unit) for name in by)
    parts = _parts(sums, cost)
    if by and {*by} <= {*KEY}:  # each key once, instead of once for each of its days
        numbers = ", ".join(f"sum({part}) AS s{number}" for number, part in enumerate(parts))
        period = f"u.{unit} BETWEEN :first AND :last"
        source = f"(SELECT u.key_id, {numbers} FROM usage_{unit}s u WHERE {period} GROUP BY u.key_id) u JOIN usage_keys k ON k.id = u.key_id"  # noqa: S608 - our names
        parts, where = [f"u.s{number}" for number in range(len(parts))], "1 = 1"
    else:
        where = f"u.{unit} BETWEEN :first AND :last"
    summed = ", ".join(f"sum({part})" for part in parts)
    sql = (
        f"SELECT {f'{columns}, ' if by else ''}{summed} FROM {source}"  # noqa: S608 - our names
        f" WHERE {where}{filters}{f' GROUP BY {columns}' if by else ''}"
    )
    async with db.read() as connection:
        rows = (await connection.execute(text(sql), values | _bounds(selection, unit))).all()
    return [(tuple(row[: len(by)]), _sums(sums, row[len(by) :])) for row in rows]


class Share(NamedTuple):
    """Sums of a period whose calls are all in the same of some groups.

    Attributes:
        groups: which of them, by their places.
        others: in how many further groups each of the calls is.
        period: the day or the hour.
    """

    groups: tuple[int, ...]
    others: int
    period: int
    sums: SumsByName


async def read_shares(
    db: Database, selection: Selection, groups: Sequence[Mapping[str, str]], unit: Unit, sums: Mapping[str, str]
) -> list[Share]:
    """What each of some groups has of the calls that are meant, and what is left for others, over time.

    However many others there are, it is as few rows as the groups make.

    Args:
        groups: what tells each from all others: values by columns of `usage_keys`; `tags` is one tag, or empty for none.
        sums: such as one of `MEASURES`.

    Raises:
        DatabaseUnavailable: the database cannot be read.
    """
    filters, values = conditions(selection, "k")
    marks = {f"group{place}_{name}": spelled(name, each[name]) for place, each in enumerate(groups) for name in each}
    # Once for each key, not for each of its days.
    bits = " + ".join(
        f"CASE WHEN {_is_in(place, each)} THEN {1 << place} ELSE 0 END" for place, each in enumerate(groups)
    )
    several = "1 + length(k.tags) - length(replace(k.tags, ',', ''))" if "tags" in groups[0] else "1"
    keys = f"SELECT k.id, {bits} AS bits, {several} AS several FROM usage_keys k WHERE 1 = 1{filters}"  # noqa: S608 - our conditions
    summed = ", ".join(f"sum({part})" for part in _parts(sums))
    sql = (
        f"WITH k AS MATERIALIZED ({keys}) SELECT k.bits, k.several, u.{unit}, {summed}"  # noqa: S608 - our names
        f" FROM usage_{unit}s u JOIN k ON k.id = u.key_id WHERE u.{unit} BETWEEN :first AND :last GROUP BY 1, 2, 3"
    )
    async with db.read() as connection:
        rows = (await connection.execute(text(sql), values | marks | _bounds(selection, unit))).all()
    found = []
    for bits, several, period, *amounts in rows:
        among = tuple(place for place in range(len(groups)) if bits >> place & 1)
        found.append(Share(among, several - len(among), int(period), _sums(sums, amounts)))
    return found


def _is_in(place: int, group: Mapping[str, str]) -> str:
    return " AND ".join(
        FILTERS["tags"]("k", [f":group{place}_tags"]) if name == "tags" else f"k.{name} = :group{place}_{name}"
        for name in group
    )


def _period(name: str, unit: Unit) -> str:
    """The day or the hour of sums of that unit."""
    return f"u.{name}" if name == unit else f"u.{unit} / {HOURS_PER_DAY}"


async def read_values(db: Database, selection: Selection) -> dict[str, list[str]]:
    """What the calls of the period have in their keys: all values of each column, sorted; tags one by one.

    Raises:
        DatabaseUnavailable: the database cannot be read.
    """
    sql = (
        f"SELECT {', '.join(KEY)} FROM usage_keys"  # noqa: S608 - our columns
        " WHERE id IN (SELECT u.key_id FROM usage_days u WHERE u.day BETWEEN :first AND :last)"
    )
    found: defaultdict[str, set[str]] = defaultdict(set)
    async with db.read() as connection:
        for row in (await connection.execute(text(sql), _bounds(selection, "day"))).all():
            for name, value in zip(KEY, row, strict=True):
                found[name].add(value)
    found["tags"] = {tag for tags in found["tags"] for tag in tags.split(",")}
    return {name: sorted(found[name] - {""}) for name in KEY}


async def read_hosts(db: Database) -> dict[str, str]:
    """The names of clients by their addresses, as far as they are known.

    Raises:
        DatabaseUnavailable: the database cannot be read.
    """
    async with db.read() as connection:
        rows = await connection.execute(text("SELECT address, hostname FROM client_hosts WHERE hostname IS NOT NULL"))
        return {row.address: row.hostname for row in rows}


def _bounds(selection: Selection, unit: Unit) -> dict[str, object]:
    if unit == "day":
        return {"first": selection.first_day, "last": selection.last_day}
    return {
        "first": selection.first_day * HOURS_PER_DAY,
        "last": (selection.last_day + 1) * HOURS_PER_DAY - 1,
    }


def _parts(sums: Mapping[str, str], cost: tuple[str, str] = _COST_PARTS) -> list[str]:
    """What is to be summed: costs last, in two parts, since all together they may be more than a column holds."""
    return [*(column for name, column in sums.items() if name != "cost"), *(cost if "cost" in sums else ())]


def _sums(names: Iterable[str], values: Sequence[Any]) -> SumsByName:
    """A server gives decimals for sums, and both give nothing for the sum of nothing."""
    whole = [int(value or 0) for value in values]
    sums = dict(zip((name for name in names if name != "cost"), whole, strict=False))
    return sums | {"cost": whole[-2] * MILL + whole[-1]} if "cost" in names else sums
