"""Leases: whose turn it is to do what one worker does for all, on whatever machine."""

from app.store.db import Database

# A clock that is ahead takes a lease too early by so much; what is done under one has to bear being done twice.
_HOLD = (
    "INSERT INTO leases (name, holder, until) VALUES (:name, :holder, :until)"
    " ON CONFLICT (name) DO UPDATE SET holder = excluded.holder, until = excluded.until"
    " WHERE leases.holder = excluded.holder OR leases.until <= :now RETURNING until"
)
_RELEASE = "DELETE FROM leases WHERE name = :name AND holder = :holder"


async def hold_lease(db: Database, name: str, holder: str, *, now: int, for_ms: int) -> bool:
    """Take the lease `name`, or renew it, for `for_ms` from `now`; False where somebody else has it.

    Raises:
        DatabaseUnavailable: nobody knows whose it is.
    """
    values = {"name": name, "holder": holder, "now": now, "until": now + for_ms}
    return bool(await db.transact(lambda statements: statements.rows(_HOLD, values)))


async def release_lease(db: Database, name: str, holder: str) -> None:
    """Let others have the lease at once, if `holder` has it."""
    await db.transact(lambda statements: statements.many(_RELEASE, [{"name": name, "holder": holder}]))
