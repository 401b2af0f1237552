"""Is the process alive, and can it serve?"""

from collections.abc import Awaitable, Callable

from fastapi import APIRouter
from starlette.responses import JSONResponse, PlainTextResponse, Response

from app import __version__
from app.providers.registry import Registry

Ping = Callable[[], Awaitable[None]]


def health_router(ping_database: Ping, registry: Registry) -> APIRouter:
    """`/healthz` (liveness), `/readyz` (readiness) and `/`."""
    router = APIRouter(tags=["health"])

    @router.head("/healthz", include_in_schema=False)
    @router.get("/healthz", summary="200 while the process runs")
    async def healthz() -> JSONResponse:
        return JSONResponse({"status": "ok", "version": __version__})

    @router.head("/readyz", include_in_schema=False)
    @router.get("/readyz", summary="200 while calls can be served, else 503 and why")
    async def readyz() -> JSONResponse:
        checks = {"database": await _check(ping_database), "providers": _check_providers(registry)}
        ready = all(state == "ok" for state in checks.values())
        return JSONResponse({"status": "ready" if ready else "not ready", **checks}, 200 if ready else 503)

    @router.api_route("/", methods=["GET", "HEAD"], summary="A greeting", include_in_schema=False)
    async def root() -> Response:
        return PlainTextResponse(f"LLM Relay {__version__} is running.\n")

    return router


async def _check(ping: Ping) -> str:
    try:
        await ping()
    except Exception as exc:  # whatever the driver raises, the answer is no
        return f"cannot be reached: {type(exc).__name__}"
    return "ok"


def _check_providers(registry: Registry) -> str:
    return "ok" if any(state.ready for state in registry.states) else "none is ready"
