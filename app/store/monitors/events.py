"""Queries on event groups, as their owners see them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from app.store.db import Database
from app.store.monitors.groups import read_list
from app.store.storable import storable

_COLUMNS = "event_group_id, monitor_id, username, received_at, fetched_at, processed_at, gave_up_at, attempts, last_error, events"
_OF_MONITOR = (
    f"SELECT {_COLUMNS} FROM monitor_events WHERE monitor_id = :monitor_id"  # noqa: S608 - our words
    " ORDER BY received_at DESC, event_group_id LIMIT :most"
)
_FIND = f"SELECT {_COLUMNS} FROM monitor_events WHERE event_group_id = :event_group_id"  # noqa: S608 - our words


@dataclass(frozen=True, slots=True)
class ListedGroup:
    """One row; see `app.store.tables.monitors.MonitorEventRow`. `events` is as `app.core.updates` writes them."""

    id: str
    monitor_id: str
    username: str
    received_at: int
    fetched_at: int | None
    processed_at: int | None
    gave_up_at: int | None
    attempts: int
    last_error: str | None
    events: Sequence[Mapping[str, Any]]

    @property
    def state(self) -> str:
        """`waiting` for Parallel to give it, `pending` (nobody was told yet), `empty` (it tells nothing), `delivered`, or `given_up`."""
        if self.processed_at is not None:
            return "delivered"
        if self.fetched_at is not None:
            return "pending" if self.events else "empty"
        return "given_up" if self.gave_up_at is not None else "waiting"


async def list_event_groups(db: Database, monitor_id: str, most: int) -> list[ListedGroup]:
    """The last ones of a monitor, the newest first."""
    values = {"monitor_id": monitor_id, "most": most}
    rows = await db.transact(lambda statements: statements.rows(_OF_MONITOR, values), writes=False)
    return [_read(row) for row in rows]


async def find_event_group(db: Database, event_group_id: str) -> ListedGroup | None:
    """By its id, of any text; whose it is, is not looked at."""
    values = {"event_group_id": storable(event_group_id)}
    rows = await db.transact(lambda statements: statements.rows(_FIND, values), writes=False)
    return _read(rows[0]) if rows else None


def _read(row: Sequence[Any]) -> ListedGroup:
    return ListedGroup(*(*row[:-1], read_list(row[-1] or "[]")))
