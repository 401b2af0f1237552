"""What was used over time by what calls have in common, over HTTP."""

from decimal import Decimal
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Query
from pydantic import BaseModel, Field

from app.api.admin.authorise import Authorise
from app.api.admin.moments import ShownMoment
from app.api.admin.usage import PREFIX, Period, SeriesQuery, period_of
from app.core.money import write_usd
from app.metering.reports import Reports
from app.metering.series import Line, Value

By = Literal["tag", "provider", "model", "token", "user", "client", "name", "alias", "router", "cache", "surface"]

Number = Annotated[
    int | str | None,
    Field(description="Of cost: in USD, exact, as a text; null where all calls are unpriced.", examples=["0.0123"]),
]


class DividedQuery(SeriesQuery):
    """The same, divided."""

    interval: Literal["day", "hour"] = Field("day", description="14 days at most by hours.")
    by: By = "model"
    measure: Literal["calls", "tokens", "cost"] = Field("cost", description="Of what the groups have the most.")


class ShownLine(BaseModel):
    """The numbers of each of `starts`, in their order, and of the whole period."""

    values: list[Number]
    sum: Number


class GroupLine(ShownLine):
    """What has `key` in common; it is empty for calls without any."""

    key: str
    provider: str | None = None
    model: str | None = None
    username: str | None = None
    hostname: str | None = None


class OthersLine(ShownLine):
    """What `count` further groups have together."""

    count: int


class DividedSeries(BaseModel):
    """The five groups with the most, which come first, and all others together, in each hour or day of the period.

    A call counts once under each of its tags: by tags, the numbers may add up to more than there were calls.
    """

    period: Period
    by: By
    measure: Literal["calls", "tokens", "cost"]
    interval: Literal["day", "hour"]
    starts: Annotated[list[ShownMoment], Field(description="When each hour or day begins.")]
    groups: list[GroupLine]
    others: OthersLine | None


def series_router(authorise: Authorise, reports: Reports) -> APIRouter:
    """`/admin/api/usage/series`, for those whom `authorise` lets in."""
    router = APIRouter(prefix=PREFIX, tags=["usage"], dependencies=[Depends(authorise)])

    @router.get("/series", summary="What the groups with the most used, by days or hours")
    async def series(query: Annotated[DividedQuery, Query()]) -> DividedSeries:
        selection = query.selection()
        divided = await reports.divided(query.by, selection, query.interval, query.measure)
        return DividedSeries(
            period=period_of(selection),
            by=query.by,
            measure=query.measure,
            interval=query.interval,
            starts=divided.starts,
            groups=[GroupLine(key=each.key, **each.labels, **_fields(each)) for each in divided.lines],
            others=None if divided.others is None else OthersLine(count=divided.count, **_fields(divided.others)),
        )

    return router


def _fields(line: Line) -> dict[str, Any]:
    return {"values": [_shown(value) for value in line.values], "sum": _shown(line.whole)}


def _shown(value: Value) -> int | str | None:
    return write_usd(value) if isinstance(value, Decimal) else value
