"""`llm-relay db verify`, as an operator runs it."""

import asyncio
import json
import sqlite3
import subprocess
from contextlib import closing
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from app.store.db import open_database
from app.store.requests import insert_calls
from app.store.schema import upgrade
from cli.__main__ import app
from tests.store.test_requests import make_row


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "relay.db"

    async def fill() -> None:
        database = open_database(f"sqlite:///{path}")
        await upgrade(database)
        await insert_calls(database, [make_row("a"), make_row("b")])
        await database.aclose()

    asyncio.run(fill())
    return path


def run(file: Path, *options: str) -> subprocess.CompletedProcess[str]:
    environ = {"DATABASE_URL": f"sqlite:///{file}", "RELAY_ENV_FILE": "", "COLUMNS": "200"}
    command = ["db", "verify", "--days", "0", *options]
    done = CliRunner().invoke(app, command, env=environ)
    return subprocess.CompletedProcess(command, done.exit_code, done.stdout, done.stderr)


def test_all_is_well(file: Path) -> None:
    done = run(file)

    assert (done.returncode, done.stdout) == (0, "All sums are those of the calls.\n")


def run_in_process(file: Path, monkeypatch: pytest.MonkeyPatch) -> Result:
    """So that nothing is too short to be told of."""
    monkeypatch.setattr("cli.progress.SILENT_S", 0.0)
    monkeypatch.setenv("DATABASE_URL", f"sqlite:///{file}")
    monkeypatch.setenv("RELAY_ENV_FILE", "")
    result = CliRunner().invoke(app, ["db", "verify", "--days", "0"])
    assert (result.exit_code, result.stdout) == (0, "All sums are those of the calls.\n")
    return result


def test_nothing_but_the_result_is_printed_without_a_terminal(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert run_in_process(file, monkeypatch).stderr == ""


def test_progress_is_shown_on_a_terminal(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")  # Rich takes standard error for a terminal then

    assert "days of calls" in run_in_process(file, monkeypatch).stderr


def test_differences_are_printed_and_the_exit_status_is_1(file: Path) -> None:
    with closing(sqlite3.connect(file)) as connection, connection:
        connection.execute("UPDATE usage_days SET cost = cost + 1")

    done = run(file)
    as_json = run(file, "--json")

    assert done.returncode == as_json.returncode == 1
    assert "cost 24600000000" in done.stdout
    assert "cost 24600000001" in done.stdout
    assert done.stdout.endswith("1 difference.\n")
    assert json.loads(as_json.stdout)["differences"] == 1


def test_database_that_is_not_there_is_told_and_not_made(tmp_path: Path) -> None:
    done = run(tmp_path / "none.db")

    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("There is no database yet")
    assert list(tmp_path.iterdir()) == []
