"""Reads the tokens of the predecessor, an SQLite file whose `tokens` table holds them in clear text."""

import sqlite3
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from app.store.db import UnusableDatabase

_COLUMNS = ("token", "username", "expiry", "rate_limit", "lifetime_requests")
_REQUIRED = frozenset({"token", "username", "expiry"})


@dataclass(frozen=True, slots=True)
class OldToken:
    """A row as it is there. `expiry` is `YYYY-MM-DD HH:MM:SS` in the local time of the machine that wrote it."""

    token: object
    username: object
    expiry: object
    rate_limit: object = 15
    lifetime_requests: object = 0

    def __repr__(self) -> str:
        return f"OldToken(username={self.username!r})"  # never the token


def read_old_tokens(path: Path) -> list[OldToken]:
    """All tokens in the file at `path`, which is only read. Columns that older files lack have the predecessor's defaults.

    Raises:
        UnusableDatabase: no such file, no SQLite database, or none with those tokens.
    """
    if not path.is_file():
        raise UnusableDatabase(f"There is no file {str(path)!r} to import from.")
    try:
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as connection:
            there = {row[1] for row in connection.execute("PRAGMA table_info(tokens)")}
            if not there >= _REQUIRED:
                raise UnusableDatabase(
                    f"{str(path)!r} has no table 'tokens' with the columns token, username and expiry; "
                    "the predecessor's file is usually tokens/auth_tokens.db."
                )
            names = [name for name in _COLUMNS if name in there]
            rows = connection.execute(f"SELECT {', '.join(names)} FROM tokens ORDER BY rowid").fetchall()  # noqa: S608 - our names
    except sqlite3.Error as exc:
        raise UnusableDatabase(f"{str(path)!r} cannot be read as an SQLite database: {exc}.") from exc
    return [OldToken(**dict(zip(names, row, strict=True))) for row in rows]
