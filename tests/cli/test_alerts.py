"""`llm-relay alerts`, as an operator types it."""

import asyncio
import json
import time
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from app.core.record import Failure
from app.metering.rows import insert_records
from app.store.db import open_database
from app.store.schema import upgrade
from cli.__main__ import app
from tests.calls import make_record

Relay = Callable[..., Result]
REFUSED = Failure("auth_error", "openai", "gpt-x", 401, "Incorrect\nAPI key \x1b[31mprovided.")
NAME = "auth_error/openai/gpt-x/401"


@pytest.fixture
def relay(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Relay:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("RELAY_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("RELAY_ENV_FILE", "")
    monkeypatch.delenv("DATABASE_URL", raising=False)

    def run(*arguments: str, status: int = 0) -> Result:
        result = CliRunner().invoke(app, ["alerts", *arguments])
        assert result.exit_code == status, result.output
        return result

    return run


@pytest.fixture
def refused_two_hours_ago(tmp_path: Path) -> None:
    asyncio.run(_fail(f"sqlite:///{tmp_path / 'data' / 'relay.db'}"))


async def _fail(url: str) -> None:
    database = open_database(url)
    await upgrade(database)
    record = make_record(received_at=time.time() - 7200, cost=Decimal(1), failures=(REFUSED, REFUSED))
    await insert_records(database, [record])
    await database.aclose()


@pytest.mark.usefixtures("refused_two_hours_ago")
def test_alerts_are_listed_and_say_nothing_to_the_terminal(relay: Relay) -> None:
    titles, line = relay().stdout.splitlines()

    assert titles.split() == ["severity", "count", "last", "seen", "(UTC)", "alert", "message"]
    assert line.split()[:2] == ["critical", "2"]
    assert line.split()[4] == NAME
    assert line.endswith("Incorrect API key ?[31mprovided.")


@pytest.mark.usefixtures("refused_two_hours_ago")
def test_message_goes_below_on_a_narrow_terminal(relay: Relay, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cli.output._is_terminal", lambda: True)
    monkeypatch.setenv("COLUMNS", "80")

    title, rule, line, message = relay().stdout.splitlines()

    assert title.split() == ["severity", "count", "last", "seen", "(UTC)", "alert"]
    assert line.endswith(f"  {NAME}")
    assert message == "  message: Incorrect API key ?[31mprovided."
    assert max(map(len, (title, rule, line))) <= 80


@pytest.mark.usefixtures("refused_two_hours_ago")
def test_json_has_what_the_api_has(relay: Relay) -> None:
    document = json.loads(relay("--json").stdout)

    assert document["summary"] == {"critical": 1, "warning": 0, "total": 1}
    assert document["period_hours"] == 24
    assert document["alerts"][0] | {"first_seen": "", "last_seen": ""} == {
        "provider_id": "openai",
        "model_id": "gpt-x",
        "status_code": 401,
        "error_type": "auth_error",
        "error_description": "The provider refuses the key, its rights or its credit.",
        "error_message": REFUSED.message,
        "count": 2,
        "first_seen": "",
        "last_seen": "",
        "severity": "critical",
    }


@pytest.mark.usefixtures("refused_two_hours_ago")
def test_only_the_last_hours_are_shown(relay: Relay) -> None:
    assert relay("--hours", "1").stdout.strip() == "Nothing went wrong in the last 1 h."


@pytest.mark.usefixtures("refused_two_hours_ago")
def test_dismissed_alert_is_not_listed(relay: Relay) -> None:
    assert relay("--dismiss", NAME).stdout.startswith("Hidden until 20")

    assert relay().stdout.startswith("Nothing went wrong")


@pytest.mark.usefixtures("refused_two_hours_ago")
@pytest.mark.parametrize("name", ["auth_error/openai/gpt-x/403", "gpt-x"])
def test_alert_that_never_was_cannot_be_dismissed(relay: Relay, name: str) -> None:
    assert f"There is no alert {name!r}" in relay("--dismiss", name, status=1).stderr


def test_first_use_finds_nothing_wrong(relay: Relay) -> None:
    assert relay().stdout.startswith("Nothing went wrong")
