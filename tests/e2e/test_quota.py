"""Daily quotas under a crowd of clients: exactly as many calls as a token is allowed, with one worker and with four."""

import asyncio
import contextlib
import itertools
import sqlite3
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass

import httpx
import pytest
import pytest_asyncio

from app.auth.tokens import id_of
from tests.e2e.faulty import Faulty, chat, faulty_config, response, whole
from tests.e2e.gateway import Gateway
from tests.providers.transport.servers import Peer, serve

# One worker of xdist for all: four processes of the gateway are enough for a machine.
pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.xdist_group("quota")]

WAIT_S = 60.0


@pytest_asyncio.fixture(
    scope="module",
    loop_scope="module",
    params=[1, 2, pytest.param(4, marks=pytest.mark.soak)],
    ids=["1-worker", "2-workers", "4-workers"],
)
async def gateway(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Gateway]:
    """With `faulty`, a provider that answers two calls of three with status 500."""
    async with serve(failing_mostly()) as server:
        running = Gateway(
            tmp_path_factory.mktemp("gateway"), faulty_config(server.port), {"FAULTY_KEY": "key"}, workers=request.param
        )
        await asyncio.to_thread(running.start)
        try:
            yield running
        finally:
            await asyncio.to_thread(running.stop)


def failing_mostly() -> Faulty:
    """A provider that answers every third call."""
    provider = Faulty()
    numbers = itertools.count()

    async def script(peer: Peer) -> None:
        refusal = response(b'{"error":{"message":"No."}}', status=b"500 Oops")
        await peer.send(refusal if next(numbers) % 3 else response(whole()))

    provider.script = script
    return provider


async def crowd(gateway: Gateway, token: str, calls: int, *, name: str = "demo") -> list[httpx.Response]:
    """The answers to so many calls, made at once, each over a connection of its own."""

    async def one() -> httpx.Response:
        async with httpx.AsyncClient(timeout=WAIT_S, trust_env=False, verify=False) as client:
            return await client.post(
                f"{gateway.base_url}/v1/chat/completions",
                json=chat(name),
                headers={"authorization": f"Bearer {token}"},
            )

    return await asyncio.gather(*(one() for _ in range(calls)))


def by_status(answers: list[httpx.Response]) -> Counter[int]:
    return Counter(answer.status_code for answer in answers)


def units_taken(gateway: Gateway, token: str) -> int:
    """What the database holds against the token's days, with what workers have in stock."""
    with contextlib.closing(sqlite3.connect(f"file:{gateway.database_path}?mode=ro", uri=True)) as connection:
        query = "SELECT coalesce(sum(taken), 0) FROM quota_days WHERE token_id = ?"
        return int(connection.execute(query, (id_of(token),)).fetchone()[0])


def lifetime(gateway: Gateway, token: str) -> int:
    """Calls that were counted on the token."""
    with contextlib.closing(sqlite3.connect(f"file:{gateway.database_path}?mode=ro", uri=True)) as connection:
        query = "SELECT lifetime_requests FROM tokens WHERE id = ?"
        return int(connection.execute(query, (id_of(token),)).fetchone()[0])


async def test_exactly_as_many_as_the_limit_are_admitted(gateway: Gateway) -> None:
    token = gateway.add_token(rate_limit=20)

    answers = await crowd(gateway, token, 50)

    assert by_status(answers) == {200: 20, 429: 30}


async def test_limit_of_hundreds_is_kept_as_exactly(gateway: Gateway) -> None:
    token = gateway.add_token(rate_limit=300)

    answers = [answer for _ in range(4) for answer in await crowd(gateway, token, 100)]

    assert by_status(answers) == {200: 300, 429: 100}


async def test_refusal_says_when_to_come_back_in_openais_words(gateway: Gateway) -> None:
    token = gateway.add_token(rate_limit=1)

    answers = await crowd(gateway, token, 2)

    refusal = next(answer for answer in answers if answer.status_code == 429)
    error = refusal.json()["error"]
    assert (error["type"], error["code"], error["param"]) == ("rate_limit_error", "rate_limit_exceeded", None)
    assert 0 < int(refusal.headers["retry-after"]) <= 86_400
    assert refusal.headers["x-ratelimit-limit-requests"] == "1"
    assert refusal.headers["x-ratelimit-remaining-requests"] == "0"
    assert refusal.headers["x-ratelimit-reset-requests"].endswith("s")


async def test_token_of_another_is_not_slowed(gateway: Gateway) -> None:
    used_up, other = gateway.add_token(rate_limit=1), gateway.add_token(rate_limit=5)
    await crowd(gateway, used_up, 3)

    answers = await crowd(gateway, other, 5)

    assert by_status(answers) == {200: 5}


async def test_token_without_a_quota_is_refused(gateway: Gateway) -> None:
    token = gateway.add_token(rate_limit=0)

    answers = await crowd(gateway, token, 2)

    assert by_status(answers) == {429: 2}


async def test_provider_that_fails_does_not_eat_the_quota(gateway: Gateway) -> None:
    token = gateway.add_token(rate_limit=10)

    statuses: Counter[int] = Counter()
    async with asyncio.timeout(WAIT_S):
        while statuses[200] < 10:
            statuses += by_status(await crowd(gateway, token, 6, name="faulty/m"))

    assert statuses[500] > 10
    assert by_status(await crowd(gateway, token, 6, name="faulty/m")) == {429: 6}


@dataclass(frozen=True)
class Restart:
    """A token's day with a limit of 30, twenty calls before a restart and twenty behind it."""

    before: Counter[int]
    rows: int
    lifetime: int
    units_taken: int
    after: Counter[int]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def restart(gateway: Gateway) -> Restart:
    token = gateway.add_token(rate_limit=30)
    before = by_status(await crowd(gateway, token, 20))
    await asyncio.to_thread(gateway.stop)
    rows = sum(row["token_id"] == id_of(token) for row in gateway.rows())
    counted, taken = lifetime(gateway, token), units_taken(gateway, token)
    await asyncio.to_thread(gateway.start)
    return Restart(before, rows, counted, taken, by_status(await crowd(gateway, token, 20)))


async def test_rows_and_counts_are_equal_to_the_calls_after_a_stop(restart: Restart) -> None:
    assert restart.before == {200: 20}
    assert (restart.rows, restart.lifetime, restart.units_taken) == (20, 20, 20)


async def test_day_goes_on_where_it_was_after_a_start(restart: Restart) -> None:
    assert restart.after == {200: 10, 429: 10}
