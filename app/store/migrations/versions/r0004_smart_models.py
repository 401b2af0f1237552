"""Smart models: aliases, redirects, routers, caches and augmentors, and what they have to remember."""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

_KEPT_BESIDE = ("router_sessions", "smart_cache_pins", "smart_cache_trials")


def upgrade() -> None:
    """Add their tables."""
    _create_kind("aliases", _text("target"))
    _create_kind("redirects", _text("target"))
    _create_kind(
        "smart_routers",
        _text("designator_model", nullable=True),
        _text("purpose", nullable=True),
        sa.Column("candidates", sa.JSON(), nullable=False),
        _word("strategy", 24),
        _text("fallback_model"),
        _number("session_ttl_s"),
        sa.Column("rules", sa.JSON(), nullable=False),
        sa.Column("max_quality_loss", sa.Float(), nullable=True),
        _number("time_budget_ms"),
        sa.Column("learned", sa.JSON(), nullable=True),
    )
    _create_kind(
        "smart_caches",
        _text("target_model"),
        _text("embedder", nullable=True),
        sa.Column("similarity_threshold", sa.Float(), nullable=False),
        sa.Column("max_error", sa.Float(), nullable=True),
        sa.Column("recheck_percent", sa.Float(), nullable=False),
        _text("judge_model", nullable=True),
        sa.Column("judge_threshold", sa.Float(), nullable=False),
        sa.Column("match_system_prompt", sa.Boolean(), nullable=False),
        sa.Column("match_last_message_only", sa.Boolean(), nullable=False),
        _word("share", 16),
        sa.Column("ttl_hours", sa.Float(), nullable=False),
        _number("min_cached_tokens"),
        _number("max_cached_tokens"),
        sa.Column("coalesce", sa.Boolean(), nullable=False),
        _number("time_budget_ms"),
        *map(_count, ("total_requests", "cache_hits", "tokens_saved", "cost_saved")),
    )
    _create_kind(
        "smart_augmentors",
        _text("target_model"),
        _text("designator_model", nullable=True),
        _text("purpose", nullable=True),
        _word("mode", 16),
        _word("search_provider", 24),
        _text("search_provider_url", nullable=True),
        *(
            sa.Column(name, sa.Integer(), nullable=False)
            for name in ("max_search_results", "max_scrape_urls", "max_context_tokens")
        ),
        _word("inject_as", 16),
        _number("time_budget_ms"),
        *map(_count, ("total_requests", "augmented_requests", "search_requests", "scrape_requests")),
    )
    _create_kept_beside()


def downgrade() -> None:
    """Drop them."""
    kinds = ("smart_augmentors", "smart_caches", "smart_routers", "redirects", "aliases")
    for table in (*_KEPT_BESIDE, *kinds):
        op.drop_table(table)


def _create_kept_beside() -> None:
    op.create_table(
        "router_sessions",
        sa.Column("key", sa.String(64), primary_key=True),
        _text("model"),
        _number("until"),
    )
    op.create_index("ix_router_sessions_until", "router_sessions", ["until"])
    op.create_table(
        "smart_cache_pins",
        sa.Column("cache_id", sa.String(8), primary_key=True),
        sa.Column("entry_id", sa.String(64), primary_key=True),
        sa.Column("asked_id", sa.String(64), primary_key=True),
        _number("pinned_at"),
    )
    op.create_table(
        "smart_cache_trials",
        sa.Column("id", sa.String(16), primary_key=True),
        _word("cache_id", 8),
        _word("entry_id", 64),
        sa.Column("similarity", sa.Float(), nullable=False),
        sa.Column("correct", sa.Boolean(), nullable=False),
        _number("tried_at"),
    )
    op.create_index("ix_smart_cache_trials_cache_id_entry_id", "smart_cache_trials", ["cache_id", "entry_id"])


def _create_kind(table: str, *columns: sa.Column[Any]) -> None:
    op.create_table(
        table,
        sa.Column("id", sa.String(8), primary_key=True),
        sa.Column("name", sa.String(100), nullable=False, unique=True),
        _text("description", nullable=True),
        sa.Column("enabled", sa.Boolean(), nullable=False),
        *(sa.Column(name, sa.JSON(), nullable=False) for name in ("tags", "owner_tags", "allowed_tokens")),
        _word("fallback", 16),
        _number("created_at"),
        _number("updated_at"),
        *columns,
    )


def _text(name: str, *, nullable: bool = False) -> sa.Column[Any]:
    return sa.Column(name, sa.String(), nullable=nullable)


def _word(name: str, length: int) -> sa.Column[Any]:
    return sa.Column(name, sa.String(length), nullable=False)


def _number(name: str) -> sa.Column[Any]:
    return sa.Column(name, sa.BigInteger(), nullable=False)


def _count(name: str) -> sa.Column[Any]:
    return sa.Column(name, sa.BigInteger(), nullable=False, server_default="0")
