"""What the lists of models of all APIs have in common: who asks, what they may see, and how it is answered."""

from collections.abc import Awaitable, Callable

from fastapi import Request
from starlette.responses import Response

from app.api.client_address import ReadAddress
from app.api.credentials import read_authorization
from app.api.relay import new_request_id
from app.auth.guard import Guard
from app.core.jsonio import Json, dumps
from app.core.principal import Principal

Identify = Callable[[Request], Awaitable[Principal]]


def identifier(guard: Guard, read_address: ReadAddress, *, may_be_anonymous: bool = False) -> Identify:
    """Gives the function that tells who sent a request, also without a token where the routes `may_be_anonymous`.

    It raises `AuthenticationFailed`, `PermissionDenied` and `RateLimited`, as `Guard.identify` does.
    """

    async def identify(request: Request) -> Principal:
        address, headers = read_address(request.scope), dict(request.scope["headers"])
        authorization = read_authorization(headers, request.scope["query_string"])
        return await guard.identify(authorization, address, headers=headers if may_be_anonymous else None)

    return identify


def respond(body: bytes, media_type: str = "application/json") -> Response:
    """A response of status 200."""
    return Response(body, headers={"x-request-id": new_request_id()}, media_type=media_type)


def respond_json(value: Json) -> Response:
    """The same, of JSON."""
    return respond(dumps(value))
