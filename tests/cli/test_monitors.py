"""`llm-relay monitors`, as an operator types it, with a Parallel to ask."""

import asyncio
import contextlib
import json
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import pytest
from typer.testing import CliRunner, Result

import cli.monitors
from app.core.updates import Update, write_updates
from app.store.db import Database, open_database
from app.store.monitors.webhooks import Webhook, take_webhook
from app.store.times import now_ms
from cli.__main__ import app
from tests.parallel_server import Fault, ParallelServer, running_parallel

Relay = Callable[..., Result]
T = TypeVar("T")
WEBHOOK_URL = "https://relay.example/webhooks/parallel-monitor"
ASKED = ("create", "--username", "ana", "--query", "releases of Python", "--cadence", "daily")


@pytest.fixture
def parallel() -> Iterator[ParallelServer]:
    with running_parallel() as server:
        yield server


@pytest.fixture
def relay(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, parallel: ParallelServer) -> Relay:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("RELAY_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("RELAY_ENV_FILE", "")
    monkeypatch.delenv("DATABASE_URL", raising=False)
    monkeypatch.setenv("PARALLELAI_API_KEY", parallel.key)
    monkeypatch.setenv("PARALLEL_BASE_URL", parallel.base_url)
    monkeypatch.setenv("MONITOR_WEBHOOK_URL", WEBHOOK_URL)

    def run(*arguments: str, status: int = 0) -> Result:
        result = CliRunner().invoke(app, ["monitors", *arguments])
        assert result.exit_code == status, result.output
        return result

    CliRunner().invoke(app, ["tokens", "add", "--username", "ana"], catch_exceptions=False)
    return run


def on_database(tmp_path: Path, work: Callable[[Database], Awaitable[T]]) -> T:
    async def do() -> T:
        database = open_database(f"sqlite:///{tmp_path / 'data' / 'relay.db'}")
        try:
            return await work(database)
        finally:
            await database.aclose()

    return asyncio.run(do())


async def put_group(database: Database, parallel_id: str, group: str, text: str) -> None:
    """An event group as a webhook and a fetch leave it."""
    webhook = Webhook(f"wh_{group}", "monitor.event.detected", parallel_id, event_group_id=group)
    assert await take_webhook(database, webhook, now_ms()) == "stored"
    events = json.dumps(write_updates([Update("e", "2026-04-07", text, ("https://example.com/a",))]))
    values = {"events": events, "now": now_ms(), "group": group}
    await database.transact(
        lambda statements: statements.many(
            "UPDATE monitor_events SET events = :events, fetched_at = :now, retry_at = NULL WHERE event_group_id = :group",
            [values],
        )
    )


def test_one_is_created_listed_and_cancelled(relay: Relay, parallel: ParallelServer) -> None:
    created = relay(*ASKED).stdout.splitlines()
    monitor_id = created[0].split()[0]
    assert created[0] == f"{monitor_id}  active"
    assert created[1].startswith("Watching until ")
    assert parallel.active == [monitor_id]

    titles, line = relay("list").stdout.splitlines()
    assert titles.split() == ["monitor", "user", "status", "every", "until", "(UTC)", "query"]
    assert line.split()[:4] == [monitor_id, "ana", "active", "1d"]

    assert relay("cancel", monitor_id).stdout == f"{monitor_id} is cancelled.\n"
    assert parallel.active == []
    assert relay("list", "--active").stdout.startswith("There is no monitor")
    assert json.loads(relay("list", "--json").stdout)["monitors"][0]["reason"] == "user"


def test_options_of_the_predecessor_are_taken(relay: Relay, parallel: ParallelServer) -> None:
    told = json.loads(
        relay(
            *ASKED,
            "--webhook_url",
            "https://other.example/hook",
            "--event_types",
            "monitor.event.detected,monitor.execution.failed",
            "--metadata_json",
            '{"team": "a"}',
            "--json",
        ).stdout
    )

    assert told["webhook_url"] == "https://other.example/hook"
    [monitor] = parallel.monitors
    assert monitor["webhook"] == {
        "url": "https://other.example/hook",
        "event_types": ["monitor.event.detected", "monitor.execution.failed"],
    }
    assert monitor["metadata"]["team"] == "a"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("create", "--username", "nobody", "--query", "x", "--cadence", "daily"), "no user 'nobody'"),
        (("create", "--username", "ana", "--query", "x"), "'cadence' is missing"),
        ((*ASKED, "--metadata-json", "{"), "--metadata-json is no JSON"),
        ((*ASKED, "--metadata-json", '{"username": "ben"}'), "writes itself"),
        ((*ASKED, "--event-types", "monitor.gone"), "no event type 'monitor.gone'"),
        ((*ASKED, "--forward-url", "http://127.0.0.1/"), "forward_url"),
        (("cancel", "monitor_none"), "no monitor 'monitor_none'"),
        (("events", "monitor_none"), "no monitor 'monitor_none'"),
        (("replay", "monitor_none", "mdl_1"), "no monitor 'monitor_none'"),
    ],
    ids=lambda value: value if isinstance(value, str) else " ".join(value[:1]),
)
def test_what_cannot_be_is_told(relay: Relay, parallel: ParallelServer, arguments: tuple[str, ...], words: str) -> None:
    refused = relay(*arguments, status=1)

    assert words in refused.stderr
    assert parallel.requests == []


def test_without_a_key_it_is_said_what_to_set(relay: Relay, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PARALLELAI_API_KEY")

    assert "PARALLELAI_API_KEY" in relay(*ASKED, status=1).stderr


def test_end_that_parallel_has_not_agreed_to(relay: Relay, parallel: ParallelServer) -> None:
    monitor_id = json.loads(relay(*ASKED, "--json").stdout)["monitor_id"]
    parallel.order(Fault(status=422), "cancel", times=10)

    assert "is being cancelled; Parallel will be asked again" in relay("cancel", monitor_id).stdout


def test_what_was_found_is_shown_and_says_nothing_to_the_terminal(relay: Relay, tmp_path: Path) -> None:
    monitor_id = json.loads(relay(*ASKED, "--json").stdout)["monitor_id"]
    assert relay("events", monitor_id).stdout == "It has found nothing yet.\n"
    on_database(tmp_path, lambda db: put_group(db, monitor_id, "mevtgrp_1", "A \x1b[31mbridge\nwas opened."))

    first, *rest = relay("events", monitor_id).stdout.splitlines()
    assert first.endswith("mevtgrp_1  pending")
    assert rest == ["  2026-04-07", "    A ?[31mbridge", "    was opened.", "    https://example.com/a"]
    told = json.loads(relay("events", monitor_id, "--json").stdout)
    assert told["event_groups"][0]["events"][0]["sources"] == ["https://example.com/a"]


def test_run_now(relay: Relay, parallel: ParallelServer) -> None:
    monitor_id = json.loads(relay(*ASKED, "--json").stdout)["monitor_id"]

    assert relay("trigger", monitor_id).stdout == f"{monitor_id} runs now.\n"
    assert parallel.runs == [monitor_id]


def test_both_sides_are_brought_together(relay: Relay, parallel: ParallelServer) -> None:
    assert relay("reconcile").stdout == "Both sides agree.\n"
    monitor_id = json.loads(relay(*ASKED, "--json").stdout)["monitor_id"]
    parallel.remove(monitor_id)
    lost = parallel.add(metadata={"llm_relay": "mon_lost"}, webhook={"url": WEBHOOK_URL})["monitor_id"]

    assert relay("reconcile").stdout.splitlines() == [
        f"{monitor_id}: not active at Parallel any more, closed here",
        f"{lost}: active at Parallel but not here, cancelled there",
    ]
    assert parallel.active == []


def test_both_sides_cannot_be_brought_together(relay: Relay, parallel: ParallelServer) -> None:
    lost = parallel.add(metadata={"llm_relay": "mon_lost"}, webhook={"url": WEBHOOK_URL})["monitor_id"]
    parallel.order(Fault(status=422), "cancel", times=10)

    told = json.loads(relay("reconcile", "--json", status=1).stdout)

    assert list(told["failed"]) == [lost]


def test_webhooks_are_shown_as_they_come(relay: Relay, tmp_path: Path) -> None:
    monitor_id = json.loads(relay(*ASKED, "--json").stdout)["monitor_id"]
    on_database(tmp_path, lambda db: put_group(db, monitor_id, "mevtgrp_before", "Old."))
    time.sleep(0.01)
    stop = threading.Event()

    def keep_coming() -> None:
        number = 0
        while not stop.wait(0.3):
            number += 1
            on_database(tmp_path, lambda db: put_group(db, monitor_id, f"mevtgrp_{number}", "New."))  # noqa: B023 - called at once

    sender = threading.Thread(target=keep_coming)
    sender.start()
    try:
        told: dict[str, Any] = json.loads(relay("listen", "--once", "--json").stdout)
    finally:
        stop.set()
        sender.join()

    assert told["type"] == "monitor.event.detected"
    assert told["monitor_id"] == monitor_id
    assert told["event_group_id"].removeprefix("mevtgrp_").isdigit()
    assert told["result"] == "stored"


async def test_listening_gets_through_a_crowd_of_webhooks(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cli.monitors, "MOST_SHOWN", 3)
    monkeypatch.setattr(cli.monitors, "LISTEN_S", 0.01)
    since, has_begun = cli.monitors._since, asyncio.Event()

    async def noted_since(*arguments: Any) -> Any:
        found = await since(*arguments)
        has_begun.set()
        return found

    monkeypatch.setattr(cli.monitors, "_since", noted_since)
    now = now_ms()
    crowd = [Webhook(f"wh_{number}", "monitor.execution.completed", "monitor_1") for number in range(20)]
    for number, each in enumerate(crowd[:10]):
        await take_webhook(database, each, now - 10 + number)
    async with asyncio.timeout(20), contextlib.aclosing(cli.monitors._taken(database)) as taken:  # type: ignore[type-var] # a generator
        first = asyncio.ensure_future(anext(taken))
        await has_begun.wait()
        for number, each in enumerate(crowd[10:]):
            await take_webhook(database, each, now + number)

        told = [await first, *[await anext(taken) for _ in range(9)]]

    assert sorted(each.webhook_id for each in told) == [f"wh_{number}" for number in range(10, 20)]


def test_nothing_was_passed_on(relay: Relay) -> None:
    monitor_id = json.loads(relay(*ASKED, "--json").stdout)["monitor_id"]

    assert relay("deliveries", monitor_id).stdout == "Nothing was passed on.\n"
    assert "no delivery 'mdl_1'" in relay("replay", monitor_id, "mdl_1", status=1).stderr
