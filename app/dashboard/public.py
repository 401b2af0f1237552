"""The pages for everybody: what this gateway is, monitors by a form, how a payment ended, and the API's document."""

from collections.abc import Callable, Mapping, Sequence

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from app.api.admin.sessions import is_secure
from app.core.principal import Principal
from app.dashboard.assets import DOCS_VENDOR
from app.dashboard.rendering import Renderer

ListNames = Callable[[Principal], Sequence[str]]
FindAnonymous = Callable[[Request], Principal | None]
"""As whom a call without a token would run; None where it would be refused."""

_MOST_NAMES = 200
_TITLES = {"success": "Thank you", "error": "That did not work", "cancel": "Cancelled"}


class PublicPages:
    """All of them.

    Args:
        has_dashboard: there is one to lead to.
        has_monitors: monitors can be made now.
        docs: `/docs` is there.
        payment_texts: by `success`, `error` and `cancel`.
    """

    def __init__(
        self,
        renderer: Renderer,
        *,
        find_anonymous: FindAnonymous,
        list_names: ListNames,
        has_dashboard: bool,
        has_monitors: Callable[[], bool],
        docs: bool,
        payment_texts: Mapping[str, str],
    ) -> None:
        self._renderer = renderer
        self._find_anonymous = find_anonymous
        self._list_names = list_names
        self._has_dashboard = has_dashboard
        self._has_monitors = has_monitors
        self._docs = docs
        self._payment_texts = payment_texts

    def routes(self) -> list[Route]:
        """Those that are there."""
        return [
            Route("/", self.show_landing),
            Route("/create-monitor", self.show_monitor_form),
            *(Route(f"/payment/{outcome}", self._payment(outcome)) for outcome in self._payment_texts),
            *([Route("/docs", self.show_docs)] if self._docs else []),
        ]

    async def show_landing(self, request: Request) -> Response:
        """What this gateway offers. Names of models only to those who may call without a token."""
        principal = self._find_anonymous(request)
        names = None if principal is None else self._list_names(principal)
        return self._renderer.render(
            "public/landing.html",
            base_url=_base_url(request),
            names=None if names is None else names[:_MOST_NAMES],
            sample=(names or ["demo"])[0],
            more_names=max(0, len(names or ()) - _MOST_NAMES),
            has_dashboard=self._has_dashboard,
            has_monitors=self._has_monitors(),
            docs=self._docs,
        )

    async def show_monitor_form(self, _request: Request) -> Response:
        """A form that makes a monitor by the API, or that there are none here."""
        return self._renderer.render("public/create-monitor.html", has_monitors=self._has_monitors())

    async def show_docs(self, _request: Request) -> Response:
        """Swagger UI before `/openapi.json`."""
        return self._renderer.render("public/docs.html", needs=DOCS_VENDOR)

    def _payment(self, outcome: str) -> Callable[[Request], Response]:
        def show(_request: Request) -> Response:
            paragraphs = self._payment_texts[outcome].split("\n\n")
            return self._renderer.render("public/payment.html", title=_TITLES[outcome], paragraphs=paragraphs)

        return show


def _base_url(request: Request) -> str:
    """Where the one who asks has reached the gateway."""
    return f"{'https' if is_secure(request) else 'http'}://{request.url.netloc}"
