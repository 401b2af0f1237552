"""Alerts over HTTP: what went wrong of late, how much of it, and what of it is to be hidden for a day."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query
from pydantic import BaseModel, Field

from app.api.admin.authorise import Authorise
from app.api.admin.refused import NotFound
from app.core.alert import AlertKey
from app.core.moments import write_moment
from app.metering.alerts import PERIOD_H, Alerts, summary_of

Hours = Annotated[int, Query(ge=1, le=720, description="How far back to look.")]


class AlertView(BaseModel):
    """What went wrong in the same way within the period. The ids are empty where it is about the gateway itself."""

    provider_id: str
    model_id: str
    status_code: int
    error_type: str
    error_description: str
    error_message: str
    count: int
    first_seen: str
    last_seen: str
    severity: str


class Summary(BaseModel):
    """How many alerts there are."""

    critical: int
    warning: int
    total: int


class AlertList(BaseModel):
    """The critical ones first, then the most frequent."""

    alerts: list[AlertView]
    summary: Summary
    period_hours: int


class AlertCount(BaseModel):
    """How many alerts there are, without those that are dismissed."""

    count: int
    critical: int


class Dismissal(BaseModel):
    """Which alert, in the words of the list."""

    provider_id: str = Field(max_length=200)
    model_id: str = Field(max_length=1000)
    status_code: int = Field(ge=0, le=999)
    error_type: str = Field(max_length=24)


class Dismissed(BaseModel):
    """Until when it is hidden, and after that until it happens again."""

    dismissed_until: str


def alerts_router(authorise: Authorise, alerts: Alerts) -> APIRouter:
    """`/admin/api/alerts`, `/admin/api/alerts/count` and `/admin/api/alerts/dismiss`, for those whom `authorise` lets in."""
    router = APIRouter(prefix="/admin/api/alerts", tags=["admin"], dependencies=[Depends(authorise)])

    @router.get("", summary="What went wrong of late")
    async def read(hours: Hours = PERIOD_H) -> AlertList:
        found = await alerts.read(hours)
        views = [AlertView.model_validate(alert.told()) for alert in found]
        return AlertList(alerts=views, summary=Summary(**summary_of(found)), period_hours=hours)

    @router.get("/count", summary="How many alerts there are")
    async def count(hours: Hours = PERIOD_H) -> AlertCount:
        summary = summary_of(await alerts.read(hours))
        return AlertCount(count=summary["total"], critical=summary["critical"])

    @router.post(
        "/dismiss",
        summary="Hide an alert for a day, and after that until it happens again",
        responses={404: {"description": "There is no such alert."}},
    )
    async def dismiss(which: Dismissal) -> Dismissed:
        key = AlertKey(which.error_type, which.provider_id, which.model_id, which.status_code)
        until = await alerts.dismiss(key)
        if until is None:
            raise NotFound(f"There is no alert {str(key)!r}.", code="alert_not_found")
        return Dismissed(dismissed_until=write_moment(until))

    return router
