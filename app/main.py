"""Builds every object once, wires them, and owns start and stop."""

import asyncio
import gc
import logging
import secrets
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager

import httpx
from fastapi import APIRouter, FastAPI
from starlette.exceptions import HTTPException
from starlette.routing import Route

from app import __version__
from app.api.admin.authorise import authoriser
from app.api.admin.later import Admin
from app.api.capabilities import capabilities_router
from app.api.client_address import address_reader
from app.api.cors import open_to
from app.api.errors import on_exception, on_http_exception, on_relay_error
from app.api.front import Asgi, Front
from app.api.gemini import gemini_models_router, gemini_other_routes, gemini_routes
from app.api.health import health_router
from app.api.listing import identifier
from app.api.metrics import metrics_router
from app.api.ollama import ollama_router
from app.api.openai import models_router
from app.api.openapi import describe
from app.api.relay import RelayRoute, Surface
from app.api.surfaces import SURFACES
from app.auth.anonymous import Anonymous
from app.auth.failures import FailureLimiter
from app.auth.guard import Guard
from app.auth.quota import Quota
from app.auth.tokens import Tokens, ensure_first_token
from app.background import running
from app.catalog import Catalog
from app.config import Config, load_config
from app.core.errors import RelayError
from app.dialects.estimate import estimate
from app.dialects.receipt import open_receipt
from app.dialects.rescue import open_rescue
from app.logs import set_up_logging
from app.metering.prices import Prices
from app.meters import Meters, open_meters
from app.overrides import load_overrides
from app.pipeline import build_pipeline
from app.pipeline.board import Board
from app.pipeline.limits import Limits
from app.pricing import price_sources
from app.providers.registry import Registry
from app.providers.transport import open_transport
from app.reload import Files, Reloader
from app.settings import Settings, load_settings
from app.smart.listing import ModelLists
from app.smart.stages import SmartModels, open_smart_models
from app.store.db import Database, open_database
from app.store.schema import upgrade
from app.welcome import show_first_token

log = logging.getLogger(__name__)

# Records are written in a fraction of this; a database that hangs must not keep the process from its exit.
FLUSH_S = 5.0


def create_app(
    settings: Settings | None = None, config: Config | None = None, transport: httpx.AsyncBaseTransport | None = None
) -> Asgi:
    """The gateway as an ASGI application; what is not given is read from the environment.

    Raises:
        InvalidSettings, InvalidConfig: with words for the operator.
    """
    settings = settings or load_settings()
    set_up_logging(settings)
    files = Files(config or load_config(settings.config_path), load_overrides(settings.overrides_path), settings.secret)
    database = open_database(settings.database_url)
    transport = transport or open_transport(
        ca_file=str(settings.ca_file) if settings.ca_file else None, environ=settings.environ
    )
    worker_id = secrets.token_hex(8)
    tokens = Tokens(database)
    quota = Quota(database, worker_id)
    anonymous = (
        Anonymous(tokens, settings.anonymous_user, settings.anonymous_cidrs, settings.cors_origins)
        if settings.anonymous_user
        else None
    )
    guard = Guard(tokens, quota, FailureLimiter(settings.rate_limit_storage_url), anonymous)
    prices = Prices(database, price_sources(files.config))
    registry = Registry(files.config, files.secret, transport, files.overrides.over(prices.known))
    board = Board()
    routes: list[RelayRoute] = []
    meters = open_meters(
        settings,
        database,
        worker_id,
        prices,
        registry,
        board,
        transport,
        under_way=lambda: sum(route.under_way for route in routes),
    )
    limits = Limits(
        meters.ledger,
        estimate,
        prices,
        ceiling=registry.output_ceiling,
        output_ceiling=settings.output_ceiling,
    )
    smart = open_smart_models(
        settings,
        database,
        registry,
        meters.writer,
        board,
        prices,
        limits,
        transport,
        meters.metrics.count_smart_failure,
    )

    def apply(new: Files) -> None:
        nonlocal files
        config = catalog.config(new.config)
        registry.reload(config, new.secret, catalog.overrides(new.overrides).over(prices.known))
        prices.reload(price_sources(config))
        files = new
        warn_of_names()

    catalog = Catalog(database, lambda: apply(files))

    async def look_up_bundled() -> None:
        await prices.loaded.wait()
        await registry.look_up_bundled()
        await asyncio.Event().wait()

    def warn_of_names() -> None:
        for name, why in registry.unusable.items():
            log.warning("name %s: %s", name, why)

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        await upgrade(database)
        if first_token := await ensure_first_token(database):
            show_first_token(first_token, settings)
        await tokens.refresh()
        await catalog.refresh()
        await smart.refresh()
        await prices.refresh()
        reloader = Reloader(settings, load_settings, apply)
        log.info("LLM Relay %s", __version__)
        for provider in registry.states:
            log.info("provider %-16s %s", provider.key, provider.state)
        warn_of_names()
        if anonymous is not None:
            anonymous.announce()
        _calm_the_collector()
        try:
            loops = (
                tokens.run,
                quota.run,
                *meters.loops,
                registry.run,
                catalog.run,
                prices.run,
                reloader.run,
                *smart.loops,
            )
            async with running(*loops, look_up_bundled):
                yield
        finally:
            await _stop(smart, meters, quota, database)
            await meters.aclose()
            await transport.aclose()

    return _put_together(
        lifespan,
        settings,
        database,
        guard,
        registry,
        limits,
        smart,
        board,
        meters,
        routes,
        catalog,
        lambda: files.config,
    )


def _put_together(
    lifespan: Callable[[FastAPI], AbstractAsyncContextManager[None]],
    settings: Settings,
    database: Database,
    guard: Guard,
    registry: Registry,
    limits: Limits,
    smart: SmartModels,
    board: Board,
    meters: Meters,
    routes: list[RelayRoute],
    catalog: Catalog,
    read_config: Callable[[], Config],
) -> Asgi:
    """All routes, as one application; those of calls are added to `routes`."""
    app = FastAPI(
        title="LLM Relay", version=__version__, lifespan=lifespan, docs_url=None, redoc_url=None, redirect_slashes=False
    )
    read_address = address_reader(settings.trusted_proxies)
    authorise = authoriser(guard, read_address)

    def admin_routers() -> list[APIRouter]:
        # Imported with the first request for them: their models take longer than all else that is imported here.
        from app.api.admin.alerts import alerts_router
        from app.api.admin.caches import caches_router
        from app.api.admin.models import catalog_router
        from app.api.admin.names import names_router
        from app.api.admin.providers import providers_router
        from app.api.admin.smart_models import smart_models_router
        from app.api.admin.tokens import tokens_router
        from app.api.admin.usage import usage_router
        from app.api.admin.users import users_router
        from app.auth.desk import TokenDesk
        from app.auth.users import UserDesk
        from app.core.smart import KINDS
        from app.metering.reports import Reports
        from app.metering.requests import Requests
        from app.model_desk import ModelDesk
        from app.provider_desk import ProviderDesk
        from app.smart.cache_desk import CacheDesk
        from app.smart.desk import SmartDesk
        from app.smart.explain import Explainer

        async def refresh() -> None:
            await catalog.refresh()
            await meters.prices.refresh()

        tokens, models = TokenDesk(database), ModelDesk(database, registry, meters.prices, refresh)
        names = SmartDesk(
            database, registry, settings.default_model, refresh=smart.live.refresh, settled=registry.settled
        )
        return [
            usage_router(authorise, Reports(database), Requests(database)),
            tokens_router(authorise, tokens),
            alerts_router(authorise, meters.alerts),
            users_router(authorise, UserDesk(database)),
            providers_router(authorise, ProviderDesk(database, registry, read_config, refresh)),
            catalog_router(authorise, models),
            names_router(authorise, names, Explainer(smart.names), tokens.principal, models.price_now),
            *(smart_models_router(authorise, names, kind) for kind in KINDS),
            caches_router(
                authorise, CacheDesk(names, smart.caches.store, smart.caches.feedback, smart.caches.collection_of)
            ),
        ]

    admin = Admin(admin_routers)
    app.openapi = lambda: describe(app, admin.describe)  # type: ignore[method-assign] # FastAPI's documented way to extend its document
    names, lists = smart.names, ModelLists(registry, smart.live)
    handler = build_pipeline(
        registry, meters.writer, board, open_rescue, meters.prices, limits, open_receipt, names=names
    )

    def relay(surface: Surface) -> RelayRoute:
        route = RelayRoute(
            surface,
            guard=guard,
            handler=handler,
            check_name=names.check,
            check_recorder=meters.writer.check,
            split_name=names.split,
            read_address=read_address,
            max_body_bytes=settings.max_body_bytes,
            call_timeout_s=settings.call_timeout_s,
            body_log=meters.body_log,
            note_refusal=meters.metrics.refuse,
            is_traced=meters.telemetry is not None,
        )
        routes.append(route)
        return route

    calls_by_path = {path: relay(surface) for path, surface in SURFACES.items()}
    app.router.routes += [Route(path, route, methods=["POST"]) for path, route in calls_by_path.items()]
    app.router.routes += gemini_routes(relay)
    identify = identifier(guard, read_address, may_be_anonymous=True)
    app.include_router(models_router(identify, lists))
    app.include_router(capabilities_router(identify, lists))
    app.include_router(gemini_models_router(identify, lists))
    app.include_router(ollama_router(identify, lists, names.check_tagged, started_at=int(time.time())))
    app.include_router(health_router(database.ping, meters.writer, registry, board, identifier(guard, read_address)))
    app.include_router(metrics_router(meters.exposition.render, authorise, read_address, settings.metrics_cidrs))
    app.router.routes += gemini_other_routes()
    app.router.routes.append(Route("/admin/api/{path:path}", admin))
    app.add_exception_handler(RelayError, on_relay_error)
    app.add_exception_handler(HTTPException, on_http_exception)
    app.add_exception_handler(Exception, on_exception)
    front = Front(app, calls_by_path)
    return open_to(settings.cors_origins, front) if settings.cors_origins else front


def _calm_the_collector() -> None:
    """Leave what the start made out of all later collections, and collect seldom: calls leave few cycles behind."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 50)
    gc.enable()  # whoever starts it may have switched it off


async def _stop(smart: SmartModels, meters: Meters, quota: Quota, database: Database) -> None:
    try:
        async with asyncio.timeout(FLUSH_S):
            await smart.aclose()
            await meters.writer.aclose()
            await meters.ledger.aclose()
            await quota.aclose()
            await meters.body_log.aclose()
    except Exception:
        log.exception("not all could be written before the exit")
    finally:
        await database.aclose()
