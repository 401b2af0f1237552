"""Errors outside of the chat routes: unknown paths, wrong methods, faults of ours; in the shape of the API whose path it is."""

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from app.api.relay import new_request_id
from app.core.errors import RelayError
from app.dialects.registry import DIALECTS

# By the beginning of the path, the longer ones first, where no header tells; everything else is OpenAI's.
_DIALECTS = (
    ("/api/chat/completions", "openai"),
    ("/api/", "ollama"),
    ("/v1beta/", "gemini"),
    ("/v1alpha/", "gemini"),
    ("/v1/messages", "anthropic"),
)


def respond(error: RelayError, request: Request) -> Response:
    """The response that tells of `error`."""
    path = request.url.path
    dialect = next((dialect for prefix, dialect in _DIALECTS if path.startswith(prefix)), "openai")
    if "anthropic-version" in request.headers:
        dialect = "anthropic"
    elif "x-goog-api-key" in request.headers:
        dialect = "gemini"
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
    error = _RouterError(
        f"{request.method} {request.url.path!r}: {exc.detail}.", headers=tuple((exc.headers or {}).items())
    )
    error.status = exc.status_code
    return respond(error, request)


async def on_exception(request: Request, _exc: Exception) -> Response:
    """A fault of ours; the server logs its trace."""
    return respond(RelayError("The gateway failed; its log tells more."), request)


class _RouterError(RelayError):
    type = "invalid_request_error"
