"""The pages as one ASGI application, built when the first of them is asked for."""

from collections.abc import Callable
from dataclasses import dataclass

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from app.api.admin.authorise import read_login
from app.api.client_address import ReadAddress
from app.auth.administrators import AdministratorDesk
from app.auth.logins import Logins
from app.auth.sessions import Sessions
from app.dashboard.assets import Assets
from app.dashboard.entrance import LOGIN_PATH, SETUP_PATH, Entrance
from app.dashboard.failures import failure_pages
from app.dashboard.pages import PAGES, Page, menu
from app.dashboard.public import PublicPages
from app.dashboard.rendering import Renderer


@dataclass(frozen=True)
class Inside:
    """What the dashboard needs, beside its templates."""

    sessions: Sessions
    logins: Logins
    desk: AdministratorDesk
    read_address: ReadAddress


def open_site(open_public: Callable[[Renderer], PublicPages], inside: Inside | None) -> Starlette:
    """The pages for everybody, those below `/admin` where there is a dashboard, and what all of them load below `/static`."""
    assets = Assets()
    renderer = Renderer(assets)
    return Starlette(
        routes=[
            Route("/static/{version}/{name:path}", assets.serve),
            *open_public(renderer).routes(),
            *(_dashboard(renderer, inside) if inside else []),
        ],
        middleware=[Middleware(GZipMiddleware, minimum_size=1000)],
        exception_handlers=failure_pages(renderer),
    )


def _dashboard(renderer: Renderer, inside: Inside) -> list[Route]:
    sessions = inside.sessions
    entrance = Entrance(renderer, inside.desk, inside.logins, sessions, inside.read_address)

    def shown(page: Page) -> Route:
        async def show(request: Request) -> Response:
            login = await read_login(request, sessions)
            if login is None:
                return entrance.to_login(request)
            role = login.session.role
            if not page.is_for(role):
                return renderer.render("refused.html", 403, title=page.title)
            return renderer.render(
                f"pages/{page.key}.html",
                page=page,
                menu=menu(role),
                login=login,
                here=page.below or page.key,
                path_params=request.path_params,
            )

        return Route(f"/admin{page.path}", show, name=page.key)

    async def unknown(request: Request) -> Response:
        if await read_login(request, sessions) is None:
            return entrance.to_login(request)
        return renderer.render("unknown.html", 404, path=request.url.path)

    return [
        Route(LOGIN_PATH, entrance.show_login),
        Route(LOGIN_PATH, entrance.log_in, methods=["POST"]),
        Route(SETUP_PATH, entrance.show_setup),
        Route(SETUP_PATH, entrance.set_up, methods=["POST"]),
        *(shown(page) for page in PAGES),
        Route("/admin/{path:path}", unknown),
    ]
