"""Queries on live calls: who looks at them, what each worker has under way, and what is to be stopped."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from app.core.jsonio import Json
from app.store.db import Database
from app.store.statements import Statements

_KEPT_MS = 60_000
"""What is older was left behind by a worker that is gone."""

# One statement for both: each worker asks it once a second.
_WISHES = (
    "SELECT 'watched' AS kind, '' AS id, until AS at FROM live_watch WHERE until > :now"
    " UNION ALL SELECT 'stop', request_id, asked_at FROM live_stops"
)
_WATCHED = "SELECT 1 FROM live_watch WHERE until > :now"
_WATCH = (
    "INSERT INTO live_watch (name, until) VALUES ('calls', :until)"
    " ON CONFLICT (name) DO UPDATE SET until ="
    " CASE WHEN live_watch.until > excluded.until THEN live_watch.until ELSE excluded.until END"
)
_FORGET_CALLS = "DELETE FROM live_calls WHERE at < :before"
_WRITE = (
    "INSERT INTO live_calls (worker_id, at, calls) VALUES (:worker_id, :at, :calls)"
    " ON CONFLICT (worker_id) DO UPDATE SET at = excluded.at, calls = excluded.calls"
)
_DELETE = "DELETE FROM live_calls WHERE worker_id = :worker_id"
_READ = "SELECT calls FROM live_calls WHERE worker_id <> :but AND at >= :since ORDER BY worker_id"
_STOP = (
    "INSERT INTO live_stops (request_id, asked_at) VALUES (:id, :at)"
    " ON CONFLICT (request_id) DO UPDATE SET asked_at = excluded.asked_at"
)
_STOPPED = "DELETE FROM live_stops WHERE request_id = :id"


async def read_wishes(db: Database, now: int) -> tuple[bool, dict[str, int]]:
    """Whether somebody looks, and the ids of the calls that are to be stopped, each with when that was asked."""
    rows = await db.transact(lambda statements: statements.rows(_WISHES, {"now": now}), writes=False)
    return any(kind == "watched" for kind, *_ in rows), {id_: at for kind, id_, at in rows if kind == "stop"}


async def watch(db: Database, *, now: int, until: int) -> bool:
    """Have all workers write what they have under way, until then; whether they do so already."""

    def work(statements: Statements) -> bool:
        watched = bool(statements.rows(_WATCHED, {"now": now}))
        statements.rows(_WATCH, {"until": until})
        statements.rows(_FORGET_CALLS, {"before": now - _KEPT_MS})
        return watched

    return await db.transact(work)


async def write_live(db: Database, worker_id: str, at: int, calls: Mapping[str, Json]) -> None:
    """What a worker has under way, in the place of what it had before."""
    values = {"worker_id": worker_id, "at": at, "calls": json.dumps(calls)}
    await db.transact(lambda statements: statements.rows(_WRITE, values))


async def delete_live(db: Database, worker_id: str) -> None:
    """The worker tells no more."""
    await db.transact(lambda statements: statements.rows(_DELETE, {"worker_id": worker_id}))


async def read_live(db: Database, *, but: str, since: int) -> list[dict[str, Any]]:
    """What all workers `but` one wrote since then."""
    values = {"but": but, "since": since}
    rows = await db.transact(lambda statements: statements.rows(_READ, values), writes=False)
    # A driver gives JSON as text, or read.
    return [json.loads(calls) if isinstance(calls, str) else calls for (calls,) in rows]


async def ask_stop(db: Database, request_id: str, at: int) -> None:
    """Have the call stopped by the worker that has it."""
    await db.transact(lambda statements: statements.rows(_STOP, {"id": request_id, "at": at}))


async def note_stopped(db: Database, request_ids: Sequence[str]) -> None:
    """These need not be stopped any more."""
    await db.transact(lambda statements: statements.many(_STOPPED, [{"id": id_} for id_ in request_ids]))
