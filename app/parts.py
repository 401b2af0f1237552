"""What a gateway is made of: each part built once, for the routes to use."""

from collections.abc import Callable
from dataclasses import dataclass

import httpx

from app.api.client_address import ReadAddress
from app.auth.administrators import AdministratorDesk
from app.auth.guard import Guard
from app.auth.logins import Logins
from app.auth.sessions import Sessions
from app.catalog import Catalog
from app.config import Config
from app.live.calls import LiveCalls
from app.live_settings import LiveSettings
from app.meters import Meters
from app.monitor_service import MonitorService
from app.pipeline.board import Board
from app.pipeline.limits import Limits
from app.providers.registry import Registry
from app.settings import Settings
from app.smart.stages import SmartModels
from app.store.db import Database


@dataclass(frozen=True)
class Parts:
    """All of them. `transport` is what providers are asked by; `read_config` gives the configuration of now."""

    settings: Settings
    database: Database
    guard: Guard
    read_address: ReadAddress
    registry: Registry
    limits: Limits
    smart: SmartModels
    board: Board
    meters: Meters
    monitors: MonitorService
    live: LiveCalls
    catalog: Catalog
    live_settings: LiveSettings
    administrators: AdministratorDesk
    sessions: Sessions
    logins: Logins
    transport: httpx.AsyncBaseTransport
    read_config: Callable[[], Config]
