"""The audit log over HTTP: who changed what, and whether the log is as it was written."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query
from pydantic import BaseModel, Field

from app.api.admin.authorise import Authorise
from app.api.admin.moments import ShownMoment, moment_of
from app.auth.audit import AuditDesk, Entry


class EntryShown(BaseModel):
    """A change that an administrator made."""

    number: int
    at: ShownMoment
    actor: str = Field(description="`admin:NAME`, `token:ID` or `cli:USER`.")
    address: str
    action: str
    subject: str
    before: dict[str, Any] | None = Field(
        description="Its fields; null where it was not there, or nothing of it was noted."
    )
    after: dict[str, Any] | None
    hash: str


class EntryPage(BaseModel):
    """The newest first; `next` is `before` of the page behind, null where there is none."""

    entries: list[EntryShown]
    next: int | None


class Filters(BaseModel):
    """What `actor` and `action` may be to find anything."""

    actors: list[str]
    actions: list[str]


class Verdict(BaseModel):
    """Whether each entry is as it was written, and none is missing."""

    entries: int
    fault: str | None


def audit_router(authorise: Authorise, desk: AuditDesk) -> APIRouter:
    """All below `/admin/api/audit`, for those whom `authorise` lets in."""
    router = APIRouter(prefix="/admin/api/audit", tags=["audit"], dependencies=[Depends(authorise)])

    @router.get("", summary="Changes, the newest first")
    async def page(
        before: Annotated[int | None, Query(ge=1, le=2**53, description="Only entries before this number.")] = None,
        actor: Annotated[str, Query(max_length=128)] = "",
        action: Annotated[str, Query(max_length=64)] = "",
        limit: Annotated[int, Query(ge=1, le=500)] = 50,
    ) -> EntryPage:
        found = await desk.page(before_number=before, actor=actor, action=action, limit=limit)
        entries = [EntryShown.model_validate(_fields(each)) for each in found.entries]
        return EntryPage(entries=entries, next=found.next)

    @router.get("/filters", summary="The actors and the actions that the log has")
    async def filters() -> Filters:
        actors, actions = await desk.filters()
        return Filters(actors=actors, actions=actions)

    @router.get("/verify", summary="Whether the log is as it was written")
    async def verify() -> Verdict:
        count, fault = await desk.verify()
        return Verdict(entries=count, fault=fault)

    return router


def _fields(entry: Entry) -> dict[str, Any]:
    fields = {name: getattr(entry, name) for name in EntryShown.model_fields}
    return fields | {"at": moment_of(entry.at)}
