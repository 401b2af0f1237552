"""Tokens, what is taken of their days, and what tells workers that something changed."""

from sqlalchemy import JSON, BigInteger, Index, false
from sqlmodel import Field

from app.store.tables.base import Row, count, table_of


class Token(Row, table=True):
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
    lifetime_before: int = count()


class QuotaDay(Row, table=True):
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


class QuotaLease(Row, table=True):
    """Units that a worker holds in stock. It is alive while its `heartbeat_at` is young."""

    __tablename__ = "quota_leases"

    worker_id: str = Field(primary_key=True, max_length=64)
    token_id: str = Field(primary_key=True, max_length=8)
    day: int = Field(primary_key=True)
    unused: int = Field(sa_type=BigInteger)
    heartbeat_at: int = Field(sa_type=BigInteger)

    __table_args__ = (Index("ix_quota_leases_token_day", "token_id", "day"),)


class Revision(Row, table=True):
    """A number that grows with each change of a subject, so that a snapshot knows when it is old."""

    __tablename__ = "revisions"

    subject: str = Field(primary_key=True, max_length=64)
    number: int = Field(sa_type=BigInteger)


TOKENS = table_of(Token)
QUOTA_DAYS = table_of(QuotaDay)
QUOTA_LEASES = table_of(QuotaLease)
REVISIONS = table_of(Revision)
