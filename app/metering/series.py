"""What was used over time: all together, and divided into the groups with the most of something and all others."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Protocol

from app.core.money import from_pico_usd
from app.metering.groups import COLUMNS, groups_of, labelled
from app.store.db import Database
from app.store.rollups import HOURS_PER_DAY
from app.store.selection import Selection
from app.store.times import MS_PER_DAY, now_ms
from app.store.usage import (
    BRIEF,
    MEASURES,
    Measure,
    SumsByName,
    Unit,
    read_hosts,
    read_shares,
    read_sums,
)

MOST_GROUPS = 5
"""That are told one by one: as many colours as can be told apart."""

Value = int | Decimal | None
"""Of a measure: costs are in USD, and None where no price of any of the calls is known."""


class _Priced(Protocol):
    @property
    def calls(self) -> int: ...
    @property
    def helper_calls(self) -> int: ...
    @property
    def unpriced(self) -> int: ...
    @property
    def cost(self) -> Decimal: ...


@dataclass(frozen=True, slots=True)
class Point:
    """What was used in one hour or on one day, which begins at `start`; in the words of `Totals`."""

    start: datetime
    calls: int = 0
    helper_calls: int = 0
    ok: int = 0
    unpriced: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    cost: Decimal = Decimal(0)

    @property
    def known_cost(self) -> Decimal | None:
        """As of `Totals`."""
        return known_cost(self)

    @property
    def total_tokens(self) -> int:
        """Both ways."""
        return self.prompt_tokens + self.completion_tokens


@dataclass(frozen=True, slots=True)
class Line:
    """What has one thing in common, over time.

    Attributes:
        key, labels: as of `Group`.
        whole: of the whole period.
        values: of each of its days or hours.
    """

    key: str
    labels: Mapping[str, str]
    whole: Value
    values: Sequence[Value]


@dataclass(frozen=True, slots=True)
class Divided:
    """The groups with the most, which come first, and what all others have together.

    Attributes:
        starts: when each day or hour begins.
        count: how many others there are.
        others: of each of them; None where there are none. A call with two tags that are among them counts twice.
    """

    starts: Sequence[datetime]
    lines: Sequence[Line]
    count: int
    others: Line | None


async def read_points(db: Database, selection: Selection, unit: Unit) -> list[Point]:
    """Each day or hour of the period, also those without calls, but none that is still to come."""
    rows = await read_sums(db, selection, (unit,), unit=unit, sums=BRIEF)
    sums = {int(period): each for (period,), each in rows}
    return [_point(period, unit, sums.get(period)) for period in _periods(selection, unit, sums)]


async def read_divided(db: Database, group: str, selection: Selection, unit: Unit, measure: Measure) -> Divided:
    """Those of the groups with the most, and of all others together, in the same days or hours."""
    sums = MEASURES[measure]
    found = groups_of(group, await read_sums(db, selection, COLUMNS[group], sums={"calls": "u.calls", **sums}))
    found.sort(key=lambda each: (-_sum(each.sums, measure), -_sum(each.sums, "calls"), each.key))
    first, count = found[:MOST_GROUPS], max(0, len(found) - MOST_GROUPS)
    shares = await read_shares(db, selection, [each.values for each in first], unit, sums) if first else []
    hosts = await read_hosts(db) if group == "client" else {}
    periods = _periods(selection, unit, {share.period for share in shares})

    def line(key: str, labels: Mapping[str, str], place: int | None) -> Line:
        parts: defaultdict[int, list[tuple[int, SumsByName]]] = defaultdict(list)
        for share in shares:
            if often := share.others if place is None else place in share.groups:
                parts[share.period].append((often, share.sums))
        values = [_value(measure, parts.get(period, ())) for period in periods]
        return Line(key, labels, _value(measure, [each for part in parts.values() for each in part]), values)

    lines = [line(each.key, labelled(each, hosts), place) for place, each in enumerate(first)]
    others = line("", {}, None) if count else None
    return Divided([_start(period, unit) for period in periods], lines, count, others)


def known_cost(sums: _Priced) -> Decimal | None:
    """None where no price of any of the calls is known, so that it is not 0."""
    return None if 0 < sums.unpriced == sums.calls + sums.helper_calls else sums.cost


def _periods(selection: Selection, unit: Unit, known: Collection[int]) -> range:
    length_ms = _length_ms(unit)
    first = selection.first_day * MS_PER_DAY // length_ms
    last = max([first, (min((selection.last_day + 1) * MS_PER_DAY, now_ms() + 1) - 1) // length_ms, *known])
    return range(first, last + 1)


def _point(period: int, unit: Unit, sums: SumsByName | None) -> Point:
    start = _start(period, unit)
    if sums is None:
        return Point(start)
    counts = {name: value for name, value in sums.items() if name != "cost"}
    return Point(start, **counts, cost=from_pico_usd(sums["cost"]))


def _start(period: int, unit: Unit) -> datetime:
    return datetime.fromtimestamp(period * _length_ms(unit) / 1000, UTC)


def _length_ms(unit: Unit) -> int:
    return MS_PER_DAY if unit == "day" else MS_PER_DAY // HOURS_PER_DAY


def _sum(several: Iterable[SumsByName], name: str) -> int:
    return sum(sums[name] for sums in several)


def _value(measure: Measure, parts: Sequence[tuple[int, SumsByName]]) -> Value:
    """Of sums, each so many times."""
    value = sum(times * sums[measure] for times, sums in parts)
    if measure != "cost":
        return value
    return None if parts and not any(sums["priced"] for _, sums in parts) else from_pico_usd(value)
