"""Alerts, and those that somebody has seen."""

from sqlalchemy import BigInteger, Index
from sqlmodel import Field

from app.store.tables.base import Row, table_of


class Alert(Row, table=True):
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


class AlertDismissal(Row, table=True):
    """An alert that nobody wants to see until then."""

    __tablename__ = "alert_dismissals"

    kind: str = Field(primary_key=True, max_length=24)
    provider: str = Field(primary_key=True)
    model: str = Field(primary_key=True)
    status: int = Field(primary_key=True)
    until: int = Field(sa_type=BigInteger)


ALERTS = table_of(Alert)
ALERT_DISMISSALS = table_of(AlertDismissal)
