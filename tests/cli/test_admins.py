"""`llm-relay admins` and `llm-relay audit`, as an operator types them."""

import json
import sqlite3
from collections.abc import Callable
from getpass import getuser
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from cli.__main__ import app

Relay = Callable[..., Result]


@pytest.fixture
def relay(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Relay:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("RELAY_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("RELAY_ENV_FILE", "")
    monkeypatch.delenv("DATABASE_URL", raising=False)

    def run(command: str, status: int = 0, typed: str = "") -> Result:
        result = CliRunner().invoke(app, command.split(), input=typed)
        assert result.exit_code == status, result.output
        return result

    return run


def test_administrators_are_let_in_changed_and_removed(relay: Relay) -> None:
    typed = relay("admins add ann --role admin", typed="correct horse\ncorrect horse\n")
    relay("admins add vera --password-stdin", typed="another one\n")

    listed = json.loads(relay("admins list --json").stdout)["administrators"]
    relay("admins role vera admin")
    relay("admins password vera --password-stdin", typed="yet another\n")
    relay("admins delete vera")

    assert "correct horse" not in typed.output
    assert [(each["name"], each["role"]) for each in listed] == [("ann", "admin"), ("vera", "viewer")]
    assert "vera" not in relay("admins list").stdout
    assert "No code is needed" in relay("admins code", status=1).stderr


@pytest.mark.parametrize(
    ("command", "words"),
    [
        ("admins delete ann", "last one who may change anything"),
        ("admins role ann viewer", "last one who may change anything"),
        ("admins role eve viewer", "There is no administrator 'eve'. 'llm-relay admins list' shows all."),
        ("admins add ann --password-stdin", "There is 'ann' already."),
        ("admins password ann --password-stdin", "from 8 to 1024 characters"),
        ("admins sessions end", "Say which login"),
        ("admins sessions end 0123", "There is no login '0123'"),
    ],
)
def test_what_cannot_be_is_told(relay: Relay, command: str, words: str) -> None:
    relay("admins add ann --role admin --password-stdin", typed="correct horse\n")

    typed = "short\n" if command.startswith("admins password") else "long enough\n"
    assert words in relay(command, status=1, typed=typed).stderr


def test_each_change_is_in_the_log_once_and_a_changed_log_is_told_with_status_1(relay: Relay) -> None:
    relay("admins add ann --role admin --password-stdin", typed="correct horse\n")
    token = json.loads(relay("tokens add --username ann --budget-per-day 1.5 --json").stdout)["id"]
    relay(f"tokens modify --id {token} --rate-limit 20 --tags b,a")
    relay(f"tokens modify --id {token} --rate-limit 20")
    relay(f"tokens disable --id {token}")
    rotated = relay(f"tokens rotate --id {token} --quiet").stdout.strip()
    relay("users limit ann --budget-per-day 2")
    relay("users limit ann --budget-per-day 2")
    relay(f"tokens delete --id {token}")

    log = relay("audit list --json").stdout
    entries = json.loads(log)["entries"][::-1]
    assert [(each["action"], each["subject"]) for each in entries] == [
        ("administrator.add", "ann"),
        ("token.add", token),
        ("token.modify", token),
        ("token.modify", token),
        ("token.rotate", token),
        ("user.limit", "ann"),
        ("token.delete", token),
    ]
    assert {each["actor"] for each in entries} == {f"cli:{getuser()}"}
    assert (entries[2]["before"], entries[2]["after"]) == (
        {"rate_limit": 15, "tags": []},
        {"rate_limit": 20, "tags": ["a", "b"]},
    )
    assert (entries[3]["after"], entries[5]["after"]) == ({"disabled": True}, {"budget_per_day": "2"})
    assert rotated not in log
    assert "correct horse" not in log
    shown = relay("audit list --action token.modify --limit 1").stdout
    assert "disabled false → true" in shown
    assert "There are older ones: --before 4" in shown
    assert "7 changes: the log is as it was written." in relay("audit verify").stdout

    with sqlite3.connect("data/relay.db") as connection:
        connection.execute("UPDATE audit_log SET actor = 'cli:nobody' WHERE number = 2")
    connection.close()

    assert "Entry 2 is not what was written." in relay("audit verify", status=1).stderr
