"""A PostgreSQL server: what its URL may be, and what becomes of transactions when it goes, comes back, hangs or refuses."""

import asyncio
import os
import signal
import subprocess
import sys
import traceback
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from app.store import db as db_module
from app.store.db import Database, DatabaseUnavailable, UnusableDatabase, open_database
from app.store.schema import upgrade
from app.store.server import describe_server
from tests.databases import Databases, postgresql_only
from tests.postgres import ESCAPED_PASSWORD, PASSWORD, Postgres


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("postgresql://ann:s%40cret@db.example:5433/relay?sslmode=require", "postgresql://db.example:5433/relay"),
        ("postgres://ann@db/relay", "postgresql://db/relay"),
        ("postgresql://a:secret@h1:1,h2:2/relay", "postgresql://h1:1,h2:2/relay"),
        ("postgresql://a:secret@[::1]:5432/relay", "postgresql://[::1]:5432/relay"),
        ("postgresql:///relay?host=/run/postgresql&password=secret", "postgresql:///relay"),
        ("postgresql://a:secret@db", "postgresql://db"),
    ],
)
def test_server_is_shown_without_any_secret(url: str, shown: str) -> None:
    assert describe_server(url) == shown
    assert open_database(url).where == shown


@pytest.mark.parametrize("character", "/?#")
@pytest.mark.parametrize("before", ["", "12", "x:", "a@", "=&", "12?y=", "=@"])
def test_password_that_was_not_escaped_is_refused_and_not_shown(character: str, before: str) -> None:
    url = f"postgresql://ann:{before}{character}{PASSWORD[:4]}@db:5432/relay"

    with pytest.raises(UnusableDatabase, match="%2F") as error:
        open_database(url)

    assert PASSWORD[:4] not in "".join(traceback.format_exception(error.value))


def test_driver_is_imported_only_for_a_server(tmp_path: Path) -> None:
    program = (
        "import sys; from app.store.db import open_database\n"
        f"open_database('sqlite:///{tmp_path}/relay.db'); print('asyncpg' in sys.modules, end=' ')\n"
        "open_database('postgresql://host/name'); print('asyncpg' in sys.modules)"
    )

    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)

    assert done.stdout == "False True\n"


async def refusal(url: str) -> str:
    """What an operator reads who starts the gateway with this URL."""
    database = open_database(url)
    try:
        with pytest.raises(UnusableDatabase) as error:
            await upgrade(database)
    finally:
        await database.aclose()
    return str(error.value)


@postgresql_only
async def test_server_that_refuses_us_says_why_and_no_secret_is_told(database_url: str, postgres: Postgres) -> None:
    wrong_password = database_url.replace(ESCAPED_PASSWORD, "wr0ng")
    no_database = database_url.rpartition("/")[0] + "/nowhere"
    unknown_option = f"{database_url}?channel_binding=require"
    wrong_option = f"{database_url}?sslmode=nonsense"
    nobody_there = f"postgresql://relay:{ESCAPED_PASSWORD}@127.0.0.1:1/relay"

    said = [await refusal(url) for url in (wrong_password, no_database, unknown_option, wrong_option, nobody_there)]

    words = ["password authentication failed", "does not exist", '"channel_binding"', "sslmode", "Connect call failed"]
    assert [word in text for word, text in zip(words, said, strict=True)] == [True] * 5
    assert f"Cannot use the database postgresql://127.0.0.1:{postgres.port}/" in said[0]
    assert not any(secret in text for text in said for secret in ("wr0ng", PASSWORD, ESCAPED_PASSWORD))


@postgresql_only
async def test_user_who_may_make_no_tables_is_told_so(database_url: str, postgres: Postgres) -> None:
    postgres.run("CREATE ROLE poor LOGIN PASSWORD 'poor'")
    try:
        said = await refusal(database_url.replace(f"relay:{ESCAPED_PASSWORD}", "poor:poor"))
    finally:
        postgres.run("DROP ROLE poor")

    assert "permission denied for schema public" in said


@postgresql_only
async def test_option_of_the_url_reaches_the_server_and_goes_before_ours(databases: Databases) -> None:
    database = open_database(databases.url("relay.db") + "?lock_timeout=77ms&sslmode=disable")
    try:
        async with database.read() as connection:
            settings = [
                (await connection.execute(text(f"SHOW {name}"))).scalar()
                for name in ("lock_timeout", "application_name", "idle_in_transaction_session_timeout")
            ]
    finally:
        await database.aclose()

    assert settings == ["77ms", "llm-relay", "1min"]


@postgresql_only
async def test_row_that_another_holds_for_too_long_makes_the_database_unavailable(
    database: Database, databases: Databases
) -> None:
    async with database.begin() as connection:
        await connection.execute(text("INSERT INTO revisions VALUES ('x', 1)"))
    hasty = open_database(databases.url("relay.db") + "?lock_timeout=50ms")

    async def change(connection_to: Database) -> None:
        async with connection_to.begin() as connection:
            await connection.execute(text("UPDATE revisions SET number = 2"))

    try:
        async with database.begin() as holder:
            await holder.execute(text("UPDATE revisions SET number = 3"))
            with pytest.raises(DatabaseUnavailable, match="is locked by another process") as error:
                await change(hasty)
        await change(hasty)
    finally:
        await hasty.aclose()

    assert error.value.status == 503
    assert not error.value.in_doubt


@postgresql_only
@pytest.mark.parametrize("crash", [False, True], ids=["stop", "crash"])
@pytest.mark.parametrize("asked", [False, True], ids=["unnoticed", "noticed"])
async def test_server_that_was_restarted_is_used_again_without_a_failure(
    database: Database, postgres: Postgres, crash: bool, asked: bool
) -> None:
    await asyncio.gather(*(database.ping() for _ in range(5)))  # several connections, all stale soon

    await asyncio.to_thread(postgres.stop, crash=crash)
    if asked:
        with pytest.raises(DatabaseUnavailable, match=r"^The database cannot be reached\."):
            await database.ping()
        with pytest.raises(DatabaseUnavailable, match=r"^The database cannot be reached\."):
            await database.transact(lambda statements: statements.rows("SELECT 1", {}))
    await asyncio.to_thread(postgres.start)

    await asyncio.gather(*(database.ping() for _ in range(5)))
    assert await database.transact(lambda statements: statements.rows("SELECT 1", {})) == [(1,)]


@postgresql_only
async def test_server_that_goes_during_a_transaction_has_written_nothing(
    database: Database, postgres: Postgres
) -> None:
    async def write() -> None:
        async with database.begin() as connection:
            await connection.execute(text("INSERT INTO revisions VALUES ('x', 1)"))
            await asyncio.to_thread(postgres.stop, crash=True)
            await asyncio.to_thread(postgres.start)
            await connection.execute(text("INSERT INTO revisions VALUES ('y', 1)"))

    with pytest.raises(DatabaseUnavailable) as error:
        await write()

    assert error.value.message == "The database cannot be reached."
    assert not error.value.in_doubt
    assert await database.transact(lambda statements: statements.rows("SELECT * FROM revisions", {})) == []


@postgresql_only
@pytest.mark.parametrize("way", ["begin", "transact"])
async def test_connection_that_breaks_during_the_commit_leaves_it_in_doubt(database: Database, way: str) -> None:
    async with database.begin() as connection:
        for statement in (
            "CREATE FUNCTION die() RETURNS trigger LANGUAGE plpgsql AS"
            " $$ BEGIN PERFORM pg_terminate_backend(pg_backend_pid()); RETURN NULL; END $$",
            "CREATE CONSTRAINT TRIGGER at_commit AFTER INSERT ON revisions DEFERRABLE INITIALLY DEFERRED"
            " FOR EACH ROW EXECUTE FUNCTION die()",
        ):
            await connection.execute(text(statement))
    insert = "INSERT INTO revisions VALUES ('x', 1)"

    async def write() -> None:
        if way == "transact":
            await database.transact(lambda statements: statements.rows(insert, {}))
            return
        async with database.begin() as connection:
            await connection.execute(text(insert))

    with pytest.raises(DatabaseUnavailable) as error:
        await write()

    assert error.value.in_doubt
    await database.ping()


@postgresql_only
async def test_server_that_says_nothing_any_more_is_waited_for_no_longer_than_the_limit(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    def hang(statements: object) -> None:
        ((pid,),) = statements.rows("SELECT pg_backend_pid()", {})  # type: ignore[attr-defined]
        stopped.append(pid)
        os.kill(pid, signal.SIGSTOP)
        statements.rows("SELECT 1", {})  # type: ignore[attr-defined]

    stopped: list[int] = []
    monkeypatch.setattr(db_module, "ANSWER_S", 0.2)
    try:
        with pytest.raises(DatabaseUnavailable, match="does not answer"):
            await database.transact(hang)
        await database.ping()
    finally:
        for pid in stopped:
            os.kill(pid, signal.SIGCONT)

    assert stopped


@postgresql_only
async def test_who_is_patient_is_not_limited(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(db_module, "ANSWER_S", 0.05)

    async with database.begin(patient=True) as connection:
        await connection.execute(text("SELECT pg_sleep(0.2)"))
    with pytest.raises(DatabaseUnavailable):
        async with database.begin() as connection:
            await connection.execute(text("SELECT pg_sleep(0.2)"))


@postgresql_only
@pytest.mark.parametrize(
    "insert",
    [
        "INSERT INTO revisions VALUES (repeat('x', 65), 1)",
        "INSERT INTO revisions VALUES ('x', 9223372036854775807 + 1)",
        "INSERT INTO revisions VALUES ('x', NULL)",
        "INSERT INTO revisions VALUE (1)",
    ],
)
async def test_statement_that_would_always_fail_is_no_matter_of_waiting(database: Database, insert: str) -> None:
    with pytest.raises(DBAPIError):
        await database.transact(lambda statements: statements.rows(insert, {}))


@postgresql_only
@pytest.mark.parametrize("values", [{"number": 2**63}, {"number": "one"}, {"subject": "nul \0"}])
async def test_value_that_would_always_fail_is_no_matter_of_waiting(
    database: Database, values: dict[str, object]
) -> None:
    row = {"subject": "x", "number": 1} | values

    with pytest.raises(DBAPIError):
        await database.transact(
            lambda statements: statements.rows("INSERT INTO revisions VALUES (:subject, :number)", row)
        )
