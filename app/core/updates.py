"""What monitors found, as users are told it."""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from app.core.frozen import frozen


@frozen
class Update:
    """One event: something that a monitor found.

    Attributes:
        id: Parallel's, the same wherever the event is told; "" where it has none, as before `/v1`.
        date: as Parallel writes it: `2026-04-07`, or the year and month, or the year alone; None where it did not say.
        text: what was found; of a monitor with an output schema, JSON.
        sources: addresses, each once, in their order.
    """

    id: str
    date: str | None
    text: str
    sources: tuple[str, ...] = ()


@frozen
class UpdateGroup:
    """What one run of a monitor found, in the order in which it happened.

    Attributes:
        id: of the event group, Parallel's.
        query: what the monitor looks for.
        received_at: milliseconds since 1970.
    """

    id: str
    query: str
    received_at: int
    updates: tuple[Update, ...]


class Taken(Protocol):
    """What is pending for one user, taken by one call: until it is told how that ended, nobody else gets it.

    Attributes:
        groups: the oldest first. Of more than were asked for, they are the newest.
        remaining: how many more updates are pending, which were not taken.
        missing: event groups of which Parallel has not given the updates yet; they stay pending.
        elsewhere: event groups that another call is delivering just now.
    """

    groups: Sequence[UpdateGroup]
    remaining: int
    missing: int
    elsewhere: int

    async def delivered(self) -> None:
        """They have reached the user as a whole, and are told no more. What the database cannot take now is done later."""

    async def put_back(self) -> None:
        """They have not, and are pending again."""


class Pending(Protocol):
    """What monitors found and their users have not been told."""

    async def take(self, username: str, most: int) -> Taken:
        """Take about `most` updates of a user, in whole groups, at least one where there is any.

        Raises:
            Unavailable: it cannot be known what is pending.
        """


def write_updates(updates: Sequence[Update]) -> list[dict[str, Any]]:
    """Them as JSON, as they are stored."""
    return [{"id": each.id, "date": each.date, "text": each.text, "sources": list(each.sources)} for each in updates]


def read_updates(stored: Sequence[Mapping[str, Any]]) -> tuple[Update, ...]:
    """What `write_updates` wrote."""
    return tuple(Update(each["id"], each["date"], each["text"], tuple(each["sources"])) for each in stored)
