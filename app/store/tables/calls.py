"""Calls, one row each, with what is kept beside them: bodies, and the hosts that asked."""

from sqlalchemy import BigInteger, Index, false, text, true
from sqlmodel import Field

from app.store.tables.base import Row, count, table_of

_PROMPT = (
    "(input_tokens + cache_read_tokens + cache_write_tokens + cache_write_1h_tokens + input_audio_tokens"
    " + input_image_tokens)"
)
_COMPLETION = "(output_tokens + reasoning_tokens + output_audio_tokens + output_image_tokens)"
_FAILED = "NOT (status < 400 AND outcome NOT IN ('error', 'cut'))"


class RequestLog(Row, table=True):
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
        asked_ms: when the target that is named was asked, from the arrival on.
        story: what smart models it came through (`way`), which attempts failed (`failures`), and how near the cache's question
            was (`similarity`), as JSON; None where there is nothing to tell.
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
    cache_write_1h_tokens: int = count()
    input_audio_tokens: int = count()
    input_image_tokens: int = count()
    output_tokens: int = Field(sa_type=BigInteger)
    reasoning_tokens: int = Field(sa_type=BigInteger)
    output_audio_tokens: int = count()
    output_image_tokens: int = count()
    images: int = count()
    searches: int = count()
    requests: int = count()
    audio_ms: int = count()
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
    asked_ms: int | None = None
    story: str | None = None

    __table_args__ = (
        Index("ix_request_logs_received_at", "received_at"),
        Index(
            "ix_request_logs_parent_id",
            "parent_id",
            sqlite_where=text("parent_id IS NOT NULL"),  # on a server too: `store.schema.create_tables`
        ),
        # Those that failed, which `app.store.calls` spells just so; they are few.
        Index("ix_request_logs_failed", "received_at", sqlite_where=text(_FAILED)),
        # What the dearest, largest and slowest calls of each day are found by; `app.store.pages` spells them just so.
        Index("ix_request_logs_day_cost", text("(received_at / 86400000)"), text("coalesce(cost, -1)")),
        Index("ix_request_logs_day_prompt", text("(received_at / 86400000)"), text(_PROMPT)),
        Index("ix_request_logs_day_completion", text("(received_at / 86400000)"), text(_COMPLETION)),
        Index("ix_request_logs_day_total_ms", text("(received_at / 86400000)"), "total_ms"),
    )


class RequestBody(Row, table=True):
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


class ClientHost(Row, table=True):
    """The name of a client's address; None where it has none."""

    __tablename__ = "client_hosts"

    address: str = Field(primary_key=True)
    hostname: str | None = None
    looked_up_at: int = Field(sa_type=BigInteger)


REQUEST_LOGS = table_of(RequestLog)
REQUEST_BODIES = table_of(RequestBody)
CLIENT_HOSTS = table_of(ClientHost)
