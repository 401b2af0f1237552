"""Limits beside calls a day, through real gateways: never over, nearly all of it used, and told in each dialect's words."""

import asyncio
import contextlib
import sqlite3
import time
from collections.abc import AsyncIterator, Iterator
from typing import Any

import anthropic
import httpx
import openai
import pytest
from google.genai import errors as gemini_errors

from app.auth.tokens import id_of
from app.core.money import PICO_USD
from tests.e2e.chat import whole
from tests.e2e.conftest import ONE_ATTEMPT
from tests.e2e.gateway import Gateway, running_gateway
from tests.e2e.readers import MESSAGES, READERS
from tests.e2e.standin import Answer, Exchange, StandIn
from tests.e2e.test_client_errors import error_class, status_of, words
from tests.e2e.test_clients import opened

pytestmark = [pytest.mark.xdist_group("limits")]

WAIT_S = 60.0
PROMPT, WRITTEN = 220, 30
"""What each call really uses; the gateway reserves some 60 tokens more."""
MICRO_USD = PICO_USD // 10**6


def answer(exchange: Exchange) -> Answer:
    """A reply as long as the client let it be."""
    written = exchange.json.get("max_tokens") or WRITTEN
    usage = {"prompt_tokens": PROMPT, "completion_tokens": written, "total_tokens": PROMPT + written}
    return whole(usage=usage)


@pytest.fixture
def standin(provider: StandIn) -> StandIn:
    provider.forget()
    provider.answer = answer
    return provider


PRICES = {"acme/m": {"input": 1, "output": 1}}
"""Each token is a millionth of a USD."""


def config(provider: StandIn) -> dict[str, Any]:
    return {"acme": {"base_url": f"{provider.base_url}/v1", "supported_models": ["m"], **ONE_ATTEMPT}}


@pytest.fixture(scope="module", params=[1, 2], ids=["1-worker", "2-workers"])
def gateway(
    request: pytest.FixtureRequest, provider: StandIn, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Gateway]:
    folder = tmp_path_factory.mktemp("limits")
    with running_gateway(folder, config(provider), workers=request.param, prices=PRICES) as running:
        yield running


async def ask(client: httpx.AsyncClient, gateway: Gateway, token: str, **fields: Any) -> httpx.Response:
    return await client.post(
        f"{gateway.base_url}/v1/chat/completions",
        json={"model": "acme/m", "messages": MESSAGES, "max_tokens": WRITTEN, **fields},
        headers={"authorization": f"Bearer {token}"},
    )


@contextlib.asynccontextmanager
async def client() -> AsyncIterator[httpx.AsyncClient]:
    # Verifying nothing makes no context of TLS, which takes longer than a call.
    async with httpx.AsyncClient(timeout=WAIT_S, trust_env=False, verify=False) as opened_client:
        yield opened_client


async def use_up(gateways: list[Gateway], token: str, *, clients: int, patience: int = 1000) -> int:
    """Call until every client is refused and told to come back only much later; how many calls were answered.

    A client that is told to come back soon does so, as often as its `patience` says.
    """
    answered = 0

    async def call_on_and_on(gateway: Gateway) -> None:
        nonlocal answered
        told_soon = 0
        async with client() as own:
            while told_soon < patience:
                reply = await ask(own, gateway, token)
                if reply.status_code == 200:
                    answered += 1
                else:
                    assert reply.status_code == 429, reply.text
                    told_soon += 1 if reply.headers.get("retry-after") == "1" else patience

    await asyncio.gather(*(call_on_and_on(gateways[number % len(gateways)]) for number in range(clients)))
    return answered


def use_of(gateway: Gateway, subject: str, limit: str) -> tuple[int, int]:
    """What the database says is used and reserved."""
    with contextlib.closing(sqlite3.connect(f"file:{gateway.database_path}?mode=ro", uri=True)) as connection:
        query = 'SELECT sum(used), sum(reserved) FROM limit_uses WHERE subject = ? AND "limit" = ?'
        used, reserved = connection.execute(query, (subject, limit)).fetchone()
    return used or 0, reserved or 0


async def settled_use(gateway: Gateway, subject: str, limit: str) -> int:
    """What is used when nothing is reserved any more."""
    async with asyncio.timeout(WAIT_S):
        while (use := use_of(gateway, subject, limit))[1]:  # noqa: ASYNC110 - the database tells nobody
            await asyncio.sleep(0.02)
    return use[0]


@pytest.mark.usefixtures("standin")
@pytest.mark.parametrize("clients", [1, 32])
@pytest.mark.parametrize(
    ("limit", "most", "unit"),
    [("tokens_per_day", 40_000, 1), ("budget_per_month", 40_000 * MICRO_USD, MICRO_USD)],
)
async def test_limit_is_never_exceeded_and_nearly_all_of_it_is_used(
    gateway: Gateway, clients: int, limit: str, most: int, unit: int
) -> None:
    limits: dict[str, Any] = {limit: most}
    token = gateway.add_token(rate_limit=100_000, **limits)

    answered = await use_up([gateway], token, clients=clients)

    used = answered * (PROMPT + WRITTEN) * unit
    assert await settled_use(gateway, f"token:{id_of(token)}", limit) == used
    assert 0.99 * most <= used <= most


@pytest.mark.usefixtures("standin")
async def test_requests_a_minute_are_admitted_exactly(gateway: Gateway) -> None:
    token = gateway.add_token(requests_per_minute=20)

    async with client() as own:
        begun = time.time() // 60
        replies = await asyncio.gather(*(ask(own, gateway, token) for _ in range(50)))
        minutes = time.time() // 60 - begun + 1

    admitted = sum(reply.status_code == 200 for reply in replies)
    assert {reply.status_code for reply in replies} == {200, 429}
    assert 20 <= admitted <= 20 * minutes


async def test_no_more_calls_at_the_same_time_than_allowed_and_those_that_wait_are_served(
    gateway: Gateway, standin: StandIn
) -> None:
    came: list[float] = []
    token = gateway.add_token(max_concurrent=2)

    def note(exchange: Exchange) -> Answer:
        came.append(time.monotonic())
        return Answer(pieces=answer(exchange).pieces, delay_s=0.1)

    standin.answer = note
    async with client() as own:
        replies = await asyncio.gather(*(ask(own, gateway, token) for _ in range(12)))

    assert [reply.status_code for reply in replies] == [200] * 12
    # Whatever came within the last 0.1 s was not answered yet.
    assert max(sum(at - 0.1 < other <= at for other in came) for at in came) <= 2


@pytest.mark.usefixtures("standin")
async def test_client_that_calls_again_at_once_is_not_refused_for_its_last_call(gateway: Gateway) -> None:
    token = gateway.add_token(max_concurrent=1)

    async with client() as own:
        statuses = [(await ask(own, gateway, token)).status_code for _ in range(30)]

    assert statuses == [200] * 30


@pytest.mark.usefixtures("standin")
async def test_limit_of_a_user_holds_over_all_its_tokens(gateway: Gateway) -> None:
    from app.auth.limits import set_user_limits
    from app.store.db import open_database

    name = f"user-{gateway.port}"
    tokens = [gateway.add_token(name) for _ in range(2)]
    database = open_database(f"sqlite:///{gateway.database_path}")
    await set_user_limits(database, name, {"requests_per_minute": 1_000_000, "tokens_per_day": 20_000})
    await database.aclose()
    await asyncio.sleep(1.5)  # a change is seen within a second

    answered = [await use_up([gateway], token, clients=8) for token in tokens]

    assert 0.98 * 20_000 <= sum(answered) * (PROMPT + WRITTEN) <= 20_000
    assert answered[1] <= 1


@pytest.mark.usefixtures("standin")
async def test_reply_tells_what_is_left_of_the_minute(gateway: Gateway) -> None:
    token = gateway.add_token(tokens_per_minute=10_000)

    async with client() as own:
        reply = await ask(own, gateway, token)

    assert reply.headers["x-ratelimit-limit-tokens"] == "10000"
    assert 9_000 < int(reply.headers["x-ratelimit-remaining-tokens"]) < 10_000 - WRITTEN
    assert reply.headers["x-ratelimit-reset-tokens"].endswith("s")
    assert reply.headers["x-ratelimit-limit-requests"] == "1000"


@pytest.mark.parametrize("leaves", ["before", "within"])
async def test_client_that_leaves_gives_back_what_was_reserved(gateway: Gateway, standin: StandIn, leaves: str) -> None:
    token = gateway.add_token(max_concurrent=1, tokens_per_day=10_000)
    standin.answer = Answer(delay_s=30) if leaves == "before" else Answer.events({"choices": []}, done=False, hold=True)

    async with client() as own:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(0.5):
                await ask(own, gateway, token, stream=leaves == "within")
    standin.answer = answer
    async with client() as own:
        reply = await ask(own, gateway, token)

    assert reply.status_code == 200
    assert use_of(gateway, f"token:{id_of(token)}", "max_concurrent")[1] <= 1


@pytest.mark.parametrize("status", [400, 500])
async def test_call_that_fails_gives_back_what_was_reserved(gateway: Gateway, standin: StandIn, status: int) -> None:
    token = gateway.add_token(tokens_per_day=10_000)
    standin.answer = Answer.json({"error": {"message": "No."}}, status)

    async with client() as own:
        statuses = [(await ask(own, gateway, token)).status_code for _ in range(40)]

    assert statuses == [status] * 40
    assert await settled_use(gateway, f"token:{id_of(token)}", "tokens_per_day") == 0


@pytest.mark.usefixtures("standin")
async def test_call_that_is_refused_costs_nothing_of_the_day(gateway: Gateway) -> None:
    token = gateway.add_token(rate_limit=2, tokens_per_day=100)

    async with client() as own:
        statuses = [(await ask(own, gateway, token)).json()["error"]["message"] for _ in range(4)]

    assert ["100 tokens a day is too low" in words_of_it for words_of_it in statuses] == [True] * 4


def limits_of_a_token(case: str) -> dict[str, Any]:
    return {"budget": {"budget_per_day": MICRO_USD}, "tokens": {"tokens_per_minute": 10}}[case]


SAID = {
    ("openai", "budget"): ("insufficient_quota", "insufficient_quota"),
    ("openai", "tokens"): ("tokens", "rate_limit_exceeded"),
    ("responses", "budget"): ("insufficient_quota", "insufficient_quota"),
    ("responses", "tokens"): ("tokens", "rate_limit_exceeded"),
}


@pytest.mark.usefixtures("standin")
@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize("case", ["budget", "tokens"])
@pytest.mark.parametrize("reader", READERS)
def test_official_sdk_raises_a_limit_in_the_words_of_its_api(
    gateway: Gateway, reader: str, case: str, streamed: bool
) -> None:
    token = gateway.add_token(**limits_of_a_token(case))

    with opened(gateway.base_url, token) as clients, pytest.raises(error_class(reader, 429)) as raised:
        READERS[reader](clients, "acme/m", streamed=streamed)

    assert status_of(raised.value) == 429
    limit = "0.000001 USD a day" if case == "budget" else "10 tokens a minute"
    assert f"limit of {limit} is too low for this call" in words(raised.value)
    error: Any = raised.value
    if (reader, case) in SAID:
        assert (error.type, error.code) == SAID[reader, case]
    elif reader == "anthropic":
        assert error.body["error"]["type"] == "rate_limit_error"
    elif isinstance(error, gemini_errors.APIError):
        assert error.status == "RESOURCE_EXHAUSTED"


@pytest.mark.usefixtures("standin")
@pytest.mark.parametrize("client_of", ["openai", "anthropic"])
@pytest.mark.parametrize("limit", [{"tokens_per_day": 500}, {"rate_limit": 1}], ids=["tokens", "calls"])
def test_sdk_does_not_wait_for_the_next_day_in_silence(gateway: Gateway, client_of: str, limit: dict[str, Any]) -> None:
    token = gateway.add_token(**limit)
    with opened(gateway.base_url, token) as clients:
        clients.openai.chat.completions.create(model="acme/m", messages=MESSAGES, max_tokens=30)

    patient: Any
    kind: Any
    if client_of == "openai":
        patient, kind = openai.OpenAI(base_url=f"{gateway.base_url}/v1", api_key=token), openai.RateLimitError
        create = patient.chat.completions.create
    else:
        patient, kind = anthropic.Anthropic(base_url=gateway.base_url, api_key=token), anthropic.RateLimitError
        create = patient.messages.create

    with pytest.raises(kind, match="starts anew at") as raised:
        create(model="acme/m", messages=MESSAGES, max_tokens=30)

    assert int(raised.value.response.headers["retry-after"]) > 1


@pytest.mark.usefixtures("standin")
async def test_while_the_database_is_locked_calls_with_limits_are_told_to_come_again_and_others_go_on(
    gateway: Gateway,
) -> None:
    limited, free = gateway.add_token(tokens_per_day=10_000), gateway.add_token()
    async with client() as own:
        for _ in range(8):  # so that each worker has units of the day
            await asyncio.gather(ask(own, gateway, limited), ask(own, gateway, free))
        with contextlib.closing(sqlite3.connect(gateway.database_path, isolation_level=None, timeout=WAIT_S)) as other:
            other.execute("BEGIN IMMEDIATE")
            refused, served = await asyncio.gather(ask(own, gateway, limited), ask(own, gateway, free))
            other.execute("ROLLBACK")
        again = await ask(own, gateway, limited)

    assert (refused.status_code, refused.headers["retry-after"], refused.json()["error"]["code"]) == (
        503,
        "5",
        "unavailable",
    )
    assert (served.status_code, again.status_code) == (200, 200)
