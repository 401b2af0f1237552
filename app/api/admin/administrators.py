"""Administrators over HTTP: who may log in, and as what."""

from functools import partial
from typing import Annotated

from fastapi import APIRouter, Depends
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response

from app.api.admin.authorise import FOR_ADMINS, Authorise
from app.api.admin.moments import ShownMoment, moment_of
from app.api.admin.refused import Conflicting, InvalidParameters, NotFound, Refusals, refusing
from app.auth.administrators import (
    Administrator,
    AdministratorDesk,
    AdministratorExists,
    InvalidName,
    InvalidPassword,
    LastAdministrator,
    NoSuchAdministrator,
)

_REFUSALS: Refusals = {
    NoSuchAdministrator: partial(NotFound, code="administrator_not_found"),
    AdministratorExists: partial(Conflicting, code="administrator_exists"),
    LastAdministrator: partial(Conflicting, code="last_administrator"),
    InvalidName: InvalidParameters,
    InvalidPassword: InvalidParameters,
}

Name = Annotated[str, Field(max_length=64, description="Letters, digits and @ . _ - only.")]
Role = Annotated[str, Field(max_length=8, description="admin or viewer; a viewer may look and change nothing.")]
Password = Annotated[str, Field(min_length=8, max_length=1024)]


class NewAdministrator(BaseModel):
    """Somebody to be let in."""

    model_config = ConfigDict(extra="forbid")

    name: Name
    role: Role = "viewer"
    password: Password


class AdministratorChange(BaseModel):
    """What is to be another. With the password all sessions of that administrator end."""

    model_config = ConfigDict(extra="forbid")

    role: Role | None = None
    password: Password | None = None


class AdministratorShown(BaseModel):
    """One of them, without the password."""

    name: str
    role: str
    created: ShownMoment
    changed: ShownMoment


class AdministratorList(BaseModel):
    """All of them, by name."""

    administrators: list[AdministratorShown]


def administrators_router(authorise: Authorise, desk: AdministratorDesk) -> APIRouter:
    """All below `/admin/api/administrators`, for those whom `authorise` lets in."""
    router = APIRouter(prefix="/admin/api/administrators", tags=["administrators"], dependencies=[Depends(authorise)])

    @router.get("", summary="All administrators", openapi_extra=FOR_ADMINS)
    async def list_all() -> AdministratorList:
        return AdministratorList(administrators=[_shown(each) for each in await desk.list_all()])

    @router.post("", status_code=201, summary="Let somebody in")
    async def create(new: NewAdministrator) -> AdministratorShown:
        with refusing(_REFUSALS):
            return _shown(await desk.add(new.name, new.role, new.password))

    @router.patch("/{name}", summary="Give another role or password")
    async def modify(name: str, change: AdministratorChange) -> AdministratorShown:
        with refusing(_REFUSALS):
            return _shown(await desk.modify(name, role=change.role, password=change.password))

    @router.delete("/{name}", status_code=204, summary="Remove an administrator; all their sessions end")
    async def delete(name: str) -> Response:
        with refusing(_REFUSALS):
            await desk.delete(name)
        return Response(status_code=204)

    return router


def _shown(administrator: Administrator) -> AdministratorShown:
    return AdministratorShown(
        name=administrator.name,
        role=administrator.role,
        created=moment_of(administrator.created_at),
        changed=moment_of(administrator.changed_at),
    )
