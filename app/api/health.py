"""Is the process alive, and can it serve?"""

from collections.abc import Awaitable, Callable

from fastapi import APIRouter, Request
from starlette.responses import JSONResponse, Response

from app import __version__
from app.api.listing import Identify, respond_json
from app.core.call import Target
from app.core.jsonio import Json
from app.metering.writer import Writer
from app.pipeline.board import Board, Health
from app.providers.registry import Registry

Ping = Callable[[], Awaitable[None]]


def health_router(
    ping_database: Ping, writer: Writer, registry: Registry, board: Board, identify: Identify
) -> APIRouter:
    """`/healthz` (liveness), `/readyz` (readiness) and `/v1/health/providers`."""
    router = APIRouter(tags=["health"])

    @router.head("/healthz", include_in_schema=False)
    @router.get("/healthz", summary="200 while the process runs")
    async def healthz() -> JSONResponse:
        return JSONResponse({"status": "ok", "version": __version__})

    @router.head("/readyz", include_in_schema=False)
    @router.get("/readyz", summary="200 while calls can be served, else 503 and why")
    async def readyz() -> JSONResponse:
        writer.look()
        checks = {
            "database": await _check(ping_database),
            "journal": writer.refusal or "ok",
            "providers": _check_providers(registry),
        }
        ready = all(state == "ok" for state in checks.values())
        sizes = {"journal_bytes": writer.backlog_bytes, "journal_limit_bytes": writer.limit_bytes}
        status = {"status": "ready" if ready else "not ready", **checks, **sizes}
        return JSONResponse(status, 200 if ready else 503)

    @router.get("/v1/health/providers", summary="How the models that were called have been doing")
    async def providers(request: Request) -> Response:
        principal = await identify(request)
        healths = [(target, health) for target, health in board.healths().items() if target.is_for(principal)]
        return respond_json({"object": "list", "data": [_entry(target, health) for target, health in healths]})

    return router


def _entry(target: Target, health: Health) -> dict[str, Json]:
    first_byte_s = health.first_byte_s
    return {
        "provider": target.provider,
        "model": target.model,
        "key": target.secret + 1,
        "state": health.state,
        "calls": health.calls,
        "failures": health.failures,
        "under_way": health.under_way,
        "first_byte_ms": None if first_byte_s is None else round(first_byte_s * 1000),
        "retry_s": round(health.retry_s, 1),
    }


async def _check(ping: Ping) -> str:
    try:
        await ping()
    except Exception as exc:  # whatever the driver raises, the answer is no
        return f"cannot be reached: {type(exc).__name__}"
    return "ok"


def _check_providers(registry: Registry) -> str:
    return "ok" if any(state.ready for state in registry.states) else "none is ready"
