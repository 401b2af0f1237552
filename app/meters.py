"""Builds what records, prices, limits and watches calls, and wires it together."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import httpx

from app.auth.ledger import LimitLedger
from app.core.record import CallRecord
from app.logs import wants_json
from app.metering.alerts import Alerts, watch_backlog
from app.metering.bodies import BodyLog
from app.metering.calllog import CallLog
from app.metering.exposition import Exposition
from app.metering.hostnames import Hostnames, ask_dns
from app.metering.journal import Journal
from app.metering.metrics import Metrics
from app.metering.monitors import MonitorSignals
from app.metering.notices import Notices
from app.metering.prices import Prices
from app.metering.retention import Retention
from app.metering.rows import insert_records
from app.metering.sealing import KEY_FILE, ensure_key, parse_key
from app.metering.webhook import AlertWebhook
from app.metering.writer import Writer
from app.observation import all_of, open_metrics, open_telemetry
from app.pipeline.board import Board
from app.providers.registry import Registry
from app.providers.webhook import webhook_sender
from app.settings import Settings
from app.store.db import Database
from app.webhook_way import WebhookWay

if TYPE_CHECKING:
    from app.metering.telemetry import Telemetry

Loop = Callable[[], Awaitable[None]]


@dataclass(frozen=True)
class Meters:
    """What belongs to metering, of one worker.

    Attributes:
        loops: what runs in the background, but for `prices.run`, which begins where the first ones have been read.
    """

    ledger: LimitLedger
    prices: Prices
    writer: Writer
    body_log: BodyLog
    alerts: Alerts
    notices: Notices
    metrics: Metrics
    monitors: MonitorSignals
    exposition: Exposition
    telemetry: "Telemetry | None"
    calls: CallLog
    loops: Sequence[Loop]
    way: WebhookWay | None = None

    async def aclose(self) -> None:
        """Let go of what finished calls were told to. What they left for the database is written before."""
        if self.way is not None:
            await self.way.aclose()
        if self.telemetry is not None:
            await self.telemetry.aclose()
        self.calls.close()


def open_meters(
    settings: Settings,
    database: Database,
    worker_id: str,
    prices: Prices,
    registry: Registry,
    board: Board,
    transport: httpx.AsyncBaseTransport,
    under_way: Callable[[], int],
    now: Callable[[], Settings],
) -> Meters:
    """All of it; nothing runs yet.

    Args:
        under_way: how many calls have not ended.
        now: gives the settings of now, of which some change while the gateway runs.
    """
    ledger = LimitLedger(database, worker_id)
    journal = Journal(settings.data_dir / "journal", worker_id, max_bytes=settings.journal_max_bytes)
    hostnames = Hostnames(database, ask_dns())
    calls = CallLog(as_json=wants_json(settings), file=settings.log_file)
    metrics, exposition = open_metrics(settings, registry, board, under_way, journal)
    telemetry = open_telemetry(settings, registry, metrics.label)
    observe = all_of(calls.write, metrics.observe, *([telemetry.observe] if telemetry else []))

    async def insert(records: Sequence[CallRecord]) -> None:
        await insert_records(database, await prices.settle(records))
        ledger.wake()
        if now().dns_resolution:
            hostnames.note(record.client for record in records)

    writer = Writer(insert, observe, journal, ledger.bury, lambda: now().client_addresses)
    body_log = BodyLog(database, lambda: bodies_key(settings))
    alerts, notices = Alerts(database), Notices(database)
    retention = Retention(
        database, calls_days=lambda: now().retention_days, bodies_days=lambda: now().bodies_retention_days
    )
    loops: list[Loop] = [
        lambda: watch_backlog(alerts.note, lambda: journal.size),
        ledger.run,
        writer.run,
        writer.run_adoption,
        alerts.run,
        notices.run,
        retention.run,
        body_log.run,
        hostnames.run,
    ]
    if settings.metrics_dir is not None:
        loops.append(exposition.run)
    way = None
    if settings.alert_webhook_url and settings.alert_webhook_secret:
        way = WebhookWay(settings, transport)
        send = webhook_sender(way.transport, settings.alert_webhook_url)
        loops += [way.check, AlertWebhook(database, send, settings.alert_webhook_secret).run]
    signals = MonitorSignals(metrics, notices)
    return Meters(
        ledger, prices, writer, body_log, alerts, notices, metrics, signals, exposition, telemetry, calls, loops, way
    )


def bodies_key(settings: Settings) -> bytes:
    """The key of kept bodies: the operator's, or one that is made where it is first needed.

    Raises:
        InvalidKey: it cannot be read or made.
    """
    return parse_key(settings.bodies_key) if settings.bodies_key else ensure_key(settings.data_dir / KEY_FILE)
