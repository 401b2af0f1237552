"""What was used, over HTTP: sums, series, single calls and files of them."""

from collections.abc import Callable, Mapping
from datetime import date
from decimal import Decimal
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Query
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import StreamingResponse

from app.api.admin.authorise import FOR_ADMINS, Authorise
from app.api.admin.moments import ShownMoment
from app.core.errors import RelayError, Unavailable
from app.core.money import write_usd
from app.metering.reports import GROUPS, Reports, Selection, Totals, day_of, select
from app.metering.requests import MAX_LIMIT, Requests, want
from app.metering.sealing import InvalidKey, NotUnsealed
from app.metering.story import Stories

_PREFIX = "/admin/api/usage"
_MEDIA_TYPES = {"csv": "text/csv", "jsonl": "application/jsonl"}

Values = Annotated[list[str], Field(default_factory=list, description="With commas between them, or repeated.")]
Day = Annotated[date | None, Field(default=None, description="A UTC day, YYYY-MM-DD; it is part of the period.")]
Cost = Annotated[str, Field(description="In USD, exact.", examples=["0.0123"])]
KnownCost = Annotated[
    str | None,
    Field(
        description="In USD, exact; null where all calls, with those made for others, are `unpriced`.",
        examples=["0.0123"],
    ),
]


class UnknownRequest(RelayError):
    """There is no call of that id, or none any more."""

    status = 404
    type = "invalid_request_error"
    code = "request_not_found"


class UnknownBodies(RelayError):
    """What the call asked and got is not kept."""

    status = 404
    type = "invalid_request_error"
    code = "bodies_not_found"


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


class CallsQuery(UsageQuery):
    """The same, of single calls."""

    tag: Values
    provider: Values
    model: Values
    client: Values
    alias: Values
    status: Literal["success", "error"] | None = Field(None, description="Those that went well, or those that did not.")
    sort: Literal["timestamp", "input_tokens", "output_tokens", "cost", "response_time_ms"] = "timestamp"
    order: Literal["asc", "desc"] = "desc"
    helpers: bool = Field(False, description="Also calls that were made for others.")

    def more(self) -> Mapping[str, list[str]]:
        """The filters by their names in the singular."""
        singular = {"tags": "tag", "providers": "provider", "models": "model", "clients": "client", "aliases": "alias"}
        return {name: getattr(self, other) for name, other in singular.items()}


class RequestsQuery(CallsQuery):
    """The same, a page of them."""

    limit: int = Field(50, ge=1, le=MAX_LIMIT)
    cursor: str | None = Field(None, max_length=1000, description="`next_cursor` of the page before.")
    total: bool = Field(False, description="Count the calls on all pages too.")


class ExportQuery(CallsQuery):
    """The same, all of them in the order of their arrival."""

    sort: Literal["timestamp", "input_tokens", "output_tokens", "cost", "response_time_ms"] = "timestamp"
    order: Literal["asc", "desc"] = "asc"
    helpers: bool = Field(True, description="Also calls that were made for others.")
    format: Literal["csv", "jsonl"] = "csv"


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


class RequestView(BaseModel):
    """A call."""

    model_config = ConfigDict(extra="allow")

    id: str
    received_at: str
    parent_id: str | None
    helper: str | None
    token_id: str
    username: str
    tags: list[str]
    name: str
    provider: str | None
    model: str | None
    surface: str
    status: int
    outcome: str
    prompt_tokens: int
    completion_tokens: int
    cost: Cost | None
    price_version: str | None
    total_ms: int


class RequestWithHelpers(RequestView):
    """A call, and what the calls cost that were made for it."""

    helper_calls: int
    helper_unpriced: int
    total_cost: Cost | None


class RequestPage(BaseModel):
    """A page of calls."""

    requests: list[RequestWithHelpers]
    next_cursor: str | None
    total: int | None


class RequestDetail(BaseModel):
    """One call, and those that were made for it.

    `cost_by_class` is in USD, by the prices of now; it is empty where these do not make up what the call cost.
    """

    request: RequestWithHelpers
    helpers: list[RequestView]
    hostname: str | None
    cost_by_class: dict[str, Cost]
    has_bodies: bool


class Body(BaseModel):
    """One side of a call. Of its `bytes` the first `kept` are kept; `text` is these, with U+FFFD for what is no UTF-8."""

    bytes: int
    kept: int
    text: str


class RequestBodies(BaseModel):
    """What a call asked and got."""

    request: Body
    reply: Body


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


def usage_router(authorise: Authorise, reports: Reports, requests: Requests, stories: Stories) -> APIRouter:
    """All below `/admin/api/usage`, for those whom `authorise` lets in."""
    router = APIRouter(prefix=_PREFIX, tags=["usage"], dependencies=[Depends(authorise)])

    @router.get("/summary", summary="What was used, all together")
    async def summary(query: Annotated[UsageQuery, Query()]) -> Summary:
        selection = query.selection()
        return Summary(period=_period(selection), totals=_sums(await reports.summary(selection)))

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
                total_tokens=point.prompt_tokens + point.completion_tokens,
                cost=_usd(point.known_cost),
            )
            for point in points
        ]
        return Series(period=_period(selection), interval=query.interval, points=shown)

    @router.get("/filters", summary="What there is to filter by")
    async def filters(query: Annotated[UsageQuery, Query()]) -> FilterValues:
        return FilterValues(**await reports.values(query.selection()))

    _add_requests(router, requests)
    _add_stories(router, stories)
    return router


def _add_requests(router: APIRouter, requests: Requests) -> None:
    @router.get("/requests", summary="Single calls, page by page")
    async def page(query: Annotated[RequestsQuery, Query()]) -> RequestPage:
        found = await requests.page(_want(query), limit=query.limit, cursor=query.cursor, with_total=query.total)
        return RequestPage(
            requests=[RequestWithHelpers.model_validate(view) for view in found.requests],
            next_cursor=found.next_cursor,
            total=found.total,
        )

    @router.get(
        "/export",
        summary="All calls as a file",
        response_class=StreamingResponse,
        responses={200: {"content": {media_type: {} for media_type in _MEDIA_TYPES.values()}}},
    )
    async def export(query: Annotated[ExportQuery, Query()]) -> StreamingResponse:
        pieces = requests.export(_want(query), query.format)
        first = await anext(pieces, b"")  # so that a database that is away has its status

        async def all_pieces() -> Any:
            yield first
            async for piece in pieces:
                yield piece

        name = f'attachment; filename="llm-relay-requests.{query.format}"'
        return StreamingResponse(
            all_pieces(), media_type=_MEDIA_TYPES[query.format], headers={"content-disposition": name}
        )


def _add_stories(router: APIRouter, stories: Stories) -> None:
    @router.get("/requests/{request_id}", summary="One call, and those that were made for it")
    async def one(request_id: str) -> RequestDetail:
        story = await stories.tell(request_id)
        if story is None:
            raise UnknownRequest(f"There is no call {request_id!r}; calls are kept for a while only.")
        return RequestDetail(
            request=RequestWithHelpers.model_validate(story.call),
            helpers=[RequestView.model_validate(each) for each in story.helpers],
            hostname=story.hostname,
            cost_by_class=dict(story.costs),
            has_bodies=story.has_bodies,
        )

    @router.get(
        "/requests/{request_id}/bodies",
        summary="What one call asked and got; the audit log tells of each look",
        openapi_extra=FOR_ADMINS,
    )
    async def bodies(request_id: str) -> RequestBodies:
        try:
            found = await stories.bodies(request_id)
        except (InvalidKey, NotUnsealed) as exc:
            raise Unavailable(str(exc), code="bodies_not_readable") from exc
        if found is None:
            raise UnknownBodies(
                f"What {request_id!r} asked and got is not kept: its token does not keep bodies, or their time is over."
            )
        return RequestBodies(
            request=_body(found.request, found.request_bytes), reply=_body(found.reply, found.reply_bytes)
        )


def _body(kept: bytes, count: int) -> Body:
    return Body(bytes=count, kept=len(kept), text=kept.decode(errors="replace"))


def _by(reports: Reports, group: str) -> Callable[..., Any]:
    async def by(query: Annotated[UsageQuery, Query()]) -> Division:
        selection = query.selection()
        groups, totals = await reports.by(group, selection)
        shown = [GroupSums(key=each.key, **each.labels, **_fields(each.totals)) for each in groups]
        return Division(period=_period(selection), by=group, groups=shown, totals=_sums(totals))

    return by


def _want(query: CallsQuery) -> Any:
    return want(query.selection(), status=query.status, helpers=query.helpers, sort=query.sort, order=query.order)


def _split(values: list[str]) -> list[str]:
    # No database takes a NUL; one in a row has become a question mark.
    return [part.strip().replace("\0", "?") for value in values for part in value.split(",") if part.strip()]


def _period(selection: Selection) -> Period:
    days = selection.last_day - selection.first_day + 1
    return Period(start=day_of(selection.first_day), end=day_of(selection.last_day), days=days)


def _sums(totals: Totals) -> Sums:
    return Sums(**_fields(totals))


def _fields(totals: Totals) -> dict[str, Any]:
    fields = {name: getattr(totals, name) for name in Sums.model_fields}
    return fields | {"usage": dict(totals.usage), "cost": _usd(totals.known_cost)}


def _usd(cost: Decimal | None) -> str | None:
    return None if cost is None else write_usd(cost)
