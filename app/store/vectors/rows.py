"""The statements of the embedded store: entries as rows."""

import math
import sqlite3
from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Any

from app.core.cached import CacheEntry, clean
from app.core.jsonio import dumps

# So many at once, so that other writers come in between.
_SLICE = 1000

_COLUMNS = "id, space, question, answer, stored_at, expires_at, input_tokens, output_tokens, cost, target, asked_by"


def find_collection(connection: sqlite3.Connection, name: str) -> int | None:
    """The number of a collection."""
    row = connection.execute("SELECT number FROM collections WHERE name = ?", (name,)).fetchone()
    return None if row is None else row[0]


def find_entry(connection: sqlite3.Connection, collection: str, id: str, now: float) -> CacheEntry | None:  # noqa: A002
    """The entry of that id, unless it has expired."""
    row = connection.execute(
        f"SELECT {_COLUMNS} FROM entries"  # noqa: S608 - the columns above
        " WHERE collection = (SELECT number FROM collections WHERE name = ?) AND id = ? AND expires_at > ?",
        (collection, id, now),
    ).fetchone()
    return None if row is None else _read(row)


def find_numbered(
    connection: sqlite3.Connection, collection: int, space: str, numbers: Sequence[int], now: float
) -> dict[int, CacheEntry]:
    """The entries of these numbers, as far as they are in the space and have not expired."""
    rows = connection.execute(
        f"SELECT {_COLUMNS}, seq FROM entries"  # noqa: S608 - the columns above
        " WHERE seq IN (SELECT value FROM json_each(?)) AND collection = ? AND space = ? AND expires_at > ?",
        (_array(numbers), collection, space, now),
    ).fetchall()
    return {row[-1]: _read(row) for row in rows}


def insert(connection: sqlite3.Connection, collection: str, entry: CacheEntry, signs: bytes | None) -> None:
    """Add an entry, or put it in place of the one with its id."""
    connection.execute("INSERT OR IGNORE INTO collections (name) VALUES (?)", (collection,))
    number = find_collection(connection, collection)
    connection.execute("DELETE FROM entries WHERE collection = ? AND id = ?", (number, entry.id))
    expires_at = math.inf if entry.expires_at is None else entry.expires_at
    seq = connection.execute(
        "INSERT INTO entries (collection, space, id, expires_at, signs, stored_at, input_tokens, output_tokens, cost,"
        " target, asked_by, question, answer) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            number,
            entry.space,
            entry.id,
            expires_at,
            signs,
            entry.stored_at,
            entry.input_tokens,
            entry.output_tokens,
            None if entry.cost is None else str(entry.cost),
            clean(entry.target),
            clean(entry.asked_by),
            clean(entry.question),
            entry.answer,
        ),
    ).lastrowid
    if entry.vector is not None:
        connection.execute("INSERT INTO vectors VALUES (?, ?, ?)", (seq, expires_at, entry.vector))


def delete(connection: sqlite3.Connection, collection: str, ids: Sequence[str]) -> None:
    """Remove the entries of these ids."""
    connection.execute(
        "DELETE FROM entries WHERE collection = (SELECT number FROM collections WHERE name = ?)"
        " AND id IN (SELECT value FROM json_each(?))",
        (collection, _array(ids)),
    )


def forget_collection(connection: sqlite3.Connection, name: str, *, anew: bool) -> None:
    """Take a collection's name from its entries, so that nobody finds them; `anew` gives it to a new one, if there was one.

    The entries themselves are for `delete_forgotten`.
    """
    was_there = connection.execute("DELETE FROM collections WHERE name = ?", (name,)).rowcount
    if was_there and anew:
        connection.execute("INSERT INTO collections (name) VALUES (?)", (name,))


def delete_forgotten(connection: sqlite3.Connection) -> int:
    """Remove some entries of collections that were forgotten; how many."""
    return connection.execute(
        "DELETE FROM entries WHERE seq IN"
        " (SELECT seq FROM entries WHERE collection NOT IN (SELECT number FROM collections) LIMIT ?)",
        (_SLICE,),
    ).rowcount


def delete_expired(connection: sqlite3.Connection, now: float) -> int:
    """Remove some entries that have expired; how many."""
    return connection.execute(
        "DELETE FROM entries WHERE seq IN (SELECT seq FROM entries WHERE expires_at <= ? LIMIT ?)", (now, _SLICE)
    ).rowcount


def count(connection: sqlite3.Connection, collection: str, now: float) -> int:
    """How many entries a collection has that have not expired."""
    row = connection.execute(
        "SELECT count(*) FROM entries"
        " WHERE collection = (SELECT number FROM collections WHERE name = ?) AND expires_at > ?",
        (collection, now),
    ).fetchone()
    return int(row[0])


def page(
    connection: sqlite3.Connection, collection: str, text: str, before: int, most: int, now: float, *, vectors: bool
) -> tuple[list[CacheEntry], int | None]:
    """Up to `most` entries of lower numbers than `before`, the latest first; and the last one's, None where no more follow."""
    wanted = text.casefold()
    connection.create_function("is_wanted", 1, lambda question: wanted in question.casefold())
    found = connection.execute(
        f"SELECT {_COLUMNS}, seq{', vector' if vectors else ''} FROM entries"  # noqa: S608 - the columns above
        f"{' JOIN (SELECT seq, vector FROM vectors) USING (seq)' if vectors else ''}"
        " WHERE collection = (SELECT number FROM collections WHERE name = ?) AND seq < ? AND expires_at > ?"
        f"{' AND is_wanted(question)' if wanted else ''} ORDER BY seq DESC LIMIT ?",
        (collection, before, now, most + 1),
    ).fetchall()
    entries = [replace(_read(row), vector=row[12]) if vectors else _read(row) for row in found[:most]]
    return entries, found[most - 1][11] if len(found) > most else None


def list_collections(connection: sqlite3.Connection) -> list[str]:
    """Their names, sorted."""
    return [name for (name,) in connection.execute("SELECT name FROM collections ORDER BY name")]


def _read(row: Sequence[Any]) -> CacheEntry:
    id, space, question, answer, stored_at, expires_at, input_tokens, output_tokens, cost, target, asked_by = row[:11]  # noqa: A001
    return CacheEntry(
        id=id,
        space=space,
        question=question,
        answer=answer,
        vector=None,
        stored_at=stored_at,
        expires_at=None if expires_at == math.inf else expires_at,
        input_tokens=input_tokens,
        output_tokens=output_tokens,
        cost=None if cost is None else Decimal(cost),
        target=target,
        asked_by=asked_by,
    )


def _array(values: Sequence[int] | Sequence[str]) -> str:
    return dumps(list(values)).decode()
