"""`llm-relay tokens`, as an operator types it."""

import asyncio
import contextlib
import json
import re
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from app.auth.tokens import Tokens
from app.core.principal import Principal
from app.store.db import open_database
from cli.__main__ import app

Relay = Callable[..., Result]
TOKEN = re.compile(r"lr_[0-9A-Za-z]{8}_[0-9A-Za-z]{43}")
OLD_TOKEN = "Abc123" * 5 + "xy"


@pytest.fixture
def relay(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Relay:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("RELAY_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("RELAY_ENV_FILE", "")
    monkeypatch.delenv("DATABASE_URL", raising=False)

    def run(*arguments: str, status: int = 0) -> Result:
        result = CliRunner().invoke(app, ["tokens", *arguments])
        assert result.exit_code == status, result.output
        return result

    return run


def make_token(relay: Relay, *arguments: str) -> str:
    return relay("add", "--username", "ann", "--quiet", *arguments).stdout.strip()


def read_json(result: Result) -> Any:
    return json.loads(result.stdout)


def principal_of(token: str) -> Principal:
    """Who the server takes a token for."""
    return asyncio.run(_look_up(token))


async def _look_up(token: str) -> Principal:
    database = open_database(f"sqlite:///{Path('data/relay.db').absolute()}")  # noqa: ASYNC240 - where the command put it
    try:
        return await Tokens(database).look_up(token)
    finally:
        await database.aclose()


def test_token_that_was_added_is_the_servers_at_once(relay: Relay) -> None:
    expiry = ("--expiry", "2100-01-02 03:04:05")
    token = make_token(relay, *expiry, "--rate-limit", "7", "--models", "gpt-*, A/b", "--tags", "x,y,x")

    principal = principal_of(token)

    assert TOKEN.fullmatch(token)
    assert (principal.username, principal.daily_limit) == ("ann", 7)
    assert (principal.models, principal.tags) == (("gpt-*", "a/b"), ("x", "y"))
    assert f"{principal.expires}" == "2100-01-02 03:04:05+00:00"


def test_token_has_15_calls_a_day_and_no_end_where_nothing_is_said(relay: Relay) -> None:
    principal = principal_of(make_token(relay))

    assert (principal.daily_limit, principal.expires, principal.models, principal.tags) == (15, None, (), ())


@pytest.mark.parametrize("spelling", ["--rate-limit", "--rate_limit"])
def test_rate_limit_may_be_spelled_both_ways(relay: Relay, spelling: str) -> None:
    token = make_token(relay, spelling, "42")
    assert principal_of(token).daily_limit == 42

    relay("modify", "--token", token, spelling, "43")
    assert principal_of(token).daily_limit == 43


def test_token_is_printed_once_and_never_again(relay: Relay) -> None:
    shown = relay("add", "--username", "ann").stdout
    (token,) = TOKEN.findall(shown)
    token_id = token[3:11]

    said = [relay("list").stdout, relay("show", "--id", token_id).stdout, relay("list", "--json").stdout]
    said += [relay("modify", "--id", token_id, "--tags", "x").output, relay("disable", "--token", token).output]
    said += [relay("delete", "--token", token).output]

    secret = token.rpartition("_")[2]
    assert not any(secret in text for text in said)
    assert all(token_id in text for text in said)


def test_quiet_prints_the_token_and_nothing_else(relay: Relay) -> None:
    assert TOKEN.fullmatch(relay("add", "--username", "ann", "--quiet").stdout.removesuffix("\n"))


@pytest.mark.parametrize(
    ("expiry", "shown"),
    [
        ("2100-12-31", "2100-12-31T00:00:00.000Z"),
        ("2100-12-31T10:00:00Z", "2100-12-31T10:00:00.000Z"),
        ("2100-12-31T10:00:00+02:00", "2100-12-31T08:00:00.000Z"),
        ("9999-12-31T23:59:59.9999Z", "9999-12-31T23:59:59.999Z"),
        ("never", None),
    ],
)
def test_expiry_may_be_written_in_several_ways(relay: Relay, expiry: str, shown: str | None) -> None:
    assert read_json(relay("add", "--username", "ann", "--expiry", expiry, "--json"))["expires"] == shown


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--username", "ann", "--expiry", "2020-01-01 00:00:00"), "2020-01-01 00:00:00 UTC is in the past"),
        (("--username", "ann", "--expiry", "tomorrow"), "'tomorrow' is no time"),
        (("--username", "ann", "--expiry", "9999-12-31T23:59:59-01:00"), "-01:00' is no time"),
        (("--username", " "), "username"),
        (("--username", "a\nb"), "cannot be printed"),
        (("--username", "ann", "--tags", "x" * 101), "too long: 100 characters at most"),
        (("--username", "ann", "--tags", "a,sk-proj-0123456789"), "looks like a key or a token cannot be a tag"),
    ],
)
def test_token_that_cannot_be_is_refused_with_the_reason(relay: Relay, arguments: tuple[str, ...], words: str) -> None:
    result = relay("add", *arguments, status=1)

    assert words in result.stderr
    assert result.stdout == ""
    assert read_json(relay("list", "--json")) == []


def test_negative_rate_limit_is_refused(relay: Relay) -> None:
    relay("add", "--username", "ann", "--rate-limit", "-1", status=2)


def test_json_of_a_token_has_all_that_may_be_shown(relay: Relay) -> None:
    added = read_json(relay("add", "--username", "ann", "--json", "--models", "m", "--tags", "t"))
    token_id = added["id"]

    assert TOKEN.fullmatch(added.pop("token"))
    assert added.pop("previous_until") is None
    assert added.pop("created").startswith(f"{datetime.now().astimezone().year}-")
    expected = {
        "id": token_id,
        "username": "ann",
        "expires": None,
        "rate_limit": 15,
        "used_today": 0,
        "lifetime_requests": 0,
        "last_used": None,
        "models": ["m"],
        "tags": ["t"],
        "admin": False,
        "log_bodies": False,
        "state": "active",
        "limits": {},
    }
    assert added == expected
    (listed,) = read_json(relay("list", "--json"))
    assert listed | {"use": []} == read_json(relay("show", "--id", token_id, "--json"))
    assert {name: listed[name] for name in expected} == expected


def test_list_shows_what_was_used(relay: Relay) -> None:
    token = make_token(relay)
    with contextlib.closing(sqlite3.connect("data/relay.db")) as connection:
        today, now_ms = int(time.time()) // 86_400, int(time.time() * 1000)
        connection.execute("INSERT INTO quota_days VALUES (?, ?, 9, 0)", (token[3:11], today))
        connection.execute(
            "INSERT INTO quota_leases VALUES ('alive', ?, ?, 4, ?)", (token[3:11], today, now_ms + 60_000)
        )
        connection.execute("INSERT INTO quota_leases VALUES ('dead', ?, ?, 2, 0)", (token[3:11], today))
        connection.execute("UPDATE tokens SET lifetime_requests = 77, last_used_at = 0")
        connection.commit()

    (listed,) = read_json(relay("list", "--json"))

    assert (listed["used_today"], listed["lifetime_requests"]) == (5, 77)
    assert listed["last_used"] == "1970-01-01T00:00:00.000Z"


def test_list_into_a_pipe_is_aligned_text(relay: Relay) -> None:
    make_token(relay, "--models", "gpt-*", "--tags", "a-very-long-tag-that-makes-the-column-wide,another")
    make_token(relay)

    title, *lines = relay("list").stdout.splitlines()

    assert title.split() == [
        "id",
        "username",
        "today",
        "expires",
        "state",
        "last",
        "used",
        "lifetime",
        "models",
        "tags",
        "limits",
    ]
    assert len({line.index("active") for line in lines} | {title.index("state")}) == 1


LIMITS = (
    *("--requests-per-minute", "60", "--tokens-per-minute", "100000", "--tokens-per-day", "2000000"),
    *("--budget-per-day", "2.5", "--budget-per-month", "40", "--max-concurrent", "4"),
)
LIMITS_IN_WORDS = (
    "requests_per_minute 60, tokens_per_minute 100000, tokens_per_day 2000000, budget_per_day 2.5,"
    " budget_per_month 40, max_concurrent 4"
)
LONG_NAME = "friederike.von-hohenstaufen@research.department.example.com"


def make_long_token(relay: Relay) -> str:
    """One of which there is much to tell."""
    said = (
        "--expiry",
        "2100-01-01",
        "--rate-limit",
        "100000",
        "--models",
        "gpt-4.1*,anthropic/claude-*",
        "--tags",
        "x,y",
    )
    return relay("add", "--username", LONG_NAME, "--quiet", *said, *LIMITS).stdout.strip()


def test_list_into_a_pipe_has_all_of_a_token_in_its_line(relay: Relay) -> None:
    token = make_long_token(relay)

    (line,) = relay("list").stdout.splitlines()[1:]

    told = (token[3:11], LONG_NAME, "0/100000", "2100-01-01 00:00:00", "gpt-4.1*, anthropic/claude-*", "x, y")
    assert [word for word in (*told, LIMITS_IN_WORDS) if word not in line] == []


@pytest.mark.parametrize(
    ("width", "titles"),
    [
        (80, "id username today expires state"),
        (120, "id username today expires state last used"),
        (200, "id username today expires state last used lifetime models tags"),
    ],
)
def test_list_is_never_wider_than_the_terminal_and_leaves_nothing_out(
    relay: Relay, monkeypatch: pytest.MonkeyPatch, width: int, titles: str
) -> None:
    token = make_long_token(relay)
    make_token(relay)
    monkeypatch.setattr("cli.output._is_terminal", lambda: True)
    monkeypatch.setenv("COLUMNS", str(width))

    shown = relay("list").stdout

    lines = shown.splitlines()
    assert lines[0].split() == titles.split()
    assert [line for line in lines if len(line) > width] == []
    words = " ".join(shown.split())
    told = (token[3:11], "0/100000", "2100-01-01 00:00:00", "gpt-4.1*, anthropic/claude-*", "x, y")
    assert [word for word in (*told, f"limits: {LIMITS_IN_WORDS}") if word not in words] == []
    assert shown.count("limits:") == 1, "there are none to tell of the other one"


def test_list_on_a_terminal_is_a_table(relay: Relay, monkeypatch: pytest.MonkeyPatch) -> None:
    from cli import output

    make_token(relay, "--models", "[red]gpt[/red]")
    monkeypatch.setattr(output, "_is_terminal", lambda: True)
    monkeypatch.setenv("COLUMNS", "160")

    shown = relay("list").stdout

    assert "─" in shown
    assert "[red]gpt[/red]" in shown


def test_empty_list_says_how_to_begin(relay: Relay) -> None:
    assert "tokens add" in relay("list").stdout


def test_modify_changes_what_is_given_and_says_so(relay: Relay) -> None:
    token = make_token(relay, "--tags", "x", "--expiry", "2100-01-01")

    result = relay("modify", "--id", token[3:11], "--rate-limit", "99", "--expiry", "never", "--username", "bob")

    assert "rate_limit: 15 → 99" in result.stdout
    assert "expires: 2100-01-01 00:00:00 → never" in result.stdout
    assert "username: ann → bob" in result.stdout
    principal = principal_of(token)
    assert (principal.username, principal.daily_limit, principal.tags) == ("bob", 99, ("x",))
    assert principal.expires is None


def test_tags_and_switches_of_a_token_are_the_servers(relay: Relay) -> None:
    token = make_token(relay, "--tags", "b, a,b", "--admin", "--log-bodies")

    principal = principal_of(token)

    assert (principal.tags, principal.admin, principal.log_bodies) == (("a", "b"), True, True)
    shown = relay("show", "--token", token).stdout
    assert re.search(r"^admin +yes$", shown, re.MULTILINE)
    assert re.search(r"^log bodies +yes$", shown, re.MULTILINE)


def test_switches_are_changed_by_themselves(relay: Relay) -> None:
    token = make_token(relay, "--admin")
    assert not principal_of(token).log_bodies

    assert "log_bodies: no → yes" in relay("modify", "--token", token, "--log-bodies").stdout
    assert "admin: yes → no" in relay("modify", "--token", token, "--no-admin").stdout
    assert "tags: - → a, b" in relay("modify", "--token", token, "--tags", "b,a").stdout

    principal = principal_of(token)
    assert (principal.tags, principal.admin, principal.log_bodies) == (("a", "b"), False, True)
    assert "too long" in relay("modify", "--token", token, "--tags", "x" * 101, status=1).stderr


def test_modify_in_json_has_before_and_after(relay: Relay) -> None:
    token = make_token(relay, "--models", "a,b")

    result = read_json(relay("modify", "--token", token, "--models", "", "--json"))

    assert result["changed"] == {"models": {"from": ["a", "b"], "to": []}}
    assert result["token"]["models"] == []


def test_modify_of_nothing_and_to_the_past_is_refused(relay: Relay) -> None:
    token = make_token(relay)

    assert "Nothing to change" in relay("modify", "--token", token, status=1).stderr
    assert "past" in relay("modify", "--token", token, "--expiry", "2020-01-01", status=1).stderr


def test_disabled_token_can_be_enabled_again(relay: Relay) -> None:
    token = make_token(relay)

    assert "state: active → disabled" in relay("disable", "--token", token).stdout
    assert "like that already" in relay("disable", "--token", token).stdout
    assert read_json(relay("enable", "--token", token, "--json"))["token"]["state"] == "active"


@pytest.mark.parametrize("by", ["--token", "--id"])
def test_deleted_token_is_gone(relay: Relay, by: str) -> None:
    token = make_token(relay)

    relay("delete", by, token if by == "--token" else token[3:11])

    assert read_json(relay("list", "--json")) == []


def test_rotated_token_works_beside_the_new_one(relay: Relay) -> None:
    old = make_token(relay)

    new = relay("rotate", "--token", old, "--quiet").stdout.strip()

    assert new != old
    assert principal_of(old) == principal_of(new)
    rotated = read_json(relay("rotate", "--id", old[3:11], "--grace-hours", "0", "--json"))
    assert rotated["previous_until"] is not None
    assert principal_of(rotated["token"]).token_id == old[3:11]


@pytest.mark.parametrize("command", ["show", "modify", "disable", "enable", "delete", "rotate"])
def test_token_must_be_named_and_be_there(relay: Relay, command: str) -> None:
    change = ["--tags", "x"] if command == "modify" else []

    assert "either --id ID or --token TOKEN" in relay(command, *change, status=1).stderr
    assert "no token with the id 'nobody'" in relay(command, "--id", "nobody", *change, status=1).stderr
    unknown = relay(command, "--token", "lr_unknown", *change, status=1)
    assert "no token like the one given" in unknown.stderr
    assert "lr_unknown" not in unknown.output


@pytest.fixture
def old_database(tmp_path: Path) -> Path:
    """As the predecessor made it."""
    path = tmp_path / "auth_tokens.db"
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.execute(
            "CREATE TABLE tokens (token TEXT PRIMARY KEY, username TEXT NOT NULL, expiry TEXT NOT NULL,"
            " request_count INTEGER DEFAULT 0, rate_limit INTEGER DEFAULT 15, last_request_date TEXT,"
            " lifetime_requests INTEGER DEFAULT 0)"
        )
        rows = [
            (OLD_TOKEN, "ann", "2100-01-01 12:00:00", 3, 20, "2026-01-01", 99),
            ("x" * 32, "bob", "2020-01-01 00:00:00", 0, 15, None, 0),
            ("short", "eve", "2100-01-01 00:00:00", 0, 15, None, 0),
            ("y" * 32, "mallory", "some day", 0, 15, None, 0),
        ]
        connection.executemany("INSERT INTO tokens VALUES (?, ?, ?, ?, ?, ?, ?)", rows)
        connection.commit()
    return path


@pytest.fixture
def berlin(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """This machine is in a zone an hour before UTC."""
    monkeypatch.setenv("TZ", "CET-1")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.mark.usefixtures("berlin")
def test_predecessors_token_goes_on_working(relay: Relay, old_database: Path) -> None:
    result = read_json(relay("import", str(old_database), "--json"))

    principal = principal_of(OLD_TOKEN)
    assert (principal.username, principal.daily_limit) == ("ann", 20)
    assert f"{principal.expires}" == "2100-01-01 11:00:00+00:00"
    ann, bob = result["imported"]
    assert (ann["username"], ann["lifetime_requests"], ann["state"]) == ("ann", 99, "active")
    assert (bob["username"], bob["state"]) == ("bob", "expired")
    assert [(skipped["username"], skipped["reason"][:10]) for skipped in result["skipped"]] == [
        ("eve", "malformed:"),
        ("mallory", "malformed:"),
    ]


@pytest.mark.usefixtures("berlin")
def test_import_says_what_it_did_and_how_it_read_times(relay: Relay, old_database: Path) -> None:
    relay("import", str(old_database))

    said = relay("import", str(old_database)).stdout

    assert "Imported 0 tokens, skipped 4." in said
    assert "ann: already there" in said
    assert "local times of this machine (CET)" in said
    assert OLD_TOKEN not in said


def test_import_of_what_is_not_there_is_an_error(relay: Relay) -> None:
    assert "no file 'nowhere.db'" in relay("import", "nowhere.db", status=1).stderr


def test_settings_that_cannot_be_used_are_an_error_in_words(relay: Relay, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "'missing.env' does not exist" in relay("list", "--env-file", "missing.env", status=1).stderr
    monkeypatch.setenv("DATABASE_URL", "mysql://host/name")
    assert "DATABASE_URL begins with 'mysql'" in relay("list", status=1).stderr
    monkeypatch.setenv("DATABASE_URL", "sqlite:////dev/null/relay.db")
    assert "its folder is a file" in relay("list", status=1).stderr


@pytest.mark.parametrize(
    "arguments",
    [
        ["--env-file", "my.env", "tokens", "add", "--username", "ann"],
        ["tokens", "add", "--username", "ann", "--env-file", "my.env"],
    ],
)
def test_file_of_settings_may_be_named_before_or_after_the_command(tmp_path: Path, arguments: list[str]) -> None:
    (tmp_path / "my.env").write_text(f"DATABASE_URL=sqlite:///{tmp_path}/mine.db\n")

    done = subprocess.run(
        [sys.executable, "-m", "cli", *arguments], cwd=tmp_path, capture_output=True, text=True, check=False
    )

    assert (done.returncode, done.stderr) == (0, "")
    assert (tmp_path / "mine.db").exists()


def test_version_is_printed_without_looking_at_any_command(tmp_path: Path) -> None:
    program = (
        "import sys, cli.__main__ as m\n"
        "sys.argv = ['llm-relay', '--version']\n"
        "try: m.main()\n"
        "except SystemExit: print([name for name in ('sqlmodel', 'fastapi', 'uvicorn') if name in sys.modules])"
    )

    done = subprocess.run([sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, check=True)

    assert re.fullmatch(r"\d+\.\d+\.\d+\S*\n\[\]\n", done.stdout)
