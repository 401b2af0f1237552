"""`llm-relay usage reprice`, as an operator types it."""

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from app.store.db import Database, open_database
from app.store.prices import set_price
from app.store.schema import upgrade
from cli.__main__ import app
from tests.metering.test_reprice import insert

Relay = Callable[..., Result]
CONFIG = {"acme": {"base_url": "https://api.acme.example/v1"}}


@pytest.fixture
def relay(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Relay:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("RELAY_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("RELAY_CONFIG", str(tmp_path / "config.json"))
    monkeypatch.setenv("RELAY_ENV_FILE", "")
    monkeypatch.delenv("DATABASE_URL", raising=False)
    Path("config.json").write_text(json.dumps(CONFIG))

    async def fill() -> None:
        database = open_database(f"sqlite:///{tmp_path / 'data' / 'relay.db'}")
        await upgrade(database)
        await _fill(database)
        await database.aclose()

    asyncio.run(fill())

    def run(*arguments: str, status: int = 0) -> Result:
        result = CliRunner().invoke(app, ["usage", "reprice", *arguments])
        assert result.exit_code == status, result.output
        return result

    return run


async def _fill(database: Database) -> None:
    await insert(database, "old", at="2026-01-01T00:00:00", input=1_000_000, cost="3")
    await insert(database, "new", at="2026-01-02T00:00:00", input=1_000_000, cost="3")
    await set_price(database, "acme", "m", {"input": "5"})


def read(result: Result) -> Any:
    return json.loads(result.stdout)


def test_sums_before_and_after_are_shown(relay: Relay) -> None:
    tried = read(relay("--since", "2026-01-01", "--dry-run", "--json"))
    done = read(relay("--since", "2026-01-01", "--json"))
    again = read(relay("--since", "2026-01-01", "--json"))

    sums = {"calls": 2, "changed": 2, "without_price": 0, "old_usd": "6", "new_usd": "10"}
    assert tried == sums | {"applied": False}
    assert done == sums | {"applied": True}
    assert again == sums | {"applied": True, "changed": 0, "old_usd": "10"}


def test_only_the_period_changes(relay: Relay) -> None:
    shown = relay("--since", "2026-01-01", "--until", "2026-01-02").stdout

    assert shown.splitlines()[0].split() == ["calls", "1"]
    assert "new sum, USD     5" in shown


def test_time_that_is_none_is_told(relay: Relay) -> None:
    assert relay("--since", "yesterday", status=1).stderr.startswith("'yesterday' is no time")


def test_built_in_model_costs_nothing_here_too(relay: Relay, tmp_path: Path) -> None:
    async def add() -> None:
        database = open_database(f"sqlite:///{tmp_path / 'data' / 'relay.db'}")
        await insert(database, "demo", at="2026-03-01T00:00:00", provider="demo", input=5)
        await database.aclose()

    asyncio.run(add())

    done = read(relay("--since", "2026-03-01", "--json"))
    assert (done["calls"], done["changed"], done["without_price"], done["new_usd"]) == (1, 1, 0, "0")
