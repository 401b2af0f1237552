"""Queries on what users may use over all their tokens. Every change tells the snapshots of tokens."""

from collections.abc import Mapping

from sqlalchemy import delete, insert, select

from app.core.limits import LIMITS
from app.core.principal import Limits, limits_of
from app.store.db import Database
from app.store.revisions import bump_revision
from app.store.spent import count_spent
from app.store.tables import USERS
from app.store.tokens import SUBJECT


async def read_user_limits(db: Database) -> dict[str, Limits]:
    """The limits of all users that have any."""
    async with db.read() as connection:
        rows = (await connection.execute(select(USERS))).mappings()
        return {row["username"]: limits_of(dict(row)) for row in rows}


async def change_user_limits(db: Database, username: str, changes: Mapping[str, int | None]) -> None:
    """Set limits of a user, budgets in pico-USD, and lift those that are None; all others stay."""
    async with db.begin() as connection:
        await bump_revision(connection, SUBJECT)  # from here on others wait for this transaction
        found = (await connection.execute(select(USERS).where(USERS.c.username == username))).mappings().first()
        values = {name: None if found is None else found[name] for name in LIMITS} | dict(changes)
        await connection.execute(delete(USERS).where(USERS.c.username == username))
        if any(value is not None for value in values.values()):
            await connection.execute(insert(USERS).values(username=username, **values))
        await count_spent(connection, "user", username, changes)
