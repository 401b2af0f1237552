"""Rows of monitors and of what they found, as tests need them."""

from typing import Any

from sqlalchemy import insert, select

from app.core.updates import Update, write_updates
from app.store.db import Database
from app.store.monitors.rows import Monitor, add_monitor
from app.store.tables.monitors import MONITOR_EVENTS

SOURCE = "https://example.com/found"


async def put_monitor(db: Database, monitor_id: str = "mon_1", username: str = "alice", query: str = "Bridges") -> None:
    """An active one."""
    await add_monitor(db, Monitor(monitor_id, username, query, "1h", "base", "active", 1, 2**40))


async def put_group(
    db: Database,
    group_id: str,
    *texts: str,
    username: str = "alice",
    monitor_id: str = "mon_1",
    received_at: int = 1000,
    fetched: bool = True,
    **fields: Any,
) -> None:
    """An event group with an update for each of `texts`; without, it has none."""
    events = write_updates([Update(f"{group_id}.{text[:20]}", "2026-04-07", text, (SOURCE,)) for text in texts])
    row = {
        "event_group_id": group_id,
        "monitor_id": monitor_id,
        "username": username,
        "received_at": received_at,
        "fetched_at": received_at if fetched else None,
        "events": events if fetched else None,
        **fields,
    }
    async with db.begin() as connection:
        await connection.execute(insert(MONITOR_EVENTS), [row])


async def processed(db: Database) -> dict[str, bool]:
    """Which groups are."""
    columns = MONITOR_EVENTS.c
    async with db.read() as connection:
        rows = await connection.execute(select(columns.event_group_id, columns.processed_at))
        return {group_id: at is not None for group_id, at in rows}
