"""Pages for what went wrong, in the place of the API's answers."""

from collections.abc import Awaitable, Callable, Mapping

from starlette.requests import Request
from starlette.responses import Response

from app.core.errors import RelayError, Unavailable
from app.dashboard.rendering import Renderer

Handler = Callable[[Request, Exception], Awaitable[Response]]


def failure_pages(renderer: Renderer) -> Mapping[type[Exception], Handler]:
    """What shows them, by the errors that they are for."""

    def show(request: Request, status: int, title: str, message: str) -> Response:
        query = f"?{request.url.query}" if request.url.query else ""
        here = f"{request.url.path}{query}"
        return renderer.render("failed.html", status, title=title, message=message, here=here)

    async def show_unavailable(request: Request, exc: Exception) -> Response:
        if not isinstance(exc, RelayError):
            raise exc
        response = show(request, exc.status, "Not available now", exc.message)
        response.headers.update(dict(exc.headers))
        return response

    async def show_fault(request: Request, _exc: Exception) -> Response:
        """A fault of ours; the server logs its trace."""
        return show(request, 500, "That did not work", "The gateway failed; its log tells more.")

    return {Unavailable: show_unavailable, Exception: show_fault}
