"""Queries on deliveries: event groups on their way to the addresses that the monitors' users gave."""

import secrets
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from app.core.jsonio import Json, dumps
from app.store.db import Database
from app.store.monitors.groups import GROUP, EventGroup, read_group, read_list
from app.store.statements import Statements
from app.store.storable import storable

MOST_LOGGED = 20
_MOST_QUEUED = 200

# In the order of an index: else a file is gone through from its first event group on, each few seconds.
_UNQUEUED = (
    "SELECT e.event_group_id, e.monitor_id, e.username FROM monitor_events e JOIN monitors m ON m.id = e.monitor_id"
    " WHERE e.fetched_at >= :since AND m.forward_url IS NOT NULL"
    # What is not fetched may hold a JSON `null`, of which PostgreSQL knows no length.
    " AND CASE WHEN e.fetched_at IS NULL THEN 0 ELSE json_array_length(e.events) END > 0"
    " AND NOT EXISTS (SELECT 1 FROM monitor_deliveries d WHERE d.event_group_id = e.event_group_id)"
    " ORDER BY e.fetched_at, e.event_group_id LIMIT :most"
)
_QUEUE = (
    "INSERT INTO monitor_deliveries"
    " (id, event_group_id, monitor_id, username, status, created_at, begun_at, attempts, retry_at, log)"
    " VALUES (:id, :event_group_id, :monitor_id, :username, 'pending', :now, :now, 0, :now, '[]')"
    " ON CONFLICT (event_group_id) DO NOTHING"
)
# One of each user at a time, so that one whose receiver is slow does not keep the others waiting.
_DUE = (
    "SELECT id, username FROM (SELECT id, username, retry_at, ROW_NUMBER()"
    " OVER (PARTITION BY username ORDER BY retry_at, created_at, id) AS place"
    " FROM monitor_deliveries WHERE status = 'pending' AND retry_at <= :now) due WHERE place = 1"
    " ORDER BY retry_at, id"
)
_CLAIM = (
    "UPDATE monitor_deliveries SET retry_at = :until, attempts = attempts + 1"
    " WHERE id = :id AND status = 'pending' AND retry_at <= :now RETURNING id"
)
_CLAIMED = (
    f"SELECT d.id, d.username, d.attempts, d.begun_at, m.forward_url, m.forward_secret, {GROUP}"  # noqa: S608 - our words
    " FROM monitor_deliveries d JOIN monitor_events e ON e.event_group_id = d.event_group_id"
    " JOIN monitors m ON m.id = d.monitor_id WHERE d.id = :id"
)
_READ_LOG = "SELECT log FROM monitor_deliveries WHERE id = :id AND status = 'pending'"
_DELIVERED = (
    "UPDATE monitor_deliveries SET status = 'delivered', delivered_at = :at, retry_at = NULL, log = :log"
    " WHERE id = :id AND status = 'pending'"
)
# Only by who has claimed it last: else it is on its way once more.
_FAILED = (
    "UPDATE monitor_deliveries SET status = :status, retry_at = :retry_at, log = :log"
    " WHERE id = :id AND status = 'pending' AND attempts = :attempts"
)
_RELEASE = (
    "UPDATE monitor_deliveries SET retry_at = :now WHERE id = :id AND status = 'pending' AND attempts = :attempts"
)
_REPLAY = (
    "UPDATE monitor_deliveries SET status = 'pending', delivered_at = NULL, begun_at = :now, retry_at = :now"
    " WHERE id = :id RETURNING id"
)
_SELECT = (
    "SELECT id, event_group_id, monitor_id, username, status, created_at, delivered_at, attempts, retry_at, log"
    " FROM monitor_deliveries"
)
_OF_MONITOR = f"{_SELECT} WHERE monitor_id = :monitor_id ORDER BY created_at DESC, id LIMIT :most"
_FIND = f"{_SELECT} WHERE id = :id"


@dataclass(frozen=True, slots=True)
class Delivery:
    """One row; see `app.store.tables.monitors.MonitorDeliveryRow`. Moments are milliseconds since 1970."""

    id: str
    event_group_id: str
    monitor_id: str
    username: str
    status: str
    created_at: int
    delivered_at: int | None
    attempts: int
    retry_at: int | None
    log: list[Json]


@dataclass(frozen=True, slots=True)
class Parcel:
    """What is to be sent, where it goes, and what it is signed with.

    Attributes:
        attempts: how often it was sent, with the one that is to come.
        begun_at: since when it is tried.
    """

    id: str
    username: str
    attempts: int
    begun_at: int
    url: str
    secret: str
    group: EventGroup

    def __repr__(self) -> str:
        return f"Parcel({self.id!r})"  # addresses may be secrets too


@dataclass(frozen=True, slots=True)
class Attempt:
    """How one ended: with the status that the receiver answered, and why that was no delivery; None where it was."""

    at: int
    status: int | None
    error: str | None


async def queue_deliveries(db: Database, *, since: int, now: int) -> None:
    """Have all event groups delivered that were fetched at `since` or later, whose monitors have an address, once each."""
    find = {"since": since, "most": _MOST_QUEUED}
    while found := await db.transact(lambda statements: statements.rows(_UNQUEUED, find), writes=False):
        rows: list[dict[str, object]] = [
            {
                "id": f"mdl_{secrets.token_hex(12)}",
                "event_group_id": group,
                "monitor_id": monitor,
                "username": username,
                "now": now,
            }
            for group, monitor, username in found
        ]
        await db.transact(partial(_queue, rows))


async def claim_deliveries(db: Database, *, now: int, until: int, most: int, busy: Collection[str]) -> list[Parcel]:
    """Those that are due, for whoever asks first: until then nobody else gets them. One of a user, none of the users in `busy`.

    Raises:
        DatabaseUnavailable: they may be claimed all the same, and are due again at `until`.
    """
    due = await db.transact(lambda statements: statements.rows(_DUE, {"now": now}), writes=False)
    # In one order, so that two workers never wait for each other crosswise.
    wanted = sorted([delivery for delivery, username in due if username not in busy][:most])
    if not wanted:
        return []

    def claim(statements: Statements) -> list[Parcel]:
        claims = ({"id": each, "now": now, "until": until} for each in wanted)
        claimed = [row[0] for values in claims for row in statements.rows(_CLAIM, values)]
        return [_read_parcel(row) for each in claimed for row in statements.rows(_CLAIMED, {"id": each})]

    return await db.transact(claim)


async def note_delivered(db: Database, parcel: Parcel, attempt: Attempt) -> None:
    """Keep that it has arrived."""
    await _note(db, parcel, attempt, _DELIVERED, {"at": attempt.at})


async def note_failure(db: Database, parcel: Parcel, attempt: Attempt, retry_at: int | None) -> None:
    """Keep that it has not, and when it is sent again; at None it never is."""
    status = "failed" if retry_at is None else "pending"
    values: dict[str, object] = {"status": status, "retry_at": retry_at, "attempts": parcel.attempts}
    await _note(db, parcel, attempt, _FAILED, values)


async def release_delivery(db: Database, parcel: Parcel, now: int) -> None:
    """Let others send it at once."""
    values = {"id": parcel.id, "attempts": parcel.attempts, "now": now}
    await db.transact(lambda statements: statements.many(_RELEASE, [values]))


async def list_deliveries(db: Database, monitor_id: str, most: int) -> list[Delivery]:
    """Those of a monitor, by our id; the newest first."""
    values = {"monitor_id": monitor_id, "most": most}
    rows = await db.transact(lambda statements: statements.rows(_OF_MONITOR, values), writes=False)
    return [_read_delivery(row) for row in rows]


async def find_delivery(db: Database, delivery_id: str) -> Delivery | None:
    """By its id, of any text; whose it is, is not looked at."""
    rows = await db.transact(lambda statements: statements.rows(_FIND, {"id": storable(delivery_id)}), writes=False)
    return _read_delivery(rows[0]) if rows else None


async def replay_delivery(db: Database, delivery_id: str, now: int) -> bool:
    """Have it sent again, at once and as if for the first time, however it ended; False where there is none of that id."""
    values = {"id": delivery_id, "now": now}
    return bool(await db.transact(lambda statements: statements.rows(_REPLAY, values)))


def _queue(rows: list[dict[str, object]], statements: Statements) -> None:
    statements.many(_QUEUE, rows)


async def _note(db: Database, parcel: Parcel, attempt: Attempt, sql: str, values: dict[str, object]) -> None:
    def work(statements: Statements) -> None:
        for (log,) in statements.rows(_READ_LOG, {"id": parcel.id}):
            line = {"at": attempt.at, "status": attempt.status, "error": attempt.error}
            kept = dumps([*read_list(log), line][-MOST_LOGGED:]).decode()
            statements.many(sql, [{"id": parcel.id, "log": kept, **values}])

    await db.transact(work)


def _read_delivery(row: Sequence[Any]) -> Delivery:
    return Delivery(*[*row[:-1], read_list(row[-1])])


def _read_parcel(row: Sequence[Any]) -> Parcel:
    return Parcel(*[*row[:6], read_group(row[6:])])
