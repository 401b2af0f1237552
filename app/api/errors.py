"""Errors outside of the chat routes: unknown paths, wrong methods, faults of ours; always in OpenAI's shape."""

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from app.api.relay import new_request_id
from app.core.errors import RelayError
from app.dialects.openai.errors import write_error


def respond(error: RelayError) -> Response:
    """The response that tells of `error`."""
    headers = {"x-request-id": new_request_id(), **dict(error.headers)}
    return Response(write_error(error), error.status, headers, "application/json")


async def on_relay_error(_request: Request, exc: Exception) -> Response:
    """A refusal by one of our own routes."""
    if not isinstance(exc, RelayError):
        raise exc
    return respond(exc)


async def on_http_exception(request: Request, exc: Exception) -> Response:
    """What the router says: no such path, or not by this method."""
    if not isinstance(exc, HTTPException):
        raise exc
    error = _RouterError(
        f"{request.method} {request.url.path!r}: {exc.detail}.", headers=tuple((exc.headers or {}).items())
    )
    error.status = exc.status_code
    return respond(error)


async def on_exception(_request: Request, _exc: Exception) -> Response:
    """A fault of ours; the server logs its trace."""
    return respond(RelayError("The gateway failed; its log tells more."))


class _RouterError(RelayError):
    type = "invalid_request_error"
