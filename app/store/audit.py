"""The audit log: changes of administrators, numbered without gaps, each holding the hash of the one before."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from app.core.audit import changing
from app.store.audit_entries import COLUMNS, FIRST_HASH, Entry
from app.store.db import Database

_COUNTED = "SELECT number FROM revisions WHERE subject = 'audit'"
_PAGE = (
    f"SELECT {', '.join(COLUMNS)} FROM audit_log"  # noqa: S608 - our columns
    " WHERE number < :before_number AND (:actor = '' OR actor = :actor) AND (:action = '' OR action = :action)"
    " ORDER BY number DESC LIMIT :most"
)
_FROM = f"SELECT {', '.join(COLUMNS)} FROM audit_log WHERE number > :number ORDER BY number LIMIT 1000"  # noqa: S608 - our columns
_HIGHEST = 2**62


async def note(
    db: Database,
    action: str,
    subject: str,
    *,
    before: Mapping[str, Any] | None = None,
    after: Mapping[str, Any] | None = None,
) -> None:
    """Write down a change of something that is not in the database.

    Raises:
        DatabaseUnavailable: it is not written.
    """
    with changing(action, subject, before=before, after=after):
        await db.transact(lambda _statements: None)


async def read_entries(
    db: Database, *, before_number: int | None = None, actor: str = "", action: str = "", most: int = 50
) -> list[Entry]:
    """The newest first; those before a number, and of one actor or action where that is given."""
    values = {
        "before_number": before_number or _HIGHEST,
        "actor": actor,
        "action": action,
        "most": most,
    }
    rows = await db.transact(lambda statements: statements.rows(_PAGE, values), writes=False)
    return [_entry(row) for row in rows]


async def verify_entries(db: Database) -> tuple[int, str | None]:
    """Go through all of the log.

    Returns:
        How many entries there are, and what is wrong with the first that is not as it was written; None where all are.
    """
    count, previous = 0, FIRST_HASH
    while True:
        values = {"number": count}
        rows = await db.transact(lambda statements, at=values: statements.rows(_FROM, at), writes=False)  # type: ignore[misc]
        for entry in map(_entry, rows):
            if entry.number != count + 1:
                return count, f"Entry {count + 1} is missing."
            if entry.previous_hash != previous or not entry.has_true_hash():
                return count, f"Entry {entry.number} is not what was written."
            count, previous = entry.number, entry.hash
        if not rows:
            break
    counted = await db.transact(lambda statements: statements.rows(_COUNTED, {}), writes=False)
    if counted and int(counted[0][0]) > count:
        return count, f"The entries from {count + 1} on are missing."
    return count, None


def _entry(row: Sequence[Any]) -> Entry:
    fields = dict(zip(COLUMNS, row, strict=True))
    for side in ("before", "after"):  # a driver gives JSON as text, or read
        if isinstance(fields[side], str):
            fields[side] = json.loads(fields[side])
    return Entry(**fields)
