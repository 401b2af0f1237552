"""`llm-relay usage`, as an operator runs it."""

import asyncio
import csv
import io
import json
import subprocess
from decimal import Decimal
from pathlib import Path

import pytest
from typer.testing import CliRunner

from app.metering.reports import select
from app.store.db import open_database
from app.store.requests import insert_calls
from app.store.schema import upgrade
from cli.__main__ import app
from cli.usage import BY, _money, _places, _show
from tests.store.test_requests import make_row

PERIOD = ("--since", "2026-09-20", "--until", "2026-09-22")


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two calls with two tags on 21 September 2026, and one without any and without a price."""
    path = tmp_path_factory.mktemp("usage") / "relay.db"

    async def fill() -> None:
        database = open_database(f"sqlite:///{path}")
        await upgrade(database)
        free = make_row("c", tags="", cost=None, model="=cmd", username="bob", status=500)
        await insert_calls(database, [make_row("a", cost=Decimal("0.00125")), make_row("b"), free])
        await database.aclose()

    asyncio.run(fill())
    return path


def run(file: Path, *options: str) -> subprocess.CompletedProcess[str]:
    environ = {"DATABASE_URL": f"sqlite:///{file}", "RELAY_ENV_FILE": ""}
    command = ["usage", *options]
    done = CliRunner().invoke(app, command, env=environ)
    return subprocess.CompletedProcess(command, done.exit_code, done.stdout, done.stderr)


@pytest.mark.parametrize("by", BY)
def test_all_divisions_have_the_same_totals(file: Path, by: str) -> None:
    document = json.loads(run(file, "--by", by, "--json", *PERIOD).stdout)

    assert (document["by"], document["start"], document["end"]) == (by, "2026-09-20", "2026-09-22")
    assert (document["totals"]["calls"], document["totals"]["cost"], document["totals"]["unpriced"]) == (
        3,
        "0.01355",
        1,
    )
    assert sum(group["calls"] for group in document["groups"]) == (5 if by == "tag" else 3)


def test_table_tells_what_lacks_a_price_and_how_tags_count(file: Path) -> None:
    done = run(file, "--by", "tag", *PERIOD)

    lines = [line.split() for line in done.stdout.splitlines()]
    assert ["a", "2", "-", "54", "56", "0.01355", "9"] in lines
    assert ["all", "3", "1", "81", "84", "~0.01355", "9"] in lines
    assert "~ lacks the cost of 1 call for which no price is known." in done.stdout
    assert "A call counts once under each of its tags" in done.stdout


def test_cost_of_calls_that_all_lack_a_price_is_unknown_and_not_0(file: Path) -> None:
    table, alone = run(file, "--by", "user", *PERIOD), run(file, "--by", "user", "--since", "2026-09-23")
    document = json.loads(run(file, "--by", "user", "--json", *PERIOD).stdout)
    rows = csv.DictReader(io.StringIO(run(file, "--by", "user", "--csv", *PERIOD).stdout, newline=""))

    lines = [line.split() for line in table.stdout.splitlines()]
    assert ["bob", "1", "1", "27", "28", "?", "9"] in lines
    assert "? is where" in table.stdout
    assert "?" not in alone.stdout
    assert [(group["key"], group["cost"]) for group in document["groups"]] == [("ann", "0.01355"), ("bob", None)]
    assert document["totals"]["cost"] == "0.01355"
    assert [(row["key"], row["cost"]) for row in rows] == [("ann", "0.01355"), ("bob", "")]


def test_table_without_any_known_price_has_no_amount(capsys: pytest.CaptureFixture[str]) -> None:
    view = {"key": "bob", "calls": 2, "errors": 0, "prompt_tokens": 3, "completion_tokens": 4, "average_ms": 5.0}
    unpriced = view | {"cost": None, "unpriced": 2}

    _show("user", [unpriced], unpriced, select(days=1))

    told = capsys.readouterr().out
    assert [line.split() for line in told.splitlines()][2:4] == [
        ["bob", "2", "-", "3", "4", "?", "5"],
        ["all", "2", "-", "3", "4", "?", "5"],
    ]
    assert "~" not in told


def test_csv_is_safe_to_open(file: Path) -> None:
    rows = list(csv.DictReader(io.StringIO(run(file, "--by", "name", "--csv", *PERIOD).stdout, newline="")))
    models = list(csv.DictReader(io.StringIO(run(file, "--by", "model", "--csv", *PERIOD).stdout, newline="")))

    assert [(row["key"], row["calls"], row["cost"]) for row in rows] == [("gpt", "3", "0.01355")]
    assert {row["model"] for row in models} == {"gpt-5", "'=cmd"}


def test_period_without_calls_is_told(file: Path) -> None:
    done = run(file, "--since", "1d", "--until", "2020-01-01")

    assert done.stdout == "2020-01-01 to 2020-01-01, UTC days\nNo calls.\n"


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--by", "colour"), "'colour'"),
        (("--since", "soon"), "YYYY-MM-DD"),
        (("--since", "0d"), "3660d"),
        (("--since", "2026-09-20", "--until", "2026-09-19"), "From 2026-09-20 to 2026-09-19"),
        (("--since", "9999-01-01"), "From 9999-01-01"),
        (("--since", "2001-01-01"), "over ten years"),
        (("--since", "2026-09-20T14:00"), "whole UTC days"),
        (("--json", "--csv"), "--json, --csv and --watch"),
    ],
)
def test_what_cannot_be_shown_is_refused_in_words(file: Path, options: tuple[str, ...], words: str) -> None:
    done = run(file, *options)

    assert done.returncode == 1
    assert words in done.stderr
    assert len(done.stderr.splitlines()) == 1, "not a traceback"


@pytest.mark.parametrize(
    ("costs", "shown"),
    [
        (("1234.5", "0.00036", "0"), ["1,234.50", "<0.01", "0.00"]),
        (("0.0014", "0.0004", "0.00036"), ["0.001400", "0.000400", "0.000360"]),
        (("0.5", "0.00001"), ["0.5000", "<0.0001"]),
        (("0", "0"), ["0.00", "0.00"]),
    ],
)
def test_amounts_of_a_column_have_as_many_decimals(costs: tuple[str, ...], shown: list[str]) -> None:
    amounts = [Decimal(cost) for cost in costs]
    places = _places(amounts)

    assert [_money(amount, places) for amount in amounts] == shown
