"""What was used, from the sums of calls: in all, by what calls have in common, and over time.

A call with two tags counts once in totals, and once under each tag.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal

from app.core.money import from_pico_usd
from app.metering.groups import COLUMNS, groups_of, labelled
from app.metering.groups import GROUPS as GROUPS
from app.metering.series import Divided, Point, known_cost, read_divided, read_points
from app.store.calls import COMPLETION, PROMPT
from app.store.db import Database
from app.store.rollups import CLASSES, SUMS
from app.store.selection import FILTERS
from app.store.selection import Selection as Selection
from app.store.times import MS_PER_DAY, now_ms
from app.store.usage import Measure, SumsByName, Unit, read_hosts, read_sums, read_values

DEFAULT_DAYS = 30
MAX_HOURLY_DAYS = 31
"""Of a series by hours. A longer one is nothing to look at, and takes long to read."""

MAX_DIVIDED_HOURLY_DAYS = 14
"""Of one that is divided into groups, which takes three times as long."""

MAX_VALUES = 200
"""Of one filter."""

_EPOCH = date(1970, 1, 1)
_MAX_DAYS = 3660


class InvalidReport(ValueError):
    """What was asked for cannot be told; `param` names the parameter at fault."""

    def __init__(self, message: str, param: str) -> None:
        super().__init__(message)
        self.param = param


@dataclass(frozen=True, slots=True)
class Totals:
    """What some calls used together.

    Attributes:
        calls: the clients' own; `helper_calls` were made for them.
        ok: the clients' own that went well.
        unpriced: calls of both kinds for which no price is known, so that `cost` lacks theirs.
        estimated: calls of both kinds whose tokens are estimates.
        prompt_tokens, completion_tokens: of all classes.
        usage: by class, as in `request_logs`.
        cost: in USD, of all whose price is known.
        average_ms, average_first_byte_ms: of the clients' own; None where there are none.
    """

    calls: int
    helper_calls: int
    ok: int
    charged: int
    cache_hits: int
    estimated: int
    unpriced: int
    prompt_tokens: int
    completion_tokens: int
    usage: Mapping[str, int]
    cost: Decimal
    average_ms: float | None
    average_first_byte_ms: float | None

    @property
    def errors(self) -> int:
        """The clients' own that did not go well."""
        return self.calls - self.ok

    @property
    def known_cost(self) -> Decimal | None:
        """`cost`; None where no price of any of the calls is known, so that it is not 0."""
        return known_cost(self)

    @property
    def total_tokens(self) -> int:
        """Of all classes, both ways."""
        return self.prompt_tokens + self.completion_tokens


@dataclass(frozen=True, slots=True)
class Group:
    """What has one thing in common.

    Attributes:
        key: that thing; empty for none.
        labels: what else is to be told of it: `provider` and `model`, `username`, `hostname`.
    """

    key: str
    labels: Mapping[str, str]
    totals: Totals


class Reports:
    """Reports on the sums in a database. All of them raise `DatabaseUnavailable`."""

    def __init__(self, db: Database) -> None:
        self._db = db

    async def summary(self, selection: Selection) -> Totals:
        """All together."""
        ((_, sums),) = await read_sums(self._db, selection)
        return totals_of(sums)

    async def by(self, group: str, selection: Selection) -> tuple[list[Group], Totals]:
        """Divided by one of `GROUPS`, the dearest first; and all together."""
        rows = await read_sums(self._db, selection, COLUMNS[group])
        hosts = await read_hosts(self._db) if group == "client" else {}
        groups = [Group(each.key, labelled(each, hosts), totals_of(*each.sums)) for each in groups_of(group, rows)]
        groups.sort(key=lambda group: (-group.totals.cost, -group.totals.calls, group.key))
        return groups, totals_of(*(sums for _, sums in rows))

    async def timeseries(self, selection: Selection, unit: Unit) -> list[Point]:
        """Each day or hour of the period, also those without calls, but none that is still to come.

        Raises:
            InvalidReport: so many hours are too many.
        """
        _check_length(selection, unit, MAX_HOURLY_DAYS)
        return await read_points(self._db, selection, unit)

    async def divided(self, group: str, selection: Selection, unit: Unit, measure: Measure) -> Divided:
        """The groups with the most of something, and all others together, in each day or hour of the period.

        Raises:
            InvalidReport: so many hours are too many.
        """
        _check_length(selection, unit, MAX_DIVIDED_HOURLY_DAYS)
        return await read_divided(self._db, group, selection, unit, measure)

    async def by_day(self, selection: Selection) -> list[tuple[date, Totals]]:
        """All that was used on each day on which there was any, the earliest first."""
        rows = await read_sums(self._db, selection, ("day",))
        return [(day_of(int(day)), totals_of(sums)) for (day,), sums in sorted(rows, key=lambda row: int(row[0][0]))]

    async def values(self, selection: Selection) -> dict[str, list[str]]:
        """What can be filtered by in that period: the values by the name of their filter."""
        values = await read_values(self._db, selection)
        columns = {"tags": "tags", "tokens": "token_id", "users": "username", "aliases": "alias", "caches": "cache"}
        return {name: values[columns.get(name, name.removesuffix("s"))] for name in FILTERS}


def select(
    *,
    days: int | None = None,
    start: date | None = None,
    end: date | None = None,
    filters: Mapping[str, Iterable[str]] | None = None,
    clock: Callable[[], int] = now_ms,
) -> Selection:
    """The calls of the last `days` UTC days, today among them, or from `start` to `end`, both included.

    Args:
        start: for itself, until today.
        end: for itself, the 30 days up to then.
        clock: milliseconds since 1970.

    Raises:
        InvalidReport: both ways together, a period without a day, or one of over ten years; a filter of too many values.
    """
    wanted = {name: tuple(values) for name, values in (filters or {}).items()}
    for name, values in wanted.items():
        if len(values) > MAX_VALUES:
            raise InvalidReport(f"A filter may have {MAX_VALUES} values at most.", name)
    if days is not None and (start is not None or end is not None):
        raise InvalidReport("Say either 'days', or 'start' and 'end'.", "days")
    today = clock() // MS_PER_DAY
    last = today if end is None else (end - _EPOCH).days
    first = last - (days or DEFAULT_DAYS) + 1 if start is None else (start - _EPOCH).days
    if first > last:
        raise InvalidReport("The period has no day: 'start' is after 'end'.", "start")
    if last - first >= _MAX_DAYS:
        raise InvalidReport("A period may be ten years long at most.", "days" if days else "start")
    return Selection(first, last, wanted)


def day_of(number: int) -> date:
    """A day that is counted from 1970."""
    return _EPOCH + timedelta(days=number)


def totals_of(*several: SumsByName) -> Totals:
    """What these used together."""
    sums = {name: sum(each[name] for each in several) for name in SUMS}
    return Totals(
        calls=sums["calls"],
        helper_calls=sums["helper_calls"],
        ok=sums["ok"],
        charged=sums["charged"],
        cache_hits=sums["cache_hits"],
        estimated=sums["estimated"],
        unpriced=sums["unpriced"],
        prompt_tokens=sum(sums[f"{name}_tokens"] for name in PROMPT),
        completion_tokens=sum(sums[f"{name}_tokens"] for name in COMPLETION),
        usage={name: sums[name] for name in CLASSES},
        cost=from_pico_usd(sums["cost"]),
        average_ms=_average(sums["total_ms"], sums["calls"]),
        average_first_byte_ms=_average(sums["first_byte_ms"], sums["first_bytes"]),
    )


def _check_length(selection: Selection, unit: Unit, most: int) -> None:
    if unit == "hour" and selection.last_day - selection.first_day >= most:
        raise InvalidReport(f"This series by hours may be {most} days long at most.", "interval")


def _average(whole: int, count: int) -> float | None:
    return round(whole / count, 1) if count else None
