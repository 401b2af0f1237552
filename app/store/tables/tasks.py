"""Who does what only one worker does at a time."""

from sqlalchemy import BigInteger
from sqlmodel import Field

from app.store.tables.base import Row, table_of


class TaskLease(Row, table=True):
    """Whose turn a task is that one worker does for all, on whatever machine; until when, if it does not renew it."""

    __tablename__ = "leases"

    name: str = Field(primary_key=True, max_length=32)
    holder: str = Field(max_length=64)
    until: int = Field(sa_type=BigInteger)


LEASES = table_of(TaskLease)
