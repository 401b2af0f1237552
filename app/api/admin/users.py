"""Users over HTTP: what they may use over all their tokens, and how much of it they have used."""

from functools import partial
from typing import Any

from fastapi import APIRouter, Depends
from pydantic import BaseModel, ConfigDict, Field

from app.api.admin.authorise import Authorise
from app.api.admin.limits import Budget, Limit, LimitUse, show_limits, show_use
from app.api.admin.refused import Conflicting, InvalidParameters, NotFound, Refusals, refusing
from app.auth.issue import InvalidToken
from app.auth.users import NoSuchUser, UserDesk, UserLimited, UserView

_REFUSALS: Refusals = {
    NoSuchUser: partial(NotFound, code="user_not_found"),
    UserLimited: partial(Conflicting, code="user_exists"),
    InvalidToken: InvalidParameters,
}


class UserLimits(BaseModel):
    """All limits of a user over all tokens; what is not given is no limit."""

    model_config = ConfigDict(extra="forbid")

    requests_per_minute: Limit = None
    tokens_per_minute: Limit = None
    tokens_per_day: Limit = None
    budget_per_day: Budget = None
    budget_per_month: Budget = None
    max_concurrent: Limit = None


class NewUser(UserLimits):
    """A user who has no limit yet, also one who has no token yet."""

    username: str


class UserShown(BaseModel):
    """A user, with the limits over all tokens. Budgets are texts in USD."""

    username: str
    tokens: int = Field(description="How many have this name.")
    requests_per_minute: int | None
    tokens_per_minute: int | None
    tokens_per_day: int | None
    budget_per_day: str | None
    budget_per_month: str | None
    max_concurrent: int | None


class UserDetail(UserShown):
    """The same, and how much of the limits is used."""

    use: list[LimitUse]


class UserList(BaseModel):
    """All users that have tokens or limits, by name."""

    users: list[UserShown]


def users_router(authorise: Authorise, desk: UserDesk) -> APIRouter:
    """All below `/admin/api/users`, for those whom `authorise` lets in."""
    router = APIRouter(prefix="/admin/api/users", tags=["users"], dependencies=[Depends(authorise)])

    @router.get("", summary="All users that have tokens or limits")
    async def list_all() -> UserList:
        return UserList(users=[UserShown(**_fields(view)) for view in await desk.list_all()])

    @router.post(
        "",
        summary="Limit a user who has no limit yet",
        status_code=201,
        responses={409: {"description": "There are limits of that user already."}},
    )
    async def add(user: NewUser) -> UserDetail:
        with refusing(_REFUSALS):
            view = await desk.add(user.username, user.model_dump(exclude={"username"}))
        return await detail(view)

    @router.get("/{username:path}", summary="One user, and how much of the limits is used")
    async def show(username: str) -> UserDetail:
        with refusing(_REFUSALS):
            view = await desk.show(username)
        return await detail(view)

    @router.put("/{username:path}", summary="Set all limits of a user")
    async def put(username: str, limits: UserLimits) -> UserDetail:
        with refusing(_REFUSALS):
            view = await desk.limit(username, limits.model_dump())
        return await detail(view)

    async def detail(view: UserView) -> UserDetail:
        use = await desk.read_use(view.username)
        return UserDetail(**_fields(view), use=[show_use(each) for each in use])

    return router


def _fields(view: UserView) -> dict[str, Any]:
    return {"username": view.username, "tokens": view.tokens, **show_limits(view.limits_by_name)}
