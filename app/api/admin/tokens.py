"""Tokens over HTTP: made, looked at, changed and withdrawn."""

from datetime import datetime, timedelta
from functools import partial
from typing import Annotated, Any

from fastapi import APIRouter, Depends
from pydantic import AfterValidator, BaseModel, ConfigDict, Field
from starlette.responses import Response

from app.api.admin.authorise import Authorise
from app.api.admin.limits import MOST, Budget, Limit, LimitUse, show_limits, show_use
from app.api.admin.moments import ShownMoment
from app.api.admin.refused import InvalidParameters, NotFound, Refusals, refusing
from app.auth.desk import TokenDesk, TokenView
from app.auth.issue import InvalidToken, NoSuchToken
from app.core.moments import in_utc

_PREFIX = "/admin/api/tokens"


_REFUSALS: Refusals = {NoSuchToken: partial(NotFound, code="token_not_found"), InvalidToken: InvalidParameters}


def _without_commas(values: list[str]) -> list[str]:
    if any("," in value or not value.strip() for value in values):
        raise ValueError("each must be a name without commas")
    return list(dict.fromkeys(value.strip() for value in values))


Count = Annotated[int, Field(ge=0, le=MOST)]
Names = Annotated[list[Annotated[str, Field(max_length=500)]], Field(max_length=500), AfterValidator(_without_commas)]
Username = Annotated[str, Field(max_length=200)]
Moment = Annotated[datetime, AfterValidator(in_utc)]


class TokenChange(BaseModel):
    """What of a token is to be another; what is not given stays.

    So defaults mean nothing, and those that a column cannot be are made by a function, which no document shows.
    """

    model_config = ConfigDict(extra="forbid")

    username: Username = Field(default_factory=str, description="Who it is for.")
    expires: Moment | None = Field(None, description="When it ends; UTC where there is no zone; null for never.")
    rate_limit: Count = Field(default_factory=int, description="Calls a UTC day.")
    models: Names = Field(
        default_factory=list[str], description="Names it may use; * and ? are wildcards; empty for all."
    )
    tags: Names = Field(default_factory=list[str], description="Tags of its calls.")
    disabled: bool = Field(default_factory=bool)
    admin: bool = Field(default_factory=bool, description="It may use the administrators' API.")
    log_bodies: bool = Field(default_factory=bool, description="What its calls ask and get is kept.")
    requests_per_minute: Limit = None
    tokens_per_minute: Limit = None
    tokens_per_day: Limit = None
    budget_per_day: Budget = None
    budget_per_month: Budget = None
    max_concurrent: Limit = None

    def columns(self) -> dict[str, Any]:
        """What was given."""
        return self.model_dump(exclude_unset=True)


class NewToken(TokenChange):
    """A token to be made."""

    username: Username
    rate_limit: Count = 15


class Rotation(BaseModel):
    """How a token gets a new text."""

    model_config = ConfigDict(extra="forbid")

    grace_hours: float = Field(24, ge=0, le=8760, description="For how long the old text still works.")


class TokenShown(BaseModel):
    """A token, without its text."""

    id: str
    username: str
    state: str
    created: ShownMoment
    expires: ShownMoment | None
    last_used: ShownMoment | None
    rate_limit: int
    used_today: int
    lifetime_requests: int
    models: list[str]
    tags: list[str]
    disabled: bool
    admin: bool
    log_bodies: bool
    requests_per_minute: int | None
    tokens_per_minute: int | None
    tokens_per_day: int | None
    budget_per_day: str | None
    budget_per_month: str | None
    max_concurrent: int | None


class TokenDetail(TokenShown):
    """The same, and how much of its limits and of its user's is used."""

    use: list[LimitUse]


class TokenListed(TokenShown):
    """The same, and how much of its own limits is used."""

    use: list[LimitUse]


class TokenList(BaseModel):
    """All of them, the oldest first."""

    tokens: list[TokenListed]


class TokenIssued(BaseModel):
    """A token with its text, which is shown this once."""

    text: str
    token: TokenShown


def tokens_router(authorise: Authorise, desk: TokenDesk) -> APIRouter:
    """All below `/admin/api/tokens`, for those whom `authorise` lets in."""
    router = APIRouter(prefix=_PREFIX, tags=["tokens"], dependencies=[Depends(authorise)])

    @router.get("", summary="All tokens")
    async def list_all() -> TokenList:
        views = await desk.list_all()
        uses = await desk.read_uses(views)
        return TokenList(
            tokens=[
                TokenListed(**_shown(view).model_dump(), use=[show_use(each) for each in uses.get(view.token.id, ())])
                for view in views
            ]
        )

    @router.post("", status_code=201, summary="Make a token")
    async def create(new: NewToken) -> TokenIssued:
        columns = new.columns() | {"rate_limit": new.rate_limit}
        given = {name: columns.pop(name) for name in ("expires", "models", "tags") if name in columns}
        with refusing(_REFUSALS):
            text, view = await desk.issue(
                columns.pop("username"), rate_limit=columns.pop("rate_limit"), columns=columns, **given
            )
        return TokenIssued(text=text, token=_shown(view))

    @router.get("/{token_id}", summary="One token, and how much of its limits is used")
    async def show(token_id: str) -> TokenDetail:
        with refusing(_REFUSALS):
            view = await desk.show(token_id)
        use = await desk.read_use(view.token)
        return TokenDetail(**_shown(view).model_dump(), use=[show_use(each) for each in use])

    @router.patch("/{token_id}", summary="Change a token")
    async def modify(token_id: str, change: TokenChange) -> TokenShown:
        with refusing(_REFUSALS):
            return _shown(await desk.modify(token_id, change.columns()))

    @router.post("/{token_id}/rotate", summary="Give a token a new text")
    async def rotate(token_id: str, rotation: Rotation) -> TokenIssued:
        with refusing(_REFUSALS):
            text, view = await desk.rotate(token_id, timedelta(hours=rotation.grace_hours))
        return TokenIssued(text=text, token=_shown(view))

    @router.delete("/{token_id}", status_code=204, summary="Withdraw a token")
    async def delete(token_id: str) -> Response:
        with refusing(_REFUSALS):
            await desk.delete(token_id)
        return Response(status_code=204)

    return router


def _shown(view: TokenView) -> TokenShown:
    token = view.token
    return TokenShown(
        id=token.id,
        username=token.username,
        state=view.state,
        created=view.created,
        expires=view.expires,
        last_used=view.last_used,
        rate_limit=token.rate_limit,
        used_today=view.used_today,
        lifetime_requests=token.lifetime_requests,
        models=list(token.models),
        tags=list(token.tags),
        disabled=token.disabled,
        admin=token.admin,
        log_bodies=token.log_bodies,
        **show_limits(view.limits),
    )
