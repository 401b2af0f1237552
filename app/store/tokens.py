"""Queries on tokens. Every change of one tells the snapshots, in the same transaction."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Row, delete, insert, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from app.core.limits import LIMITS
from app.store.db import Database
from app.store.revisions import bump_revision, revision_of
from app.store.spent import count_spent
from app.store.tables import QUOTA_DAYS, QUOTA_LEASES, TOKENS

SUBJECT = "tokens"
"""What tokens are called among the revisions."""


@dataclass(frozen=True, slots=True)
class StoredToken:
    """A row of `tokens`; times are milliseconds since 1970, UTC, budgets pico-USD."""

    id: str
    digest: bytes
    username: str
    rate_limit: int
    created_at: int
    expires_at: int | None = None
    models: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    disabled: bool = False
    last_used_at: int | None = None
    lifetime_requests: int = 0
    previous_digest: bytes | None = None
    previous_until: int | None = None
    requests_per_minute: int | None = None
    tokens_per_minute: int | None = None
    tokens_per_day: int | None = None
    budget_per_day: int | None = None
    budget_per_month: int | None = None
    max_concurrent: int | None = None
    admin: bool = False
    log_bodies: bool = False
    lifetime_before: int = 0

    @property
    def limits(self) -> dict[str, int | None]:
        """The columns of its limits other than calls a day."""
        return {name: getattr(self, name) for name in LIMITS}


_FIELDS = tuple(StoredToken.__dataclass_fields__)
_COLUMNS = [TOKENS.c[name] for name in _FIELDS]


async def list_tokens(db: Database) -> list[StoredToken]:
    """All of them, the oldest first."""
    async with db.read() as connection:
        rows = await connection.execute(select(*_COLUMNS).order_by(TOKENS.c.created_at, TOKENS.c.id))
        return [_stored(row) for row in rows]


async def read_tokens_newer_than(db: Database, revision: int) -> tuple[int, list[StoredToken]] | None:
    """The revision of the tokens and all of them; None while the revision is still the one given."""
    now = await revision_of(db, SUBJECT)
    # Rows of a change in between are newer than the number, and read once more.
    return None if now == revision else (now, await list_tokens(db))


async def find_token(db: Database, *, token_id: str | None = None, digest: bytes | None = None) -> StoredToken | None:
    """The token of this id, or whose digest is, or was before its last rotation, this one."""
    found = (
        TOKENS.c.id == token_id
        if digest is None
        else or_(TOKENS.c.digest == digest, TOKENS.c.previous_digest == digest)
    )
    async with db.read() as connection:
        row = (await connection.execute(select(*_COLUMNS).where(found))).first()
    return None if row is None else _stored(row)


async def insert_tokens(db: Database, tokens: Sequence[StoredToken]) -> list[StoredToken]:
    """Add those of `tokens` whose digest is not there yet, and return them."""
    async with db.begin() as connection:
        await bump_revision(connection, SUBJECT)
        known = (await connection.execute(select(TOKENS.c.digest, TOKENS.c.previous_digest))).all()
        digests = {digest for row in known for digest in row}
        fresh = [token for token in tokens if token.digest not in digests]
        if fresh:
            await connection.execute(insert(TOKENS), [_values(token) for token in fresh])
    return fresh


async def insert_first_token(db: Database, token: StoredToken) -> bool:
    """Add `token` where there is none at all; False where there is one, also when another process just made it."""
    async with db.read() as connection:
        if await _any(connection):
            return False
    async with db.begin() as connection:
        await bump_revision(connection, SUBJECT)  # from here on others wait for this transaction
        if await _any(connection):
            return False
        await connection.execute(insert(TOKENS), _values(token))
    return True


async def change_token(db: Database, token_id: str, **changes: object) -> bool:
    """Set columns of a token; False where there is none of this id."""
    async with db.begin() as connection:
        await bump_revision(connection, SUBJECT)
        values = {name: list(value) if isinstance(value, tuple) else value for name, value in changes.items()}
        found = (await connection.execute(update(TOKENS).where(TOKENS.c.id == token_id).values(values))).rowcount
        await count_spent(connection, "token", token_id, changes)
        return bool(found)


async def delete_token(db: Database, token_id: str) -> bool:
    """Remove a token and its quota, but not its calls; False where there is none of this id."""
    async with db.begin() as connection:
        await bump_revision(connection, SUBJECT)
        for table in (QUOTA_LEASES, QUOTA_DAYS):
            await connection.execute(delete(table).where(table.c.token_id == token_id))
        return bool((await connection.execute(delete(TOKENS).where(TOKENS.c.id == token_id))).rowcount)


async def _any(connection: AsyncConnection) -> bool:
    return (await connection.execute(select(TOKENS.c.id).limit(1))).first() is not None


def _stored(row: Row[Any]) -> StoredToken:
    values = dict(zip(_FIELDS, row, strict=True))
    return StoredToken(**values | {"models": tuple(values["models"]), "tags": tuple(values["tags"])})


def _values(token: StoredToken) -> dict[str, object]:
    values = {name: getattr(token, name) for name in _FIELDS}
    return values | {"models": list(token.models), "tags": list(token.tags)}
