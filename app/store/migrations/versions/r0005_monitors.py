"""Monitors: those of users, what Parallel's webhooks told of them, and what was passed on."""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add their tables."""
    op.create_table(
        "monitors",
        _key("id", 32),
        _text("username", nullable=False),
        _word("token_id", 16, nullable=True),
        sa.Column("parallel_id", sa.String(200), nullable=True, unique=True),
        _text("query", nullable=False),
        _word("frequency", 8),
        _word("processor", 16),
        _word("status", 16),
        sa.Column("slot", sa.Integer(), nullable=True),
        _moment("created_at"),
        _moment("expires_at"),
        _moment("cancelled_at", nullable=True),
        _word("reason", 16, nullable=True),
        _text("last_error"),
        _moment("last_run_at", nullable=True),
        _count("attempts"),
        _moment("retry_at", nullable=True),
        _text("forward_url"),
        _text("forward_secret"),
        sa.UniqueConstraint("username", "slot", name="uq_monitors_username_slot"),
    )
    op.create_index("ix_monitors_username_created_at", "monitors", ["username", "created_at"])
    op.create_index("ix_monitors_status_expires_at", "monitors", ["status", "expires_at"])
    op.create_index("ix_monitors_retry_at", "monitors", ["retry_at"])
    op.create_table(
        "monitor_webhooks",
        _key("webhook_id", 200),
        _moment("received_at"),
        _word("type", 64),
        _word("parallel_id", 200),
        _word("event_group_id", 200, nullable=True),
        _word("result", 16),
    )
    op.create_index("ix_monitor_webhooks_received_at", "monitor_webhooks", ["received_at"])
    op.create_table(
        "monitor_events",
        _key("event_group_id", 200),
        _word("monitor_id", 32),
        _text("username", nullable=False),
        _moment("received_at"),
        _moment("fetched_at", nullable=True),
        sa.Column("events", sa.JSON(), nullable=True),
        _count("attempts"),
        _moment("retry_at", nullable=True),
        _text("last_error"),
        _moment("gave_up_at", nullable=True),
        _moment("processed_at", nullable=True),
        _word("claimed_by", 64, nullable=True),
        _count("claimed_until"),
        sa.Column("feed_number", sa.BigInteger(), nullable=True, unique=True),
    )
    op.create_index(
        "ix_monitor_events_username_processed_at", "monitor_events", ["username", "processed_at", "received_at"]
    )
    op.create_index("ix_monitor_events_monitor_id_received_at", "monitor_events", ["monitor_id", "received_at"])
    op.create_index("ix_monitor_events_received_at", "monitor_events", ["received_at"])
    op.create_index("ix_monitor_events_retry_at", "monitor_events", ["retry_at"])
    op.create_index("ix_monitor_events_fetched_at", "monitor_events", ["fetched_at"])
    op.create_index("ix_monitor_events_feed_number_fetched_at", "monitor_events", ["feed_number", "fetched_at"])
    op.create_table(
        "monitor_deliveries",
        _key("id", 32),
        sa.Column("event_group_id", sa.String(200), nullable=False, unique=True),
        _word("monitor_id", 32),
        _text("username", nullable=False),
        _word("status", 16),
        _moment("created_at"),
        _moment("begun_at"),
        _moment("delivered_at", nullable=True),
        _count("attempts"),
        _moment("retry_at", nullable=True),
        sa.Column("log", sa.JSON(), nullable=False),
    )
    op.create_index("ix_monitor_deliveries_monitor_id_created_at", "monitor_deliveries", ["monitor_id", "created_at"])
    op.create_index("ix_monitor_deliveries_created_at", "monitor_deliveries", ["created_at"])
    op.create_index("ix_monitor_deliveries_retry_at", "monitor_deliveries", ["retry_at"])


def downgrade() -> None:
    """Drop them."""
    for table in ("monitor_deliveries", "monitor_events", "monitor_webhooks", "monitors"):
        op.drop_table(table)


def _key(name: str, length: int) -> sa.Column[Any]:
    return sa.Column(name, sa.String(length), primary_key=True)


def _text(name: str, *, nullable: bool = True) -> sa.Column[Any]:
    return sa.Column(name, sa.String(), nullable=nullable)


def _word(name: str, length: int, *, nullable: bool = False) -> sa.Column[Any]:
    return sa.Column(name, sa.String(length), nullable=nullable)


def _moment(name: str, *, nullable: bool = False) -> sa.Column[Any]:
    return sa.Column(name, sa.BigInteger(), nullable=nullable)


def _count(name: str) -> sa.Column[Any]:
    return sa.Column(name, sa.BigInteger(), nullable=False, server_default="0")
