"""Queries on monitors: each is a row from before it is created at Parallel until long after it has ended."""

import asyncio
import random
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, fields
from typing import Literal

from sqlalchemy.exc import IntegrityError

from app.store.db import Database
from app.store.statements import Statements
from app.store.storable import storable

Status = Literal["creating", "active", "cancelling", "cancelled", "failed"]
Reason = Literal["user", "replaced", "expired", "user_gone", "gone", "failed"]

_TRIES = 20
_LONGEST_PAUSE_S = 0.1


@dataclass(frozen=True, slots=True)
class Monitor:
    """One row; see `app.store.tables.monitors.MonitorRow`. Moments are milliseconds since 1970."""

    id: str
    username: str
    query: str
    frequency: str
    processor: str
    status: str
    created_at: int
    expires_at: int
    token_id: str | None = None
    parallel_id: str | None = None
    slot: int | None = None
    cancelled_at: int | None = None
    reason: str | None = None
    last_error: str | None = None
    last_run_at: int | None = None
    attempts: int = 0
    retry_at: int | None = None
    forward_url: str | None = field(default=None, repr=False)  # addresses may be secrets too
    forward_secret: str | None = field(default=None, repr=False)

    @property
    def handle(self) -> str:
        """What users call it by: Parallel's id, where it has one."""
        return self.parallel_id or self.id


_NAMES = [each.name for each in fields(Monitor)]
_COLUMNS = ", ".join(_NAMES)
_INSERT = f"INSERT INTO monitors ({_COLUMNS}) VALUES ({', '.join(f':{name}' for name in _NAMES)})"  # noqa: S608 - our words
_SELECT = f"SELECT {_COLUMNS} FROM monitors"  # noqa: S608 - our words
_OF_USER = f"{_SELECT} WHERE username = :username ORDER BY created_at DESC, id LIMIT :most"
_OF_ALL = f"{_SELECT} ORDER BY created_at DESC, id LIMIT :most"
_FIND = f"{_SELECT} WHERE id = :handle OR parallel_id = :handle"
_ACTIVE_OF = f"{_SELECT} WHERE username = :username AND status = 'active' ORDER BY created_at, id"
_ACTIVATE = (
    "UPDATE monitors SET status = 'active', parallel_id = :parallel_id, slot = :slot"
    " WHERE id = :id AND status = 'creating' RETURNING id"
)
_BEGIN_CANCEL = (
    "UPDATE monitors SET status = 'cancelling', slot = NULL, reason = :reason, attempts = 0, retry_at = :now"  # noqa: S608 - our words
    f" WHERE id = :id AND status = 'active' RETURNING {_COLUMNS}"
)
# Where nothing is known of it at Parallel, it has failed; its id there is kept, so that a reconciler finds it again.
_FAIL = (
    "UPDATE monitors SET status = 'failed', reason = 'failed', last_error = :error, cancelled_at = :now"
    " WHERE id = :id AND status = 'creating'"
)
_FAIL_THERE = (
    "UPDATE monitors SET status = 'cancelling', reason = 'failed', last_error = :error, parallel_id = :parallel_id,"
    " retry_at = :now WHERE id = :id AND status = 'creating' RETURNING id"
)
_FINISH_CANCEL = (
    "UPDATE monitors SET status = 'cancelled', slot = NULL, cancelled_at = :now, retry_at = NULL,"
    " reason = COALESCE(reason, :reason) WHERE id = :id AND status IN ('active', 'cancelling') RETURNING id"
)
_CANCEL_FAILED = (
    "UPDATE monitors SET attempts = attempts + 1, last_error = :error, retry_at = :retry_at"
    " WHERE id = :id AND status = 'cancelling'"
)
_EXPIRE = (
    "UPDATE monitors SET status = 'cancelling', slot = NULL, reason = 'expired', attempts = 0, retry_at = :now"
    " WHERE status = 'active' AND expires_at <= :now"
)
_USER_GONE = (
    "UPDATE monitors SET status = 'cancelling', slot = NULL, reason = 'user_gone', attempts = 0, retry_at = :now"
    " WHERE status = 'active' AND NOT EXISTS (SELECT 1 FROM tokens t WHERE t.username = monitors.username"
    " AND NOT t.disabled AND (t.expires_at IS NULL OR t.expires_at > :now))"
)
_DUE = f"{_SELECT} WHERE status = 'cancelling' AND retry_at <= :now ORDER BY retry_at, id LIMIT :most"
_OVERDUE = "SELECT 1 FROM monitors WHERE status = 'creating' AND created_at < :before LIMIT 1"
_STATUS = f"{_SELECT} WHERE status = :status ORDER BY created_at, id"


async def add_monitor(db: Database, monitor: Monitor) -> None:
    """Keep a new one.

    Raises:
        DatabaseUnavailable: it is not kept.
    """
    await db.transact(lambda statements: statements.many(_INSERT, [asdict(monitor)]))


async def activate(db: Database, monitor: Monitor, parallel_id: str, *, most: int, now: int) -> list[Monitor] | None:
    """Make one that was being created active, in the place of the oldest where its user has `most` already.

    Gives those whose place it took, which are `cancelling` now; None where it was no longer being created.

    Raises:
        DatabaseUnavailable: nothing has changed.
    """

    def work(statements: Statements) -> list[Monitor] | None:
        active = [_read(row) for row in statements.rows(_ACTIVE_OF, {"username": monitor.username})]
        too_many = max(0, len(active) - most + 1)
        displaced, kept = active[:too_many], active[too_many:]
        changes = ({"id": each.id, "reason": "replaced", "now": now} for each in displaced)
        replaced = [_read(row) for values in changes for row in statements.rows(_BEGIN_CANCEL, values)]
        taken = {each.slot for each in kept}
        slot = next(slot for slot in range(1, len(active) + 2) if slot not in taken)
        values = {"id": monitor.id, "parallel_id": parallel_id, "slot": slot}
        return replaced if statements.rows(_ACTIVATE, values) else None

    for _ in range(_TRIES - 1):
        try:
            return await db.transact(work)
        except IntegrityError:  # somebody else took that slot in the meantime; on a file nobody can
            await asyncio.sleep(random.uniform(0, _LONGEST_PAUSE_S))
    return await db.transact(work)


async def fail_creation(db: Database, monitor_id: str, error: str, *, now: int, parallel_id: str | None = None) -> None:
    """Keep that one could not be created; where it is there at Parallel all the same, that it is to be cancelled."""
    values = {"id": monitor_id, "error": storable(error), "now": now, "parallel_id": parallel_id}
    statement = _FAIL if parallel_id is None else _FAIL_THERE
    await db.transact(lambda statements: statements.rows(statement, values))


async def begin_cancel(db: Database, monitor_id: str, reason: Reason, now: int) -> bool:
    """Let an active one end as soon as Parallel agrees; False where it is not active."""
    values = {"id": monitor_id, "reason": reason, "now": now}
    return bool(await db.transact(lambda statements: statements.rows(_BEGIN_CANCEL, values)))


async def finish_cancel(db: Database, monitor_id: str, now: int, reason: Reason = "gone") -> bool:
    """Keep that one has ended; for `reason`, where none was known before. False where it had already."""
    values = {"id": monitor_id, "reason": reason, "now": now}
    return bool(await db.transact(lambda statements: statements.rows(_FINISH_CANCEL, values)))


async def note_cancel_failure(db: Database, monitor_id: str, error: str, retry_at: int) -> None:
    """Keep that Parallel did not agree, and when it is to be asked again."""
    values = {"id": monitor_id, "error": storable(error), "retry_at": retry_at}
    await db.transact(lambda statements: statements.many(_CANCEL_FAILED, [values]))


async def expire_monitors(db: Database, now: int) -> None:
    """Let those end whose time is over."""
    await db.transact(lambda statements: statements.many(_EXPIRE, [{"now": now}]))


async def end_monitors_of_nobody(db: Database, now: int) -> None:
    """Let those end whose user has no good token any more."""
    await db.transact(lambda statements: statements.many(_USER_GONE, [{"now": now}]))


async def due_cancels(db: Database, now: int, most: int) -> list[Monitor]:
    """Those that Parallel is to be asked to cancel now."""
    return await _select(db, _DUE, {"now": now, "most": most})


async def find_monitor(db: Database, handle: str) -> Monitor | None:
    """By its id or by Parallel's, of any text; whose it is, is not looked at."""
    found = await _select(db, _FIND, {"handle": storable(handle)})
    return found[0] if found else None


async def list_monitors(db: Database, username: str | None, most: int) -> list[Monitor]:
    """Those of a user, or of all; the newest first."""
    if username is None:
        return await _select(db, _OF_ALL, {"most": most})
    return await _select(db, _OF_USER, {"username": username, "most": most})


async def monitors_with(db: Database, status: Status) -> list[Monitor]:
    """All of a status, the oldest first."""
    return await _select(db, _STATUS, {"status": status})


async def is_creation_overdue(db: Database, before: int) -> bool:
    """Whether one that was begun before a moment is still being created."""
    return bool(await db.transact(lambda statements: statements.rows(_OVERDUE, {"before": before}), writes=False))


async def select_monitors(db: Database, rest: str, values: dict[str, object]) -> list[Monitor]:
    """Those of a query whose SQL after the table's name is `rest`."""
    return await _select(db, f"{_SELECT} {rest}", values)


async def _select(db: Database, sql: str, values: dict[str, object]) -> list[Monitor]:
    rows = await db.transact(lambda statements: statements.rows(sql, values), writes=False)
    return [_read(row) for row in rows]


def _read(row: Sequence[object]) -> Monitor:
    return Monitor(*row)  # type: ignore[arg-type] # as the table has them
