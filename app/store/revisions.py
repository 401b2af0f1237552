"""Revisions: the number by which a snapshot knows that its subject has changed."""

from sqlalchemy import bindparam, select, text
from sqlalchemy.ext.asyncio import AsyncConnection

from app.store.db import Database
from app.store.tables import REVISIONS

_BUMP = text(
    "INSERT INTO revisions (subject, number) VALUES (:subject, 1)"
    " ON CONFLICT (subject) DO UPDATE SET number = revisions.number + 1"
)
_READ = select(REVISIONS.c.number).where(REVISIONS.c.subject == bindparam("subject"))


async def bump_revision(connection: AsyncConnection, subject: str) -> None:
    """Tell the snapshots of `subject` that it changes with this transaction.

    Two transactions that bump the same subject run one after the other.
    """
    await connection.execute(_BUMP, {"subject": subject})


async def read_revision(connection: AsyncConnection, subject: str) -> int:
    """The number as this transaction sees it; 0 before the first change."""
    return (await connection.execute(_READ, {"subject": subject})).scalar() or 0


async def revision_of(db: Database, subject: str) -> int:
    """The number now."""
    async with db.read() as connection:
        return await read_revision(connection, subject)
