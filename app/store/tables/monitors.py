"""Monitors, what their webhooks told, and what was passed on of it."""

from typing import Any

from sqlalchemy import JSON, BigInteger, Index, UniqueConstraint
from sqlmodel import Field

from app.store.tables.base import JsonOrNull, Row, count, table_of


class MonitorRow(Row, table=True):
    """A watch on the web that a user has at Parallel, or had.

    Attributes:
        id: made by us, and written into the monitor's metadata at Parallel.
        token_id: by which it was made; None where an operator made it.
        parallel_id: Parallel's; None while it is being created, and where that failed.
        status: `creating`, `active`, `cancelling` (it is to end, and Parallel has not agreed yet), `cancelled` or `failed`.
        slot: which of the user's active monitors it is, from 1; None where it is not active. That a user has no more than the
            limit is this column's uniqueness, not a check.
        expires_at: when it is ended by itself.
        reason: why it ended or is to: `user`, `replaced`, `expired`, `user_gone` (the user has no good token any more), `gone`
            (Parallel does not know it any more) or `failed`.
        last_error: what went wrong last: with creating or cancelling it, or with a run of it.
        last_run_at: when Parallel last said that it ran.
        attempts: how often its cancelling was tried; again at `retry_at`, None where it is not to be.
        forward_url, forward_secret: where its events are passed on to, and what that is signed with; both, or neither.
    """

    __tablename__ = "monitors"

    id: str = Field(primary_key=True, max_length=32)
    username: str
    token_id: str | None = Field(default=None, max_length=16)
    parallel_id: str | None = Field(default=None, max_length=200, unique=True)
    query: str
    frequency: str = Field(max_length=8)
    processor: str = Field(max_length=16)
    status: str = Field(max_length=16)
    slot: int | None = None
    created_at: int = Field(sa_type=BigInteger)
    expires_at: int = Field(sa_type=BigInteger)
    cancelled_at: int | None = Field(default=None, sa_type=BigInteger)
    reason: str | None = Field(default=None, max_length=16)
    last_error: str | None = None
    last_run_at: int | None = Field(default=None, sa_type=BigInteger)
    attempts: int = count()
    retry_at: int | None = Field(default=None, sa_type=BigInteger)
    forward_url: str | None = None
    forward_secret: str | None = None

    __table_args__ = (
        UniqueConstraint("username", "slot", name="uq_monitors_username_slot"),
        Index("ix_monitors_created_at", "created_at"),
        Index("ix_monitors_username_created_at", "username", "created_at"),
        Index("ix_monitors_status_expires_at", "status", "expires_at"),
        Index("ix_monitors_retry_at", "retry_at"),
    )


class MonitorWebhookRow(Row, table=True):
    """A webhook of Parallel's that was taken, so that one that comes twice does nothing.

    Attributes:
        type: such as `monitor.event.detected`.
        parallel_id: of the monitor that it is about.
        result: what came of it: `stored`, `noted`, `duplicate` or `unknown`.
    """

    __tablename__ = "monitor_webhooks"

    webhook_id: str = Field(primary_key=True, max_length=200)
    received_at: int = Field(sa_type=BigInteger)
    type: str = Field(max_length=64)
    parallel_id: str = Field(max_length=200)
    event_group_id: str | None = Field(default=None, max_length=200)
    result: str = Field(max_length=16)

    __table_args__ = (
        Index("ix_monitor_webhooks_received_at", "received_at"),
        Index("ix_monitor_webhooks_parallel_id_received_at", "parallel_id", "received_at"),
    )


class MonitorEventRow(Row, table=True):
    """An event group: what one run of a monitor found.

    Attributes:
        monitor_id: ours.
        username: the monitor's, and so who may see it.
        fetched_at: when its events were here; None while Parallel has not given them.
        events: what they say, as `app.core.updates` writes them; None before.
        attempts: how often they were asked for; again at `retry_at`, None where they are not to be.
        gave_up_at: when nobody asked any more.
        processed_at: when they had been delivered whole, as the answer to a call.
        claimed_by, claimed_until: the call that is delivering them, and until when nobody else may.
        feed_number: its place in the order in which they are told as they come (`app.store.monitors.feed`); None before.
    """

    __tablename__ = "monitor_events"

    event_group_id: str = Field(primary_key=True, max_length=200)
    monitor_id: str = Field(max_length=32)
    username: str
    received_at: int = Field(sa_type=BigInteger)
    fetched_at: int | None = Field(default=None, sa_type=BigInteger)
    events: list[dict[str, Any]] | None = Field(default=None, sa_type=JsonOrNull)
    attempts: int = count()
    retry_at: int | None = Field(default=None, sa_type=BigInteger)
    last_error: str | None = None
    gave_up_at: int | None = Field(default=None, sa_type=BigInteger)
    processed_at: int | None = Field(default=None, sa_type=BigInteger)
    claimed_by: str | None = Field(default=None, max_length=64)
    claimed_until: int = count()
    feed_number: int | None = Field(default=None, sa_type=BigInteger, unique=True)

    __table_args__ = (
        Index("ix_monitor_events_username_processed_at", "username", "processed_at", "received_at"),
        Index("ix_monitor_events_monitor_id_received_at", "monitor_id", "received_at"),
        Index("ix_monitor_events_received_at", "received_at"),
        Index("ix_monitor_events_retry_at", "retry_at"),
        Index("ix_monitor_events_fetched_at", "fetched_at"),
        Index("ix_monitor_events_feed_number_fetched_at", "feed_number", "fetched_at"),
    )


class MonitorDeliveryRow(Row, table=True):
    """An event group on its way to the address that its monitor's user gave.

    Attributes:
        id: by lot; also what receivers are told as `webhook-id`.
        status: `pending`, `delivered` or `failed` (given up).
        begun_at: since when it is tried: as `created_at`, or when somebody had it sent again.
        attempts: how often it was sent; again at `retry_at`, None where it is not to be.
        log: of the last attempts: `{"at": …, "status": …, "error": …}`.
    """

    __tablename__ = "monitor_deliveries"

    id: str = Field(primary_key=True, max_length=32)
    event_group_id: str = Field(max_length=200, unique=True)
    monitor_id: str = Field(max_length=32)
    username: str
    status: str = Field(max_length=16)
    created_at: int = Field(sa_type=BigInteger)
    begun_at: int = Field(sa_type=BigInteger)
    delivered_at: int | None = Field(default=None, sa_type=BigInteger)
    attempts: int = count()
    retry_at: int | None = Field(default=None, sa_type=BigInteger)
    log: list[dict[str, Any]] = Field(sa_type=JSON)

    __table_args__ = (
        Index("ix_monitor_deliveries_monitor_id_created_at", "monitor_id", "created_at"),
        Index("ix_monitor_deliveries_created_at", "created_at"),
        Index("ix_monitor_deliveries_retry_at", "retry_at"),
    )


MONITORS = table_of(MonitorRow)
MONITOR_WEBHOOKS = table_of(MonitorWebhookRow)
MONITOR_EVENTS = table_of(MonitorEventRow)
MONITOR_DELIVERIES = table_of(MonitorDeliveryRow)
