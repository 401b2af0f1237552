"""The audit log: changes of administrators, numbered without gaps, each holding the hash of the one before."""

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Any, Literal

from app.core.audit import ACTOR, Change, changing
from app.core.errors import RelayError
from app.store.audit_entries import COLUMNS, FIRST_HASH, Entry
from app.store.db import Database, DatabaseUnavailable

log = logging.getLogger(__name__)

_COUNTED = "SELECT number FROM revisions WHERE subject = 'audit'"
_PAGE = (
    f"SELECT {', '.join(COLUMNS)} FROM audit_log"  # noqa: S608 - our columns
    " WHERE number < :before_number AND (:actor = '' OR actor = :actor) AND (:action = '' OR action = :action)"
    " ORDER BY number DESC LIMIT :most"
)
_FROM = f"SELECT {', '.join(COLUMNS)} FROM audit_log WHERE number > :number ORDER BY number LIMIT 1000"  # noqa: S608 - our columns
# Each step is one look into the index of the column: the log may be long, and its actors and actions are few.
_VALUES = """
WITH RECURSIVE found (value) AS (
    SELECT min({column}) FROM audit_log
    UNION ALL
    SELECT (SELECT min({column}) FROM audit_log WHERE {column} > found.value) FROM found WHERE found.value IS NOT NULL
)
SELECT value FROM found WHERE value IS NOT NULL LIMIT 1000
"""
_HIGHEST = 2**62
_LONGEST_REASON = 300


async def note(
    db: Database,
    action: str,
    subject: str,
    *,
    before: Mapping[str, Any] | None = None,
    after: Mapping[str, Any] | None = None,
) -> None:
    """Write down what changes nothing, such as a look at something.

    Raises:
        DatabaseUnavailable: it is not written.
    """
    with changing(action, subject, before=before, after=after):
        await db.transact(lambda _statements: None)


@asynccontextmanager
async def acting(
    db: Database,
    action: str,
    subject: str,
    *,
    before: Mapping[str, Any] | None = None,
    after: Mapping[str, Any] | None = None,
) -> AsyncIterator[dict[str, Any]]:
    """Write down, around a block, what it does elsewhere than in the database: that it begins, and in a second entry how it ended.

    So the log tells what was tried even of a process that died in between: then the second entry is missing. Its `outcome` is
    `done`, `failed` with a `reason`, or `stopped`. The block adds what else it tells then to the fields that it is given.

    Raises:
        DatabaseUnavailable: it cannot be written that it begins, so it does not.
    """
    told = dict(after or {})
    act = Change(action, subject, before, told)
    await _tell(db, act, {"outcome": "begun"})
    try:
        yield told
    except BaseException as exc:
        ending = asyncio.create_task(_tell_end(db, act, _ending(exc)))
        while not ending.done():
            with suppress(asyncio.CancelledError):  # whoever has left may be cancelled at each await
                await asyncio.shield(ending)
        raise
    await _tell_end(db, act, {"outcome": "done"})


def _ending(exc: BaseException) -> dict[str, Any]:
    if isinstance(exc, asyncio.CancelledError | GeneratorExit | KeyboardInterrupt):
        return {"outcome": "stopped"}
    is_ours = type(exc).__module__.startswith("app.")  # others may say anything
    reason = exc.message if isinstance(exc, RelayError) else str(exc) if is_ours else type(exc).__name__
    return {"outcome": "failed", "reason": reason[:_LONGEST_REASON]}


async def _tell_end(db: Database, act: Change, ending: Mapping[str, Any]) -> None:
    """It has happened, so nobody is told that it has not where this cannot be written."""
    try:
        await _tell(db, act, ending)
    except DatabaseUnavailable as exc:
        log.error("the audit log does not tell how %s of %s ended: %s; %s", act.action, act.subject, ending, exc)


async def _tell(db: Database, act: Change, outcome: Mapping[str, Any]) -> None:
    token = ACTOR.set(act.actor)  # who closes a generator may be anybody
    try:
        await note(db, act.action, act.subject, before=act.before, after={**(act.after or {}), **outcome})
    finally:
        ACTOR.reset(token)


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


async def read_values(db: Database, column: Literal["actor", "action"]) -> list[str]:
    """Those that stand in the log, in order; the first thousand at most."""
    statement = _VALUES.format(column=column)
    return [str(row[0]) for row in await db.transact(lambda statements: statements.rows(statement, {}), writes=False)]


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
