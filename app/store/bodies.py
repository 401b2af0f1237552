"""Queries on what calls asked and got."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass

from app.store.db import Database

_INSERT = (
    "INSERT INTO request_bodies (request_id, stored_at, request, reply, request_bytes, reply_bytes)"
    " VALUES (:request_id, :stored_at, :request, :reply, :request_bytes, :reply_bytes)"
    " ON CONFLICT (request_id) DO NOTHING"
)
_FIND = (
    "SELECT request_id, stored_at, request, reply, request_bytes, reply_bytes FROM request_bodies"
    " WHERE request_id = :request_id"
)
_IS_THERE = "SELECT 1 FROM request_bodies WHERE request_id = :request_id"


@dataclass(frozen=True, slots=True)
class StoredBodies:
    """A row of `request_bodies`: both sides encrypted, and how many bytes they had before they were cut."""

    request_id: str
    stored_at: int
    request: bytes
    reply: bytes
    request_bytes: int
    reply_bytes: int


async def insert_bodies(db: Database, bodies: Sequence[StoredBodies]) -> None:
    """Keep `bodies`, each once, however often it is given.

    Raises:
        DatabaseUnavailable: nothing was written; give them again.
    """
    rows = [asdict(each) for each in bodies]
    await db.transact(lambda statements: statements.many(_INSERT, rows))


async def has_bodies(db: Database, request_id: str) -> bool:
    """Whether those of a call are kept."""
    rows = await db.transact(lambda statements: statements.rows(_IS_THERE, {"request_id": request_id}), writes=False)
    return bool(rows)


async def find_bodies(db: Database, request_id: str) -> StoredBodies | None:
    """Those of one call; None where none are kept."""
    rows = await db.transact(lambda statements: statements.rows(_FIND, {"request_id": request_id}), writes=False)
    return StoredBodies(*rows[0]) if rows else None
