"""Webhooks of Parallel's at a real gateway of two workers: each genuine event is stored once, whatever else comes."""

import asyncio
import random
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from app.core.jsonio import dumps
from app.store.db import Database
from app.store.schema import upgrade
from tests.databases import POSTGRESQL, SQLITE, Databases
from tests.e2e.gateway import Gateway
from tests.e2e.stored import in_database
from tests.monitor_rows import put_monitor, rows
from tests.monitors.signing import OTHER_SECRET, SECRET, legacy, signed
from tests.waiting import until

PATH = "/webhooks/parallel-monitor"
MONITORS = 10
SENDERS = 16
_SOON_S = 30.0
_PAUSE_S = 0.05
Answers = Counter[tuple[int, str]]
_FORGERIES = ("whsec_" + "AAAA" * 8, "whsec_" + "/" * 32)


@pytest.fixture
def make_gateway(tmp_path: Path, databases: Databases, database_kind: str) -> Iterator[Callable[[int], Gateway]]:
    """Gives a gateway of so many workers that has started."""
    made: list[Gateway] = []

    def make(workers: int) -> Gateway:
        environ = {"PARALLEL_WEBHOOK_SECRET": f"{SECRET},{OTHER_SECRET}", "WEBHOOKS_PER_MINUTE": "1000000"}
        environ |= {"METRICS_CIDRS": "127.0.0.0/8"}
        if database_kind == POSTGRESQL:
            environ["DATABASE_URL"] = databases.url("relay.db")
        made.append(gateway := Gateway(tmp_path / "gateway", environ=environ, workers=workers))
        prepare(gateway, *((f"monitor_{number}", f"user_{number}") for number in range(MONITORS)))
        gateway.start()
        return gateway

    yield make
    for gateway in made:
        gateway.stop()


def prepare(gateway: Gateway, *monitors: tuple[str, str]) -> None:
    """Have these monitors there: Parallel's id of each, and its user."""

    async def work(database: Database) -> None:
        await upgrade(database)
        for parallel_id, username in monitors:
            await put_monitor(database, username, parallel_id=parallel_id)

    in_database(gateway.database_url, work)


def stored(gateway: Gateway) -> list[tuple[str, str]]:
    """The event groups, and whose each is."""
    sql = "SELECT event_group_id, username FROM monitor_events"
    found = in_database(gateway.database_url, lambda database: rows(database, sql))
    return [(group, username) for group, username in found]


def counted(gateway: Gateway) -> dict[str, float]:
    """The webhooks of all workers, by what came of them."""
    text = httpx.get(f"{gateway.base_url}/metrics", trust_env=False, timeout=_SOON_S).text
    samples = (sample for family in text_string_to_metric_families(text) for sample in family.samples)
    return {each.labels["result"]: each.value for each in samples if each.name == "llm_relay_monitor_webhooks_total"}


def noted(gateway: Gateway) -> set[tuple[str, int]]:
    """The alerts, and how often each was."""
    sql = "SELECT kind, CAST(sum(count) AS INTEGER) FROM alerts GROUP BY kind"
    found = in_database(gateway.database_url, lambda database: rows(database, sql))
    return {(kind, count) for kind, count in found}


@dataclass(frozen=True)
class Message:
    """A webhook as it is sent; `secret` is what it is signed with at each attempt."""

    id: str
    group: str
    body: bytes
    secret: str


def message(number: int, secret: str, webhook_id: str, group: str) -> Message:
    data = {"monitor_id": f"monitor_{number % MONITORS}", "event": {"event_group_id": group}}
    body = dumps({"type": "monitor.event.detected", "timestamp": "2026-01-01T00:00:00Z", "data": data})
    return Message(webhook_id, group, body, secret)


def mixture(count: int, dice: random.Random) -> list[Message]:
    """So many, of which 30 % are there before, by their ids or by their groups, and 10 % are forged."""
    secrets = [SECRET, OTHER_SECRET, legacy(SECRET)]
    genuine = [message(n, dice.choice(secrets), f"whevent_{n}", f"mevtgrp_{n}") for n in range(count * 6 // 10)]
    again = []
    for n in range(count * 3 // 10):
        first = dice.choice(genuine)
        again.append(first if n % 2 else Message(f"whevent_again_{n}", first.group, first.body, dice.choice(secrets)))
    forged = [message(n, dice.choice(_FORGERIES), f"whevent_f{n}", f"forged_{n}") for n in range(count // 10)]
    mixed = [*genuine, *again, *forged]
    dice.shuffle(mixed)
    return mixed


async def send_all(url: str, messages: Sequence[Message], answers: Answers) -> None:
    """Send them, `SENDERS` at once; again while there is a fault, as Parallel does. What is answered in the end is counted."""
    left = iter(messages)

    async def send(client: httpx.AsyncClient) -> None:
        for each in left:
            answers[await send_one(client, url, each)] += 1

    async with httpx.AsyncClient(trust_env=False, timeout=_SOON_S) as client, asyncio.TaskGroup() as group:
        for _ in range(SENDERS):
            group.create_task(send(client))


async def send_one(client: httpx.AsyncClient, url: str, each: Message) -> tuple[int, str]:
    give_up_at = time.monotonic() + _SOON_S
    while time.monotonic() < give_up_at:
        headers = signed(each.body, time.time(), webhook_id=each.id, secret=each.secret)
        try:
            answer = await client.post(f"{url}{PATH}", content=each.body, headers=headers)
        except httpx.TransportError:
            await asyncio.sleep(_PAUSE_S)
            continue
        if answer.status_code < 500:
            return answer.status_code, answer.json().get("status", "")
        await asyncio.sleep(_PAUSE_S)
    raise AssertionError(f"{each.id} was not taken")


_SOAK = [pytest.mark.soak, pytest.mark.timeout(600)]


@pytest.mark.parametrize(
    ("database_kind", "count"),
    [
        (SQLITE, 300),
        pytest.param(SQLITE, 10_000, marks=_SOAK),
        pytest.param(POSTGRESQL, 10_000, marks=_SOAK),
    ],
)
async def test_of_many_in_random_order_each_genuine_event_is_stored_once(
    make_gateway: Callable[[int], Gateway], count: int
) -> None:
    gateway, answers = make_gateway(2), Answers()

    await send_all(gateway.base_url, mixture(count, random.Random(count)), answers)

    genuine, again, forged = count * 6 // 10, count * 3 // 10, count // 10
    assert answers == {(200, "stored"): genuine, (200, "duplicate"): again, (401, ""): forged}
    assert sorted(stored(gateway)) == sorted((f"mevtgrp_{n}", f"user_{n % MONITORS}") for n in range(genuine))
    # Each worker tells the other what it counted, within seconds.
    expected = {"stored": genuine, "duplicate": again, "refused": forged}
    await until(lambda: counted(gateway) == expected)
    await asyncio.to_thread(gateway.stop)
    assert noted(gateway) == {("webhook_refused", forged)}


@pytest.mark.parametrize("database_kind", [pytest.param(kind, marks=_SOAK) for kind in (SQLITE, POSTGRESQL)])
async def test_webhooks_that_come_while_it_is_killed_and_started_anew_are_all_stored_once(
    make_gateway: Callable[[int], Gateway],
) -> None:
    gateway, answers = make_gateway(1), Answers()
    sending = asyncio.create_task(send_all(gateway.base_url, mixture(300, random.Random(7)), answers))

    for end, after in ((gateway.kill, 50), (gateway.stop, 150)):
        await until(lambda: answers.total() >= after)  # noqa: B023
        await asyncio.to_thread(end)
        await asyncio.to_thread(gateway.start)
    await sending

    assert answers[(401, "")] == 30
    assert sorted(group for group, _ in stored(gateway)) == sorted(f"mevtgrp_{n}" for n in range(180))
