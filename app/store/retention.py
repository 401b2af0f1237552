"""Deletes what is old, a little at a time, so that nobody who writes waits for it."""

from app.store.db import Database
from app.store.statements import Statements

# By their keys, as neither SQLite (as it is mostly built) nor PostgreSQL knows a DELETE with a LIMIT.
_OLD_CALLS = "SELECT id FROM request_logs WHERE received_at < :before ORDER BY received_at LIMIT :most"
_OLD_BODIES = "SELECT request_id FROM request_bodies WHERE stored_at < :before ORDER BY stored_at LIMIT :most"
# Returned, since the drivers do not all count.
_DELETE_CALLS = f"DELETE FROM request_logs WHERE id IN ({_OLD_CALLS}) RETURNING id"  # noqa: S608 - ours
_DELETE_BODIES = f"DELETE FROM request_bodies WHERE request_id IN ({_OLD_BODIES}) RETURNING request_id"  # noqa: S608 - ours


async def delete_old_calls(db: Database, *, before: int, most: int) -> int:
    """Delete up to `most` calls that were received before a moment, the oldest first; how many there were.

    Sums and what tokens have used stay.
    """
    return await _delete(db, _DELETE_CALLS, before, most)


async def delete_old_bodies(db: Database, *, before: int, most: int) -> int:
    """The same of bodies that were stored before a moment."""
    return await _delete(db, _DELETE_BODIES, before, most)


async def _delete(db: Database, sql: str, before: int, most: int) -> int:
    def delete(statements: Statements) -> int:
        return len(statements.rows(sql, {"before": before, "most": most}))

    return await db.transact(delete)
