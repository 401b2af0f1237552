"""The admin API: its routers, and the desks that they stand for.

Imported with the first request for it: its models take longer than all else that is imported at the start.
"""

from collections.abc import Awaitable, Callable
from typing import NamedTuple

from fastapi import APIRouter

from app.api.admin.administrators import administrators_router
from app.api.admin.alerts import alerts_router
from app.api.admin.audit import audit_router
from app.api.admin.authorise import Authorise
from app.api.admin.caches import caches_router
from app.api.admin.config import config_router
from app.api.admin.live import live_router
from app.api.admin.logs import logs_router
from app.api.admin.models import catalog_router
from app.api.admin.monitors import monitors_router
from app.api.admin.names import names_router
from app.api.admin.ollama import ollama_servers_router
from app.api.admin.overview import overview_router
from app.api.admin.playground import OpenRoute, playground_router
from app.api.admin.providers import providers_router
from app.api.admin.requests import requests_router
from app.api.admin.routers import routers_router
from app.api.admin.sessions import sessions_router
from app.api.admin.settings import settings_router
from app.api.admin.smart_models import smart_models_router
from app.api.admin.syncs import syncs_router
from app.api.admin.system import system_router
from app.api.admin.tokens import tokens_router
from app.api.admin.usage import usage_router
from app.api.admin.usage_series import series_router
from app.api.admin.users import users_router
from app.api.surfaces import dialects_of_surfaces
from app.auth.audit import AuditDesk
from app.auth.desk import TokenDesk
from app.auth.users import UserDesk
from app.core.jsonio import Json
from app.core.smart import KINDS
from app.desks.descriptions import DescriptionSync
from app.desks.models import ModelDesk
from app.desks.ollama import OllamaDesk
from app.desks.overview import Overview
from app.desks.price_sync import MAX_BYTES, PriceSync
from app.desks.providers import ProviderDesk
from app.desks.replay import ReplayDesk
from app.desks.settings import SettingsDesk
from app.exchange.desk import ExchangeDesk
from app.metering.reports import Reports
from app.metering.requests import Requests
from app.metering.sealing import find_key
from app.metering.story import Stories
from app.parts import Parts
from app.providers.descriptions import read_openrouter
from app.providers.download import download
from app.smart.cache_desk import CacheDesk
from app.smart.desk import SmartDesk
from app.smart.explain import Explainer
from app.smart.listing import ModelLists
from app.smart.search_setup import look_at_searches
from app.system import SystemDesk

Refresh = Callable[[], Awaitable[None]]


class _Desks(NamedTuple):
    """Those that several groups of routers need.

    Attributes:
        refresh: has this worker take over what has changed of providers, models and prices.
    """

    names: SmartDesk
    tokens: TokenDesk
    models: ModelDesk
    refresh: Refresh


def admin_routers(parts: Parts, authorise: Authorise, open_route: OpenRoute) -> list[APIRouter]:
    """One for each subject. `open_route` serves calls to models to administrators."""
    desks = _desks(parts)
    return [
        *_of_logins(parts, authorise, open_route),
        *_of_calls(parts, authorise, desks),
        *_of_clients(parts, authorise, desks),
        *_of_providers(parts, authorise, desks),
        *_of_names(parts, authorise, desks),
        *_of_gateway(parts, authorise, desks),
    ]


def _desks(parts: Parts) -> _Desks:
    async def refresh() -> None:
        await parts.catalog.refresh()
        await parts.meters.prices.refresh()

    names = SmartDesk(
        parts.database,
        parts.registry,
        lambda: parts.live_settings.now.default_model,
        refresh=parts.smart.live.refresh,
        settled=parts.registry.settled,
        lacks=look_at_searches(parts.settings, parts.registry).lacks,
    )
    models = ModelDesk(parts.database, parts.registry, parts.meters.prices, refresh)
    return _Desks(names, TokenDesk(parts.database), models, refresh)


def _of_logins(parts: Parts, authorise: Authorise, open_route: OpenRoute) -> list[APIRouter]:
    if not parts.settings.admin_enabled:
        return []
    return [
        sessions_router(authorise, parts.read_address, parts.logins, parts.sessions),
        administrators_router(authorise, parts.administrators),
        playground_router(authorise, ModelLists(parts.registry, parts.smart.live), open_route),
    ]


def _of_calls(parts: Parts, authorise: Authorise, desks: _Desks) -> list[APIRouter]:
    reports = Reports(parts.database)
    stories = Stories(parts.database, parts.meters.prices, lambda: _key_of_bodies(parts))
    return [
        overview_router(authorise, Overview(parts.database, desks.names)),
        live_router(authorise, parts.live),
        usage_router(authorise, reports),
        series_router(authorise, reports),
        requests_router(authorise, Requests(parts.database), stories),
        alerts_router(authorise, parts.meters.alerts),
    ]


def _of_clients(parts: Parts, authorise: Authorise, desks: _Desks) -> list[APIRouter]:
    return [
        tokens_router(authorise, desks.tokens),
        users_router(authorise, UserDesk(parts.database)),
        monitors_router(authorise, parts.monitors.operators),
    ]


def _of_providers(parts: Parts, authorise: Authorise, desks: _Desks) -> list[APIRouter]:
    database, registry, refresh = parts.database, parts.registry, desks.refresh
    prices = PriceSync(database, parts.meters.prices, lambda url: download(parts.transport, url, MAX_BYTES), refresh)
    descriptions = DescriptionSync(
        database, registry, registry.said_description, lambda url: read_openrouter(parts.transport, url), refresh
    )
    return [
        providers_router(authorise, ProviderDesk(database, registry, parts.read_config, refresh)),
        syncs_router(authorise, prices, descriptions),
        catalog_router(authorise, desks.models),
        ollama_servers_router(authorise, OllamaDesk(database, registry, refresh)),
    ]


def _of_names(parts: Parts, authorise: Authorise, desks: _Desks) -> list[APIRouter]:
    names, caches = desks.names, parts.smart.caches
    replays = ReplayDesk(
        parts.database,
        names,
        parts.registry,
        parts.meters.prices,
        dialects_of_surfaces(),
        lambda: _key_of_bodies(parts),
    )
    return [
        names_router(authorise, names, Explainer(parts.smart.names), desks.tokens.principal, desks.models.price_now),
        *(smart_models_router(authorise, names, kind) for kind in KINDS),
        routers_router(authorise, replays),
        caches_router(authorise, CacheDesk(names, caches.store, caches.feedback, caches.collection_of)),
    ]


def _of_gateway(parts: Parts, authorise: Authorise, desks: _Desks) -> list[APIRouter]:
    async def refresh_all() -> None:
        await desks.refresh()
        await parts.smart.live.refresh()

    def environment(name: str) -> Json:
        return getattr(parts.live_settings.environment, name, None)  # a setting of a later version is none

    changeable = SettingsDesk(
        parts.database, parts.live_settings.environment, parts.catalog.refresh, desks.names.why_unknown
    )
    return [
        settings_router(authorise, changeable),
        config_router(
            authorise, ExchangeDesk(parts.database, desks.names, refresh_all, environment, parts.read_config)
        ),
        audit_router(authorise, AuditDesk(parts.database)),
        logs_router(authorise, parts.recent_lines),
        system_router(authorise, SystemDesk(parts)),
    ]


def _key_of_bodies(parts: Parts) -> bytes:
    return find_key(parts.settings.bodies_key, parts.settings.data_dir)
