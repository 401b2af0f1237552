"""Deletes what is old of monitors, a little at a time."""

from app.store.db import Database

# By their keys, as neither SQLite (as it is mostly built) nor PostgreSQL knows a DELETE with a LIMIT.
_WEBHOOKS = (
    "DELETE FROM monitor_webhooks WHERE webhook_id IN"
    " (SELECT webhook_id FROM monitor_webhooks WHERE received_at < :before ORDER BY received_at LIMIT :most)"
    " RETURNING webhook_id"
)
_DELIVERIES = (
    "DELETE FROM monitor_deliveries WHERE id IN"
    " (SELECT id FROM monitor_deliveries WHERE created_at < :before AND status <> 'pending' LIMIT :most) RETURNING id"
)
# The last one that was numbered stays: the next one's number is one more.
_EVENTS = (
    "DELETE FROM monitor_events WHERE event_group_id IN"
    " (SELECT event_group_id FROM monitor_events e WHERE received_at < :before AND NOT EXISTS"
    " (SELECT 1 FROM monitor_deliveries d WHERE d.event_group_id = e.event_group_id)"
    " AND COALESCE(feed_number, 0) < (SELECT COALESCE(MAX(feed_number), 1) FROM monitor_events)"
    " ORDER BY received_at LIMIT :most)"
    " RETURNING event_group_id"
)
_MONITORS = (
    "DELETE FROM monitors WHERE id IN"
    " (SELECT id FROM monitors m WHERE cancelled_at < :before AND status IN ('cancelled', 'failed') AND NOT EXISTS"
    " (SELECT 1 FROM monitor_events e WHERE e.monitor_id = m.id) LIMIT :most) RETURNING id"
)


async def delete_old_webhooks(db: Database, *, before: int, most: int) -> int:
    """Forget up to `most` that were taken before a moment, in milliseconds since 1970; how many there were.

    Raises:
        DatabaseUnavailable: the rest stays for the next time, here as below.
    """
    return await _delete(db, _WEBHOOKS, before, most)


async def delete_old_deliveries(db: Database, *, before: int, most: int) -> int:
    """The same of deliveries that have ended."""
    return await _delete(db, _DELIVERIES, before, most)


async def delete_old_events(db: Database, *, before: int, most: int) -> int:
    """The same of event groups, told or not, of which nothing is to be delivered."""
    return await _delete(db, _EVENTS, before, most)


async def delete_old_monitors(db: Database, *, before: int, most: int) -> int:
    """The same of monitors that ended before, and of which no event group is left."""
    return await _delete(db, _MONITORS, before, most)


async def _delete(db: Database, sql: str, before: int, most: int) -> int:
    return await db.transact(lambda statements: len(statements.rows(sql, {"before": before, "most": most})))
