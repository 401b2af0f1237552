"""Rows of monitors and of what they found, as tests need them, and what tests see in the tables."""

import itertools
from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import insert

from app.core.updates import Update, write_updates
from app.store.db import Database
from app.store.monitors.rows import Monitor, add_monitor
from app.store.tables.monitors import MONITOR_EVENTS
from app.store.times import MS_PER_DAY, now_ms

SECRET = "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYX"
UPDATE = Update(
    "evt_1", "2026-04-07", "Acme has released a rocket.", ("https://acme.example/news", "https://b.example/")
)
RECEIVED_AT = 1_767_225_600_000
CREATING: dict[str, Any] = {"status": "creating", "parallel_id": None, "slot": None}
"""The fields of a monitor of which Parallel has not said yet that it is there."""

_numbers = itertools.count(1)


def forwarding_to(url: str) -> dict[str, str]:
    """The fields of a monitor whose events go there."""
    return {"forward_url": url, "forward_secret": SECRET}


def monitor_of(username: str, **fields: Any) -> Monitor:
    """One that is active, without an address to forward to, unless `fields` say otherwise; in no database."""
    number = next(_numbers)
    usual: dict[str, Any] = {
        "id": f"mon_{number:024x}",
        "query": "rockets",
        "frequency": "1h",
        "processor": "lite",
        "status": "active",
        "parallel_id": f"monitor_of_tests_{number}",
        "slot": number,
        "created_at": 0,
        "expires_at": now_ms() + MS_PER_DAY,
    }
    return Monitor(username=username, **(usual | fields))


async def put_monitor(db: Database, username: str = "alice", **fields: Any) -> Monitor:
    """The same in the database."""
    monitor = monitor_of(username, **fields)
    await add_monitor(db, monitor)
    return monitor


def saying(*texts: str) -> list[Update]:
    """An update for each text."""
    return [Update(f"evt_{number}", "2026-04-07", text, UPDATE.sources) for number, text in enumerate(texts)]


async def put_group(
    db: Database, monitor: Monitor, group_id: str, updates: Iterable[Update] = (UPDATE,), **fields: Any
) -> str:
    """An event group of it, fetched now; where `fetched_at` of `fields` is None, not yet. Its id."""
    row = {
        "event_group_id": group_id,
        "monitor_id": monitor.id,
        "username": monitor.username,
        "received_at": RECEIVED_AT,
        "fetched_at": now_ms(),
        **fields,
    }
    if row["fetched_at"] is not None:
        row["events"] = write_updates(list(updates))
    async with db.begin() as connection:
        await connection.execute(insert(MONITOR_EVENTS), [row])
    return group_id


async def rows(db: Database, sql: str) -> Sequence[Sequence[Any]]:
    """What a query gives."""
    return [tuple(row) for row in await db.transact(lambda statements: statements.rows(sql, {}), writes=False)]


async def processed(db: Database) -> dict[str, bool]:
    """Which event groups are."""
    found = await rows(db, "SELECT event_group_id, processed_at FROM monitor_events")
    return {group_id: at is not None for group_id, at in found}
