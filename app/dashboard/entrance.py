"""How one comes in: the first visit, which makes the first administrator, and the login."""

import hmac
import re
import secrets
from urllib.parse import parse_qs, quote

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from app.api.admin.authorise import COOKIE, read_login
from app.api.admin.sessions import is_secure, set_cookie
from app.api.client_address import ReadAddress
from app.auth.administrators import FIRST_NAME, AdministratorDesk, AdministratorExists, InvalidPassword, WrongCode
from app.auth.logins import Logins, WrongPassword
from app.auth.sessions import Sessions
from app.core.errors import RateLimited
from app.dashboard.headers import PAGE_HEADERS
from app.dashboard.rendering import Renderer

LOGIN_PATH = "/admin/login"
SETUP_PATH = "/admin/setup"

# Until there is a session: what the form says has to be what the cookie says, so that no other site can send it.
_FORM_COOKIE = "llm_relay_form"
_MAX_FORM_BYTES = 16_384
# Where a request comes from, as a browser says it.
_SITE_HEADER, _CROSS_SITE = "sec-fetch-site", "cross-site"
# Says in a query that the login has led to itself before.
_ONCE = "again"
# A path of ours, and nothing that a browser could take for another host.
_OWN_PATH = re.compile(r"/admin(?:/[A-Za-z0-9._~%/-]*)?(?:\?[A-Za-z0-9._~%&=+:,*/-]*)?")


class Entrance:
    """The pages `/admin/login` and `/admin/setup`, which need no JavaScript."""

    def __init__(
        self,
        renderer: Renderer,
        desk: AdministratorDesk,
        logins: Logins,
        sessions: Sessions,
        read_address: ReadAddress,
    ) -> None:
        self._renderer = renderer
        self._desk = desk
        self._logins = logins
        self._sessions = sessions
        self._read_address = read_address

    def to_login(self, request: Request) -> Response:
        """To the login, and from there back to where one was going."""
        query = f"?{request.url.query}" if request.url.query else ""
        path = _login_path(own_path(f"{request.url.path}{query}"))
        return self._onward(path) if _may_hide_session(request) else _redirect(path)

    async def show_login(self, request: Request) -> Response:
        """The form; the first visit where nobody can log in yet; where one was going for somebody who is logged in."""
        following = own_path(request.query_params.get("next", ""))
        if await read_login(request, self._sessions) is not None:
            return _redirect(following)
        if not await self._desk.has_any():
            return _redirect(SETUP_PATH)
        if request.headers.get(_SITE_HEADER) == _CROSS_SITE and _ONCE not in request.query_params:
            return self._onward(_login_path(following, once=True))
        return self._form("login.html", request)

    async def log_in(self, request: Request) -> Response:
        """The form that was sent."""
        form = await _read_form(request)
        name, password = form.get("name", FIRST_NAME), form.get("password", "")
        if not _is_own_form(request, form):
            return self._form("login.html", request, 403, "This form is too old: send it once more.", name)
        try:
            login = await self._logins.begin(name, password, self._read_address(request.scope), _agent(request))
        except WrongPassword as exc:
            return self._form("login.html", request, 401, str(exc), name)
        except RateLimited as exc:
            return self._form("login.html", request, 429, exc.message, name)
        response = _redirect(own_path(request.query_params.get("next", "")))
        set_cookie(response, request, login)
        return response

    async def show_setup(self, request: Request) -> Response:
        """The first visit's form."""
        if await self._desk.has_any():
            return _redirect(LOGIN_PATH)
        return self._form("setup.html", request)

    async def set_up(self, request: Request) -> Response:
        """The first visit's form, sent."""
        form = await _read_form(request)
        password, address = form.get("password", ""), self._read_address(request.scope)
        if not _is_own_form(request, form):
            return self._form("setup.html", request, 403, "This form is too old: send it once more.")
        if password != form.get("again", ""):
            return self._form("setup.html", request, 400, "The two passwords are not the same.")
        try:
            login = await self._logins.begin_first(form.get("code", ""), password, address, _agent(request))
        except (AdministratorExists, WrongPassword):  # the latter: made, and changed by somebody at once
            return _redirect(LOGIN_PATH)
        except (WrongCode, InvalidPassword) as exc:
            return self._form("setup.html", request, 400, str(exc))
        except RateLimited as exc:
            return self._form("setup.html", request, 429, exc.message)
        response = _redirect("/admin")
        set_cookie(response, request, login)
        return response

    def _onward(self, path: str) -> Response:
        """A page that leads there by itself. A redirect would still be the other site's request, without the session."""
        return self._renderer.render("onward.html", path=path)

    def _form(self, template: str, request: Request, status: int = 200, error: str = "", name: str = "") -> Response:
        secret = secrets.token_urlsafe(24)
        response = self._renderer.render(
            template, status, error=error, name=name or FIRST_NAME, form_token=secret, query=request.url.query
        )
        response.set_cookie(
            _FORM_COOKIE, secret, path="/admin", httponly=True, samesite="strict", secure=is_secure(request)
        )
        return response


def own_path(path: str) -> str:
    """`path` where it is one of the dashboard's own, else the dashboard."""
    return path if _OWN_PATH.fullmatch(path) and "//" not in path and ".." not in path else "/admin"


def _login_path(following: str, *, once: bool = False) -> str:
    said = ([f"next={quote(following, safe='/')}"] if following != "/admin" else []) + ([_ONCE] if once else [])
    return f"{LOGIN_PATH}?{'&'.join(said)}" if said else LOGIN_PATH


def _may_hide_session(request: Request) -> bool:
    """Whether a link of another site led here: browsers keep a cookie that is `SameSite=Strict` back then, and in what it redirects to.

    They say so to TLS and to their own machine only (Fetch Metadata, 2.3).
    """
    return COOKIE not in request.cookies and request.headers.get(_SITE_HEADER, _CROSS_SITE) == _CROSS_SITE


async def _read_form(request: Request) -> dict[str, str]:
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > _MAX_FORM_BYTES:
            return {}
    return {name: values[-1] for name, values in parse_qs(body.decode("utf-8", "replace")).items()}


def _is_own_form(request: Request, form: dict[str, str]) -> bool:
    kept, said = request.cookies.get(_FORM_COOKIE, ""), form.get("form_token", "")
    return bool(kept) and hmac.compare_digest(kept.encode(), said.encode())


def _agent(request: Request) -> str:
    return request.headers.get("user-agent", "")


def _redirect(path: str) -> Response:
    return RedirectResponse(path, 303, {name: PAGE_HEADERS[name] for name in ("cache-control", "referrer-policy")})
