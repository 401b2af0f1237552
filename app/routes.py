"""All routes of the gateway, as one application."""

import time
from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager
from typing import Any, Protocol

from fastapi import APIRouter, FastAPI
from starlette.exceptions import HTTPException
from starlette.routing import Route

from app import __version__
from app.api.admin.authorise import Authorise, authoriser
from app.api.admin.later import Admin
from app.api.capabilities import capabilities_router
from app.api.cors import open_to
from app.api.errors import on_exception, on_http_exception, on_relay_error
from app.api.front import Asgi, Front
from app.api.gemini import gemini_models_router, gemini_other_routes, gemini_routes
from app.api.greeting import Greeting
from app.api.health import health_router
from app.api.later import Later
from app.api.listing import identifier
from app.api.metrics import metrics_router
from app.api.monitors import monitor_routes
from app.api.ollama import ollama_router
from app.api.openai import models_router
from app.api.openapi import describe
from app.api.relay import Gate, RelayRoute, Surface
from app.api.surfaces import SURFACES
from app.api.webhooks import webhooks_router
from app.auth.address_limit import AddressLimiter
from app.auth.operator import OperatorGuard
from app.core.errors import RelayError
from app.core.ports import Handler
from app.dialects.receipt import open_receipt
from app.dialects.rescue import open_rescue
from app.parts import Parts
from app.pipeline import build_pipeline
from app.smart.listing import ModelLists


def put_together(
    parts: Parts,
    lifespan: Callable[[FastAPI], AbstractAsyncContextManager[Mapping[str, Any]]],
    routes: list[RelayRoute],
) -> Asgi:
    """The application; its routes of calls are added to `routes`."""
    app = FastAPI(
        title="LLM Relay", version=__version__, lifespan=lifespan, docs_url=None, redoc_url=None, redirect_slashes=False
    )
    relay = _open_relays(parts, routes)
    calls_by_path = _add_calls(app, parts, relay)
    _add_lists(app, parts)
    sessions = parts.sessions if parts.settings.admin_enabled else None
    authorise = authoriser(parts.guard, parts.read_address, sessions)
    _add_operations(app, parts, authorise)
    _add_monitors(app, parts)
    app.router.routes += gemini_other_routes()
    _add_admin(app, parts, authorise, relay)
    _add_pages(app, parts)
    app.add_exception_handler(RelayError, on_relay_error)
    app.add_exception_handler(HTTPException, on_http_exception)
    app.add_exception_handler(Exception, on_exception)
    front = Front(app, calls_by_path)
    return open_to(parts.settings.cors_origins, front) if parts.settings.cors_origins else front


class OpenRelay(Protocol):
    """Opens a route of calls. Without a handler it is one to models, and without a gate one for holders of tokens."""

    def __call__(self, surface: Surface, handler: Handler | None = None, gate: Gate | None = None) -> RelayRoute: ...


def _open_relays(parts: Parts, routes: list[RelayRoute]) -> OpenRelay:
    """What opens them, and adds each to `routes`."""
    names, meters, settings = parts.smart.names, parts.meters, parts.settings
    to_models = build_pipeline(
        parts.registry, meters.writer, parts.board, open_rescue, meters.prices, parts.limits, open_receipt, names=names
    )

    def relay(surface: Surface, handler: Handler | None = None, gate: Gate | None = None) -> RelayRoute:
        route = RelayRoute(
            surface,
            guard=gate or parts.guard,
            handler=handler or to_models,
            check_name=names.check,
            check_recorder=meters.writer.check,
            split_name=names.split,
            read_address=parts.read_address,
            max_body_bytes=settings.max_body_bytes,
            call_timeout_s=settings.call_timeout_s,
            body_log=meters.body_log,
            note_refusal=meters.metrics.refuse,
            is_traced=meters.telemetry is not None,
        )
        routes.append(route)
        return route

    return relay


def _add_calls(app: FastAPI, parts: Parts, relay: OpenRelay) -> dict[str, RelayRoute]:
    """All that answers with a model. The routes whose path is fixed are also given back, by it."""
    calls_by_path = {path: relay(surface) for path, surface in SURFACES.items()}
    app.router.routes += [Route(path, route, methods=["POST"]) for path, route in calls_by_path.items()]
    app.router.routes += gemini_routes(relay)
    monitors = parts.monitors
    app.router.routes += monitor_routes(
        relay, monitors.creation, monitors.desk, monitors.feed, parts.meters.writer, parts.limits, parts.guard.is_good
    )
    return calls_by_path


def _add_lists(app: FastAPI, parts: Parts) -> None:
    """What models there are, as each API tells it."""
    identify = identifier(parts.guard, parts.read_address, may_be_anonymous=True)
    lists = ModelLists(parts.registry, parts.smart.live)
    app.include_router(models_router(identify, lists))
    app.include_router(capabilities_router(identify, lists))
    app.include_router(gemini_models_router(identify, lists))
    app.include_router(ollama_router(identify, lists, parts.smart.names.check_tagged, started_at=int(time.time())))


def _add_operations(app: FastAPI, parts: Parts, authorise: Authorise) -> None:
    """What watches the gateway: its health and its figures."""
    identify, meters = identifier(parts.guard, parts.read_address), parts.meters
    app.include_router(health_router(parts.database.ping, meters.writer, parts.registry, parts.board, identify))
    app.include_router(
        metrics_router(meters.exposition.render, authorise, parts.read_address, parts.settings.metrics_cidrs)
    )


def _add_monitors(app: FastAPI, parts: Parts) -> None:
    """What Parallel reaches us by."""
    settings = parts.settings
    limiter = AddressLimiter(settings.monitors.webhooks_per_minute, "webhooks", settings.rate_limit_storage_url)
    app.include_router(webhooks_router(parts.monitors.receiver, limiter, parts.read_address, parts.meters.monitors))


def _add_admin(app: FastAPI, parts: Parts, authorise: Authorise, relay: OpenRelay) -> None:
    def open_admin() -> list[APIRouter]:
        from app.admin import admin_routers

        gate = OperatorGuard()
        return admin_routers(parts, authorise, lambda surface: relay(surface, gate=gate))

    admin = Admin(open_admin, authorise)
    app.openapi = lambda: describe(app, admin.describe)  # type: ignore[method-assign] # FastAPI's documented way to extend its document
    app.router.routes.append(Route("/admin/api/{path:path}", admin))


def _add_pages(app: FastAPI, parts: Parts) -> None:
    """Those for everybody, and where there is a dashboard, its own."""
    settings = parts.settings

    def open_pages() -> Asgi:
        from app.dashboard.public import PublicPages
        from app.dashboard.rendering import Renderer
        from app.dashboard.site import Inside, open_site

        lists = ModelLists(parts.registry, parts.smart.live)

        def open_public(renderer: Renderer) -> PublicPages:
            return PublicPages(
                renderer,
                find_anonymous=lambda request: parts.guard.find_anonymous(
                    parts.read_address(request.scope), dict(request.scope["headers"])
                ),
                list_names=lambda principal: [model.id for model in lists.visible(principal)],
                has_dashboard=settings.admin_enabled,
                has_monitors=lambda: bool(settings.monitors.webhook_url and settings.parallel_key()),
                docs=settings.public.docs_enabled,
                payment_texts=settings.public.payment_texts,
            )

        inside = Inside(parts.sessions, parts.logins, parts.administrators, parts.read_address)
        return open_site(open_public, inside if settings.admin_enabled else None)

    site = Later(open_pages)
    paths = ["/create-monitor", "/static/{path:path}", *(f"/payment/{each}" for each in settings.public.payment_texts)]
    paths += ["/docs"] if settings.public.docs_enabled else []
    paths += ["/admin", "/admin/{path:path}"] if settings.admin_enabled else []
    app.router.routes += [Route(path, site) for path in paths]
    app.router.routes.append(Route("/", Greeting(site), methods=["GET", "HEAD"]))
