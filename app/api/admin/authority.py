"""Who may use the administrators' API: whoever brings the token of one."""

from fastapi import Request

from app.api.listing import Identify
from app.core.errors import PermissionDenied
from app.core.principal import Principal


def administrators(identify: Identify) -> Identify:
    """Gives the function that tells which administrator sent a request, as a dependency of routes.

    It raises `PermissionDenied` for all other tokens, and whatever `identify` does.
    """

    async def authorise(request: Request) -> Principal:
        principal = await identify(request)
        if not principal.admin:
            raise PermissionDenied("This is for administrators: 'llm-relay tokens add --admin' makes a token for one.")
        return principal

    return authorise
