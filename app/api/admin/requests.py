"""Single calls, over HTTP: pages and files of them, the story of one, and what it asked and got."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Query
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import StreamingResponse

from app.api.admin.authorise import FOR_ADMINS, Authorise
from app.api.admin.refused import NotFound
from app.api.admin.usage import PREFIX, Cost, UsageQuery, Values
from app.core.errors import Unavailable
from app.metering.requests import MAX_LIMIT, Requests, want
from app.metering.sealing import InvalidKey, NotUnsealed
from app.metering.story import Stories

_MEDIA_TYPES = {"csv": "text/csv", "jsonl": "application/jsonl"}


class CallsQuery(UsageQuery):
    """The same, of single calls."""

    tag: Values
    provider: Values
    model: Values
    client: Values
    alias: Values
    failed: str = Field(
        "",
        max_length=1000,
        description="Those in which an attempt at this `provider/model` failed, also where a further one answered.",
    )
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


def requests_router(authorise: Authorise, requests: Requests, stories: Stories) -> APIRouter:
    """All that is about single calls, for those whom `authorise` lets in."""
    router = APIRouter(prefix=PREFIX, tags=["usage"], dependencies=[Depends(authorise)])
    _add_pages(router, requests)
    _add_stories(router, stories)
    return router


def _add_pages(router: APIRouter, requests: Requests) -> None:
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
            words = f"There is no call {request_id!r}; calls are kept for a while only."
            raise NotFound(words, code="request_not_found")
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
            raise NotFound(
                f"What {request_id!r} asked and got is not kept: its token does not keep bodies, or their time is over.",
                code="bodies_not_found",
            )
        return RequestBodies(
            request=_body(found.request, found.request_bytes), reply=_body(found.reply, found.reply_bytes)
        )


def _body(kept: bytes, count: int) -> Body:
    return Body(bytes=count, kept=len(kept), text=kept.decode(errors="replace"))


def _want(query: CallsQuery) -> Any:
    return want(
        query.selection(),
        status=query.status,
        helpers=query.helpers,
        failed=query.failed,
        sort=query.sort,
        order=query.order,
    )
