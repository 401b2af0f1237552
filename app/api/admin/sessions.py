"""Logins over HTTP: begun with a password, looked at, ended; and the password of whoever is logged in."""

from fastapi import APIRouter, Depends, Request
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import JSONResponse, Response

from app.api.admin.authorise import COOKIE, FOR_EVERYBODY, FOR_VIEWERS, Authorise, Caller
from app.api.admin.moments import ShownMoment, moment_of
from app.api.admin.refused import InvalidParameters, NotFound, refusing
from app.api.client_address import ReadAddress
from app.auth.administrators import FIRST_NAME, InvalidPassword
from app.auth.logins import Logins, WrongPassword
from app.auth.sessions import LIFE_MS, Login, Session, Sessions
from app.core.errors import AuthenticationFailed, PermissionDenied


class Credentials(BaseModel):
    """Who wants to log in."""

    model_config = ConfigDict(extra="forbid")

    name: str = Field(FIRST_NAME, max_length=64)
    password: str = Field(max_length=1024)


class LoggedIn(BaseModel):
    """A login; its cookie is in the response's headers.

    Attributes:
        csrf_token: what is said in the header `x-csrf-token` with each change.
    """

    success: bool
    name: str
    role: str
    csrf_token: str


class PasswordChange(BaseModel):
    """One's own password; all of one's sessions end with it, this one too."""

    model_config = ConfigDict(extra="forbid")

    password: str = Field(max_length=1024, description="That of now.")
    new_password: str = Field(min_length=8, max_length=1024)


class SessionShown(BaseModel):
    """A login that is good now."""

    id: str
    name: str
    role: str
    created: ShownMoment
    seen: ShownMoment
    expires: ShownMoment
    address: str
    agent: str
    current: bool


class SessionList(BaseModel):
    """The last used first."""

    sessions: list[SessionShown]


def sessions_router(authorise: Authorise, read_address: ReadAddress, logins: Logins, sessions: Sessions) -> APIRouter:
    """`/admin/api/login`, which is for everybody, and logins for those whom `authorise` lets in."""
    router = APIRouter(prefix="/admin/api", tags=["sessions"])

    @router.post("/login", summary="Log in", openapi_extra=FOR_EVERYBODY)
    async def log_in(request: Request, credentials: Credentials) -> LoggedIn:
        agent = request.headers.get("user-agent", "")
        with refusing({WrongPassword: AuthenticationFailed}):
            login = await logins.begin(credentials.name, credentials.password, read_address(request.scope), agent)
        shown = LoggedIn(success=True, name=login.session.administrator, role=login.session.role, csrf_token=login.csrf)
        response = JSONResponse(shown.model_dump())
        set_cookie(response, request, login)
        return response  # type: ignore[return-value] # the model's, with a cookie

    @router.post("/logout", summary="End this session", openapi_extra=FOR_VIEWERS)
    async def log_out(caller: Caller = Depends(authorise)) -> Response:  # noqa: B008 - FastAPI's way
        if caller.login is not None:
            await sessions.end(caller.login.session.id)
        response = JSONResponse({"success": True})
        response.delete_cookie(COOKIE, path="/admin")
        return response

    @router.get("/session", summary="Who is logged in here")
    async def show(caller: Caller = Depends(authorise)) -> dict[str, str]:  # noqa: B008
        return {"name": caller.actor.name, "kind": caller.actor.kind, "role": caller.role}

    @router.get("/sessions", summary="All logins that are good; a viewer sees their own")
    async def list_all(caller: Caller = Depends(authorise)) -> SessionList:  # noqa: B008
        return SessionList(sessions=[_shown(each, caller) for each in await sessions.list_all(_whose(caller))])

    @router.delete("/sessions/{session_id}", status_code=204, summary="End a login", openapi_extra=FOR_VIEWERS)
    async def end(session_id: str, caller: Caller = Depends(authorise)) -> Response:  # noqa: B008
        if not await sessions.end(session_id, _whose(caller)):
            raise NotFound(f"There is no session {session_id!r}.", code="session_not_found")
        return Response(status_code=204)

    @router.put("/password", status_code=204, summary="Change one's own password", openapi_extra=FOR_VIEWERS)
    async def change_password(change: PasswordChange, caller: Caller = Depends(authorise)) -> Response:  # noqa: B008
        if caller.login is None:
            raise PermissionDenied("A token has no password: log in, or use llm-relay admins password NAME.")
        with refusing({WrongPassword: InvalidParameters, InvalidPassword: InvalidParameters}):
            await logins.change_password(caller.actor.name, change.password, change.new_password, caller.actor.address)
        return Response(status_code=204)

    return router


def set_cookie(response: Response, request: Request, login: Login) -> None:
    """Have the browser keep the login: for pages below `/admin` of this host only, and out of scripts' reach."""
    response.set_cookie(
        COOKIE,
        login.cookie,
        max_age=LIFE_MS // 1000,
        path="/admin",
        httponly=True,
        samesite="strict",
        secure=is_secure(request),
    )


def is_secure(request: Request) -> bool:
    """Whether the browser came by TLS, be it to a proxy before the gateway."""
    return request.url.scheme == "https" or request.headers.get("x-forwarded-proto") == "https"


def _whose(caller: Caller) -> str | None:
    """Whose sessions a caller sees and ends: an admin those of all."""
    return None if caller.role == "admin" else caller.actor.name


def _shown(session: Session, caller: Caller) -> SessionShown:
    return SessionShown(
        id=session.id,
        name=session.administrator,
        role=session.role,
        created=moment_of(session.created_at),
        seen=moment_of(session.seen_at),
        expires=moment_of(session.expires_at),
        address=session.address,
        agent=session.agent,
        current=caller.login is not None and caller.login.session.id == session.id,
    )
