"""The outermost ASGI application: calls go straight to their route, everything else by way of FastAPI."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

Asgi = Callable[[Any, Any, Any], Awaitable[None]]


class Front:
    """Hands POSTs on one of the relay's paths to that route.

    FastAPI's own layers would cost such a call a quarter of its CPU time, and do nothing for it: the route reads its request,
    writes its errors and is documented by itself.
    """

    def __init__(self, app: Asgi, routes: Mapping[str, Asgi]) -> None:
        self._app = app
        self._routes = routes

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Serve one connection's scope."""
        if scope["type"] == "http" and scope["method"] == "POST":
            route = self._routes.get(scope["path"])
            if route is not None:
                await route(scope, receive, send)
                return
        await self._app(scope, receive, send)
