"""Queries on the feed of event groups: the order in which users are told of them as they come.

Several workers store what they fetched, by their own clocks, and a transaction that began sooner may be committed later.
So whoever looks gives what it finds new a number, one worker at a time: who has seen all up to a number lacks none of them,
and can be told what follows by any worker, once.
"""

from dataclasses import dataclass

from app.store.db import Database
from app.store.monitors.groups import GROUP, EventGroup, read_group
from app.store.statements import Statements

_MOST_AT_ONCE = 1000
_LONGEST_ID = 200

_NEW = (
    "SELECT event_group_id FROM monitor_events WHERE feed_number IS NULL AND fetched_at IS NOT NULL"
    " ORDER BY fetched_at, event_group_id LIMIT :most"
)
# A lease that nobody holds: whoever writes its row goes on alone until the transaction ends, on any kind of database.
_LOCK = (
    "INSERT INTO leases (name, holder, until) VALUES ('monitor feed', '', 0)"
    " ON CONFLICT (name) DO UPDATE SET until = excluded.until RETURNING until"
)
_NUMBER = "UPDATE monitor_events SET feed_number = :number WHERE event_group_id = :id"
_HIGHEST = "SELECT COALESCE(MAX(feed_number), 0) FROM monitor_events"
_USERS = "SELECT DISTINCT username FROM monitor_events WHERE feed_number > :after AND feed_number <= :until"
_PLACE = "SELECT feed_number FROM monitor_events WHERE event_group_id = :id AND username = :username"
_AFTER = (
    f"SELECT e.feed_number, {GROUP} FROM monitor_events e JOIN monitors m ON m.id = e.monitor_id"  # noqa: S608 - our words
    " WHERE e.username = :username AND e.feed_number > :after ORDER BY e.feed_number LIMIT :most"
)


@dataclass(frozen=True, slots=True)
class Fed:
    """An event group and its number."""

    number: int
    group: EventGroup


async def number_groups(db: Database) -> int:
    """Give all that were fetched and have no number one; the highest of all, 0 where there is none.

    Raises:
        DatabaseUnavailable: some may have one.
    """

    def number(statements: Statements) -> None:
        statements.rows(_LOCK, {})
        ((highest,),) = statements.rows(_HIGHEST, {})
        # Looked for once more: before the lock, somebody else may have numbered some.
        ids = [row[0] for row in statements.rows(_NEW, {"most": _MOST_AT_ONCE})]
        numbered = {each: highest + place for place, each in enumerate(ids, 1)}
        # In the order in which all others change several of them, so that nobody waits for another crosswise.
        if numbered:
            statements.many(_NUMBER, [{"id": each, "number": numbered[each]} for each in sorted(ids)])

    while await db.transact(lambda statements: statements.rows(_NEW, {"most": 1}), writes=False):
        await db.transact(number)
    rows = await db.transact(lambda statements: statements.rows(_HIGHEST, {}), writes=False)
    highest: int = rows[0][0]
    return highest


async def users_fed(db: Database, after: int, until: int) -> set[str]:
    """Whose event groups have the numbers above `after`, up to `until`."""
    values = {"after": after, "until": until}
    rows = await db.transact(lambda statements: statements.rows(_USERS, values), writes=False)
    return {row[0] for row in rows}


async def feed_place(db: Database, username: str, event_group_id: str) -> int | None:
    """The number of an event group of that user; None where there is none."""
    if len(event_group_id) > _LONGEST_ID or "\0" in event_group_id:
        return None  # as the client has sent it
    values = {"id": event_group_id, "username": username}
    rows = await db.transact(lambda statements: statements.rows(_PLACE, values), writes=False)
    return rows[0][0] if rows else None


async def read_feed(db: Database, username: str, after: int, most: int) -> list[Fed]:
    """The first of a user's event groups whose numbers are above `after`, in their order."""
    values = {"username": username, "after": after, "most": most}
    rows = await db.transact(lambda statements: statements.rows(_AFTER, values), writes=False)
    return [Fed(row[0], read_group(row[1:])) for row in rows]
