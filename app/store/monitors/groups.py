"""Event groups as they are told to their users: with what monitor they are of. Queries of several modules read them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from app.core.jsonio import Json, loads
from app.core.updates import Update, read_updates


@dataclass(frozen=True, slots=True)
class EventGroup:
    """One that was fetched.

    Attributes:
        id: of the event group, Parallel's.
        monitor_id: ours.
        parallel_id: the monitor's at Parallel.
        query: what the monitor looks for.
        received_at: milliseconds since 1970.
    """

    id: str
    monitor_id: str
    parallel_id: str | None
    query: str
    received_at: int
    updates: tuple[Update, ...]

    @property
    def handle(self) -> str:
        """What users call the monitor by: Parallel's id, where it has one."""
        return self.parallel_id or self.monitor_id


GROUP = "e.event_group_id, m.id, m.parallel_id, m.query, e.received_at, e.events"
"""What `read_group` reads, of `monitor_events e` and `monitors m`."""


def read_group(row: Sequence[Any]) -> EventGroup:
    """A row of `GROUP`."""
    group_id, monitor_id, parallel_id, query, received_at, events = row
    return EventGroup(group_id, monitor_id, parallel_id, query, received_at, read_updates(read_list(events)))


def read_list(stored: Any) -> list[Json]:
    """A column that holds a list as JSON: SQLite's driver gives the text, PostgreSQL's what it says."""
    return loads(stored) if isinstance(stored, str) else stored  # type: ignore[no-any-return] # it is a list
