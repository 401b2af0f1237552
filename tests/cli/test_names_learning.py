"""`llm-relay names train` and `names replay`, as an operator types them."""

import asyncio
import json
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner, Result

from app.core.usage import Usage
from app.metering.bodies import Bodies, seal_bodies
from app.metering.rows import insert_records
from app.metering.sealing import KEY_FILE, ensure_key
from app.store.audit import read_entries
from app.store.bodies import insert_bodies
from app.store.db import Database, open_database
from app.store.prices import set_price
from app.store.schema import upgrade
from app.store.smart_models import put_smart_models, read_smart_models
from cli.names_replay import replay
from cli.names_train import train
from tests.calls import make_record
from tests.smart import make_smart
from tests.smart.outcomes import LARGE, SMALL, lines

Relay = Callable[..., Result]
CONFIG = {"acme": {"base_url": "https://api.acme.example/v1", "supported_models": ["small", "large", "gpt-x"]}}
AT = 1767225600.0  # 2026-01-01

app = typer.Typer()
app.command("train")(train)
app.command("replay")(replay)


@pytest.fixture
def relay(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Relay:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("RELAY_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("RELAY_CONFIG", str(tmp_path / "config.json"))
    monkeypatch.setenv("RELAY_ENV_FILE", "")
    monkeypatch.delenv("DATABASE_URL", raising=False)
    Path("config.json").write_text(json.dumps(CONFIG))
    on_database(tmp_path, fill)

    def run(*arguments: str, status: int = 0) -> Result:
        result = CliRunner().invoke(app, arguments)
        assert result.exit_code == status, result.output
        return result

    return run


def on_database(folder: Path, work: Callable[[Database], Any]) -> Any:
    async def do() -> Any:
        database = open_database(f"sqlite:///{folder / 'data' / 'relay.db'}")
        try:
            await upgrade(database)
            return await work(database)
        finally:
            await database.aclose()

    return asyncio.run(do())


async def fill(database: Database) -> None:
    rules = [{"model": SMALL, "pattern": "^Hi"}, {"model": LARGE}]
    await put_smart_models(
        database,
        [
            make_smart("router", "wise", strategy="learned"),
            make_smart("router", "frugal", strategy="cheapest"),
            make_smart("router", "ruled", strategy="rules", rules=rules),
            make_smart("router", "auto"),
        ],
    )
    await set_price(database, "acme", "small", {"input": "1", "output": "1"})
    await set_price(database, "acme", "large", {"input": "10", "output": "10"})
    usage = Usage(input=1_000_000)
    for router in ("frugal", "ruled", "auto", "wise"):
        records = [
            make_record(
                id=f"{router}-{model}",
                router=router,
                provider="acme",
                model=model,
                usage=usage,
                cost=Decimal(cost),
                received_at=AT,
            )
            for model, cost in (("small", 1), ("large", 10))
        ]
        await insert_records(database, records)


def learned(folder: Path) -> Any:
    return next(each.learned for each in on_database(folder, read_smart_models) if each.model.name == "wise")


def test_training_is_told_and_kept(relay: Relay, tmp_path: Path) -> None:
    Path("data.jsonl").write_text("\n".join(lines(900)))

    told = relay("train", "WISE", "--data", "data.jsonl", "--dry-run").output
    assert learned(tmp_path) is None
    relay("train", "wise", "--data", "data.jsonl")

    assert "best            acme/large" in told
    assert "at most" in told
    assert "Nothing was kept" in told
    assert learned(tmp_path)["best"] == LARGE


def test_costs_are_by_the_prices_where_the_data_have_none(relay: Relay) -> None:
    Path("data.jsonl").write_text("\n".join(lines(900, costs=False)))

    assert "best            acme/large" in relay("train", "wise", "--data", "data.jsonl").output


def test_too_few_outcomes_are_refused_and_nothing_is_kept(relay: Relay, tmp_path: Path) -> None:
    Path("data.jsonl").write_text("\n".join(lines(50)))

    result = relay("train", "wise", "--data", "data.jsonl", status=1)

    assert "50 prompts with outcomes of two candidates are too few" in result.output
    assert learned(tmp_path) is None


def test_line_that_is_none_and_router_that_is_none_are_named(relay: Relay) -> None:
    Path("data.jsonl").write_text("{")

    assert "Line 1: " in relay("train", "wise", "--data", "data.jsonl", status=1).output
    assert "There is no router 'foolish'." in relay("train", "foolish", "--data", "data.jsonl", status=1).output


def read(result: Result) -> Any:
    return json.loads(result.stdout)


def test_calls_of_the_log_are_decided_by_their_tokens_and_costs_compared(relay: Relay) -> None:
    told = read(relay("replay", "frugal", "--since", "2026-01-01", "--json"))

    assert (told["calls"], told["chosen"], told["flips"], told["compared"]) == (2, {SMALL: 2}, 1, 2)
    assert (told["priced"], told["before"], told["after"]) == (2, "11", "2"), told


def test_calls_for_another_name_are_decided_where_that_is_asked(relay: Relay) -> None:
    assert read(relay("replay", "frugal", "--since", "2026-01-01", "--name", "none", "--json"))["calls"] == 0
    assert read(relay("replay", "frugal", "--since", "2026-01-01", "--name", "GPT-X:latest", "--json"))["calls"] == 8


def test_what_cannot_be_told_without_the_words_is_said(relay: Relay) -> None:
    told = read(relay("replay", "ruled", "--since", "2026-01-01", "--json"))
    words = relay("replay", "ruled", "--since", "2026-01-01").output

    assert (told["calls"], told["untold"], told["chosen"]) == (2, 2, {})
    assert "2: what they asked was not kept (tokens add --log-bodies keeps it)" in words


def test_bodies_that_were_kept_are_read(relay: Relay, tmp_path: Path) -> None:
    async def keep(database: Database) -> None:
        key = ensure_key(tmp_path / "data" / KEY_FILE)
        for model, text in (("small", "Hi you"), ("large", "Hi too")):
            body = json.dumps({"model": "ruled", "messages": [{"role": "user", "content": text}]}).encode()
            await insert_bodies(database, [seal_bodies(key, f"ruled-{model}", Bodies(body, b"", len(body), 0))])

    on_database(tmp_path, keep)

    told = read(relay("replay", "ruled", "--since", "2026-01-01", "--json"))

    assert (told["untold"], told["chosen"], told["flips"]) == (0, {SMALL: 2}, 1)
    (entry,) = on_database(tmp_path, read_entries)
    assert (entry.action, entry.subject) == ("router.replay", "router ruled")
    assert entry.after == {"name": None, "calls": 2, "bodies_read": 2, "asks_designators": False}


def test_requests_of_a_file_are_decided(relay: Relay) -> None:
    requests = [
        {"prompt": "Hi", "model": LARGE},
        {"messages": [{"role": "user", "content": "Why?"}], "model": LARGE},
        {"prompt": "Hi"},
    ]
    Path("f.jsonl").write_text("\n".join(map(json.dumps, requests)))

    told = read(relay("replay", "ruled", "--file", "f.jsonl", "--json"))

    assert (told["chosen"], told["compared"], told["flips"], told["priced"]) == ({SMALL: 2, LARGE: 1}, 2, 1, 2)
    assert read(relay("replay", "auto", "--file", "f.jsonl", "--json"))["asked"] == 3


def test_either_the_log_or_a_file_is_needed(relay: Relay) -> None:
    assert "give either --since or --file" in relay("replay", "auto", status=2).output
