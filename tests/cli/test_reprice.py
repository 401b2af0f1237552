"""`llm-relay usage reprice`, as an operator types it."""

import asyncio
import json
import re
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

    def run(*arguments: str, status: int = 0, says: str | None = None) -> Result:
        result = CliRunner().invoke(app, ["usage", "reprice", *arguments], input=says)
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
    tried = read(relay("--since", "2026-01-01", "--dry-run", "--yes", "--json"))
    done = read(relay("--since", "2026-01-01", "--yes", "--json"))
    again = read(relay("--since", "2026-01-01", "--yes", "--json"))

    sums = {"calls": 2, "changed": 2, "without_price": 0, "old_usd": "6", "new_usd": "10"}
    assert tried == sums | {"applied": False}
    assert done == sums | {"applied": True}
    assert again == sums | {"applied": True, "changed": 0, "old_usd": "10"}


def test_change_is_shown_first_and_applied_when_confirmed(relay: Relay) -> None:
    refused = relay("--since", "2026-01-01", says="n\n").stdout
    agreed = relay("--since", "2026-01-01", says="y\n").stdout
    again = relay("--since", "2026-01-01").stdout

    fields = [
        ["calls", "2"],
        ["would change", "2"],
        ["without a price", "0"],
        ["sum before, USD", "6"],
        ["sum after, USD", "10"],
    ]
    for text in (refused, agreed):
        assert [re.split(r"  +", line) for line in text.splitlines()[:5]] == fields
        assert "Change the cost of 2 calls?" in text
    assert "Changed" not in refused
    assert agreed.endswith("Changed the cost of 2 calls.\n")
    assert "sum before, USD  10" in again
    assert "?" not in again, "nothing is left to change"


def test_json_asks_nothing(relay: Relay) -> None:
    assert "add --yes or --dry-run" in relay("--since", "2026-01-01", "--json", status=2).stderr


@pytest.mark.parametrize(
    ("period", "calls"),
    [
        (("--since", "2026-01-01", "--until", "2026-01-01"), 1),
        (("--since", "2026-01-01", "--until", "2026-01-02"), 2),
        (("--since", "2d", "--until", "2026-01-02"), 2),
        (("--since", "1d", "--until", "2026-01-02"), 1),
        (("--since", "1d", "--until", "2026-01-02T00:00"), 1),
        (("--since", "2026-01-01T00:00:01Z", "--until", "2026-01-02T01:00+02:00"), 0),
        (("--since", "2026-01-01", "--until", "2026-01-02T00:00:01"), 2),
        (("--since", "2026-01-01"), 2),
    ],
)
def test_only_the_period_changes(relay: Relay, period: tuple[str, ...], calls: int) -> None:
    done = read(relay(*period, "--yes", "--json"))

    assert (done["calls"], done["changed"], done["new_usd"]) == (calls, calls, str(5 * calls))


@pytest.mark.parametrize(
    ("period", "words"),
    [
        (("--since", "yesterday"), "--since 'yesterday' is no time: write YYYY-MM-DD, a number of days such as 7d"),
        (("--since", "2026-01-01", "--until", "7d"), "--until '7d' is no time: write YYYY-MM-DD, or a moment"),
        (("--since", "0d"), "--since '0d' is not a number of days"),
        (("--since", "2026-01-02", "--until", "2026-01-01"), "From 2026-01-02 to 2026-01-01 is no period"),
        (("--since", "2026-01-01", "--until", "9999-12-31"), "That is beyond the years"),
    ],
)
def test_time_that_is_none_is_told(relay: Relay, period: tuple[str, ...], words: str) -> None:
    assert relay(*period, status=1).stderr.startswith(words)


def test_built_in_model_costs_nothing_here_too(relay: Relay, tmp_path: Path) -> None:
    async def add() -> None:
        database = open_database(f"sqlite:///{tmp_path / 'data' / 'relay.db'}")
        await insert(database, "demo", at="2026-03-01T00:00:00", provider="demo", input=5)
        await database.aclose()

    asyncio.run(add())

    done = read(relay("--since", "2026-03-01", "--yes", "--json"))
    assert (done["calls"], done["changed"], done["without_price"], done["new_usd"]) == (1, 1, 0, "0")
