"""The dashboard: who may use it, what they changed and set, also of providers, live calls, first bytes, caches by the hour, and monitors of all users."""

from collections import Counter
from itertools import islice
from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add their tables, and how each call came to its answer."""
    op.add_column("request_logs", sa.Column("asked_ms", sa.Integer(), nullable=True))
    op.add_column("request_logs", sa.Column("story", sa.String(), nullable=True))
    failed = sa.text("NOT (status < 400 AND outcome NOT IN ('error', 'cut'))")
    op.create_index(
        "ix_request_logs_failed", "request_logs", ["received_at"], sqlite_where=failed, postgresql_where=failed
    )
    op.create_table(
        "administrators",
        _key("name", 64),
        _word("role", 8),
        _text("password_hash"),
        _moment("created_at"),
        _moment("changed_at"),
    )
    op.create_table(
        "admin_sessions",
        _key("id", 16),
        sa.Column("digest", sa.LargeBinary(32), nullable=False, unique=True),
        _word("administrator", 64),
        _moment("created_at"),
        _moment("seen_at"),
        _moment("expires_at"),
        _text("address"),
        _text("agent"),
    )
    op.create_index("ix_admin_sessions_administrator", "admin_sessions", ["administrator"])
    op.create_table("admin_setup", _key("code", 32), _moment("shown_at"))
    op.create_table(
        "audit_log",
        sa.Column("number", sa.BigInteger(), primary_key=True, autoincrement=False),
        _moment("at"),
        _word("actor", 128),
        _word("address", 64),
        _word("action", 64),
        _text("subject"),
        sa.Column("before", sa.JSON(), nullable=True),
        sa.Column("after", sa.JSON(), nullable=True),
        _word("previous_hash", 64),
        _word("hash", 64),
    )
    op.create_index("ix_audit_log_action_number", "audit_log", ["action", "number"])
    op.create_index("ix_audit_log_actor_number", "audit_log", ["actor", "number"])
    op.create_table("settings", _key("name", 64), sa.Column("value", sa.JSON(), nullable=False), _moment("changed_at"))
    op.create_table("provider_switches", _key("provider", 200), _moment("switched_at"))
    op.create_table(
        "changed_providers",
        _key("key", 200),
        sa.Column("definition", sa.JSON(), nullable=False),
        _moment("updated_at"),
    )
    op.create_table("live_watch", _key("name", 16), _moment("until"))
    op.create_table("live_calls", _key("worker_id", 64), _moment("at"), sa.Column("calls", sa.JSON(), nullable=False))
    op.create_table("live_stops", _key("request_id", 64), _moment("asked_at"))
    op.create_table(
        "usage_first_bytes",
        sa.Column("bucket", sa.Integer(), primary_key=True),
        sa.Column("hour", sa.Integer(), primary_key=True),
        _count("calls"),
        sqlite_with_rowid=False,
    )
    _count_first_bytes(op.get_bind())
    op.create_table(
        "cache_hours",
        _key("cache_id", 8),
        sa.Column("hour", sa.Integer(), primary_key=True),
        *map(_count, ("total_requests", "cache_hits", "tokens_saved", "cost_saved")),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_monitors_created_at", "monitors", ["created_at"])
    op.create_index("ix_monitor_webhooks_parallel_id_received_at", "monitor_webhooks", ["parallel_id", "received_at"])


def downgrade() -> None:
    """Drop them."""
    op.drop_index("ix_monitor_webhooks_parallel_id_received_at", "monitor_webhooks")
    op.drop_index("ix_monitors_created_at", "monitors")
    for table in (
        "cache_hours",
        "usage_first_bytes",
        "live_stops",
        "live_calls",
        "live_watch",
        "changed_providers",
        "provider_switches",
        "settings",
        "audit_log",
        "admin_setup",
        "admin_sessions",
        "administrators",
    ):
        op.drop_table(table)
    op.drop_index("ix_request_logs_failed", "request_logs")
    op.drop_column("request_logs", "story")
    op.drop_column("request_logs", "asked_ms")


_BATCH = 1000
_FIRST_BYTES = sa.text(
    "SELECT received_at / 3600000, first_byte_ms, count(*) FROM request_logs"
    " WHERE first_byte_ms IS NOT NULL AND parent_id IS NULL GROUP BY 1, 2"
)
_INSERT = sa.text("INSERT INTO usage_first_bytes (bucket, hour, calls) VALUES (:bucket, :hour, :calls)")


def _count_first_bytes(connection: sa.Connection) -> None:
    """Those of calls that were there before, in eighths of a doubling."""
    counts: Counter[tuple[int, int]] = Counter()
    for hour, first_byte_ms, calls in connection.execute(_FIRST_BYTES):
        counts[int(first_byte_ms**8).bit_length(), hour] += calls
    rows = ({"bucket": bucket, "hour": hour, "calls": calls} for (bucket, hour), calls in sorted(counts.items()))
    while batch := list(islice(rows, _BATCH)):
        connection.execute(_INSERT, batch)


def _key(name: str, length: int) -> sa.Column[Any]:
    return sa.Column(name, sa.String(length), primary_key=True)


def _text(name: str) -> sa.Column[Any]:
    return sa.Column(name, sa.String(), nullable=False)


def _word(name: str, length: int) -> sa.Column[Any]:
    return sa.Column(name, sa.String(length), nullable=False)


def _moment(name: str) -> sa.Column[Any]:
    return sa.Column(name, sa.BigInteger(), nullable=False)


def _count(name: str) -> sa.Column[Any]:
    return sa.Column(name, sa.BigInteger(), nullable=False, server_default="0")
