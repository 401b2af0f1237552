"""`llm-relay db`, as an operator types it."""

import json
import os
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from app.store.migrations import COPYING, HEAD
from cli.__main__ import app
from tests.databases import ServerDatabases
from tests.postgres import ESCAPED_PASSWORD, PASSWORD

Relay = Callable[..., Result]
ROOT = Path(__file__).parents[2]


@pytest.fixture
def relay(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Relay:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("RELAY_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("RELAY_ENV_FILE", "")
    monkeypatch.delenv("DATABASE_URL", raising=False)

    def run(*arguments: str, status: int = 0) -> Result:
        result = CliRunner().invoke(app, arguments)
        assert result.exit_code == status, result.output
        assert PASSWORD not in result.output
        assert ESCAPED_PASSWORD not in result.output
        return result

    return run


def test_status_makes_no_database(relay: Relay, tmp_path: Path) -> None:
    said = relay("db", "status", status=1).stderr

    assert "There is no database yet" in said
    assert not (tmp_path / "data").exists()


def test_upgrade_makes_the_tables_and_says_from_what_to_what(relay: Relay) -> None:
    assert relay("db", "upgrade").stdout == f"The database went from nothing to {HEAD}.\n"
    assert relay("db", "upgrade").stdout == f"The database is at {HEAD} already.\n"
    assert json.loads(relay("db", "upgrade", "--json").stdout) == {"before": HEAD, "schema": HEAD}


def test_upgrade_migrates_an_older_database(relay: Relay) -> None:
    older = (
        "import asyncio; from app.store.db import open_database; from app.store.schema import migrate\n"
        "async def make():\n"
        "    db = open_database('sqlite:///data/relay.db')\n"
        "    async with db.begin() as connection: await connection.run_sync(lambda sync: migrate(sync, '0001'))\n"
        "    await db.aclose()\n"
        "asyncio.run(make())"
    )
    subprocess.run([sys.executable, "-c", older], check=True, env=os.environ | {"PYTHONPATH": str(ROOT)})

    assert "no: run 'llm-relay db upgrade'" in relay("db", "status").stdout
    assert relay("db", "upgrade").stdout == f"The database went from 0001 to {HEAD}.\n"
    assert json.loads(relay("db", "status", "--json").stdout)["current"]


def test_status_shows_rows_and_size_of_a_file(relay: Relay, tmp_path: Path) -> None:
    relay("tokens", "add", "--username", "ann")

    view = json.loads(relay("db", "status", "--json").stdout)
    said = relay("db", "status").stdout

    assert (view["database"], view["schema"], view["current"]) == (f"sqlite:///{tmp_path}/data/relay.db", HEAD, True)
    assert view["server"].startswith("SQLite 3.")
    assert (view["rows"]["tokens"], view["rows"]["request_logs"]) == (1, 0)
    assert view["bytes"] > 10_000
    lines = [line.split() for line in said.splitlines()]
    assert [line for line in (["schema", HEAD], ["current", "yes"], ["tokens", "1"]) if line not in lines] == []


def test_status_of_a_server_shows_no_password(
    relay: Relay, server_databases: ServerDatabases, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = server_databases.url("relay")
    monkeypatch.setenv("DATABASE_URL", url)
    relay("db", "upgrade")

    view = json.loads(relay("db", "status", "--json").stdout)

    assert view["database"] == f"postgresql://{url.rpartition('@')[2]}"
    assert view["server"].startswith("PostgreSQL 1")
    assert view["current"]
    assert view["bytes"] > 1_000_000


def test_server_that_cannot_be_used_is_named_without_its_password(
    relay: Relay, server_databases: ServerDatabases, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_URL", server_databases.url("relay").rpartition("/")[0] + "/nowhere")

    said = relay("db", "status", status=1).stderr

    assert "Cannot use the database postgresql://127.0.0.1:" in said
    assert '"nowhere" does not exist' in said


def test_copy_to_a_server_and_back_keeps_tokens_good(
    relay: Relay, server_databases: ServerDatabases, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    relay("tokens", "add", "--username", "ann", "--models", "gpt-*", "--tags", "x")
    listed = relay("tokens", "list", "--json").stdout
    there = server_databases.url("relay")

    said = relay("db", "copy", "--to", there).stdout

    assert "equal on both sides" in said
    assert any(line.split()[:2] == ["tokens", "1"] for line in said.splitlines())
    monkeypatch.setenv("DATABASE_URL", there)
    assert relay("tokens", "list", "--json").stdout == listed

    (tmp_path / "url").write_text(f"sqlite:///{tmp_path}/back.db\n")
    copied = json.loads(relay("db", "copy", "--to-file", str(tmp_path / "url"), "--json").stdout)
    assert copied["to"] == f"sqlite:///{tmp_path}/back.db"
    assert next(table["rows"] for table in copied["tables"] if table["table"] == "tokens") == 1
    monkeypatch.setenv("DATABASE_URL", f"sqlite:///{tmp_path}/back.db")
    assert relay("tokens", "list", "--json").stdout == listed


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((), "either --to URL or --to-file FILE"),
        (("--to", "a", "--to-file", "b"), "either --to URL or --to-file FILE"),
        (("--to-file", "missing"), "'missing', which cannot be read"),
        (("--to", "mysql://host/name"), "begins with 'mysql'"),
        (("--to", "sqlite:///data/relay.db"), "cannot be copied to itself"),
        (("--to", "sqlite:///full.db"), "sqlite:///{tmp_path}/full.db is not empty"),
        (("--to", "postgresql://ann:p/w@host/name"), "%2F"),
    ],
)
def test_copy_that_cannot_be_is_refused_with_the_reason(
    relay: Relay, tmp_path: Path, arguments: tuple[str, ...], words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    relay("tokens", "add", "--username", "ann")
    with monkeypatch.context() as other:
        other.setenv("DATABASE_URL", "sqlite:///full.db")
        relay("tokens", "add", "--username", "bob")

    assert words.format(tmp_path=tmp_path) in relay("db", "copy", *arguments, status=1).stderr


def test_copy_that_is_killed_goes_on_when_it_is_run_again(
    relay: Relay, server_databases: ServerDatabases, tmp_path: Path
) -> None:
    relay("db", "upgrade")
    with closing(sqlite3.connect(tmp_path / "data" / "relay.db")) as connection:
        rows = [(f"subject {number:06}", number) for number in range(60_000)]
        connection.executemany("INSERT INTO revisions VALUES (?, ?)", rows)
        connection.commit()
    there = server_databases.url("relay")

    killed = subprocess.Popen(
        [sys.executable, "-m", "cli", "db", "copy", "--to", there],
        env=os.environ | {"PYTHONPATH": str(ROOT)}, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    while "revisions" not in server_databases.run("relay", "SELECT table_name FROM copy_progress WHERE copied > 0"):
        assert killed.poll() is None, killed.communicate()
    killed.kill()
    killed.communicate()
    assert server_databases.run("relay", "SELECT version_num FROM alembic_version") == COPYING
    copied = int(server_databases.run("relay", "SELECT count(*) FROM revisions"))

    said = relay("db", "copy", "--to", there)

    assert 0 < copied < 60_000
    assert any(line.split()[:2] == ["revisions", "60,000"] for line in said.stdout.splitlines())
    assert server_databases.run("relay", "SELECT count(*), sum(number) FROM revisions") == "60000|1799970000"


def test_copy_that_takes_a_while_says_how_far_it_is(
    relay: Relay, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cli.progress.SILENT_S", 0.0)
    relay("tokens", "add", "--username", "ann")

    said = relay("db", "copy", "--to", f"sqlite:///{tmp_path}/other.db").stderr

    assert "tokens: 0 of 1" in said
    assert "tokens: 1 of 1" in said
