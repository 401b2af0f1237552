"""Limits over two gateways of four workers each, with one database and 64 clients; also where workers are killed in the midst."""

import asyncio
import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from app.auth.tokens import digest_of, id_of, mint
from app.core.principal import caps_of, limits_of
from app.store.db import open_database
from app.store.limits import read_standings
from app.store.schema import upgrade
from app.store.times import now_ms
from app.store.tokens import StoredToken, insert_tokens
from tests.databases import KINDS, SQLITE
from tests.e2e.books import differences_in
from tests.e2e.gateway import Gateway
from tests.e2e.standin import StandIn
from tests.e2e.test_limits import MICRO_USD, PROMPT, WRITTEN, answer, ask, client, config, use_up
from tests.postgres import Postgres

pytestmark = [pytest.mark.soak, pytest.mark.xdist_group("limits"), pytest.mark.timeout(300)]

CLIENTS = 64
EACH = PROMPT + WRITTEN
BOUND: dict[str, dict[str, Any]] = {
    "calls": {"rate_limit": 200},
    "tokens": {"rate_limit": 100_000, "tokens_per_day": 50_000},
    "budget": {"rate_limit": 100_000, "budget_per_month": 50_000 * MICRO_USD},
    "all": {
        "rate_limit": 100_000,
        "tokens_per_day": 50_000,
        "budget_per_month": 60_000 * MICRO_USD,
        "max_concurrent": 16,
    },
}


@pytest.fixture(scope="module", params=KINDS)
def url(request: pytest.FixtureRequest, postgres: Postgres, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    name = postgres.create()
    url = (
        f"sqlite:///{tmp_path_factory.mktemp('shared') / 'relay.db'}" if request.param == SQLITE else postgres.url(name)
    )

    async def make_tables() -> None:
        database = open_database(url)
        await upgrade(database)
        await database.aclose()

    asyncio.run(make_tables())
    yield url
    differences = asyncio.run(differences_in(url))
    postgres.drop(name)
    assert differences == []


@contextlib.contextmanager
def running(folder: Path, provider: StandIn, url: str, workers: int) -> Iterator[Gateway]:
    gateway = Gateway(folder, config(provider), {"DATABASE_URL": url}, workers=workers)
    gateway.set_price("acme/m", {"input": 1, "output": 1})
    gateway.token = mint()  # the database has one, which another start has shown
    gateway.start()
    try:
        yield gateway
    finally:
        gateway.stop()


@pytest.fixture(scope="module")
def gateways(provider: StandIn, url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Gateway]]:
    with contextlib.ExitStack() as stack:
        yield [
            stack.enter_context(running(tmp_path_factory.mktemp(name), provider, url, workers=2))
            for name in ("one", "two")
        ]


@pytest.fixture
def standin(provider: StandIn) -> StandIn:
    provider.forget()
    provider.answer = answer
    return provider


async def add_token(url: str, **fields: Any) -> tuple[str, StoredToken]:
    text = mint()
    token = StoredToken(id_of(text), digest_of(text), "crowd", created_at=now_ms(), **fields)
    database = open_database(url)
    await insert_tokens(database, [token])
    await database.aclose()
    return text, token


async def settled(url: str, token: StoredToken) -> dict[str, int]:
    """What is used of each limit of a token, when nothing is reserved any more."""
    database = open_database(url)
    try:
        async with asyncio.timeout(60):
            while True:
                standings = await read_standings(
                    database, caps_of(f"token:{token.id}", limits_of(token.limits)), now_ms() / 1000
                )
                if not any(standing.reserved for standing in standings):
                    return {standing.ask.cap.limit: standing.used for standing in standings}
                await asyncio.sleep(0.05)
    finally:
        await database.aclose()


@pytest.mark.usefixtures("standin")
@pytest.mark.parametrize("kind", BOUND)
async def test_limit_is_never_exceeded_and_nearly_all_of_it_is_used(
    gateways: list[Gateway], url: str, kind: str
) -> None:
    text, token = await add_token(url, **BOUND[kind])

    answered = await use_up(gateways, text, clients=CLIENTS)

    used = await settled(url, token)
    most = 200 if kind == "calls" else 50_000 // EACH
    assert 0.99 * most <= answered <= most
    assert used == {
        limit: {"tokens_per_day": answered * EACH, "budget_per_month": answered * EACH * MICRO_USD}.get(limit, 0)
        for limit in BOUND[kind]
        if limit != "rate_limit"
    }


@pytest.mark.usefixtures("standin")
async def test_gateway_that_is_killed_in_the_midst_lets_nobody_exceed_the_limit(
    provider: StandIn, url: str, tmp_path: Path
) -> None:
    answered = 0
    text, token = await add_token(url, rate_limit=100_000, tokens_per_day=25_000)
    gateway = Gateway(tmp_path, config(provider), {"DATABASE_URL": url})
    gateway.set_price("acme/m", {"input": 1, "output": 1})
    gateway.token = mint()
    for _ in range(3):
        await asyncio.to_thread(gateway.start)
        async with client() as own:
            calls = [asyncio.create_task(ask(own, gateway, text)) for _ in range(40)]
            await asyncio.wait(calls, return_when=asyncio.FIRST_COMPLETED)
            gateway.kill()
            replies = await asyncio.gather(*calls, return_exceptions=True)
            answered += sum(isinstance(reply, httpx.Response) and reply.status_code == 200 for reply in replies)
    await asyncio.to_thread(gateway.start)
    answered += await use_up([gateway], text, clients=16)
    await asyncio.to_thread(gateway.stop)

    # What was under way when it was killed has no row, and nobody knows what it used.
    used = (await settled(url, token))["tokens_per_day"]
    assert answered * EACH <= used
    assert 0.99 * 25_000 <= used <= 25_000
