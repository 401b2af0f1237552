"""Monitors on two machines that share a PostgreSQL: each thing is done once, and every user is told wherever he asks."""

import asyncio
import json
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest
from standardwebhooks import Webhook

from app.store.db import open_database
from app.store.monitors.rows import Monitor, activate, add_monitor, list_monitors
from app.store.schema import upgrade
from app.store.times import MS_PER_HOUR, now_ms
from tests.e2e.gateway import Gateway
from tests.e2e.standin import StandIn, running_standin
from tests.e2e.test_monitors import User, webhook_settings
from tests.monitor_rows import SECRET
from tests.parallel_server import ParallelServer, running_parallel
from tests.postgres import Postgres
from tests.waiting import wait_for

pytestmark = [pytest.mark.xdist_group("monitors")]

EXPIRED = 6


@pytest.fixture(scope="module")
def parallel() -> Iterator[ParallelServer]:
    with running_parallel(secrets=[SECRET]) as server:
        yield server


@pytest.fixture(scope="module")
def receiver() -> Iterator[StandIn]:
    with running_standin() as running:
        yield running


@pytest.fixture(scope="module")
def url(postgres: Postgres, parallel: ParallelServer) -> Iterator[str]:
    """A database with monitors whose time was over before any machine was there."""
    name = postgres.create()
    url = postgres.url(name)
    asyncio.run(_put_expired(url, parallel))
    yield url
    postgres.drop(name)


@pytest.fixture(scope="module")
def machines(
    url: str, parallel: ParallelServer, receiver: StandIn, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[list[Gateway]]:
    environ = {
        "DATABASE_URL": url,
        "PARALLELAI_API_KEY": parallel.key,
        "PARALLEL_BASE_URL": parallel.base_url,
        "WEB_ALLOW": f"127.0.0.1:{httpx.URL(receiver.base_url).port}",
    }
    made = [Gateway(tmp_path_factory.mktemp("machine"), environ=environ | webhook_settings()) for _ in range(2)]
    for machine in made:
        machine.set_environ(MONITOR_WEBHOOK_URL=f"{made[0].base_url}/webhooks/parallel-monitor")
        machine.token = "none"  # made below
        machine.start()
    yield made
    for machine in made:
        machine.stop()


async def _put_expired(url: str, parallel: ParallelServer) -> None:
    database = open_database(url)
    await upgrade(database)
    for number in range(EXPIRED):
        monitor = Monitor(f"mon_old{number}", f"old-{number}", "q", "1d", "lite", "creating", 0, now_ms() - MS_PER_HOUR)
        await add_monitor(database, monitor)
        there = parallel.add(metadata={"llm_relay": monitor.id})["monitor_id"]
        await activate(database, monitor, there, most=1, now=1)
    await database.aclose()


async def _read(url: str) -> list[Monitor]:
    database = open_database(url)
    try:
        return await list_monitors(database, None, 1000)
    finally:
        await database.aclose()


def test_what_has_expired_is_ended_by_one_of_them(url: str, machines: list[Gateway], parallel: ParallelServer) -> None:
    assert len(machines) == 2

    wait_for(lambda: all(each.status == "cancelled" for each in asyncio.run(_read(url)) if each.username[:4] == "old-"))

    assert {each.reason for each in asyncio.run(_read(url))} == {"expired"}
    asked = [each.path for each in parallel.asked("cancel")]
    assert len(asked) == len(set(asked)) == EXPIRED


def test_what_is_found_is_passed_on_once_and_told_once(
    machines: list[Gateway], parallel: ParallelServer, receiver: StandIn
) -> None:
    users = [User(machine, "ana") for machine in machines]  # one user, with a token at each
    created = users[0].create(forward_url=f"{receiver.base_url}/hook")
    monitor_id = created["monitor_id"]
    with users[1].http.stream("GET", "/v1/monitors/events/stream") as stream:
        lines = stream.iter_lines()
        assert next(lines) == "retry: 3000"
        groups = [parallel.detect(monitor_id, f"Update {number}.") for number in range(8)]
        read: list[str] = []
        while len(read) < len(groups):
            line = next(lines)
            if line.startswith("id: "):
                read.append(line.removeprefix("id: "))
    assert sorted(read) == sorted(groups)

    deliveries = wait_for(lambda: _delivered(users[1], monitor_id, len(groups)))
    assert [each["attempts"] for each in deliveries] == [1] * len(groups)
    time.sleep(1)  # a second one would have come by now
    assert len(receiver.exchanges) == len(groups)
    for exchange in receiver.exchanges:
        Webhook(created["forward_secret"]).verify(exchange.body, dict(exchange.headers))
    assert sorted(json.loads(each.body)["data"]["event_group_id"] for each in receiver.exchanges) == sorted(groups)

    answers = _ask_at_once(users)
    told = [number for answer in answers for number in range(8) if f"Update {number}." in answer]
    assert sorted(told) == list(range(8))
    for user in users:
        user.http.close()


def _delivered(user: User, monitor_id: str, count: int) -> list[dict[str, Any]]:
    deliveries = user.http.get(f"/v1/monitors/{monitor_id}/deliveries").json()["deliveries"]
    found = [each for each in deliveries if each["status"] == "delivered"]
    return found if len(found) == count else []


def _ask_at_once(users: list[User]) -> list[str]:
    with ThreadPoolExecutor(4) as pool:
        return list(pool.map(lambda user: user.ask(), users * 2))
