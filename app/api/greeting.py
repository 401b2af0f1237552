"""`/`: what Ollama's clients look for, and a page for browsers."""

from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.types import Receive, Scope, Send

from app.api.front import Asgi

_VARY = {"vary": "accept"}


class Greeting:
    """An ASGI application that greets programs, and shows `page` to those who ask for HTML by name."""

    def __init__(self, page: Asgi) -> None:
        self._page = page

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if _asks_for_html(Request(scope).headers.get("accept", "")):
            await self._page(scope, receive, send)
        else:  # by these words its clients know that they are right here
            await PlainTextResponse("Ollama is running", headers=_VARY)(scope, receive, send)


def _asks_for_html(accept: str) -> bool:
    """As browsers do; `*/*` is asked for by everybody."""
    return any(part.partition(";")[0].strip().lower() == "text/html" for part in accept.split(","))
