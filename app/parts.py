"""What a gateway is made of: each part built once, for the routes to use."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime

import httpx

from app.api.client_address import ReadAddress
from app.auth.administrators import AdministratorDesk
from app.auth.guard import Guard
from app.auth.logins import Logins
from app.auth.sessions import Sessions
from app.catalog import Catalog
from app.config import Config
from app.desks.settings import LiveSettings
from app.live.calls import LiveCalls
from app.meters import Meters
from app.monitor_service import MonitorService
from app.pipeline.board import Board
from app.pipeline.limits import Limits
from app.providers.registry import Registry
from app.recent_lines import RecentLines
from app.settings import Settings
from app.smart.stages import SmartModels
from app.store.db import Database


@dataclass(frozen=True)
class Parts:
    """All of them.

    Attributes:
        transport: what providers are asked by.
        read_config: gives the configuration of now.
        started: when they were built.
    """

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
    recent_lines: RecentLines
    read_config: Callable[[], Config]
    started: datetime = field(default_factory=lambda: datetime.now(UTC))
