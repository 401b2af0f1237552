"""Queries on webhooks of monitors: each is taken once, together with the event group that it tells of."""

from dataclasses import asdict, dataclass
from typing import Literal

from app.store.db import Database
from app.store.statements import Statements, Values

Result = Literal["stored", "noted", "duplicate", "unknown"]

# One whose monitor was unknown may come again, when it is known.
_TAKE = (
    "INSERT INTO monitor_webhooks (webhook_id, received_at, type, parallel_id, event_group_id, result)"
    " VALUES (:webhook_id, :now, :type, :parallel_id, :event_group_id, 'unknown')"
    " ON CONFLICT (webhook_id) DO UPDATE SET received_at = excluded.received_at"
    " WHERE monitor_webhooks.result = 'unknown' RETURNING webhook_id"
)
# In one statement: in between two, the monitor may come to its id.
_MONITOR = (
    "SELECT id, username FROM monitors WHERE parallel_id = :parallel_id OR (id = :monitor_id AND parallel_id IS NULL)"
    " ORDER BY parallel_id IS NULL LIMIT 1"
)
_ADD_EVENT = (
    "INSERT INTO monitor_events (event_group_id, monitor_id, username, received_at, attempts, retry_at, claimed_until)"
    " VALUES (:event_group_id, :monitor, :username, :now, 0, :now, 0)"
    " ON CONFLICT (event_group_id) DO NOTHING RETURNING event_group_id"
)
# An older run may be told of later. What went wrong with ending it is not for a run to forget.
_NOTE_RUN = (
    "UPDATE monitors SET last_run_at = :ran_at,"
    " last_error = CASE WHEN status IN ('creating', 'active') THEN :error ELSE last_error END"
    " WHERE id = :monitor AND (last_run_at IS NULL OR last_run_at <= :ran_at)"
)
_KEEP_RESULT = "UPDATE monitor_webhooks SET result = :result WHERE webhook_id = :webhook_id"
_SELECT = "SELECT webhook_id, received_at, type, parallel_id, event_group_id, result FROM monitor_webhooks"
_SINCE = f"{_SELECT} WHERE received_at >= :since ORDER BY received_at, webhook_id LIMIT :most"
_LAST = f"{_SELECT} ORDER BY received_at DESC, webhook_id LIMIT :most"
_LAST_OF = f"{_SELECT} WHERE parallel_id = :parallel_id ORDER BY received_at DESC, webhook_id LIMIT :most"


@dataclass(frozen=True, slots=True)
class Webhook:
    """What Parallel told.

    Attributes:
        parallel_id: of the monitor, Parallel's.
        monitor_id: ours, as the monitor's metadata at Parallel has it.
        event_group_id: of what was found; None where it tells of a run.
        ran_at: when that run was.
        error: why that run failed; None where it did not.
    """

    webhook_id: str
    type: str
    parallel_id: str
    monitor_id: str | None = None
    event_group_id: str | None = None
    ran_at: int = 0
    error: str | None = None


@dataclass(frozen=True, slots=True)
class TakenWebhook:
    """One that was taken, and what came of it."""

    webhook_id: str
    received_at: int
    type: str
    parallel_id: str
    event_group_id: str | None
    result: str


async def take_webhook(db: Database, webhook: Webhook, now: int) -> Result:
    """Keep it, with its event group, so that it outlasts whatever happens to the gateway; once, whoever takes it at the same time.

    Gives `stored` for a new event group, `noted` for a run, `duplicate` for what was taken before, and `unknown` where
    no monitor is known that it could be about.

    Raises:
        DatabaseUnavailable: nobody knows whether it is kept.
    """
    values = asdict(webhook) | {"now": now}

    def take(statements: Statements) -> Result:
        if not statements.rows(_TAKE, values):
            return "duplicate"
        monitors = statements.rows(_MONITOR, values)
        if not monitors:
            return "unknown"
        monitor, username = monitors[0]
        result = _apply(statements, values | {"monitor": monitor, "username": username})
        statements.rows(_KEEP_RESULT, {"webhook_id": webhook.webhook_id, "result": result})
        return result

    return await db.transact(take, synced=True)


async def webhooks_since(db: Database, since: int, most: int) -> list[TakenWebhook]:
    """Those received at `since` or later, the oldest first.

    Another worker's may come into the list some moments late: who follows it has to look back a little, and know them by
    their ids.
    """
    values = {"since": since, "most": most}
    rows = await db.transact(lambda statements: statements.rows(_SINCE, values), writes=False)
    return [TakenWebhook(*row) for row in rows]


async def last_webhooks(db: Database, parallel_id: str | None, most: int) -> list[TakenWebhook]:
    """The newest first: those about one monitor, by Parallel's id, or all."""
    values: dict[str, object] = {"most": most} if parallel_id is None else {"most": most, "parallel_id": parallel_id}
    sql = _LAST if parallel_id is None else _LAST_OF
    rows = await db.transact(lambda statements: statements.rows(sql, values), writes=False)
    return [TakenWebhook(*row) for row in rows]


def _apply(statements: Statements, values: Values) -> Result:
    if values["event_group_id"] is None:
        statements.rows(_NOTE_RUN, values)
        return "noted"
    return "stored" if statements.rows(_ADD_EVENT, values) else "duplicate"
