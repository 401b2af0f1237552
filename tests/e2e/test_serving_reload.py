"""A configuration that changes while the gateway runs."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable
from typing import Any

import httpx
import pytest
import pytest_asyncio

from tests.e2e.faulty import (
    DONE,
    LAST_CHUNK,
    STREAM_HEAD,
    WAIT_S,
    Faulty,
    chat,
    chunked,
    delta,
    faulty_config,
    without_receipt,
)
from tests.e2e.gateway import Gateway
from tests.providers.transport.servers import Peer, serve

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.xdist_group("reload")]

# The promise; a machine that is busy with other tests may take some more.
TAKEN_S = 2.0
BUSY_S = 3.0


class Changing:
    """A gateway, a client, and the configuration that it began with."""

    def __init__(self, gateway: Gateway, config: dict[str, Any], client: httpx.AsyncClient, workers: int) -> None:
        self.gateway = gateway
        self.config = config
        self.client = client
        self.workers = workers

    async def models(self) -> set[str]:
        """What the model list shows, as one of the workers sees it."""
        # A connection of its own, so that the workers take turns.
        async with httpx.AsyncClient(base_url=self.gateway.base_url, timeout=WAIT_S, trust_env=False) as client:
            answer = await client.get("/v1/models", headers={"authorization": f"Bearer {self.gateway.token}"})
        return {model["id"] for model in answer.json()["data"]}

    async def seconds_until(self, met: Callable[[set[str]], bool]) -> float:
        """How long it takes until every worker's list of models is as wanted, as ten looks in a row tell."""
        begun = changed = time.monotonic()
        met_in_a_row = 0
        while met_in_a_row < 10 * self.workers:
            assert time.monotonic() - begun < WAIT_S, "the configuration was not taken"
            if met(await self.models()):
                met_in_a_row += 1
            else:
                met_in_a_row, changed = 0, time.monotonic()
                await asyncio.sleep(0.02)
        return changed - begun

    async def stream(self, begun: asyncio.Event) -> bytes:
        """A whole stream of `faulty`; `begun` is set at its first byte."""
        pieces: list[bytes] = []
        headers = {"authorization": f"Bearer {self.gateway.token}"}
        async with self.client.stream(
            "POST", "/v1/chat/completions", json=chat("faulty/m", stream=True), headers=headers
        ) as answer:
            async for piece in answer.aiter_raw():
                begun.set()
                pieces.append(piece)
        return b"".join(pieces)


@pytest_asyncio.fixture(scope="module", loop_scope="module", params=[1, 2], ids=["1-worker", "2-workers"])
async def running(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Changing]:
    provider = Faulty()

    async def for_a_while(peer: Peer) -> None:
        await peer.send(STREAM_HEAD)
        await peer.send(*(chunked(delta("word ")) for _ in range(25)), pause_s=0.1)
        await peer.send(chunked(delta("end.", finish="stop")), chunked(DONE), LAST_CHUNK)

    provider.script = for_a_while
    async with serve(provider) as server:
        config = faulty_config(server.port)
        gateway = Gateway(tmp_path_factory.mktemp("gateway"), config, {"FAULTY_KEY": "key"}, workers=request.param)
        await asyncio.to_thread(gateway.start)
        try:
            async with httpx.AsyncClient(base_url=gateway.base_url, timeout=WAIT_S, trust_env=False) as client:
                yield Changing(gateway, config, client, request.param)
        finally:
            await asyncio.to_thread(gateway.stop)


@pytest.fixture
def changing(running: Changing) -> Changing:
    """With the configuration that it began with."""
    running.gateway.write_config(running.config)
    return running


def with_models(config: dict[str, Any], *models: str) -> dict[str, Any]:
    """The configuration and one more provider with these models."""
    return config | {"another": {"base_url": "http://127.0.0.1:9/v1", "supported_models": list(models)}}


@pytest.mark.parametrize("by_signal", [True, False], ids=["sighup", "changed-file"])
async def test_new_provider_appears_while_a_stream_goes_on(changing: Changing, by_signal: bool) -> None:
    begun = asyncio.Event()
    stream = asyncio.create_task(changing.stream(begun))
    await begun.wait()
    model = f"new-{by_signal}".lower()

    changing.gateway.write_config(with_models(changing.config, model))
    if by_signal:
        changing.gateway.reload()
    seconds = await changing.seconds_until(lambda models: model in models)
    body = await stream

    print(f"taken after {seconds:.2f} s")  # noqa: T201 - see pytest -s
    assert seconds < TAKEN_S + BUSY_S
    assert body.count(b"word ") == 25
    assert without_receipt(body).endswith(DONE)


async def test_provider_that_was_removed_is_gone(changing: Changing) -> None:
    changing.gateway.write_config(with_models(changing.config, "to-be-removed"))
    await changing.seconds_until(lambda models: "to-be-removed" in models)

    changing.gateway.write_config(changing.config)
    seconds = await changing.seconds_until(lambda models: "to-be-removed" not in models)

    assert seconds < TAKEN_S + BUSY_S
    headers = {"authorization": f"Bearer {changing.gateway.token}"}
    answer = await changing.client.post("/v1/chat/completions", json=chat("another/to-be-removed"), headers=headers)
    assert answer.status_code == 404


@pytest.mark.parametrize(
    "broken",
    [
        pytest.param("{", id="no-json"),
        pytest.param('{"one": {"base_ulr": "x"}}', id="unknown-key"),
        pytest.param("", id="empty"),
        pytest.param(None, id="removed"),
    ],
)
async def test_file_that_is_broken_changes_nothing_and_is_told_of(changing: Changing, broken: str | None) -> None:
    changing.gateway.write_config(with_models(changing.config, "stays"))
    await changing.seconds_until(lambda models: "stays" in models)
    told = errors(changing.gateway)

    if broken is None:
        changing.gateway.config_path.unlink()
    else:
        changing.gateway.config_path.write_text(broken)
    await until(lambda: errors(changing.gateway) >= told + changing.workers)

    assert "stays" in await changing.models()


async def test_file_that_was_mended_is_taken(changing: Changing) -> None:
    told = errors(changing.gateway)
    changing.gateway.config_path.write_text("{")
    await until(lambda: errors(changing.gateway) >= told + changing.workers)

    changing.gateway.write_config(with_models(changing.config, "mended"))

    assert await changing.seconds_until(lambda models: "mended" in models) < TAKEN_S + BUSY_S


async def test_file_that_is_replaced_by_renaming_is_taken(changing: Changing) -> None:
    path = changing.gateway.config_path
    path.with_suffix(".new").write_text(json.dumps(with_models(changing.config, "renamed")))

    path.with_suffix(".new").rename(path)

    assert await changing.seconds_until(lambda models: "renamed" in models) < TAKEN_S + BUSY_S


def errors(gateway: Gateway) -> int:
    """How often a configuration was told to be of no use."""
    return gateway.log_file.read_text().count("the old one stays in force")


async def until(met: Callable[[], bool]) -> None:
    """Return when it is so."""
    deadline = time.monotonic() + WAIT_S
    while not met():
        assert time.monotonic() < deadline, "it did not come to be"
        await asyncio.sleep(0.05)
