"""Calls to models from the dashboard: by an administrator, without a token that a browser would have to know."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from fastapi import APIRouter, Depends, Request
from pydantic import BaseModel, Field
from starlette.responses import Response
from starlette.routing import Route, Router
from starlette.types import Receive, Scope, Send

from app.api.admin.authorise import Authorise, Caller
from app.api.gemini import gemini_routes
from app.api.relay import RelayRoute, Surface
from app.api.surfaces import SURFACES
from app.auth.operator import principal_of
from app.core.errors import PermissionDenied
from app.providers.snapshot import ListedModel
from app.smart.listing import ModelLists

OpenRoute = Callable[[Surface], RelayRoute]
"""Serves a surface to administrators: by an `OperatorGuard`."""

_PREFIX = "/admin/api/playground"
# A browser's proof that it is logged in is none of the pipeline's business, nor of any provider's.
_LEFT_OUT = (b"cookie", b"x-csrf-token")


class Offered(BaseModel):
    """A name that can be called."""

    name: str
    owner: str = Field(description="The provider; of a smart model, its kind.")
    description: str | None
    capabilities: list[str] | None = Field(description="Null where nobody said.")
    context_length: int | None


class Offers(BaseModel):
    """Smart models first."""

    names: list[Offered]


def playground_router(authorise: Authorise, lists: ModelLists, open_route: OpenRoute) -> APIRouter:
    """All below `/admin/api/playground`, for those whom `authorise` lets in."""
    router = APIRouter(prefix=_PREFIX, tags=["playground"])
    calls = Router(
        [
            *(Route(path, open_route(surface), methods=["POST"]) for path, surface in SURFACES.items()),
            *gemini_routes(open_route),
        ]
    )

    @router.get("/names", summary="All names that can be called")
    async def names(caller: Caller = Depends(authorise)) -> Offers:  # noqa: B008 - FastAPI's way
        return Offers(names=[_offered(model) for model in lists.visible(principal_of(caller.actor))])

    @router.post(
        "/{path:path}",
        summary="Call a model as the administrator who is logged in",
        description="What stands behind `/playground` is the path of the call, such as `v1/chat/completions`: request and"
        " answer are those of that path. It is recorded as any call, by the user `admin:NAME`, with the tag `playground`.",
        response_class=Response,
    )
    async def call(request: Request, caller: Caller = Depends(authorise)) -> Response:  # noqa: B008
        if caller.login is None:
            raise PermissionDenied("The playground is for logins; a token calls models itself, at their own paths.")
        return _Passed(calls, _without_login(request.scope))

    return router


class _Passed(Response):
    """The answer of another application to the same request, as it comes."""

    def __init__(self, app: Callable[[Scope, Receive, Send], Awaitable[None]], scope: Scope) -> None:
        super().__init__()
        self._app = app
        self._scope = scope

    async def __call__(self, _scope: Scope, receive: Receive, send: Send) -> None:
        await self._app(self._scope, receive, send)


def _without_login(scope: Mapping[str, Any]) -> Scope:
    """The request as it would have come to the path of the call itself."""
    headers = [(name, value) for name, value in scope["headers"] if name not in _LEFT_OUT]
    path = scope["path"].removeprefix(_PREFIX)
    return {**scope, "path": path, "raw_path": path.encode(), "headers": headers, "path_params": {}}


def _offered(model: ListedModel) -> Offered:
    known = model.known
    return Offered(
        name=model.id,
        owner=model.owner,
        description=known.description,
        capabilities=None if known.abilities.capabilities is None else list(known.abilities.capabilities),
        context_length=known.abilities.context_length,
    )
