"""The tables, as SQLModel classes.

Every `*_at` and `*_until` column is UTC in whole milliseconds since 1970, every `day` the number of UTC days since then
(`app.store.times`). Names of columns are also the keys of the rows that the queries beside this file take and give.

A change here needs a revision in `migrations/versions`; a test compares the two.
"""

from typing import Any

from sqlalchemy import JSON, BigInteger, Index, PrimaryKeyConstraint, Table, false, text, true
from sqlmodel import Field, SQLModel


def _count() -> Any:
    """A number that rows of before have not, and so is 0 in them."""
    return Field(sa_type=BigInteger, sa_column_kwargs={"server_default": "0"})


# Their rows lie in the order of their key: what is read of a period lies together.
_WITHOUT_ROWID = {"sqlite_with_rowid": False}


class Token(SQLModel, table=True):
    """A token, without the token: only the SHA-256 digest of its text is kept. A limit that is None is none; budgets are in pico-USD.

    `previous_digest` is what it was before the last rotation, good until `previous_until`. `lifetime_before` is that part of
    `lifetime_requests` of which there are no sums: what was imported, or counted before sums were kept.
    """

    __tablename__ = "tokens"

    id: str = Field(primary_key=True, max_length=8)
    digest: bytes = Field(unique=True, max_length=32)
    username: str
    expires_at: int | None = Field(default=None, sa_type=BigInteger)
    rate_limit: int = Field(sa_type=BigInteger)
    models: list[str] = Field(sa_type=JSON)
    tags: list[str] = Field(sa_type=JSON)
    disabled: bool
    created_at: int = Field(sa_type=BigInteger)
    last_used_at: int | None = Field(default=None, sa_type=BigInteger)
    lifetime_requests: int = Field(sa_type=BigInteger)
    previous_digest: bytes | None = Field(default=None, max_length=32)
    previous_until: int | None = Field(default=None, sa_type=BigInteger)
    requests_per_minute: int | None = Field(default=None, sa_type=BigInteger)
    tokens_per_minute: int | None = Field(default=None, sa_type=BigInteger)
    tokens_per_day: int | None = Field(default=None, sa_type=BigInteger)
    budget_per_day: int | None = Field(default=None, sa_type=BigInteger)
    budget_per_month: int | None = Field(default=None, sa_type=BigInteger)
    max_concurrent: int | None = Field(default=None, sa_type=BigInteger)
    admin: bool = Field(sa_column_kwargs={"server_default": false()})
    log_bodies: bool = Field(sa_column_kwargs={"server_default": false()})
    lifetime_before: int = _count()


class QuotaDay(SQLModel, table=True):
    """How many units of a token's day are taken: admitted, or leased by a worker.

    `recalled` is the limit at which the day was found used up while workers still held units: under that limit nobody
    keeps units in stock any more. 0 is never.

    No foreign key: a worker may come back with units of a token that was deleted in between.
    """

    __tablename__ = "quota_days"

    token_id: str = Field(primary_key=True, max_length=8)
    day: int = Field(primary_key=True)
    taken: int = Field(sa_type=BigInteger)
    recalled: int = Field(sa_type=BigInteger)


class QuotaLease(SQLModel, table=True):
    """Units that a worker holds in stock. It is alive while its `heartbeat_at` is young."""

    __tablename__ = "quota_leases"

    worker_id: str = Field(primary_key=True, max_length=64)
    token_id: str = Field(primary_key=True, max_length=8)
    day: int = Field(primary_key=True)
    unused: int = Field(sa_type=BigInteger)
    heartbeat_at: int = Field(sa_type=BigInteger)

    __table_args__ = (Index("ix_quota_leases_token_day", "token_id", "day"),)


class Revision(SQLModel, table=True):
    """A number that grows with each change of a subject, so that a snapshot knows when it is old."""

    __tablename__ = "revisions"

    subject: str = Field(primary_key=True, max_length=64)
    number: int = Field(sa_type=BigInteger)


_PROMPT = (
    "(input_tokens + cache_read_tokens + cache_write_tokens + cache_write_1h_tokens + input_audio_tokens"
    " + input_image_tokens)"
)
_COMPLETION = "(output_tokens + reasoning_tokens + output_audio_tokens + output_image_tokens)"


class RequestLog(SQLModel, table=True):
    """One call that was admitted, and how it ended; or one that was made for such a call, its `parent_id`.

    Attributes:
        id: the request id.
        helper: what a call with a parent was made for.
        tags: sorted, with commas between; empty for none.
        name: what the client asked for; `alias`, `router`, `cache` and `augmentor` are the names that it came through, and
            `provider` and `model` are what served it.
        outcome: `ok`, `error`, `client_gone` or `cut`.
        cost: in pico-USD (1e-12 USD): a single token of the cheapest model with the largest discount is still a whole number,
            and nine million dollars fit. None where no price is known.
        reported_cost: what the provider said that it cost, in the same unit.
        price_version: by which prices `cost` was computed.
        usage_estimated: the provider reported no usage, and the tokens are our estimate.
        charged: it kept its unit of the token's day.
        attempts: how often any target was asked.
        rescued: its stream broke off and was carried on by another target.
        warnings: parameters that its target could not take, with commas between.
    """

    __tablename__ = "request_logs"

    id: str = Field(primary_key=True)
    received_at: int = Field(sa_type=BigInteger)
    parent_id: str | None = None
    helper: str | None = None
    token_id: str = Field(max_length=8)
    username: str
    end_user: str | None = None
    tags: str = Field(sa_column_kwargs={"server_default": ""})
    name: str
    alias: str | None = None
    router: str | None = None
    cache: str | None = None
    augmentor: str | None = None
    provider: str | None = None
    model: str | None = None
    surface: str
    streamed: bool
    status: int
    outcome: str
    input_tokens: int = Field(sa_type=BigInteger)
    cache_read_tokens: int = Field(sa_type=BigInteger)
    cache_write_tokens: int = Field(sa_type=BigInteger)
    cache_write_1h_tokens: int = _count()
    input_audio_tokens: int = _count()
    input_image_tokens: int = _count()
    output_tokens: int = Field(sa_type=BigInteger)
    reasoning_tokens: int = Field(sa_type=BigInteger)
    output_audio_tokens: int = _count()
    output_image_tokens: int = _count()
    images: int = _count()
    searches: int = _count()
    requests: int = _count()
    audio_ms: int = _count()
    service_tier: str | None = None
    usage_estimated: bool
    cost: int | None = Field(default=None, sa_type=BigInteger)
    reported_cost: int | None = Field(default=None, sa_type=BigInteger)
    price_version: str | None = None
    cache_hit: bool = Field(sa_column_kwargs={"server_default": false()})
    first_byte_ms: int | None = None
    total_ms: int
    client: str
    charged: bool = Field(sa_column_kwargs={"server_default": true()})
    attempts: int = Field(sa_column_kwargs={"server_default": "1"})
    rescued: bool = Field(sa_column_kwargs={"server_default": false()})
    warnings: str | None = None
    error: str | None = None

    __table_args__ = (
        Index("ix_request_logs_received_at", "received_at"),
        Index(
            "ix_request_logs_parent_id",
            "parent_id",
            sqlite_where=text("parent_id IS NOT NULL"),  # on a server too: `store.schema.create_tables`
        ),
        # What the dearest, largest and slowest calls of each day are found by; `app.store.pages` spells them just so.
        Index("ix_request_logs_day_cost", text("(received_at / 86400000)"), text("coalesce(cost, -1)")),
        Index("ix_request_logs_day_prompt", text("(received_at / 86400000)"), text(_PROMPT)),
        Index("ix_request_logs_day_completion", text("(received_at / 86400000)"), text(_COMPLETION)),
        Index("ix_request_logs_day_total_ms", text("(received_at / 86400000)"), "total_ms"),
    )


class UsageKey(SQLModel, table=True):
    """What calls have in common that are summed up together. Absent names are empty.

    Attributes:
        id: a digest of all the others, so that nobody has to look it up.
    """

    __tablename__ = "usage_keys"

    id: int = Field(primary_key=True, sa_type=BigInteger, sa_column_kwargs={"autoincrement": False})
    token_id: str = Field(max_length=8)
    username: str
    tags: str
    name: str
    alias: str
    router: str
    cache: str
    augmentor: str
    provider: str
    model: str
    surface: str
    client: str

    __table_args__ = (_WITHOUT_ROWID,)


class _Sums(SQLModel):
    """Sums over rows of `request_logs` in one period: tokens, costs and all that is not said otherwise of both kinds of calls.

    Attributes:
        calls: the clients' own; `helper_calls` are those made for them.
        ok: the clients' own that went well (`app.core.reply.went_well`).
        estimated: calls whose tokens are our estimate; `unpriced` are those without a known price.
        total_ms: of the clients' own.
        first_bytes: the clients' own of which any byte came, over which `first_byte_ms` is summed.
    """

    calls: int = Field(sa_type=BigInteger)
    helper_calls: int = Field(sa_type=BigInteger)
    ok: int = Field(sa_type=BigInteger)
    charged: int = Field(sa_type=BigInteger)
    cache_hits: int = Field(sa_type=BigInteger)
    estimated: int = Field(sa_type=BigInteger)
    unpriced: int = Field(sa_type=BigInteger)
    input_tokens: int = Field(sa_type=BigInteger)
    cache_read_tokens: int = Field(sa_type=BigInteger)
    cache_write_tokens: int = Field(sa_type=BigInteger)
    cache_write_1h_tokens: int = Field(sa_type=BigInteger)
    input_audio_tokens: int = Field(sa_type=BigInteger)
    input_image_tokens: int = Field(sa_type=BigInteger)
    output_tokens: int = Field(sa_type=BigInteger)
    reasoning_tokens: int = Field(sa_type=BigInteger)
    output_audio_tokens: int = Field(sa_type=BigInteger)
    output_image_tokens: int = Field(sa_type=BigInteger)
    images: int = Field(sa_type=BigInteger)
    searches: int = Field(sa_type=BigInteger)
    requests: int = Field(sa_type=BigInteger)
    audio_ms: int = Field(sa_type=BigInteger)
    cost: int = Field(sa_type=BigInteger)
    total_ms: int = Field(sa_type=BigInteger)
    first_byte_ms: int = Field(sa_type=BigInteger)
    first_bytes: int = Field(sa_type=BigInteger)


class UsageHour(_Sums, table=True):
    """Sums of an hour, counted from 1970 in UTC, of calls with one key."""

    __tablename__ = "usage_hours"

    hour: int = Field(primary_key=True)
    key_id: int = Field(primary_key=True, sa_type=BigInteger)

    __table_args__ = (PrimaryKeyConstraint("hour", "key_id"), _WITHOUT_ROWID)


class UsageDay(_Sums, table=True):
    """Sums of a day, of calls with one key."""

    __tablename__ = "usage_days"

    day: int = Field(primary_key=True)
    key_id: int = Field(primary_key=True, sa_type=BigInteger)

    __table_args__ = (PrimaryKeyConstraint("day", "key_id"), _WITHOUT_ROWID)


class UsageTotal(_Sums, table=True):
    """Sums of an hour, of all calls: what every report without a filter reads, however many keys there are.

    Attributes:
        cost_mills: thousandths of a USD; `cost` is only what is left of them, call by call. Of all keys together one column might
            be too small, and then no call of that hour could be kept.
    """

    __tablename__ = "usage_totals"

    hour: int = Field(primary_key=True, sa_column_kwargs={"autoincrement": False})
    cost_mills: int = Field(sa_type=BigInteger)


class ModelPrice(SQLModel, table=True):
    """What a model costs by one source, `admin` or `litellm`, instead of the prices that come with the gateway.

    Attributes:
        provider: its key in the configuration.
        rates: as `app.metering.rates` reads them.
        version: told in the rows that were priced by it.
    """

    __tablename__ = "model_prices"

    provider: str = Field(primary_key=True)
    model: str = Field(primary_key=True)
    source: str = Field(primary_key=True, max_length=16)
    rates: dict[str, Any] = Field(sa_type=JSON)
    version: str
    updated_at: int = Field(sa_type=BigInteger)


class CatalogModel(SQLModel, table=True):
    """What is known of a model by one source: `custom` is made by an administrator, `litellm` and `synced` were looked up.

    None says nothing, and the next source is asked.

    Attributes:
        enabled: False where it is not to be offered, True where it is, also when its provider does not list it.
    """

    __tablename__ = "models"

    provider: str = Field(primary_key=True)
    model: str = Field(primary_key=True)
    source: str = Field(primary_key=True, max_length=16)
    family: str | None = None
    context_length: int | None = None
    max_output_tokens: int | None = None
    capabilities: list[str] | None = Field(default=None, sa_type=JSON)
    description: str | None = None
    enabled: bool | None = None
    updated_at: int = Field(sa_type=BigInteger)


class CustomProvider(SQLModel, table=True):
    """A provider that was added while the gateway runs.

    Attributes:
        definition: as an entry of `providers` in the configuration; it names the variable of its key, never the key.
    """

    __tablename__ = "custom_providers"

    key: str = Field(primary_key=True)
    definition: dict[str, Any] = Field(sa_type=JSON)
    updated_at: int = Field(sa_type=BigInteger)


class UserLimits(SQLModel, table=True):
    """What a user may use over all tokens; None is no limit. Budgets are in pico-USD."""

    __tablename__ = "users"

    username: str = Field(primary_key=True)
    requests_per_minute: int | None = Field(default=None, sa_type=BigInteger)
    tokens_per_minute: int | None = Field(default=None, sa_type=BigInteger)
    tokens_per_day: int | None = Field(default=None, sa_type=BigInteger)
    budget_per_day: int | None = Field(default=None, sa_type=BigInteger)
    budget_per_month: int | None = Field(default=None, sa_type=BigInteger)
    max_concurrent: int | None = Field(default=None, sa_type=BigInteger)


class LimitUse(SQLModel, table=True):
    """How much of a limit is used in a period, and how much is reserved by calls that are under way.

    Attributes:
        subject: `token:ID` or `user:NAME`.
        period: the minute, day or month since 1970; 0 for limits without one.
    """

    __tablename__ = "limit_uses"

    subject: str = Field(primary_key=True)
    limit: str = Field(primary_key=True, max_length=24)
    period: int = Field(primary_key=True)
    used: int = Field(sa_type=BigInteger)
    reserved: int = Field(sa_type=BigInteger)


class LimitHold(SQLModel, table=True):
    """How much of a limit one call has reserved. It goes when the call's row comes, or when its worker is no more."""

    __tablename__ = "limit_holds"

    call_id: str = Field(primary_key=True)
    subject: str = Field(primary_key=True)
    limit: str = Field(primary_key=True, max_length=24)
    period: int = Field(primary_key=True)
    worker_id: str = Field(max_length=64)
    amount: int = Field(sa_type=BigInteger)

    __table_args__ = (
        Index("ix_limit_holds_worker_id", "worker_id"),
        Index("ix_limit_holds_subject_limit", "subject", "limit"),
    )


class LimitWorker(SQLModel, table=True):
    """When a worker that reserves was last alive."""

    __tablename__ = "limit_workers"

    worker_id: str = Field(primary_key=True, max_length=64)
    beat_at: int = Field(sa_type=BigInteger)


class Alert(SQLModel, table=True):
    """What went wrong with a target within an hour, or with the gateway itself, where the names are empty.

    Attributes:
        notified_at: when the operator's webhook was told, or tried to be.
    """

    __tablename__ = "alerts"

    kind: str = Field(primary_key=True, max_length=24)
    provider: str = Field(primary_key=True)
    model: str = Field(primary_key=True)
    status: int = Field(primary_key=True)
    hour: int = Field(primary_key=True)
    count: int = Field(sa_type=BigInteger)
    first_at: int = Field(sa_type=BigInteger)
    last_at: int = Field(sa_type=BigInteger)
    message: str
    notified_at: int | None = Field(default=None, sa_type=BigInteger)

    __table_args__ = (Index("ix_alerts_last_at", "last_at"),)


class AlertDismissal(SQLModel, table=True):
    """An alert that nobody wants to see until then."""

    __tablename__ = "alert_dismissals"

    kind: str = Field(primary_key=True, max_length=24)
    provider: str = Field(primary_key=True)
    model: str = Field(primary_key=True)
    status: int = Field(primary_key=True)
    until: int = Field(sa_type=BigInteger)


class ClientHost(SQLModel, table=True):
    """The name of a client's address; None where it has none."""

    __tablename__ = "client_hosts"

    address: str = Field(primary_key=True)
    hostname: str | None = None
    looked_up_at: int = Field(sa_type=BigInteger)


class TaskLease(SQLModel, table=True):
    """Whose turn a task is that one worker does for all, on whatever machine; until when, if it does not renew it."""

    __tablename__ = "leases"

    name: str = Field(primary_key=True, max_length=32)
    holder: str = Field(max_length=64)
    until: int = Field(sa_type=BigInteger)


class RequestBody(SQLModel, table=True):
    """What a call asked and got, encrypted; kept only for tokens that were made for it.

    Attributes:
        request_bytes, reply_bytes: how many there were; what is kept may be cut.
    """

    __tablename__ = "request_bodies"

    request_id: str = Field(primary_key=True)
    stored_at: int = Field(sa_type=BigInteger)
    request: bytes
    reply: bytes
    request_bytes: int = Field(sa_type=BigInteger)
    reply_bytes: int = Field(sa_type=BigInteger)

    __table_args__ = (Index("ix_request_bodies_stored_at", "stored_at"),)


class _SmartModel(SQLModel):
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
    learned: dict[str, Any] | None = Field(default=None, sa_type=JSON)


class RouterSession(SQLModel, table=True):
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
    total_requests: int = _count()
    cache_hits: int = _count()
    tokens_saved: int = _count()
    cost_saved: int = _count()


class CachePin(SQLModel, table=True):
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


class CacheTrial(SQLModel, table=True):
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
    total_requests: int = _count()
    augmented_requests: int = _count()
    search_requests: int = _count()
    scrape_requests: int = _count()


METADATA = SQLModel.metadata


def _table(model: type[SQLModel]) -> Table:
    return METADATA.tables[str(model.__tablename__)]


TOKENS = _table(Token)
QUOTA_DAYS = _table(QuotaDay)
QUOTA_LEASES = _table(QuotaLease)
REVISIONS = _table(Revision)
REQUEST_LOGS = _table(RequestLog)
USAGE_KEYS = _table(UsageKey)
USAGE_HOURS = _table(UsageHour)
USAGE_DAYS = _table(UsageDay)
USAGE_TOTALS = _table(UsageTotal)
MODEL_PRICES = _table(ModelPrice)
MODELS = _table(CatalogModel)
CUSTOM_PROVIDERS = _table(CustomProvider)
USERS = _table(UserLimits)
LIMIT_USES = _table(LimitUse)
LIMIT_HOLDS = _table(LimitHold)
LIMIT_WORKERS = _table(LimitWorker)
ALERTS = _table(Alert)
ALERT_DISMISSALS = _table(AlertDismissal)
CLIENT_HOSTS = _table(ClientHost)
REQUEST_BODIES = _table(RequestBody)
LEASES = _table(TaskLease)
ALIASES = _table(SmartAlias)
REDIRECTS = _table(SmartRedirect)
SMART_ROUTERS = _table(SmartRouter)
ROUTER_SESSIONS = _table(RouterSession)
SMART_CACHES = _table(SmartCache)
SMART_CACHE_PINS = _table(CachePin)
SMART_CACHE_TRIALS = _table(CacheTrial)
SMART_AUGMENTORS = _table(SmartAugmentor)
