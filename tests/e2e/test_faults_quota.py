"""What a call that failed costs: nothing where the fault was ours or the provider's, a unit where it was the caller's own."""

import json
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.e2e.faulty import (
    DONE,
    STREAM_HEAD,
    Rig,
    Script,
    chunked,
    delta,
    faulty_rig,
    response,
    saying,
    streaming,
    then_stall,
)

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.xdist_group("faults_quota")]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def rig(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Rig]:
    async with faulty_rig(tmp_path_factory.mktemp("gateway")) as running:
        yield running


def refusing(status: bytes) -> Script:
    """Answer with an error of that status."""
    return saying(response(b'{"error":{"message":"No."}}', status=status))


async def units_taken(rig: Rig, script: Script, provider: str) -> int:
    """How many units a call costs that the provider answers by `script`."""
    token = rig.gateway.add_token(rate_limit=10)
    before = (await rig.ask(token=token)).remaining
    await rig.ask(script, provider=provider, token=token)
    after = (await rig.ask(token=token)).remaining
    return before - after - 1


@pytest.mark.parametrize(
    ("script", "provider"),
    [
        pytest.param(refusing(b"500 Oops"), "faulty", id="500"),
        pytest.param(refusing(b"503 Busy"), "faulty", id="503"),
        pytest.param(refusing(b"529 Overloaded"), "faulty", id="529"),
        pytest.param(refusing(b"401 Unauthorized"), "faulty", id="our-key-is-refused"),
        pytest.param(refusing(b"429 Slow Down"), "faulty", id="our-rate-is-too-high"),
        pytest.param(saying(), "faulty", id="no-answer"),
        pytest.param(saying(b"garbage\r\n"), "faulty", id="garbage"),
        pytest.param(then_stall(), "hasty", id="timeout"),
        pytest.param(saying(), "refused", id="unreachable"),
        pytest.param(saying(), "nowhere", id="no-such-host"),
        pytest.param(saying(), "nobody", id="no-such-model"),
    ],
)
async def test_call_that_fails_without_the_callers_fault_costs_nothing(rig: Rig, script: Script, provider: str) -> None:
    assert await units_taken(rig, script, provider) == 0


@pytest.mark.parametrize(
    "script",
    [
        pytest.param(refusing(b"400 Bad Request"), id="400"),
        pytest.param(refusing(b"404 Not Found"), id="404"),
        pytest.param(refusing(b"418 I'm a teapot"), id="418"),
        pytest.param(refusing(b"422 Unprocessable"), id="422"),
        pytest.param(saying(STREAM_HEAD, chunked(delta("Begun")), pause_s=0.1), id="cut-after-the-first-byte"),
        pytest.param(streaming(delta("Hi", finish="stop"), DONE), id="ok"),
    ],
)
async def test_call_that_is_the_callers_fault_or_was_served_costs_one_unit(rig: Rig, script: Script) -> None:
    assert await units_taken(rig, script, "faulty") == 1


async def test_request_that_is_malformed_costs_nothing(rig: Rig) -> None:
    token = rig.gateway.add_token(rate_limit=10)
    before = (await rig.ask(token=token)).remaining

    refusal = await rig.client.post(
        "/v1/chat/completions", content=b"no json", headers={"authorization": f"Bearer {token}"}
    )

    assert refusal.status_code == 400
    assert (await rig.ask(token=token)).remaining == before - 1


async def test_token_with_one_call_a_day_survives_a_provider_that_fails(rig: Rig) -> None:
    token = rig.gateway.add_token(rate_limit=1)

    statuses = [(await rig.ask(refusing(b"500 Oops"), token=token)).status for _ in range(5)]
    statuses += [(await rig.ask(token=token)).status]

    assert statuses == [500, 500, 500, 500, 500, 200]
    refusal = await rig.client.post(
        "/v1/chat/completions",
        content=json.dumps({"model": "m", "messages": [{"role": "user"}]}),
        headers={"authorization": f"Bearer {token}"},
    )
    assert refusal.status_code == 429
