"""Smart models, and what routers and caches remember."""

from typing import Any

from sqlalchemy import JSON, BigInteger, Index
from sqlmodel import Field

from app.store.tables.base import JsonOrNull, Row, count, table_of


class _SmartModel(Row):
    """What the definitions of all kinds of smart models have in common; see `app.core.smart` for what the columns mean.

    Attributes:
        id: made by us, by lot: a sequence of the database's would not be copied with the rows.
        name: as it is looked up.
    """

    id: str = Field(primary_key=True, max_length=8)
    name: str = Field(unique=True, max_length=100)
    description: str | None = None
    enabled: bool
    tags: list[str] = Field(sa_type=JSON)
    owner_tags: list[str] = Field(sa_type=JSON)
    allowed_tokens: list[str] = Field(sa_type=JSON)
    fallback: str = Field(max_length=16)
    created_at: int = Field(sa_type=BigInteger)
    updated_at: int = Field(sa_type=BigInteger)


class SmartAlias(_SmartModel, table=True):
    """Another name for a model."""

    __tablename__ = "aliases"

    target: str


class SmartRedirect(_SmartModel, table=True):
    """Sends a name, or all that its `name` fits as a pattern, to another one."""

    __tablename__ = "redirects"

    target: str


class SmartRouter(_SmartModel, table=True):
    """Picks one of several models.

    Attributes:
        learned: what was learned by `names train`; None before.
    """

    __tablename__ = "smart_routers"

    designator_model: str | None = None
    purpose: str | None = None
    candidates: list[dict[str, Any]] = Field(sa_type=JSON)
    strategy: str = Field(max_length=24)
    fallback_model: str
    session_ttl_s: int = Field(sa_type=BigInteger)
    rules: list[dict[str, Any]] = Field(sa_type=JSON)
    max_quality_loss: float | None = None
    time_budget_ms: int = Field(sa_type=BigInteger)
    learned: dict[str, Any] | None = Field(default=None, sa_type=JsonOrNull)


class RouterSession(Row, table=True):
    """Which model a conversation has with a router, and until when.

    Attributes:
        key: a digest of router, user and conversation.
    """

    __tablename__ = "router_sessions"

    key: str = Field(primary_key=True, max_length=64)
    model: str
    until: int = Field(sa_type=BigInteger)

    __table_args__ = (Index("ix_router_sessions_until", "until"),)


class SmartCache(_SmartModel, table=True):
    """Answers again what was answered before. What it saved, `cost_saved`, is in pico-USD."""

    __tablename__ = "smart_caches"

    target_model: str
    embedder: str | None = None
    similarity_threshold: float
    max_error: float | None = None
    recheck_percent: float
    judge_model: str | None = None
    judge_threshold: float
    match_system_prompt: bool
    match_last_message_only: bool
    share: str = Field(max_length=16)
    ttl_hours: float
    min_cached_tokens: int = Field(sa_type=BigInteger)
    max_cached_tokens: int = Field(sa_type=BigInteger)
    coalesce: bool
    time_budget_ms: int = Field(sa_type=BigInteger)
    total_requests: int = count()
    cache_hits: int = count()
    tokens_saved: int = count()
    cost_saved: int = count()


class CachePin(Row, table=True):
    """A question that must never again be answered by an entry, as somebody said so or it was found out.

    Attributes:
        entry_id: of the entry in the cache's store.
        asked_id: the digest under which the question itself would be an entry.
    """

    __tablename__ = "smart_cache_pins"

    cache_id: str = Field(primary_key=True, max_length=8)
    entry_id: str = Field(primary_key=True, max_length=64)
    asked_id: str = Field(primary_key=True, max_length=64)
    pinned_at: int = Field(sa_type=BigInteger)


class CacheTrial(Row, table=True):
    """One look at whether an entry's answer was right for another question, by which its threshold is tuned.

    Attributes:
        similarity: the cosine of the two questions.
    """

    __tablename__ = "smart_cache_trials"

    id: str = Field(primary_key=True, max_length=16)
    cache_id: str = Field(max_length=8)
    entry_id: str = Field(max_length=64)
    similarity: float
    correct: bool
    tried_at: int = Field(sa_type=BigInteger)

    __table_args__ = (Index("ix_smart_cache_trials_cache_id_entry_id", "cache_id", "entry_id"),)


class SmartAugmentor(_SmartModel, table=True):
    """Puts what the web says before the question. Only what was really fetched is counted."""

    __tablename__ = "smart_augmentors"

    target_model: str
    designator_model: str | None = None
    purpose: str | None = None
    mode: str = Field(max_length=16)
    search_provider: str = Field(max_length=24)
    search_provider_url: str | None = None
    max_search_results: int
    max_scrape_urls: int
    max_context_tokens: int
    inject_as: str = Field(max_length=16)
    time_budget_ms: int = Field(sa_type=BigInteger)
    total_requests: int = count()
    augmented_requests: int = count()
    search_requests: int = count()
    scrape_requests: int = count()


ALIASES = table_of(SmartAlias)
REDIRECTS = table_of(SmartRedirect)
SMART_ROUTERS = table_of(SmartRouter)
ROUTER_SESSIONS = table_of(RouterSession)
SMART_CACHES = table_of(SmartCache)
SMART_CACHE_PINS = table_of(CachePin)
SMART_CACHE_TRIALS = table_of(CacheTrial)
SMART_AUGMENTORS = table_of(SmartAugmentor)
