"""`/metrics`: what Prometheus reads."""

from collections.abc import Awaitable, Callable, Sequence

from fastapi import APIRouter, Request
from starlette.responses import Response

from app.api.client_address import ReadAddress
from app.core.networks import Network, membership

Authorise = Callable[[Request], Awaitable[object]]
"""Raises for whoever may not read them."""

Render = Callable[[str], Awaitable[tuple[bytes, str]]]
"""The metrics and their media type, by an `Accept` header."""


def metrics_router(
    render: Render, authorise: Authorise, read_address: ReadAddress, networks: Sequence[Network]
) -> APIRouter:
    """`/metrics`, for whom `authorise` lets in, and for addresses of `networks`."""
    router = APIRouter()
    is_trusted = membership(networks)

    @router.get("/metrics", include_in_schema=False)
    async def metrics(request: Request) -> Response:
        if not is_trusted(read_address(request.scope)):
            await authorise(request)
        content, media_type = await render(request.headers.get("accept", ""))
        return Response(content, headers={"content-type": media_type})

    return router
