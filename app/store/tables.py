"""The tables, as SQLModel classes.

Every `*_at` and `*_until` column is UTC in whole milliseconds since 1970, every `day` the number of UTC days since then
(`app.store.times`). Names of columns are also the keys of the rows that the queries beside this file take and give.

A change here needs a revision in `migrations/versions`; a test compares the two.
"""

from sqlalchemy import JSON, BigInteger, Index, Table, false
from sqlmodel import Field, SQLModel


class Token(SQLModel, table=True):
    """A token, without the token: only the SHA-256 digest of its text is kept.

    `previous_digest` is what it was before the last rotation, good until `previous_until`.
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


class RequestLog(SQLModel, table=True):
    """One call that was admitted, and how it ended.

    Attributes:
        id: the request id.
        name: what the client asked for; `provider` and `model` are what served it.
        outcome: `ok`, `error`, `client_gone` or `cut`.
        cost: what the provider said that it cost, in pico-USD (1e-12 USD): a single token of the cheapest model with the
            largest discount is still a whole number, and nine million dollars fit.
        usage_estimated: the provider reported no usage, and the tokens are our estimate.
        attempts: how often any target was asked.
        rescued: its stream broke off and was carried on by another target, whose tokens are added.
    """

    __tablename__ = "request_logs"

    id: str = Field(primary_key=True)
    received_at: int = Field(sa_type=BigInteger)
    token_id: str = Field(max_length=8)
    username: str
    name: str
    provider: str | None = None
    model: str | None = None
    surface: str
    streamed: bool
    status: int
    outcome: str
    input_tokens: int = Field(sa_type=BigInteger)
    cache_read_tokens: int = Field(sa_type=BigInteger)
    cache_write_tokens: int = Field(sa_type=BigInteger)
    output_tokens: int = Field(sa_type=BigInteger)
    reasoning_tokens: int = Field(sa_type=BigInteger)
    cost: int | None = Field(default=None, sa_type=BigInteger)
    usage_estimated: bool
    first_byte_ms: int | None = None
    total_ms: int
    client: str
    error: str | None = None
    attempts: int = Field(sa_column_kwargs={"server_default": "1"})
    rescued: bool = Field(sa_column_kwargs={"server_default": false()})

    __table_args__ = (
        Index("ix_request_logs_received_at", "received_at"),
        Index("ix_request_logs_token_id_received_at", "token_id", "received_at"),
    )


METADATA = SQLModel.metadata


def _table(model: type[SQLModel]) -> Table:
    return METADATA.tables[str(model.__tablename__)]


TOKENS = _table(Token)
QUOTA_DAYS = _table(QuotaDay)
QUOTA_LEASES = _table(QuotaLease)
REVISIONS = _table(Revision)
REQUEST_LOGS = _table(RequestLog)
