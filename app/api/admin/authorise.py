"""Who may use the administrators' API: holders of tokens that were made for it."""

from collections.abc import Awaitable, Callable

from fastapi import Request

from app.api.client_address import ReadAddress
from app.auth.guard import Guard
from app.core.errors import PermissionDenied
from app.core.principal import Principal

Authorise = Callable[[Request], Awaitable[Principal]]
"""Who asks, an administrator; raises `AuthenticationFailed`, `PermissionDenied` or `RateLimited` for all others."""


def authoriser(guard: Guard, read_address: ReadAddress) -> Authorise:
    """Gives that function. It takes a bearer token and nothing else: no key in a URL, nobody without a token."""

    async def authorise(request: Request) -> Principal:
        principal = await guard.identify(request.headers.get("authorization"), read_address(request.scope))
        if not principal.admin:
            raise PermissionDenied(
                "This token is no administrator's. Make one: llm-relay tokens add --username NAME --admin."
            )
        return principal

    return authorise
