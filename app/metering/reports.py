"""What was used, from the sums of calls: in all, by what calls have in common, and over time.

A call with two tags counts once in totals, and once under each tag.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

from app.core.money import from_pico_usd
from app.store.calls import COMPLETION, PROMPT
from app.store.db import Database
from app.store.rollups import CLASSES, SUMS
from app.store.selection import FILTERS
from app.store.selection import Selection as Selection
from app.store.times import MS_PER_DAY, now_ms
from app.store.usage import BRIEF, SumsByName, Unit, read_hosts, read_sums, read_values

DEFAULT_DAYS = 30
MAX_HOURLY_DAYS = 31
"""Of a series by hours. A longer one is nothing to look at, and takes long to read."""

MAX_VALUES = 200
"""Of one filter."""

_EPOCH = date(1970, 1, 1)
_MAX_DAYS = 3660

_GROUPS = {
    "tag": ("tags",),
    "provider": ("provider",),
    "model": ("provider", "model"),
    "token": ("token_id", "username"),
    "user": ("username",),
    "client": ("client",),
    "name": ("name",),
    "alias": ("alias",),
    "router": ("router",),
    "cache": ("cache",),
    "surface": ("surface",),
}
GROUPS = tuple(_GROUPS)
"""What reports can be divided by."""


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
        return _known(self)

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
        return _known(self)


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
        rows = await read_sums(self._db, selection, _GROUPS[group])
        found: dict[str, list[SumsByName]] = {}
        labels: dict[str, dict[str, str]] = {}
        for parts, sums in rows:
            for key in parts[0].split(",") if group == "tag" else [_key(group, parts)]:
                found.setdefault(key, []).append(sums)
                labels[key] = _labels(group, parts, labels.get(key))
        if group == "client":
            for address, hostname in (await read_hosts(self._db)).items():
                if address in labels:
                    labels[address] = {"hostname": hostname}
        groups = [Group(key, labels[key], totals_of(*each)) for key, each in found.items()]
        groups.sort(key=lambda group: (-group.totals.cost, -group.totals.calls, group.key))
        return groups, totals_of(*(sums for _, sums in rows))

    async def timeseries(self, selection: Selection, unit: Unit) -> list[Point]:
        """Each day or hour of the period, also those without calls, but none that is still to come.

        Raises:
            InvalidReport: so many hours are too many.
        """
        if unit == "hour" and selection.last_day - selection.first_day >= MAX_HOURLY_DAYS:
            raise InvalidReport(f"A series by hours may be {MAX_HOURLY_DAYS} days long at most.", "interval")
        rows = await read_sums(self._db, selection, (unit,), unit=unit, sums=BRIEF)
        sums = {int(period): each for (period,), each in rows}
        length_ms = MS_PER_DAY if unit == "day" else MS_PER_DAY // 24
        first = selection.first_day * MS_PER_DAY // length_ms
        last = max([first, (min((selection.last_day + 1) * MS_PER_DAY, now_ms() + 1) - 1) // length_ms, *sums])
        return [
            _point(datetime.fromtimestamp(period * length_ms / 1000, UTC), sums.get(period))
            for period in range(first, last + 1)
        ]

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


def _point(start: datetime, sums: SumsByName | None) -> Point:
    if sums is None:
        return Point(start)
    counts = {name: value for name, value in sums.items() if name != "cost"}
    return Point(start, **counts, cost=from_pico_usd(sums["cost"]))


def _known(sums: Totals | Point) -> Decimal | None:
    return None if 0 < sums.unpriced == sums.calls + sums.helper_calls else sums.cost


def _average(whole: int, count: int) -> float | None:
    return round(whole / count, 1) if count else None


def _key(group: str, parts: tuple[str, ...]) -> str:
    if group == "model":
        return "/".join(part for part in parts if part)
    return parts[0]


def _labels(group: str, parts: tuple[str, ...], before: Mapping[str, str] | None) -> dict[str, str]:
    if group == "model":
        return {"provider": parts[0], "model": parts[1]}
    if group != "token":
        return {}
    # A token that was given to another user has both names.
    names = {*(before or {}).get("username", "").split(", "), parts[1]} - {""}
    return {"username": ", ".join(sorted(names))}
