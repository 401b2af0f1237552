"""Errors outside of the chat routes: unknown paths, wrong methods, faults of ours; in the shape of the API whose path it is."""

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Match

from app.api.relay import new_request_id
from app.core.errors import Headers, RelayError
from app.dialects.registry import DIALECTS

# By the beginning of the path, the longer ones first, where no header tells; everything else is OpenAI's.
_DIALECTS = (
    ("/api/chat/completions", "openai"),
    ("/api/", "ollama"),
    ("/v1beta/", "gemini"),
    ("/v1alpha/", "gemini"),
    ("/v1/tunedModels/", "gemini"),
    ("/v1/messages", "anthropic"),
)

_METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE")
"""All that any of our paths is for."""


class RouterError(RelayError):
    """No such path, or not by this method."""

    type = "invalid_request_error"

    def __init__(self, status: int, message: str, headers: Headers = ()) -> None:
        super().__init__(message, headers=headers)
        self.status = status


def respond(error: RelayError, request: Request, dialect: str | None = None) -> Response:
    """The response that tells of `error`; in the dialect that path and headers tell of, where none is given."""
    dialect = dialect or _dialect_of(request)
    headers = {"x-request-id": new_request_id(), **dict(error.headers)}
    return Response(DIALECTS[dialect].write_error(error), error.status, headers, "application/json")


async def on_relay_error(request: Request, exc: Exception) -> Response:
    """A refusal by one of our own routes."""
    if not isinstance(exc, RelayError):
        raise exc
    return respond(exc, request)


async def on_http_exception(request: Request, exc: Exception) -> Response:
    """What the router says: no such path, or not by this method."""
    if not isinstance(exc, HTTPException):
        raise exc
    headers = {name.lower(): value for name, value in (exc.headers or {}).items()}
    if "allow" in headers:  # the router tells the methods of one of the path's routes
        headers["allow"] = ", ".join(method for method in _METHODS if _is_allowed(method, request))
    words = f"{request.method} {request.url.path!r}: {exc.detail}."
    return respond(RouterError(exc.status_code, words, tuple(headers.items())), request)


async def on_exception(request: Request, _exc: Exception) -> Response:
    """A fault of ours; the server logs its trace."""
    return respond(RelayError("The gateway failed; its log tells more."), request)


def _dialect_of(request: Request) -> str:
    if "anthropic-version" in request.headers:
        return "anthropic"
    if "x-goog-api-key" in request.headers:
        return "gemini"
    path = request.url.path
    return next((dialect for prefix, dialect in _DIALECTS if path.startswith(prefix)), "openai")


def _is_allowed(method: str, request: Request) -> bool:
    routes: list[BaseRoute] = request.app.routes
    return any(route.matches({**request.scope, "method": method})[0] is Match.FULL for route in routes)
