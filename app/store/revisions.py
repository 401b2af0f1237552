"""Revisions: the number by which a snapshot knows that its subject has changed."""

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from app.store.db import Database

_BUMP = text(
    "INSERT INTO revisions (subject, number) VALUES (:subject, 1)"
    " ON CONFLICT (subject) DO UPDATE SET number = revisions.number + 1 RETURNING number"
)
_READ = "SELECT number FROM revisions WHERE subject = :subject"


class ChangedMeanwhile(Exception):
    """What is there is not what was looked at; nothing was written."""


async def bump_revision(connection: AsyncConnection, subject: str, known: int | None = None) -> None:
    """Tell the snapshots of `subject` that it changes with this transaction.

    Two transactions that bump the same subject run one after the other.

    Args:
        known: the number from before that was read of which the change is made up.

    Raises:
        ChangedMeanwhile: it is another now.
    """
    number = await connection.scalar(_BUMP, {"subject": subject})
    if known is not None and number != known + 1:
        raise ChangedMeanwhile


async def revision_of(db: Database, subject: str) -> int:
    """The number now; 0 before the first change. It is asked for once a second, and made to cost little."""
    rows = await db.transact(lambda statements: statements.rows(_READ, {"subject": subject}), writes=False)
    return int(rows[0][0]) if rows else 0
