"""Limits of users, and what has been used of all limits."""

from sqlalchemy import BigInteger, Index
from sqlmodel import Field

from app.store.tables.base import Row, table_of


class UserLimits(Row, table=True):
    """What a user may use over all tokens; None is no limit. Budgets are in pico-USD."""

    __tablename__ = "users"

    username: str = Field(primary_key=True)
    requests_per_minute: int | None = Field(default=None, sa_type=BigInteger)
    tokens_per_minute: int | None = Field(default=None, sa_type=BigInteger)
    tokens_per_day: int | None = Field(default=None, sa_type=BigInteger)
    budget_per_day: int | None = Field(default=None, sa_type=BigInteger)
    budget_per_month: int | None = Field(default=None, sa_type=BigInteger)
    max_concurrent: int | None = Field(default=None, sa_type=BigInteger)


class LimitUse(Row, table=True):
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


class LimitHold(Row, table=True):
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


class LimitWorker(Row, table=True):
    """When a worker that reserves was last alive."""

    __tablename__ = "limit_workers"

    worker_id: str = Field(primary_key=True, max_length=64)
    beat_at: int = Field(sa_type=BigInteger)


USERS = table_of(UserLimits)
LIMIT_USES = table_of(LimitUse)
LIMIT_HOLDS = table_of(LimitHold)
LIMIT_WORKERS = table_of(LimitWorker)
