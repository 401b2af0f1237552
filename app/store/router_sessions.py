"""Queries on which model a conversation has with a router."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass

from app.store.db import Database
from app.store.statements import Statements

_FIND = "SELECT model, until FROM router_sessions WHERE key = :key AND until > :now"
# Of two workers that choose at the same time, the first one's choice stands: what it chose for is replaced, nothing else.
_KEEP = (
    "INSERT INTO router_sessions (key, model, until) VALUES (:key, :model, :until)"
    " ON CONFLICT (key) DO UPDATE SET model = excluded.model, until = excluded.until"
    " WHERE router_sessions.until <= :now OR router_sessions.model = :instead_of"
)
# By their keys, as neither SQLite (as it is mostly built) nor PostgreSQL knows a DELETE with a LIMIT.
_DELETE = (
    "DELETE FROM router_sessions WHERE key IN"
    " (SELECT key FROM router_sessions WHERE until <= :now ORDER BY until LIMIT :most) RETURNING key"
)


@dataclass(frozen=True, slots=True)
class Choice:
    """What is to be kept: a model until a moment in milliseconds since 1970; in the place of `instead_of`, "" for nothing."""

    key: str
    model: str
    until: int
    instead_of: str = ""


async def find_session(db: Database, key: str, now: int) -> tuple[str, int] | None:
    """The model of a conversation, and until when; None where it has none at `now`.

    Raises:
        DatabaseUnavailable: it cannot be known.
    """
    rows = await db.transact(lambda statements: statements.rows(_FIND, {"key": key, "now": now}), writes=False)
    return (str(rows[0][0]), int(rows[0][1])) if rows else None


async def keep_sessions(db: Database, choices: Sequence[Choice], now: int) -> dict[str, tuple[str, int]]:
    """Keep each, unless another one was kept in the meantime; what there is now, by the keys.

    Raises:
        DatabaseUnavailable: nothing was kept.
    """
    ordered = sorted(choices, key=lambda choice: choice.key)  # so that two workers never wait for each other crosswise

    def work(statements: Statements) -> dict[str, tuple[str, int]]:
        statements.many(_KEEP, [asdict(choice) | {"now": now} for choice in ordered])
        found = ((each.key, statements.rows(_FIND, {"key": each.key, "now": now})) for each in ordered)
        return {key: (str(rows[0][0]), int(rows[0][1])) for key, rows in found if rows}

    return await db.transact(work)


async def delete_old_sessions(db: Database, *, before: int, most: int) -> int:
    """Delete up to `most` whose time was over before a moment; how many there were.

    Raises:
        DatabaseUnavailable: the rest stays for the next time.
    """
    return await db.transact(lambda statements: len(statements.rows(_DELETE, {"now": before, "most": most})))
