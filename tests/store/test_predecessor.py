"""The predecessor's tokens, as it keeps them."""

import contextlib
import sqlite3
from pathlib import Path

import pytest

from app.store.db import UnusableDatabase
from app.store.predecessor import OldToken, read_old_tokens


def make_database(path: Path, *statements: str) -> Path:
    with contextlib.closing(sqlite3.connect(path)) as connection:
        for statement in statements:
            connection.execute(statement)
        connection.commit()
    return path


def test_tokens_are_read_with_what_counts(tmp_path: Path) -> None:
    path = make_database(
        tmp_path / "old #1?.db",
        "CREATE TABLE tokens (token TEXT PRIMARY KEY, username TEXT NOT NULL, expiry TEXT, request_count INTEGER DEFAULT 0,"
        " rate_limit INTEGER DEFAULT 15, last_request_date TEXT, lifetime_requests INTEGER DEFAULT 0)",
        "INSERT INTO tokens VALUES ('t1', 'ann', '2030-01-01 00:00:00', 3, 20, '2026-01-01', 99)",
    )

    assert read_old_tokens(path) == [OldToken("t1", "ann", "2030-01-01 00:00:00", 20, 99)]


def test_columns_that_an_older_file_lacks_have_defaults(tmp_path: Path) -> None:
    path = make_database(
        tmp_path / "old.db",
        "CREATE TABLE tokens (token TEXT, username TEXT, expiry TEXT)",
        "INSERT INTO tokens VALUES ('t1', 'ann', '2030-01-01 00:00:00')",
    )

    assert read_old_tokens(path) == [OldToken("t1", "ann", "2030-01-01 00:00:00", 15, 0)]


def test_what_cannot_be_read_is_named(tmp_path: Path) -> None:
    (tmp_path / "text.db").write_text("no database " * 100)
    make_database(tmp_path / "other.db", "CREATE TABLE other (token TEXT)")

    with pytest.raises(UnusableDatabase, match="There is no file"):
        read_old_tokens(tmp_path / "missing.db")
    with pytest.raises(UnusableDatabase, match="cannot be read as an SQLite database"):
        read_old_tokens(tmp_path / "text.db")
    with pytest.raises(UnusableDatabase, match="has no table 'tokens'"):
        read_old_tokens(tmp_path / "other.db")


def test_token_is_in_no_representation() -> None:
    assert "secret" not in repr(OldToken("secret", "ann", "2030-01-01 00:00:00"))
