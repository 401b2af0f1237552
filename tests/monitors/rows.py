"""Rows of monitors for tests, and what tests see in the tables."""

from collections.abc import Sequence
from typing import Any

from app.store.db import Database
from app.store.monitors.rows import Monitor, activate, add_monitor


async def add(db: Database, number: int = 1, username: str = "alice", parallel_id: str | None = "monitor_1") -> Monitor:
    """A monitor that is active under `parallel_id`; where that is None, still being created."""
    monitor = Monitor(
        id=f"mon_{number:024x}",
        username=username,
        query="New models",
        frequency="1h",
        processor="lite",
        status="creating",
        created_at=1000,
        expires_at=10**15,
    )
    await add_monitor(db, monitor)
    if parallel_id is not None:
        await activate(db, monitor, parallel_id, most=10_000, now=1000)
    return monitor


async def rows(db: Database, sql: str) -> Sequence[Sequence[Any]]:
    """What a query gives."""
    return [tuple(row) for row in await db.transact(lambda statements: statements.rows(sql, {}), writes=False)]
