"""Who may use the administrators' API: logins of the dashboard, and holders of tokens that were made for it."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from fastapi import Request
from starlette.requests import HTTPConnection

from app.api.client_address import ReadAddress
from app.auth.administrators import Role
from app.auth.guard import Guard
from app.auth.sessions import Login, Sessions
from app.core.audit import ACTOR, Actor
from app.core.errors import AuthenticationFailed, PermissionDenied

COOKIE = "llm_relay_session"
CSRF_HEADER = "x-csrf-token"
UNATTENDED_HEADER = "x-unattended"
"""A page says by it that it asks by itself, as `EventSource` does by what it accepts."""

FOR_EVERYBODY: dict[str, Any] = {"x-role": "anybody"}
FOR_VIEWERS: dict[str, Any] = {"x-role": "viewer"}
FOR_ADMINS: dict[str, Any] = {"x-role": "admin"}
"""The one declaration of whom a route is for, as its `openapi_extra`. Where none is made, viewers may GET, and all else is for admins."""

_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})


@dataclass(frozen=True, slots=True)
class Caller:
    """Who uses the API. `login` is None for a token."""

    actor: Actor
    role: Role
    login: Login | None = None


Authorise = Callable[[Request], Awaitable[Caller]]
"""Who asks, with a role that is enough for the route; raises `AuthenticationFailed`, `PermissionDenied` or `RateLimited` for all
others. From then on changes are this caller's."""


def authoriser(guard: Guard, read_address: ReadAddress, sessions: Sessions | None = None) -> Authorise:
    """Gives that function. It takes a bearer token or the cookie of a session, and nothing else: no key in a URL.

    With a cookie, whatever is no mere look needs the session's CSRF token in the header `x-csrf-token` too.
    """

    async def authorise(request: Request) -> Caller:
        address = read_address(request.scope)
        caller = await _of_session(request, address, sessions) or await _of_token(request, address)
        if role_for(request.scope) == "admin" and caller.role != "admin":
            raise PermissionDenied("This is for administrators of the role admin, not for viewers: ask one of them.")
        ACTOR.set(caller.actor)
        return caller

    async def _of_token(request: Request, address: str) -> Caller:
        principal = await guard.identify(request.headers.get("authorization"), address)
        if not principal.admin:
            raise PermissionDenied(
                "This token is no administrator's. Make one: llm-relay tokens add --username NAME --admin."
            )
        return Caller(Actor("token", principal.token_id, address), "admin")

    return authorise


async def _of_session(request: Request, address: str, sessions: Sessions | None) -> Caller | None:
    if sessions is None or "authorization" in request.headers or COOKIE not in request.cookies:
        return None
    login = await read_login(request, sessions)
    if login is None:
        raise AuthenticationFailed("This session is over: log in again.")
    if request.method not in _SAFE and not login.is_csrf(request.headers.get(CSRF_HEADER, "")):
        raise PermissionDenied(f"The header {CSRF_HEADER} is not that of this session: load the page again.")
    return Caller(Actor("admin", login.session.administrator, address), _role_of(login), login)


async def read_login(connection: HTTPConnection, sessions: Sessions) -> Login | None:
    """The login whose cookie a request brings; None where there is none, or its session is over."""
    by_itself = UNATTENDED_HEADER in connection.headers or connection.headers.get("accept") == "text/event-stream"
    return await sessions.find(connection.cookies.get(COOKIE, ""), attended=not by_itself)


def role_for(scope: Mapping[str, Any]) -> Role:
    """The least role that the route of a request asks for."""
    said = getattr(scope.get("route"), "openapi_extra", None) or {}
    return role_of_route(said, scope["method"])


def role_of_route(openapi_extra: Mapping[str, Any], method: str) -> Role:
    """The same, by what a route declares."""
    if "x-role" in openapi_extra:
        return "viewer" if openapi_extra["x-role"] == "viewer" else "admin"
    return "viewer" if method.upper() in _SAFE else "admin"


def is_for_everybody(scope: Mapping[str, Any]) -> bool:
    """Whether the route of a request is for those too who are not logged in."""
    said = getattr(scope.get("route"), "openapi_extra", None) or {}
    return bool(said.get("x-role") == FOR_EVERYBODY["x-role"])


def _role_of(login: Login) -> Role:
    return "admin" if login.session.role == "admin" else "viewer"
