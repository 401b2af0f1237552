"""Limits beside calls a day, as an operator sets them and looks at them."""

import asyncio
import json
import time
from collections.abc import Callable
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from app.auth.desk import TokenDesk
from app.auth.tokens import Tokens
from app.auth.users import UserDesk
from app.core.limits import LIMITS, Ask, period_of
from app.core.principal import Limits, Principal
from app.store.db import Database, open_database
from app.store.limits import reserve
from app.store.quota import lease_units
from app.store.times import MS_PER_DAY, now_ms
from cli.__main__ import app

Relay = Callable[..., Result]
ALL = ("60", "5000", "100000", "1.5", "20", "4")


@pytest.fixture
def relay(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Relay:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("RELAY_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("RELAY_ENV_FILE", "")
    monkeypatch.delenv("DATABASE_URL", raising=False)

    def run(*arguments: str, status: int = 0) -> Result:
        result = CliRunner().invoke(app, arguments)
        assert result.exit_code == status, result.output
        return result

    return run


def on_database(work: Callable[[Database], Any]) -> Any:
    async def run() -> Any:
        database = open_database("sqlite:///data/relay.db")
        try:
            return await work(database)
        finally:
            await database.aclose()

    return asyncio.run(run())


def principal_of(token: str) -> Principal:
    async def read(database: Database) -> Principal:
        tokens = Tokens(database)
        await tokens.refresh()
        return tokens.find(token)

    principal: Principal = on_database(read)
    return principal


def make_token(relay: Relay, *options: str) -> str:
    return relay("tokens", "add", "--username", "ann", "--quiet", *options).stdout.strip()


def options(values: tuple[str, ...], *, underscores: bool = False) -> list[str]:
    names = [f"--{name}" if underscores else f"--{name.replace('_', '-')}" for name in LIMITS]
    return [text for pair in zip(names, values, strict=True) for text in pair]


@pytest.mark.parametrize("underscores", [False, True])
def test_limits_may_be_set_when_a_token_is_made_and_spelled_both_ways(relay: Relay, underscores: bool) -> None:
    token = make_token(relay, *options(ALL, underscores=underscores))

    assert principal_of(token).limits == Limits(60, 5000, 100_000, Decimal("1.5"), Decimal(20), 4)


def test_limit_that_is_modified_is_told_and_the_others_stay(relay: Relay) -> None:
    token = make_token(relay, *options(ALL))

    said = relay("tokens", "modify", "--token", token, "--tokens_per_day", "7", "--budget-per-day", "none").stdout

    assert "tokens_per_day: 100000 → 7" in said
    assert "budget_per_day: 1.5 → none" in said
    assert principal_of(token).limits == Limits(60, 5000, 7, None, Decimal(20), 4)


def test_json_has_limits_and_what_changed(relay: Relay) -> None:
    token = make_token(relay)

    changed = json.loads(relay("tokens", "modify", "--token", token, "--budget-per-month", "0.25", "--json").stdout)

    assert changed["changed"] == {"budget_per_month": {"from": None, "to": "0.25"}}
    assert changed["token"]["limits"] == {"budget_per_month": "0.25"}


@pytest.mark.parametrize(
    ("option", "value", "words"),
    [
        ("--tokens-per-day", "0", "whole number from 1"),
        ("--tokens-per-day", "-3", "whole number from 1"),
        ("--tokens-per-day", "1.5", "use a whole number"),
        ("--max-concurrent", "many", "'none' for no limit"),
        ("--budget-per-day", "NaN", "amount in USD above 0"),
        ("--budget-per-day", "0", "amount in USD above 0"),
        ("--budget-per-day", "1e9", "amount in USD above 0"),
        ("--budget-per-day", "$5", "use an amount in USD"),
    ],
)
def test_limit_that_cannot_be_is_refused_with_the_reason(relay: Relay, option: str, value: str, words: str) -> None:
    token = make_token(relay)

    assert words in relay("tokens", "modify", "--token", token, option, value, status=1).stderr
    assert words in relay("users", "limit", "ann", option, value, status=1).stderr
    assert principal_of(token).caps == ()


def use_some(token: str) -> None:
    principal, now = principal_of(token), time.time()
    amounts = {"tokens_per_day": 250, "budget_per_month": 10**12}
    asks = [Ask(cap, period_of(cap.limit, now), amounts[cap.limit]) for cap in principal.caps]
    assert on_database(lambda database: reserve(database, "worker", "call", asks)).granted


def test_show_prints_what_is_used_of_the_token_s_and_of_its_user_s_limits(relay: Relay) -> None:
    token = make_token(relay, "--tokens-per-day", "1000")
    relay("users", "limit", "ann", "--budget-per-month", "4")
    use_some(token)

    shown = relay("tokens", "show", "--token", token).stdout

    lines = [line.split() for line in shown.splitlines()]
    assert ["tokens_per_day", "(token)", "0", "250", "1000", "█" * 5 + "░" * 15, "25", "%"] in [
        line[:8] for line in lines
    ]
    assert ["budget_per_month", "(user)", "0", "1", "4", "█" * 5 + "░" * 15, "25", "%"] in [line[:8] for line in lines]
    (use, _) = json.loads(relay("tokens", "show", "--token", token, "--json").stdout)["use"]
    assert use.pop("starts_anew").endswith("T00:00:00.000Z")
    assert use == {"of": "token", "limit": "tokens_per_day", "used": 0, "reserved": 250, "most": 1000, "percent": 25.0}


@pytest.mark.parametrize(("most", "used", "told"), [(4, 1, "█" * 5 + "░" * 15 + " 25 %"), (0, 0, "█" * 20 + " 100 %")])
def test_show_tells_of_calls_a_day_as_of_other_limits(relay: Relay, most: int, used: int, told: str) -> None:
    token = make_token(relay, "--rate-limit", str(most))
    today = now_ms() // MS_PER_DAY
    # By a worker that is dead long since, so that its unit is used.
    lease = partial(lease_units, worker_id="w", token_id=token[3:11], day=today, wanted=1, back=0, now=0)
    assert on_database(lambda database: lease(database, limit=most)).units == used

    shown = relay("tokens", "show", "--token", token).stdout

    (line,) = [line for line in shown.splitlines() if line.startswith("rate_limit")]
    assert line.split()[:5] == ["rate_limit", "(token)", str(used), "0", str(most)]
    assert f" {told}  " in line
    assert line.endswith(" 00:00:00")
    assert "used today" not in shown


def test_use_of_limits_is_never_wider_than_the_terminal(relay: Relay, monkeypatch: pytest.MonkeyPatch) -> None:
    token = make_token(relay, "--requests-per-minute", "1000000")
    monkeypatch.setattr("cli.output._is_terminal", lambda: True)
    monkeypatch.setenv("COLUMNS", "80")

    shown = relay("tokens", "show", "--token", token).stdout

    assert [line for line in shown.splitlines() if len(line) > 80] == []
    assert shown.count("starts anew: ") == 2


def test_limits_of_a_user_hold_for_all_tokens_of_that_name(relay: Relay) -> None:
    tokens = [make_token(relay), make_token(relay, "--tokens-per-day", "9")]

    said = relay("users", "limit", "ann", "--tokens-per-day", "50", "--max_concurrent", "2").stdout
    relay("users", "limit", "ann", "--max-concurrent", "none")

    assert "ann may use: tokens_per_day 50, max_concurrent 2." in said
    assert [principal_of(token).user_limits for token in tokens] == [Limits(tokens_per_day=50)] * 2
    assert [len(principal_of(token).caps) for token in tokens] == [1, 2]


def test_users_are_listed_and_shown(relay: Relay) -> None:
    token = make_token(relay)
    relay("users", "limit", "bob", "--budget-per-day", "0.5")
    relay("users", "limit", "ann", "--tokens-per-day", "1000", "--budget-per-month", "4")
    use_some(token)

    assert json.loads(relay("users", "list", "--json").stdout) == [
        {"username": "ann", "tokens": 1, "limits": {"tokens_per_day": 1000, "budget_per_month": "4"}},
        {"username": "bob", "tokens": 0, "limits": {"budget_per_day": "0.5"}},
    ]
    assert "budget_per_day 0.5" in relay("users", "list").stdout
    assert "25 %" in relay("users", "show", "ann").stdout
    assert "no user 'eve'" in relay("users", "show", "eve", status=1).stderr
    assert "Nothing to change" in relay("users", "limit", "ann", status=1).stderr


def test_user_whose_last_limit_is_lifted_is_as_if_there_had_been_none(relay: Relay) -> None:
    relay("users", "limit", "bob", "--budget-per-day", "0.5")

    relay("users", "limit", "bob", "--budget-per-day", "none")

    assert json.loads(relay("users", "list", "--json").stdout) == []


def test_list_of_tokens_has_their_limits(relay: Relay) -> None:
    make_token(relay, "--max-concurrent", "3")

    assert json.loads(relay("tokens", "list", "--json").stdout)[0]["limits"] == {"max_concurrent": 3}
    assert relay("tokens", "list").stdout.endswith("  max_concurrent 3\n")


async def test_functions_of_the_api_set_limits_and_refuse_what_is_none(database: Database) -> None:
    await UserDesk(database).limit(" ann ", {"budget_per_day": Decimal("0.1"), "tokens_per_day": 5})

    with pytest.raises(Exception, match="no limit 'tokens_per_year'"):
        await UserDesk(database).limit("ann", {"tokens_per_year": 5})
    with pytest.raises(Exception, match="no token with the id 'nobody'"):
        await TokenDesk(database).modify("nobody", {"tokens_per_day": 5})
