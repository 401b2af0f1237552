"""`llm-relay requests`, as an operator types it."""

import asyncio
import json
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from app.metering.bodies import MAX_BYTES, Bodies, seal_bodies
from app.metering.rows import insert_records
from app.store.bodies import insert_bodies
from app.store.db import open_database
from app.store.schema import upgrade
from cli.__main__ import app
from tests.calls import make_record

KEY = bytes(range(32))
Show = Callable[..., Result]


@pytest.fixture
def show(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Show:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("RELAY_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("RELAY_ENV_FILE", "")
    monkeypatch.setenv("BODIES_KEY", KEY.hex())
    monkeypatch.delenv("DATABASE_URL", raising=False)

    def run(*arguments: str, status: int = 0) -> Result:
        result = CliRunner().invoke(app, ["requests", "show", *arguments])
        assert result.exit_code == status, result.output
        return result

    return run


def add_call(folder: Path, bodies: Bodies | None = None) -> None:
    asyncio.run(_add_call(f"sqlite:///{folder / 'data' / 'relay.db'}", bodies))


async def _add_call(url: str, bodies: Bodies | None) -> None:
    db = open_database(url)
    try:
        await upgrade(db)
        call = make_record(id="req_1", tags=("a", "b"), cost=Decimal("0.00000125"))
        part = make_record(id="req_1.1", parent_id="req_1", helper="broken", provider="acme", cost=Decimal("0.000001"))
        await insert_records(db, [call, part])
        if bodies is not None:
            await insert_bodies(db, [seal_bodies(KEY, "req_1", bodies)])
    finally:
        await db.aclose()


def test_call_is_shown_as_it_is_recorded(show: Show, tmp_path: Path) -> None:
    add_call(tmp_path)

    fields = show("req_1").stdout.partition("\n\n")[0]
    lines = dict(line.split(maxsplit=1) for line in fields.splitlines())
    told = json.loads(show("req_1", "--json").stdout)

    assert (lines["tags"], lines["cost"], lines["streamed"]) == ("a, b", "0.00000125", "no")
    assert lines["received_at"] == "2026-01-01T00:00:00.250Z"
    assert "error" not in lines
    assert not {"images", "input_audio_tokens"} & lines.keys()
    assert (told["tags"], told["cost"], told["streamed"], told["error"]) == (["a", "b"], "0.00000125", False, None)


def test_cost_of_a_call_is_its_own_and_that_of_those_that_were_made_for_it(show: Show, tmp_path: Path) -> None:
    add_call(tmp_path)

    shown, told = show("req_1").stdout, json.loads(show("req_1", "--json").stdout)

    assert (told["total_cost"], told["helper_calls"]) == ("0.00000225", 1)
    assert [(each["id"], each["cost"]) for each in told["helpers"]] == [("req_1.1", "0.000001")]
    assert ["broken", "acme/gpt-x", "0.000001", "req_1.1"] in [line.split() for line in shown.splitlines()]


def test_call_that_is_not_there_is_told(show: Show, tmp_path: Path) -> None:
    add_call(tmp_path)

    assert "There is no call 'req_2'" in show("req_2", status=1).stderr


def test_call_without_bodies_is_told(show: Show, tmp_path: Path) -> None:
    add_call(tmp_path)

    assert "made without --log-bodies" in show("req_1", "--bodies", status=1).stderr


def test_bodies_are_shown_and_steer_no_terminal(show: Show, tmp_path: Path) -> None:
    add_call(tmp_path, Bodies(b"ask\x1b[31m", "tab\tnew\nline ü".encode(), 8, 15))

    shown = show("req_1", "--bodies").stdout

    assert "--- request: 8 bytes ---\nask\N{REPLACEMENT CHARACTER}[31m\n" in shown
    assert "--- reply: 15 bytes ---\ntab\tnew\nline ü\n" in shown


def test_cut_body_is_told_to_be(show: Show, tmp_path: Path) -> None:
    add_call(tmp_path, Bodies(b"a" * MAX_BYTES, b"", MAX_BYTES + 7, 0))

    assert "--- request: 1048583 bytes, of which the first 1048576 are kept ---" in show("req_1", "--bodies").stdout
    told = json.loads(show("req_1", "--bodies", "--json").stdout)["request_body"]
    assert (told["bytes"], told["kept"], len(told["text"])) == (1048583, 1048576, 1048576)


def test_missing_and_wrong_keys_are_told(show: Show, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    add_call(tmp_path, Bodies(b"a", b"b", 1, 1))

    monkeypatch.setenv("BODIES_KEY", "00" * 32)
    assert "another key" in show("req_1", "--bodies", status=1).stderr
    monkeypatch.delenv("BODIES_KEY")
    assert "bodies.key', cannot be read: No such file" in show("req_1", "--bodies", status=1).stderr
