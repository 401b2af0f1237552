"""The database: opened, shared, refused."""

import asyncio
import contextlib
import os
import shutil
import sqlite3
import stat
import traceback
from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from app.store.db import Database, DatabaseUnavailable, UnusableDatabase, open_database
from app.store.schema import upgrade
from app.store.statements import Statements
from tests.databases import postgresql_only, sqlite_only


def test_missing_folder_and_file_are_made_for_this_user_only(tmp_path: Path) -> None:
    path = tmp_path / "new" / "relay.db"

    open_database(f"sqlite:///{path}")

    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_folder_in_place_of_the_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(UnusableDatabase, match=f"{tmp_path}.*it is a folder"):
        open_database(f"sqlite:///{tmp_path}")


def test_file_in_place_of_the_folder_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")

    with pytest.raises(UnusableDatabase, match=r"file/relay\.db.*its folder is a file"):
        open_database(f"sqlite:///{tmp_path}/file/relay.db")


def test_file_that_may_not_be_written_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "relay.db").write_text("")
    monkeypatch.setattr(os, "access", lambda *_: False)  # root may write everything

    with pytest.raises(UnusableDatabase, match=r"relay\.db.*may not read and write"):
        open_database(f"sqlite:///{tmp_path}/relay.db")


@pytest.mark.parametrize("url", ["sqlite:///", "sqlite:///:memory:"])
def test_database_that_workers_cannot_share_is_refused(url: str) -> None:
    with pytest.raises(UnusableDatabase, match="needs a file"):
        open_database(url)


def test_other_kind_of_server_is_refused_by_name() -> None:
    with pytest.raises(UnusableDatabase, match="mysql"):
        open_database("mysql://user@host/name")


@sqlite_only
async def test_file_that_is_no_database_is_named(tmp_path: Path, open_another: Callable[[str], Database]) -> None:
    (tmp_path / "relay.db").write_bytes(b"This is no database. " * 100)
    database = open_another("relay.db")

    with pytest.raises(UnusableDatabase, match=r"relay\.db.*file is not a database"):
        await upgrade(database)


NO_TABLE = "SELECT 1 FROM nowhere WHERE name = :name"
NOT_NULL = "INSERT INTO leases (name) VALUES (:name)"


@pytest.mark.parametrize(("sql", "told"), [(NO_TABLE, "nowhere"), (NOT_NULL, "holder")])
async def test_error_of_a_statement_tells_none_of_its_values(database: Database, sql: str, told: str) -> None:
    words = await words_of_failure(database, sql)

    assert told in words
    assert "a secret" not in words


@postgresql_only
@pytest.mark.parametrize("sql", ["SELECT CAST(:name AS INTEGER)", "SELECT CAST(CAST(:name AS TEXT) AS INTEGER)"])
async def test_value_that_fits_no_type_is_not_told(database: Database, sql: str) -> None:
    words = await words_of_failure(database, sql)

    assert "(22" in words
    assert "a secret" not in words


async def words_of_failure(database: Database, sql: str) -> str:
    """What a log would have of it, by either way of asking."""
    values, words = {"name": "a secret"}, ""

    async def by_sqlalchemy() -> None:
        async with database.begin() as connection:
            await connection.execute(text(sql), values)

    for failing in (by_sqlalchemy, lambda: database.transact(lambda statements: statements.rows(sql, values))):
        with pytest.raises((DatabaseUnavailable, DBAPIError, sqlite3.Error)) as caught:
            await failing()
        words += "".join(traceback.format_exception(caught.value))
    return words


@sqlite_only
async def test_sqlite_is_set_up_for_many_processes(database: Database) -> None:
    async with database.read() as connection:
        pragmas = [
            (await connection.execute(text(f"PRAGMA {name}"))).scalar()
            for name in ("journal_mode", "busy_timeout", "synchronous", "foreign_keys")
        ]

    assert pragmas == ["wal", 5000, 1, 1]


async def test_transaction_is_undone_when_its_block_raises(database: Database) -> None:
    async def write_half() -> None:
        async with database.begin() as connection:
            await connection.execute(text("INSERT INTO revisions VALUES ('x', 1)"))
            raise RuntimeError("no")

    with pytest.raises(RuntimeError, match="no"):
        await write_half()

    async with database.read() as connection:
        assert (await connection.execute(text("SELECT count(*) FROM revisions"))).scalar() == 0


@sqlite_only
async def test_writing_transaction_keeps_other_writers_out_from_its_start(database: Database) -> None:
    with contextlib.closing(sqlite3.connect(str(database.path), timeout=0)) as other:
        async with database.begin():
            with pytest.raises(sqlite3.OperationalError, match="locked"):
                other.execute("INSERT INTO revisions VALUES ('x', 1)")


async def test_reader_waits_for_no_writer(database: Database) -> None:
    async with database.begin() as connection, asyncio.timeout(2):
        await connection.execute(text("INSERT INTO revisions VALUES ('x', 1)"))
        await database.ping()


@sqlite_only
async def test_locked_database_is_unavailable_and_nothing_is_in_doubt(database: Database) -> None:
    with contextlib.closing(sqlite3.connect(str(database.path), isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        async with database.read() as connection:
            await connection.execute(text("PRAGMA busy_timeout = 10"))

        with pytest.raises(DatabaseUnavailable) as error:
            await database.begin().__aenter__()

    assert error.value.status == 503
    assert error.value.message == "The database is locked by another process."
    assert str(error.value) == "The database is locked by another process. (OperationalError)", "in the log"
    assert not error.value.in_doubt


@sqlite_only
@pytest.mark.parametrize("way", ["read", "transact"])
async def test_file_that_is_gone_cannot_be_reached(open_another: Callable[[str], Database], way: str) -> None:
    database = open_another("gone/relay.db")
    assert database.path is not None
    shutil.rmtree(database.path.parent)

    with pytest.raises(DatabaseUnavailable) as error:
        await (database.ping() if way == "read" else database.transact(lambda _: None))

    assert error.value.message == "The database cannot be reached."
    await asyncio.sleep(0.1)  # the driver's thread takes leave of the loop, which must be there still


@sqlite_only
@pytest.mark.parametrize("way", ["begin", "transact"])
async def test_database_without_room_says_so(database: Database, way: str) -> None:
    fill = "INSERT INTO revisions VALUES (hex(randomblob(1000000)), 1)"

    async def write() -> None:
        if way == "transact":
            await database.transact(lambda statements: [statements.rows(sql, {}) for sql in (limit, fill)])
            return
        async with database.begin() as connection:
            await connection.execute(text(limit))
            await connection.execute(text(fill))

    limit = "PRAGMA max_page_count = 1"
    with pytest.raises(DatabaseUnavailable) as error:
        await write()

    assert error.value.message == "The database has no room left on its disk."


async def test_table_that_is_not_there_is_told_in_plain_words_and_in_the_log_by_its_error(database: Database) -> None:
    with pytest.raises(DatabaseUnavailable) as error:
        await database.transact(lambda statements: statements.rows("SELECT * FROM nothing", {}))

    assert error.value.message == "The database cannot be used now."
    assert str(error.value).removeprefix(error.value.message) in (" (OperationalError)", " (UndefinedTableError)")


@sqlite_only
async def test_two_writers_of_one_process_take_turns(database: Database) -> None:
    async def add_one() -> None:
        async with database.begin() as connection:
            number = (await connection.execute(text("SELECT count(*) FROM revisions"))).scalar()
            await asyncio.sleep(0)
            await connection.execute(text("INSERT INTO revisions VALUES (:subject, 1)"), {"subject": str(number)})

    await asyncio.gather(*(add_one() for _ in range(10)))

    async with database.read() as connection:
        assert (await connection.execute(text("SELECT count(*) FROM revisions"))).scalar() == 10


async def test_work_in_one_visit_is_committed_and_its_result_comes_back(database: Database) -> None:
    def work(statements: Statements) -> int:
        statements.many("INSERT INTO revisions VALUES (:subject, :number)", [{"subject": "x", "number": 1}])
        ((number,),) = statements.rows("SELECT count(*) FROM revisions WHERE subject = :subject", {"subject": "x"})
        return int(number)

    assert await database.transact(work) == 1

    async with database.read() as connection:
        assert (await connection.execute(text("SELECT subject, number FROM revisions"))).all() == [("x", 1)]


async def test_work_in_one_visit_is_undone_when_it_raises(database: Database) -> None:
    def work(statements: Statements) -> None:
        statements.rows("INSERT INTO revisions VALUES (:subject, 1)", {"subject": "x"})
        raise RuntimeError("no")

    with pytest.raises(RuntimeError, match="no"):
        await database.transact(work)

    assert await database.transact(lambda statements: statements.rows("SELECT * FROM revisions", {})) == []


@sqlite_only
async def test_work_in_one_visit_has_the_same_pragmas(database: Database) -> None:
    def work(statements: Statements) -> list[object]:
        names = ("journal_mode", "busy_timeout", "synchronous", "foreign_keys")
        return [statements.rows(f"PRAGMA {name}", {})[0][0] for name in names]

    assert await database.transact(work) == ["wal", 5000, 1, 1]


@sqlite_only
async def test_work_in_one_visit_on_a_locked_database_is_unavailable(database: Database) -> None:
    await database.transact(lambda statements: statements.rows("PRAGMA busy_timeout = 10", {}))

    with contextlib.closing(sqlite3.connect(str(database.path), isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(DatabaseUnavailable) as error:
            await database.transact(lambda _: None)

    assert error.value.message == "The database is locked by another process."
    assert not error.value.in_doubt
    await database.transact(lambda _: None)


@sqlite_only
async def test_both_kinds_of_transaction_take_turns(database: Database) -> None:
    async def begin() -> None:
        async with database.begin() as connection:
            await connection.execute(text("INSERT INTO revisions SELECT 'b' || count(*), 1 FROM revisions"))

    def work(statements: Statements) -> None:
        statements.rows("INSERT INTO revisions SELECT 't' || count(*), 1 FROM revisions", {})

    await asyncio.gather(*(begin() if n % 2 else database.transact(work) for n in range(20)))

    assert len(await database.transact(lambda statements: statements.rows("SELECT * FROM revisions", {}))) == 20
