"""Monitors and event groups for tests, as they would lie in the database after a fetch."""

import itertools
from typing import Any

from app.core.jsonio import dumps
from app.core.updates import Update, write_updates
from app.store.db import Database
from app.store.monitors.rows import Monitor, add_monitor
from app.store.times import now_ms

SECRET = "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYX"
UPDATE = Update(
    "evt_1", "2026-04-07", "Acme has released a rocket.", ("https://acme.example/news", "https://b.example/")
)

_INSERT = (
    "INSERT INTO monitor_events (event_group_id, monitor_id, username, received_at, fetched_at, events, attempts,"
    " claimed_until) VALUES (:id, :monitor_id, :username, :received_at, :fetched_at, :events, 1, 0)"
)
_numbers = itertools.count(1)


async def put_monitor(database: Database, username: str = "alice", **fields: Any) -> Monitor:
    """One that is active, without an address to forward to, unless `fields` say otherwise."""
    number = next(_numbers)
    options: dict[str, Any] = {"parallel_id": f"monitor_{number}", "slot": number} | fields
    monitor = Monitor(
        id=f"mon_{number:024x}",
        username=username,
        query="rockets",
        frequency="1h",
        processor="lite",
        status="active",
        created_at=0,
        expires_at=now_ms() + 86_400_000,
        **options,
    )
    await add_monitor(database, monitor)
    return monitor


def forwarding_to(url: str) -> dict[str, str]:
    """The fields of a monitor whose events go there."""
    return {"forward_url": url, "forward_secret": SECRET}


async def put_group(
    database: Database, monitor: Monitor, group_id: str, *, fetched_at: int | None = -1, update: Update = UPDATE
) -> str:
    """An event group of it, fetched now, at another time, or at None not yet; its id."""
    row = {
        "id": group_id,
        "monitor_id": monitor.id,
        "username": monitor.username,
        "received_at": 1_767_225_600_000,
        "fetched_at": now_ms() if fetched_at == -1 else fetched_at,
        "events": None if fetched_at is None else dumps(write_updates([update])).decode(),
    }
    await database.transact(lambda statements: statements.many(_INSERT, [row]))
    return group_id
