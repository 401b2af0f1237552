"""What was used, over HTTP: sums and series."""

import re
from collections.abc import Callable, Mapping
from datetime import date
from decimal import Decimal
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Query
from pydantic import BaseModel, ConfigDict, Field

from app.api.admin.authorise import Authorise
from app.api.admin.moments import ShownMoment
from app.core.money import write_usd
from app.metering.reports import GROUPS, Reports, Selection, Totals, day_of, select

PREFIX = "/admin/api/usage"
_COMMA = re.compile(r"(?<!\\),")

Values = Annotated[
    list[str],
    Field(
        default_factory=list, description="With commas between them, or repeated; a comma of a value is written \\,."
    ),
]
Day = Annotated[date | None, Field(default=None, description="A UTC day, YYYY-MM-DD; it is part of the period.")]
Cost = Annotated[str, Field(description="In USD, exact.", examples=["0.0123"])]
KnownCost = Annotated[
    str | None,
    Field(
        description="In USD, exact; null where all calls, with those made for others, are `unpriced`.",
        examples=["0.0123"],
    ),
]


class UsageQuery(BaseModel):
    """Which calls: of the last days, or from a day to a day; and what they have in common."""

    model_config = ConfigDict(extra="forbid")

    days: int | None = Field(
        None, ge=1, le=3660, description="The last UTC days, today among them; 30 where no period is given."
    )
    start: Day
    end: Day
    start_date: Day
    end_date: Day
    tags: Values
    providers: Values
    models: Annotated[list[str], Field(default_factory=list, description="As `models`, or as `provider/model`.")]
    clients: Annotated[list[str], Field(default_factory=list, description="Addresses, or names of hosts.")]
    aliases: Values
    tokens: Annotated[list[str], Field(default_factory=list, description="Public ids.")]
    users: Values
    names: Annotated[list[str], Field(default_factory=list, description="What clients asked for.")]
    surfaces: Values
    routers: Values
    caches: Values

    def selection(self) -> Selection:
        """The calls that are meant.

        Raises:
            InvalidReport: there is no such period.
        """
        filters = {name: _split(getattr(self, name)) for name in _FILTERS}
        filters |= {name: filters[name] + _split(more) for name, more in self.more().items()}
        start, end = self.start or self.start_date, self.end or self.end_date
        return select(days=self.days, start=start, end=end, filters=filters)

    def more(self) -> Mapping[str, list[str]]:
        """Further values of filters."""
        return {}


_FILTERS = (
    "tags",
    "providers",
    "models",
    "clients",
    "aliases",
    "tokens",
    "users",
    "names",
    "surfaces",
    "routers",
    "caches",
)


class SeriesQuery(UsageQuery):
    """The same, by days or hours."""

    interval: Literal["day", "hour"] = Field("day", description="31 days at most by hours.")


class Sums(BaseModel):
    """What some calls used together.

    `calls` are the clients' own; `helper_calls` were made for them, and their tokens and costs are in all sums. `cost` lacks the
    `unpriced` calls, for which no price is known.
    """

    calls: int
    helper_calls: int
    ok: int
    errors: int
    charged: int
    cache_hits: int
    estimated: int
    unpriced: int
    prompt_tokens: int
    completion_tokens: int
    total_tokens: int
    usage: dict[str, int]
    cost: KnownCost
    average_ms: float | None
    average_first_byte_ms: float | None


class Period(BaseModel):
    """UTC days, both of them part of it."""

    start: date
    end: date
    days: int


class Summary(BaseModel):
    """All together."""

    period: Period
    totals: Sums


class GroupSums(Sums):
    """What has `key` in common; it is empty for calls without any."""

    key: str
    provider: str | None = None
    model: str | None = None
    username: str | None = None
    hostname: str | None = None


class Division(BaseModel):
    """The dearest first. A call counts once in `totals`, and once under each of its tags."""

    period: Period
    by: str
    groups: list[GroupSums]
    totals: Sums


class SeriesPoint(BaseModel):
    """An hour or a day, which begins at `start`."""

    start: ShownMoment
    calls: int
    ok: int
    errors: int
    unpriced: int
    prompt_tokens: int
    completion_tokens: int
    total_tokens: int
    cost: KnownCost


class Series(BaseModel):
    """Each hour or day of the period, also those without calls."""

    period: Period
    interval: Literal["day", "hour"]
    points: list[SeriesPoint]


class FilterValues(BaseModel):
    """What there is to filter by in the period."""

    tags: list[str]
    providers: list[str]
    models: list[str]
    clients: list[str]
    aliases: list[str]
    tokens: list[str]
    users: list[str]
    names: list[str]
    surfaces: list[str]
    routers: list[str]
    caches: list[str]


def usage_router(authorise: Authorise, reports: Reports) -> APIRouter:
    """All below `/admin/api/usage`, for those whom `authorise` lets in."""
    router = APIRouter(prefix=PREFIX, tags=["usage"], dependencies=[Depends(authorise)])

    @router.get("/summary", summary="What was used, all together")
    async def summary(query: Annotated[UsageQuery, Query()]) -> Summary:
        selection = query.selection()
        return Summary(period=period_of(selection), totals=_sums(await reports.summary(selection)))

    for group in GROUPS:
        path = f"/by-{group}"
        router.get(path, summary=f"What was used, by {group}", operation_id=f"usage_by_{group}")(_by(reports, group))

    @router.get("/timeseries", summary="What was used, by days or hours")
    async def timeseries(query: Annotated[SeriesQuery, Query()]) -> Series:
        selection = query.selection()
        points = await reports.timeseries(selection, query.interval)
        shown = [
            SeriesPoint(
                start=point.start,
                calls=point.calls,
                ok=point.ok,
                errors=point.calls - point.ok,
                unpriced=point.unpriced,
                prompt_tokens=point.prompt_tokens,
                completion_tokens=point.completion_tokens,
                total_tokens=point.total_tokens,
                cost=shown_cost(point.known_cost),
            )
            for point in points
        ]
        return Series(period=period_of(selection), interval=query.interval, points=shown)

    @router.get("/filters", summary="What there is to filter by")
    async def filters(query: Annotated[UsageQuery, Query()]) -> FilterValues:
        return FilterValues(**await reports.values(query.selection()))

    return router


def period_of(selection: Selection) -> Period:
    """As the answers tell it."""
    days = selection.last_day - selection.first_day + 1
    return Period(start=day_of(selection.first_day), end=day_of(selection.last_day), days=days)


def shown_cost(cost: Decimal | None) -> str | None:
    """In USD, exact; None where it is not known."""
    return None if cost is None else write_usd(cost)


def _by(reports: Reports, group: str) -> Callable[..., Any]:
    async def by(query: Annotated[UsageQuery, Query()]) -> Division:
        selection = query.selection()
        groups, totals = await reports.by(group, selection)
        shown = [GroupSums(key=each.key, **each.labels, **_fields(each.totals)) for each in groups]
        return Division(period=period_of(selection), by=group, groups=shown, totals=_sums(totals))

    return by


def _split(values: list[str]) -> list[str]:
    parts = (part.strip() for value in values for part in _COMMA.split(value))
    return [part.replace("\\,", ",") for part in parts if part]


def _sums(totals: Totals) -> Sums:
    return Sums(**_fields(totals))


def _fields(totals: Totals) -> dict[str, Any]:
    fields = {name: getattr(totals, name) for name in Sums.model_fields}
    return fields | {"usage": dict(totals.usage), "cost": shown_cost(totals.known_cost)}
