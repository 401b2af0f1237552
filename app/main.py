"""Builds every object once, wires them, and owns start and stop."""

import asyncio
import gc
import logging
import secrets
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import httpx
from fastapi import FastAPI

from app import __version__
from app.api.client_address import address_reader
from app.api.front import Asgi
from app.api.relay import RelayRoute
from app.api.under_way import UnderWay
from app.auth.administrators import AdministratorDesk
from app.auth.anonymous import Anonymous
from app.auth.guard import Guard, failure_limiter
from app.auth.logins import Logins
from app.auth.quota import Quota
from app.auth.sessions import Sessions
from app.auth.tokens import Tokens, ensure_first_token
from app.background import BEGIN_STOP, running
from app.built_in import built_in_providers
from app.catalog import Catalog
from app.config import Config, load_config
from app.desks.settings import LiveSettings
from app.dialects.estimate import estimate
from app.live.calls import LiveCalls
from app.logs import set_up_logging
from app.metering.prices import Prices
from app.meters import Meters, open_meters
from app.monitor_service import MonitorService, open_monitors
from app.overrides import load_overrides
from app.parts import Parts
from app.pipeline.board import Board
from app.pipeline.limits import Limits
from app.pricing import price_sources
from app.providers.registry import Registry
from app.providers.transport import open_transport
from app.reload import Files, Reloader
from app.routes import put_together
from app.settings import Settings, load_settings
from app.smart.stages import SmartModels, open_smart_models
from app.store.db import Database, open_database
from app.store.schema import upgrade
from app.welcome import show_first_token, welcome_administrator

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
    changeable = LiveSettings(settings)
    recent_lines = set_up_logging(settings)
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
    guard = Guard(tokens, quota, failure_limiter(settings.rate_limit_storage_url), anonymous)
    administrators, sessions = AdministratorDesk(database), Sessions(database)
    logins = Logins(administrators, sessions, settings.rate_limit_storage_url)
    prices = Prices(database, price_sources(files.config))
    monitors = open_monitors(
        settings,
        database,
        transport,
        lambda names: files.secret(names),
        retention_days=lambda: changeable.now.retention_days,
        on_given_up=lambda message: meters.monitors.events_given_up(message),
    )
    registry = Registry(
        files.config,
        files.secret,
        transport,
        files.overrides.over(prices.known),
        built_in_providers(settings, monitors.pending),
    )
    board = Board()
    routes: list[RelayRoute] = []
    under_way = UnderWay(routes)
    live = LiveCalls(database, worker_id, under_way, board.healths, lambda: registry.trials)
    meters = open_meters(
        settings,
        database,
        worker_id,
        prices,
        registry,
        board,
        transport,
        under_way=lambda: len(under_way),
        now=lambda: changeable.now,
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
        lambda: changeable.now.default_model,
    )

    def apply(new: Files) -> None:
        nonlocal files
        config = catalog.config(new.config)
        registry.reload(config, new.secret, catalog.overrides(new.overrides).over(prices.known))
        prices.reload(price_sources(config))
        files = new
        warn_of_names()

    catalog = Catalog(database, lambda: apply(files), changeable.take)

    async def look_up_bundled() -> None:
        await prices.loaded.wait()
        await registry.look_up_bundled()
        await asyncio.Event().wait()

    def warn_of_names() -> None:
        for name, why in registry.unusable.items():
            log.warning("name %s: %s", name, why)

    def end_streams() -> None:
        monitors.feed.close()
        live.close()
        recent_lines.end_streams()

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[dict[str, Callable[[], None]]]:
        await upgrade(database)
        if first_token := await ensure_first_token(database):
            show_first_token(first_token, settings)
        if settings.admin_enabled:
            await welcome_administrator(administrators, settings)
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
                *monitors.loops,
                live.run,
            )
            async with running(*loops, look_up_bundled):
                yield {BEGIN_STOP: end_streams}
        finally:
            await _stop(monitors, smart, meters, quota, live, database)
            await meters.aclose()
            await transport.aclose()

    parts = Parts(
        settings,
        database,
        guard,
        address_reader(settings.trusted_proxies),
        registry,
        limits,
        smart,
        board,
        meters,
        monitors,
        live,
        catalog,
        changeable,
        administrators,
        sessions,
        logins,
        transport,
        recent_lines,
        read_config=lambda: files.config,
    )
    return put_together(parts, lifespan, routes)


def _calm_the_collector() -> None:
    """Leave what the start made out of all later collections, and collect seldom: calls leave few cycles behind."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 50)
    gc.enable()  # whoever starts it may have switched it off


async def _stop(
    monitors: MonitorService, smart: SmartModels, meters: Meters, quota: Quota, live: LiveCalls, database: Database
) -> None:
    try:
        async with asyncio.timeout(FLUSH_S):
            await monitors.aclose()
            await smart.aclose()
            await meters.writer.aclose()
            await meters.ledger.aclose()
            await quota.aclose()
            await meters.body_log.aclose()
            await meters.notices.write()
            await live.aclose()
    except Exception:
        log.exception("not all could be written before the exit")
    finally:
        await database.aclose()
