"""Metering: costs, tags and classes of usage in the log of calls; sums, prices, models, limits, alerts and hosts beside it."""

from collections.abc import Sequence
from hashlib import blake2b
from itertools import islice
from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

_LIMITS = (
    "requests_per_minute",
    "tokens_per_minute",
    "tokens_per_day",
    "budget_per_day",
    "budget_per_month",
    "max_concurrent",
)
_TEXTS = (
    "parent_id",
    "helper",
    "end_user",
    "alias",
    "router",
    "cache",
    "augmentor",
    "service_tier",
    "price_version",
    "warnings",
)
_COUNTS = (
    "cache_write_1h_tokens",
    "input_audio_tokens",
    "input_image_tokens",
    "output_audio_tokens",
    "output_image_tokens",
    "images",
    "searches",
    "requests",
    "audio_ms",
)
_SORTED: dict[str, Any] = {
    "cost": sa.text("coalesce(cost, -1)"),
    "prompt": sa.text(
        "(input_tokens + cache_read_tokens + cache_write_tokens + cache_write_1h_tokens + input_audio_tokens"
        " + input_image_tokens)"
    ),
    "completion": sa.text("(output_tokens + reasoning_tokens + output_audio_tokens + output_image_tokens)"),
    "total_ms": "total_ms",
}
_NEW_TABLES = (
    "usage_keys",
    "usage_hours",
    "usage_days",
    "usage_totals",
    "model_prices",
    "models",
    "custom_providers",
    "users",
    "limit_uses",
    "limit_holds",
    "limit_workers",
    "alerts",
    "alert_dismissals",
    "client_hosts",
    "request_bodies",
    "leases",
)


def upgrade() -> None:
    """Add them. What a call cost before is what its provider said."""
    for name in _LIMITS:
        op.add_column("tokens", sa.Column(name, sa.BigInteger(), nullable=True))
    for name in ("admin", "log_bodies"):
        op.add_column("tokens", sa.Column(name, sa.Boolean(), nullable=False, server_default=sa.false()))
    for name in _TEXTS:
        op.add_column("request_logs", sa.Column(name, sa.String(), nullable=True))
    for name in _COUNTS:
        op.add_column("request_logs", sa.Column(name, sa.BigInteger(), nullable=False, server_default="0"))
    op.add_column("request_logs", sa.Column("tags", sa.String(), nullable=False, server_default=""))
    op.add_column("request_logs", sa.Column("reported_cost", sa.BigInteger(), nullable=True))
    op.add_column("request_logs", sa.Column("cache_hit", sa.Boolean(), nullable=False, server_default=sa.false()))
    op.add_column("request_logs", sa.Column("charged", sa.Boolean(), nullable=False, server_default=sa.true()))
    op.execute("UPDATE request_logs SET reported_cost = cost, price_version = 'provider' WHERE cost IS NOT NULL")
    op.drop_index("ix_request_logs_token_id_received_at", "request_logs")
    is_helper = sa.text("parent_id IS NOT NULL")
    op.create_index(
        "ix_request_logs_parent_id", "request_logs", ["parent_id"], sqlite_where=is_helper, postgresql_where=is_helper
    )
    for name, column in _SORTED.items():
        op.create_index(f"ix_request_logs_day_{name}", "request_logs", [sa.text("(received_at / 86400000)"), column])
    op.add_column("tokens", sa.Column("lifetime_before", sa.BigInteger(), nullable=False, server_default="0"))
    _create_tables()
    _sum_up(op.get_bind())


def downgrade() -> None:
    """Drop them."""
    for table in _NEW_TABLES:
        op.drop_table(table)
    op.drop_column("tokens", "lifetime_before")
    for name in ("parent_id", *(f"day_{name}" for name in _SORTED)):
        op.drop_index(f"ix_request_logs_{name}", "request_logs")
    op.create_index("ix_request_logs_token_id_received_at", "request_logs", ["token_id", "received_at"])
    for name in ("charged", "cache_hit", "reported_cost", "tags", *_COUNTS, *_TEXTS):
        op.drop_column("request_logs", name)
    for name in ("log_bodies", "admin", *_LIMITS):
        op.drop_column("tokens", name)


# The sums of rows that were there before. Written out once more, for what a migration does must not change with the program.
_GROUPS = sa.text(
    "SELECT token_id, username, name, coalesce(provider, ''), coalesce(model, ''), surface, client,"
    " received_at / 3600000 AS hour, count(*),"
    " sum(CASE WHEN status < 400 AND outcome NOT IN ('error', 'cut') THEN 1 ELSE 0 END),"
    " sum(CASE WHEN usage_estimated THEN 1 ELSE 0 END), sum(CASE WHEN cost IS NULL THEN 1 ELSE 0 END), sum(input_tokens),"
    " sum(cache_read_tokens), sum(cache_write_tokens), sum(output_tokens), sum(reasoning_tokens), sum(coalesce(cost, 0)),"
    " sum(total_ms), sum(coalesce(first_byte_ms, 0)), count(first_byte_ms)"
    " FROM request_logs GROUP BY 1, 2, 3, 4, 5, 6, 7, 8"
)
_KEY = ("token_id", "username", "tags", "name", "alias", "router", "cache", "augmentor", "provider", "model", "surface")
_SUMS = (
    "calls",
    "ok",
    "estimated",
    "unpriced",
    "input_tokens",
    "cache_read_tokens",
    "cache_write_tokens",
    "output_tokens",
)
_MORE_SUMS = ("reasoning_tokens", "cost", "total_ms", "first_byte_ms", "first_bytes")
_ALL_SUMS = (
    "calls",
    "helper_calls",
    "ok",
    "charged",
    "cache_hits",
    "estimated",
    "unpriced",
    "input_tokens",
    "cache_read_tokens",
    "cache_write_tokens",
    "cache_write_1h_tokens",
    "input_audio_tokens",
    "input_image_tokens",
    "output_tokens",
    "reasoning_tokens",
    "output_audio_tokens",
    "output_image_tokens",
    "images",
    "searches",
    "requests",
    "audio_ms",
    "cost",
    "total_ms",
    "first_byte_ms",
    "first_bytes",
)
_BATCH = 500
_INSERT_KEY = sa.text(
    f"INSERT INTO usage_keys (id, {', '.join(_KEY)}, client) VALUES (:id, {', '.join(f':{name}' for name in _KEY)}, :client)"  # noqa: S608 - our columns
    " ON CONFLICT (id) DO NOTHING"
)
_INSERT_HOUR = sa.text(
    f"INSERT INTO usage_hours (hour, key_id, {', '.join(_ALL_SUMS)})"  # noqa: S608 - our columns
    f" VALUES (:hour, :id, {', '.join(f':{name}' for name in _ALL_SUMS)})"
)
_INSERT_DAYS = (
    f"INSERT INTO usage_days (day, key_id, {', '.join(_ALL_SUMS)})"  # noqa: S608 - our columns
    f" SELECT hour / 24, key_id, {', '.join(f'sum({name})' for name in _ALL_SUMS)} FROM usage_hours GROUP BY 1, 2"
)
_INSERT_TOTALS = (
    f"INSERT INTO usage_totals (hour, {', '.join(_ALL_SUMS)}, cost_mills) SELECT hour,"  # noqa: S608 - our columns
    f" {', '.join('sum(cost % 1000000000)' if name == 'cost' else f'sum({name})' for name in _ALL_SUMS)}, sum(cost / 1000000000)"
    " FROM usage_hours GROUP BY hour"
)
_SET_BEFORE = (
    "UPDATE tokens SET lifetime_before = lifetime_requests - coalesce((SELECT sum(d.charged) FROM usage_days d"
    " JOIN usage_keys k ON k.id = d.key_id WHERE k.token_id = tokens.id), 0)"
)


def _sum_up(connection: sa.Connection) -> None:
    groups = iter(connection.execute(_GROUPS))
    while batch := [_sums_of(group) for group in islice(groups, _BATCH)]:
        connection.execute(_INSERT_KEY, batch)
        connection.execute(_INSERT_HOUR, batch)
    connection.execute(sa.text(_INSERT_DAYS))
    connection.execute(sa.text(_INSERT_TOTALS))
    connection.execute(sa.text(_SET_BEFORE))


def _sums_of(group: Sequence[Any]) -> dict[str, Any]:
    token_id, username, name, provider, model, surface, client, hour, *sums = group
    key = (token_id, username, "", name, "", "", "", "", provider, model, surface, client)
    digest = blake2b("\0".join(key).encode(), digest_size=8).digest()
    values = dict.fromkeys(_ALL_SUMS, 0) | dict(zip(_SUMS + _MORE_SUMS, map(int, sums), strict=True))
    # All count as charged: so their column says, which is younger than they are.
    values["charged"] = values["calls"]
    return values | dict(zip((*_KEY, "client"), key, strict=True)) | {"id": int.from_bytes(digest) >> 1, "hour": hour}


def _create_tables() -> None:
    op.create_table(
        "alert_dismissals",
        sa.Column("kind", sa.String(24), nullable=False),
        sa.Column("provider", sa.String(), nullable=False),
        sa.Column("model", sa.String(), nullable=False),
        sa.Column("status", sa.Integer(), nullable=False),
        sa.Column("until", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("kind", "provider", "model", "status"),
    )
    op.create_table(
        "alerts",
        sa.Column("kind", sa.String(24), nullable=False),
        sa.Column("provider", sa.String(), nullable=False),
        sa.Column("model", sa.String(), nullable=False),
        sa.Column("status", sa.Integer(), nullable=False),
        sa.Column("hour", sa.Integer(), nullable=False),
        sa.Column("count", sa.BigInteger(), nullable=False),
        sa.Column("first_at", sa.BigInteger(), nullable=False),
        sa.Column("last_at", sa.BigInteger(), nullable=False),
        sa.Column("message", sa.String(), nullable=False),
        sa.Column("notified_at", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("kind", "provider", "model", "status", "hour"),
    )
    op.create_index("ix_alerts_last_at", "alerts", ["last_at"])
    op.create_table(
        "client_hosts",
        sa.Column("address", sa.String(), nullable=False),
        sa.Column("hostname", sa.String(), nullable=True),
        sa.Column("looked_up_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("address"),
    )
    op.create_table(
        "custom_providers",
        sa.Column("key", sa.String(), nullable=False),
        sa.Column("definition", sa.JSON(), nullable=False),
        sa.Column("updated_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("key"),
    )
    op.create_table(
        "leases",
        sa.Column("name", sa.String(32), nullable=False),
        sa.Column("holder", sa.String(64), nullable=False),
        sa.Column("until", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("name"),
    )
    op.create_table(
        "limit_holds",
        sa.Column("call_id", sa.String(), nullable=False),
        sa.Column("subject", sa.String(), nullable=False),
        sa.Column("limit", sa.String(24), nullable=False),
        sa.Column("period", sa.Integer(), nullable=False),
        sa.Column("worker_id", sa.String(64), nullable=False),
        sa.Column("amount", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("call_id", "subject", "limit", "period"),
    )
    op.create_index("ix_limit_holds_subject_limit", "limit_holds", ["subject", "limit"])
    op.create_index("ix_limit_holds_worker_id", "limit_holds", ["worker_id"])
    op.create_table(
        "limit_uses",
        sa.Column("subject", sa.String(), nullable=False),
        sa.Column("limit", sa.String(24), nullable=False),
        sa.Column("period", sa.Integer(), nullable=False),
        sa.Column("used", sa.BigInteger(), nullable=False),
        sa.Column("reserved", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("subject", "limit", "period"),
    )
    op.create_table(
        "limit_workers",
        sa.Column("worker_id", sa.String(64), nullable=False),
        sa.Column("beat_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("worker_id"),
    )
    op.create_table(
        "model_prices",
        sa.Column("provider", sa.String(), nullable=False),
        sa.Column("model", sa.String(), nullable=False),
        sa.Column("source", sa.String(16), nullable=False),
        sa.Column("rates", sa.JSON(), nullable=False),
        sa.Column("version", sa.String(), nullable=False),
        sa.Column("updated_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("provider", "model", "source"),
    )
    op.create_table(
        "models",
        sa.Column("provider", sa.String(), nullable=False),
        sa.Column("model", sa.String(), nullable=False),
        sa.Column("source", sa.String(16), nullable=False),
        sa.Column("family", sa.String(), nullable=True),
        sa.Column("context_length", sa.Integer(), nullable=True),
        sa.Column("max_output_tokens", sa.Integer(), nullable=True),
        sa.Column("capabilities", sa.JSON(), nullable=True),
        sa.Column("description", sa.String(), nullable=True),
        sa.Column("enabled", sa.Boolean(), nullable=True),
        sa.Column("updated_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("provider", "model", "source"),
    )
    op.create_table(
        "request_bodies",
        sa.Column("request_id", sa.String(), nullable=False),
        sa.Column("stored_at", sa.BigInteger(), nullable=False),
        sa.Column("request", sa.LargeBinary(), nullable=False),
        sa.Column("reply", sa.LargeBinary(), nullable=False),
        sa.Column("request_bytes", sa.BigInteger(), nullable=False),
        sa.Column("reply_bytes", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("request_id"),
    )
    op.create_index("ix_request_bodies_stored_at", "request_bodies", ["stored_at"])
    op.create_table(
        "usage_days",
        sa.Column("key_id", sa.BigInteger(), nullable=False),
        sa.Column("calls", sa.BigInteger(), nullable=False),
        sa.Column("helper_calls", sa.BigInteger(), nullable=False),
        sa.Column("ok", sa.BigInteger(), nullable=False),
        sa.Column("charged", sa.BigInteger(), nullable=False),
        sa.Column("cache_hits", sa.BigInteger(), nullable=False),
        sa.Column("estimated", sa.BigInteger(), nullable=False),
        sa.Column("unpriced", sa.BigInteger(), nullable=False),
        sa.Column("input_tokens", sa.BigInteger(), nullable=False),
        sa.Column("cache_read_tokens", sa.BigInteger(), nullable=False),
        sa.Column("cache_write_tokens", sa.BigInteger(), nullable=False),
        sa.Column("cache_write_1h_tokens", sa.BigInteger(), nullable=False),
        sa.Column("input_audio_tokens", sa.BigInteger(), nullable=False),
        sa.Column("input_image_tokens", sa.BigInteger(), nullable=False),
        sa.Column("output_tokens", sa.BigInteger(), nullable=False),
        sa.Column("reasoning_tokens", sa.BigInteger(), nullable=False),
        sa.Column("output_audio_tokens", sa.BigInteger(), nullable=False),
        sa.Column("output_image_tokens", sa.BigInteger(), nullable=False),
        sa.Column("images", sa.BigInteger(), nullable=False),
        sa.Column("searches", sa.BigInteger(), nullable=False),
        sa.Column("requests", sa.BigInteger(), nullable=False),
        sa.Column("audio_ms", sa.BigInteger(), nullable=False),
        sa.Column("cost", sa.BigInteger(), nullable=False),
        sa.Column("total_ms", sa.BigInteger(), nullable=False),
        sa.Column("first_byte_ms", sa.BigInteger(), nullable=False),
        sa.Column("first_bytes", sa.BigInteger(), nullable=False),
        sa.Column("day", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("day", "key_id"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "usage_hours",
        sa.Column("key_id", sa.BigInteger(), nullable=False),
        sa.Column("calls", sa.BigInteger(), nullable=False),
        sa.Column("helper_calls", sa.BigInteger(), nullable=False),
        sa.Column("ok", sa.BigInteger(), nullable=False),
        sa.Column("charged", sa.BigInteger(), nullable=False),
        sa.Column("cache_hits", sa.BigInteger(), nullable=False),
        sa.Column("estimated", sa.BigInteger(), nullable=False),
        sa.Column("unpriced", sa.BigInteger(), nullable=False),
        sa.Column("input_tokens", sa.BigInteger(), nullable=False),
        sa.Column("cache_read_tokens", sa.BigInteger(), nullable=False),
        sa.Column("cache_write_tokens", sa.BigInteger(), nullable=False),
        sa.Column("cache_write_1h_tokens", sa.BigInteger(), nullable=False),
        sa.Column("input_audio_tokens", sa.BigInteger(), nullable=False),
        sa.Column("input_image_tokens", sa.BigInteger(), nullable=False),
        sa.Column("output_tokens", sa.BigInteger(), nullable=False),
        sa.Column("reasoning_tokens", sa.BigInteger(), nullable=False),
        sa.Column("output_audio_tokens", sa.BigInteger(), nullable=False),
        sa.Column("output_image_tokens", sa.BigInteger(), nullable=False),
        sa.Column("images", sa.BigInteger(), nullable=False),
        sa.Column("searches", sa.BigInteger(), nullable=False),
        sa.Column("requests", sa.BigInteger(), nullable=False),
        sa.Column("audio_ms", sa.BigInteger(), nullable=False),
        sa.Column("cost", sa.BigInteger(), nullable=False),
        sa.Column("total_ms", sa.BigInteger(), nullable=False),
        sa.Column("first_byte_ms", sa.BigInteger(), nullable=False),
        sa.Column("first_bytes", sa.BigInteger(), nullable=False),
        sa.Column("hour", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("hour", "key_id"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "usage_keys",
        sa.Column("id", sa.BigInteger(), nullable=False, autoincrement=False),
        sa.Column("token_id", sa.String(8), nullable=False),
        sa.Column("username", sa.String(), nullable=False),
        sa.Column("tags", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("alias", sa.String(), nullable=False),
        sa.Column("router", sa.String(), nullable=False),
        sa.Column("cache", sa.String(), nullable=False),
        sa.Column("augmentor", sa.String(), nullable=False),
        sa.Column("provider", sa.String(), nullable=False),
        sa.Column("model", sa.String(), nullable=False),
        sa.Column("surface", sa.String(), nullable=False),
        sa.Column("client", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "usage_totals",
        sa.Column("hour", sa.Integer(), nullable=False, autoincrement=False),
        sa.Column("calls", sa.BigInteger(), nullable=False),
        sa.Column("helper_calls", sa.BigInteger(), nullable=False),
        sa.Column("ok", sa.BigInteger(), nullable=False),
        sa.Column("charged", sa.BigInteger(), nullable=False),
        sa.Column("cache_hits", sa.BigInteger(), nullable=False),
        sa.Column("estimated", sa.BigInteger(), nullable=False),
        sa.Column("unpriced", sa.BigInteger(), nullable=False),
        sa.Column("input_tokens", sa.BigInteger(), nullable=False),
        sa.Column("cache_read_tokens", sa.BigInteger(), nullable=False),
        sa.Column("cache_write_tokens", sa.BigInteger(), nullable=False),
        sa.Column("cache_write_1h_tokens", sa.BigInteger(), nullable=False),
        sa.Column("input_audio_tokens", sa.BigInteger(), nullable=False),
        sa.Column("input_image_tokens", sa.BigInteger(), nullable=False),
        sa.Column("output_tokens", sa.BigInteger(), nullable=False),
        sa.Column("reasoning_tokens", sa.BigInteger(), nullable=False),
        sa.Column("output_audio_tokens", sa.BigInteger(), nullable=False),
        sa.Column("output_image_tokens", sa.BigInteger(), nullable=False),
        sa.Column("images", sa.BigInteger(), nullable=False),
        sa.Column("searches", sa.BigInteger(), nullable=False),
        sa.Column("requests", sa.BigInteger(), nullable=False),
        sa.Column("audio_ms", sa.BigInteger(), nullable=False),
        sa.Column("cost", sa.BigInteger(), nullable=False),
        sa.Column("total_ms", sa.BigInteger(), nullable=False),
        sa.Column("first_byte_ms", sa.BigInteger(), nullable=False),
        sa.Column("first_bytes", sa.BigInteger(), nullable=False),
        sa.Column("cost_mills", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("hour"),
    )
    op.create_table(
        "users",
        sa.Column("username", sa.String(), nullable=False),
        sa.Column("requests_per_minute", sa.BigInteger(), nullable=True),
        sa.Column("tokens_per_minute", sa.BigInteger(), nullable=True),
        sa.Column("tokens_per_day", sa.BigInteger(), nullable=True),
        sa.Column("budget_per_day", sa.BigInteger(), nullable=True),
        sa.Column("budget_per_month", sa.BigInteger(), nullable=True),
        sa.Column("max_concurrent", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("username"),
    )
