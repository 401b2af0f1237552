"""Rounds: what one worker does for all now and then, and at a start; whoever is first to begin one does it."""

from app.store.db import Database

# In the table of leases, whose `until` is here when the last round was begun.
_BEGIN = (
    "INSERT INTO leases (name, holder, until) VALUES (:name, :holder, :now)"
    " ON CONFLICT (name) DO UPDATE SET holder = excluded.holder, until = excluded.until"
    " WHERE leases.until < :since RETURNING until"
)


async def begin_round(db: Database, name: str, holder: str, *, now: int, since: int) -> bool:
    """Begin a round at `now`, if the last one was begun before `since`; False where there is no need of one.

    Raises:
        DatabaseUnavailable: nobody knows.
    """
    values = {"name": name, "holder": holder, "now": now, "since": since}
    return bool(await db.transact(lambda statements: statements.rows(_BEGIN, values)))
