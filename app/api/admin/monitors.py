"""Monitors of all users over HTTP: looked at, made, ended, and asked again for what went wrong."""

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Query
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response

from app.api.admin.authorise import Authorise
from app.api.admin.moments import ShownMoment
from app.api.admin.refused import InvalidParameters, Refusals, refusing
from app.core.errors import InvalidRequest
from app.monitors.asked import MOST_QUERY_CHARACTERS, read_asked
from app.monitors.operators import Filter, OperatorDesk
from app.monitors.telling import told_created, told_delivery, told_events, told_for_operators, told_webhook

_REFUSALS: Refusals = {InvalidRequest: InvalidParameters}

Most = Annotated[int, Query(ge=1, le=500, description="How many, the newest first.")]
State = Literal["", "creating", "active", "cancelling", "cancelled", "failed"]


class LackShown(BaseModel):
    """A setting that is missing, and what does not work without it."""

    setting: str
    words: str


class Setup(BaseModel):
    """Whether monitors work here: they do where nothing is missing."""

    missing: list[LackShown]


class MonitorShown(BaseModel):
    """A watch on the web that a user has at Parallel, or had."""

    id: str
    monitor_id: str = Field(description="Parallel's id, where it has one.")
    username: str
    query: str
    cadence: str | None
    frequency: str
    processor: str
    status: str
    reason: str | None = Field(
        description="Why it ended: `user`, `replaced`, `expired`, `user_gone`, `gone` or `failed`."
    )
    created_at: ShownMoment
    expires_at: ShownMoment
    cancelled_at: ShownMoment | None
    last_run_at: ShownMoment | None
    last_error: str | None
    forwards_to: str | None = Field(description="The host of its `forward_url`; the rest may be a secret.")


class MonitorList(BaseModel):
    """The newest first."""

    monitors: list[MonitorShown]
    next_cursor: str | None


class NewMonitor(BaseModel):
    """A monitor for a user, in the words of `POST /v1/monitors`."""

    model_config = ConfigDict(extra="forbid")

    username: str = Field(max_length=200)
    query: str = Field(max_length=MOST_QUERY_CHARACTERS)
    cadence: str | None = None
    frequency: str | None = None
    processor: str | None = None
    output_schema: dict[str, Any] | None = None
    metadata: dict[str, str] | None = None
    forward_url: str | None = Field(None, max_length=4000)


class MonitorCreated(BaseModel):
    """A new monitor. What its forwarded messages are signed with is shown this once."""

    monitor_id: str
    status: str
    message: str
    replaced: list[str]
    forward_secret: str | None = None


class Finding(BaseModel):
    """One thing that was found."""

    model_config = ConfigDict(extra="allow")

    text: str
    date: str | None = None
    sources: list[str] = []


class GroupShown(BaseModel):
    """What one run found: `waiting` for Parallel to give it, `pending` (its user was not told yet), `empty`, `delivered` or `given_up`."""

    event_group_id: str
    state: str
    received_at: ShownMoment
    fetched_at: ShownMoment | None
    delivered_at: ShownMoment | None
    attempts: int
    last_error: str | None
    events: list[Finding]


class GroupList(BaseModel):
    """The newest first."""

    event_groups: list[GroupShown]


class WebhookShown(BaseModel):
    """What Parallel told, and what came of it: `stored`, `noted`, `duplicate` or `unknown`."""

    webhook_id: str
    received_at: ShownMoment
    type: str
    monitor_id: str
    event_group_id: str | None
    result: str


class WebhookList(BaseModel):
    """The newest first."""

    webhooks: list[WebhookShown]


class AttemptShown(BaseModel):
    """One time that it was sent."""

    at: ShownMoment
    status: int | None
    error: str | None


class DeliveryShown(BaseModel):
    """What is passed on to the address that its user gave, with its last attempts, the newest last."""

    delivery_id: str
    event_group_id: str
    status: str
    created_at: ShownMoment
    delivered_at: ShownMoment | None
    attempts: int
    next_attempt_at: ShownMoment | None
    log: list[AttemptShown]


class DeliveryList(BaseModel):
    """The newest first."""

    deliveries: list[DeliveryShown]


class ReconciledShown(BaseModel):
    """Monitors that were closed here, cancelled at Parallel, given up, and those of which it failed, with why."""

    closed: list[str]
    cancelled: list[str]
    given_up: list[str]
    failed: dict[str, str]


def monitors_router(authorise: Authorise, desk: OperatorDesk) -> APIRouter:
    """All below `/admin/api/monitors`, for those whom `authorise` lets in."""
    router = APIRouter(prefix="/admin/api/monitors", tags=["monitors"], dependencies=[Depends(authorise)])

    @router.get("", summary="Monitors of all users, the newest first")
    async def page(
        username: Annotated[str, Query(max_length=200)] = "",
        status: State = "",
        q: Annotated[str, Query(max_length=500, description="In what is watched or the user's name, or an id.")] = "",
        cursor: Annotated[str | None, Query(max_length=1000, description="`next_cursor` of the page before.")] = None,
        limit: Most = 50,
    ) -> MonitorList:
        with refusing(_REFUSALS):
            found = await desk.page(Filter(username, status, q), cursor=cursor, limit=limit)
        monitors = [MonitorShown.model_validate(told_for_operators(each)) for each in found.monitors]
        return MonitorList(monitors=monitors, next_cursor=found.next_cursor)

    @router.post("", status_code=201, summary="Make one for a user")
    async def create(new: NewMonitor) -> MonitorCreated:
        asked = new.model_dump(exclude_none=True)
        with refusing(_REFUSALS):
            created = await desk.create(asked.pop("username"), read_asked(asked))
        return MonitorCreated.model_validate(told_created(created))

    @router.get("/setup", summary="Whether monitors work here, and what is missing")
    async def setup() -> Setup:
        return Setup(missing=[LackShown(setting=each.setting, words=each.words) for each in desk.lacks()])

    @router.get("/webhooks", summary="What Parallel told of late")
    async def all_webhooks(limit: Most = 50) -> WebhookList:
        return _webhooks([told_webhook(each) for each in await desk.webhooks(None, limit)])

    @router.post("/reconcile", summary="Bring the monitors here and those at Parallel together")
    async def reconcile() -> ReconciledShown:
        done = await desk.reconcile()
        return ReconciledShown(closed=done.closed, cancelled=done.cancelled, given_up=done.given_up, failed=done.failed)

    @router.get("/{monitor_id}", summary="One monitor")
    async def show(monitor_id: str) -> MonitorShown:
        return MonitorShown.model_validate(told_for_operators(await desk.show(monitor_id)))

    @router.delete("/{monitor_id}", summary="End one; what it found stays")
    async def cancel(monitor_id: str) -> MonitorShown:
        return MonitorShown.model_validate(told_for_operators(await desk.cancel(monitor_id)))

    @router.post("/{monitor_id}/trigger", status_code=202, summary="Have one run now")
    async def trigger(monitor_id: str) -> MonitorShown:
        return MonitorShown.model_validate(told_for_operators(await desk.trigger(monitor_id)))

    @router.get("/{monitor_id}/events", summary="What one found")
    async def events(monitor_id: str, limit: Most = 20) -> GroupList:
        monitor, groups = await desk.events(monitor_id, limit)
        told = [told_events(each, monitor.handle) for each in groups]
        return GroupList(event_groups=[GroupShown.model_validate(each) for each in told])

    @router.post(
        "/{monitor_id}/events/{event_group_id}/fetch", status_code=204, summary="Ask Parallel again for a report"
    )
    async def fetch_again(monitor_id: str, event_group_id: str) -> Response:
        await desk.fetch_again(monitor_id, event_group_id)
        return Response(status_code=204)

    @router.get("/{monitor_id}/webhooks", summary="What Parallel told of one")
    async def webhooks(monitor_id: str, limit: Most = 20) -> WebhookList:
        return _webhooks([told_webhook(each) for each in await desk.webhooks(monitor_id, limit)])

    @router.get("/{monitor_id}/deliveries", summary="What was passed on of one")
    async def deliveries(monitor_id: str, limit: Most = 20) -> DeliveryList:
        found = await desk.deliveries(monitor_id, limit)
        return DeliveryList(deliveries=[DeliveryShown.model_validate(told_delivery(each)) for each in found])

    @router.post("/{monitor_id}/deliveries/{delivery_id}/replay", status_code=202, summary="Pass something on again")
    async def replay(monitor_id: str, delivery_id: str) -> DeliveryShown:
        return DeliveryShown.model_validate(told_delivery(await desk.replay(monitor_id, delivery_id)))

    return router


def _webhooks(taken: list[dict[str, Any]]) -> WebhookList:
    return WebhookList(webhooks=[WebhookShown.model_validate(each) for each in taken])
