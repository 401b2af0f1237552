"""Queries on what was said and found of a cache's answers: pairs of questions that are kept apart, and trials."""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import delete, insert, select

from app.store.db import Database
from app.store.revisions import bump_revision, revision_of
from app.store.tables import SMART_CACHE_PINS, SMART_CACHE_TRIALS
from app.store.times import now_ms

SUBJECT = "cache_pins"
"""What pairs that are kept apart are called among the revisions."""


@dataclass(frozen=True, slots=True)
class StoredTrial:
    """One answer that was compared; `similarity` is the cosine of the two questions."""

    entry_id: str
    similarity: float
    correct: bool


async def read_pins_newer_than(db: Database, revision: int) -> tuple[int, list[tuple[str, str, str]]] | None:
    """The revision, and of all pairs the cache and the ids of both; None while the revision is still the one given."""
    now = await revision_of(db, SUBJECT)
    if now == revision:
        return None
    table = SMART_CACHE_PINS
    async with db.read() as connection:
        rows = await connection.execute(select(table.c.cache_id, table.c.entry_id, table.c.asked_id))
        return now, [(row.cache_id, row.entry_id, row.asked_id) for row in rows]


async def put_pin(db: Database, cache_id: str, one: str, other: str) -> None:
    """Keep a pair apart for good, in whichever order it is given."""
    first, second = sorted((one, other))
    values = {"cache_id": cache_id, "entry_id": first, "asked_id": second}
    async with db.begin() as connection:
        await bump_revision(connection, SUBJECT)
        # Transactions that bump the revision run one after the other, so that nobody comes between these two.
        await connection.execute(delete(SMART_CACHE_PINS).filter_by(**values))
        await connection.execute(insert(SMART_CACHE_PINS).values(**values, pinned_at=now_ms()))


async def put_trial(db: Database, cache_id: str, trial: StoredTrial) -> None:
    """Keep what became of one comparison."""
    values = {"entry_id": trial.entry_id, "similarity": trial.similarity, "correct": trial.correct}
    key = {"id": secrets.token_hex(8), "cache_id": cache_id}
    async with db.begin() as connection:
        await connection.execute(insert(SMART_CACHE_TRIALS).values(**key, **values, tried_at=now_ms()))


async def read_trials(db: Database, cache_id: str, most: int) -> Sequence[StoredTrial]:
    """The newest trials of a cache."""
    table = SMART_CACHE_TRIALS
    query = select(table.c.entry_id, table.c.similarity, table.c.correct).filter_by(cache_id=cache_id)
    async with db.read() as connection:
        rows = await connection.execute(query.order_by(table.c.tried_at.desc()).limit(most))
        return [StoredTrial(*row) for row in rows]


async def forget_feedback(db: Database, cache_id: str) -> None:
    """Remove all that is known of a cache that is no more."""
    async with db.begin() as connection:
        await bump_revision(connection, SUBJECT)
        for table in (SMART_CACHE_PINS, SMART_CACHE_TRIALS):
            await connection.execute(delete(table).filter_by(cache_id=cache_id))
