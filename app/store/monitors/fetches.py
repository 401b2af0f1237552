"""Queries on event groups whose events Parallel is still to be asked for: whose turn it is, and what came of it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from app.core.jsonio import dumps
from app.store.db import Database
from app.store.statements import Statements
from app.store.storable import storable

# Where the monitor has no id of Parallel's (yet), the webhook told it.
_PARALLEL_ID = (
    "COALESCE((SELECT m.parallel_id FROM monitors m WHERE m.id = monitor_events.monitor_id),"
    " (SELECT MIN(w.parallel_id) FROM monitor_webhooks w"
    " WHERE w.event_group_id = monitor_events.event_group_id AND w.result = 'stored'))"
)
_DUE = (
    "SELECT event_group_id, retry_at FROM monitor_events WHERE retry_at <= :now AND fetched_at IS NULL"
    " ORDER BY retry_at, event_group_id LIMIT :most"
)
_MISSING = (
    "SELECT event_group_id, retry_at FROM monitor_events"
    " WHERE username = :username AND processed_at IS NULL AND fetched_at IS NULL AND retry_at IS NOT NULL"
    " ORDER BY received_at DESC, event_group_id LIMIT :most"
)
_CLAIM = (
    "UPDATE monitor_events SET retry_at = :until"  # noqa: S608 - our words
    " WHERE event_group_id = :event_group_id AND fetched_at IS NULL AND retry_at = :retry_at"
    f" RETURNING event_group_id, monitor_id, username, received_at, attempts, {_PARALLEL_ID}"
)
_KEEP = (
    "UPDATE monitor_events SET events = :events, fetched_at = :now, retry_at = NULL, last_error = NULL, gave_up_at = NULL,"
    " attempts = attempts + 1 WHERE event_group_id = :event_group_id AND fetched_at IS NULL RETURNING event_group_id"
)
# Of a claim that somebody else has by now, nothing is noted.
_MINE = "WHERE event_group_id = :event_group_id AND fetched_at IS NULL AND retry_at = :until"
_FAILED = f"UPDATE monitor_events SET attempts = attempts + 1, last_error = :error, retry_at = :retry_at {_MINE}"  # noqa: S608 - our words
_PUT_BACK = f"UPDATE monitor_events SET last_error = :error, retry_at = :retry_at {_MINE}"  # noqa: S608 - our words
_GIVE_UP = (
    "UPDATE monitor_events SET attempts = attempts + 1, last_error = :error, retry_at = NULL, gave_up_at = :now"  # noqa: S608 - our words
    f" {_MINE} RETURNING event_group_id"
)
_ASK_AGAIN = (
    "UPDATE monitor_events SET attempts = 0, retry_at = :now, gave_up_at = NULL"
    " WHERE event_group_id = :event_group_id AND monitor_id = :monitor_id AND fetched_at IS NULL RETURNING event_group_id"
)


@dataclass(frozen=True, slots=True)
class Claim:
    """An event group that nobody else asks for until `until`.

    Attributes:
        attempts: how often it was asked for before.
        parallel_id: of its monitor; None where it is not known.
        retry_at: when it was to be asked for, before it was claimed.
    """

    event_group_id: str
    monitor_id: str
    username: str
    received_at: int
    attempts: int
    parallel_id: str | None
    retry_at: int
    until: int


async def claim_due(db: Database, *, now: int, until: int, most: int) -> list[Claim]:
    """Those that are to be asked for now, each given to one worker, the longest due first."""
    return await _claim(db, _DUE, {"now": now, "most": most}, until)


async def claim_missing(db: Database, username: str, *, until: int, most: int, without: Sequence[str]) -> list[Claim]:
    """All of a user that are not here and not given up, whenever they are to be asked for and whoever does; the newest first.

    Args:
        without: event groups that are not claimed.
    """
    return await _claim(db, _MISSING, {"username": username, "most": most}, until, without)


async def keep_events(db: Database, event_group_id: str, events: Sequence[dict[str, Any]], now: int) -> bool:
    """Keep what `app.core.updates.write_updates` gave; False where it is here already."""
    values = {"event_group_id": event_group_id, "events": dumps(list(events)).decode(), "now": now}
    return bool(await db.transact(lambda statements: statements.rows(_KEEP, values)))


async def note_fetch_failure(db: Database, claim: Claim, error: str, retry_at: int) -> None:
    """Keep that Parallel did not give it, and when it is to be asked again."""
    await _end(db, _FAILED, claim, error=storable(error), retry_at=retry_at)


async def put_back(db: Database, claim: Claim, error: str) -> None:
    """Leave it as it was before it was claimed, but for what went wrong."""
    await _end(db, _PUT_BACK, claim, error=storable(error), retry_at=claim.retry_at)


async def give_up(db: Database, claim: Claim, error: str, now: int) -> bool:
    """Keep that nobody asks any more; False where somebody else does."""
    return bool(await _end(db, _GIVE_UP, claim, error=storable(error), now=now))


async def ask_again(db: Database, monitor_id: str, event_group_id: str, now: int) -> bool:
    """Have one that is not here asked for at once and as if for the first time, also where it was given up; False where there is none."""
    values = {"monitor_id": monitor_id, "event_group_id": event_group_id, "now": now}
    return bool(await db.transact(lambda statements: statements.rows(_ASK_AGAIN, values)))


async def _claim(
    db: Database, choose: str, values: dict[str, object], until: int, without: Sequence[str] = ()
) -> list[Claim]:
    found = await db.transact(lambda statements: statements.rows(choose, values), writes=False)
    # In one order, so that two workers never wait for each other crosswise.
    chosen = sorted((group, retry_at) for group, retry_at in found if group not in without)
    if not chosen:
        return []

    def claim(statements: Statements) -> list[Claim]:
        claims = []
        for group, retry_at in chosen:
            asked = {"event_group_id": group, "retry_at": retry_at, "until": until}
            for _, monitor_id, username, received_at, attempts, parallel_id in statements.rows(_CLAIM, asked):
                claims.append(Claim(group, monitor_id, username, received_at, attempts, parallel_id, retry_at, until))
        return claims

    return await db.transact(claim)


async def _end(db: Database, sql: str, claim: Claim, **values: object) -> Sequence[Sequence[Any]]:
    values |= {"event_group_id": claim.event_group_id, "until": claim.until}
    return await db.transact(lambda statements: statements.rows(sql, values))
