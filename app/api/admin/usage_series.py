"""What was used over time by what calls have in common, over HTTP."""

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Query
from pydantic import BaseModel, Field

from app.api.admin.authorise import Authorise
from app.api.admin.moments import ShownMoment
from app.api.admin.usage import PREFIX, KnownCost, Period, SeriesQuery, period_of, shown_cost
from app.metering.reports import Reports
from app.metering.series import Line

By = Literal["tag", "provider", "model", "token", "user", "client", "name", "alias", "router", "cache", "surface"]


class DividedQuery(SeriesQuery):
    """The same, divided."""

    by: By = "model"
    measure: Literal["calls", "tokens", "cost"] = Field("cost", description="Of what the groups have the most.")


class LineSums(BaseModel):
    """Of the whole period."""

    calls: int
    total_tokens: int
    cost: KnownCost


class ShownLine(BaseModel):
    """The numbers of each of `starts`, in their order."""

    sums: LineSums
    calls: list[int]
    total_tokens: list[int]
    cost: list[KnownCost]


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
    sums = LineSums(
        calls=line.whole.calls, total_tokens=line.whole.total_tokens, cost=shown_cost(line.whole.known_cost)
    )
    return {
        "sums": sums,
        "calls": [point.calls for point in line.points],
        "total_tokens": [point.total_tokens for point in line.points],
        "cost": [shown_cost(point.known_cost) for point in line.points],
    }
