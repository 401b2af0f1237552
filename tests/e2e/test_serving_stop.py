"""How the gateway stops: streams come to their ends, nobody new is let in, every record is written, the exit code is 0."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from cli.serve import DRAIN_S
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
    response,
    whole,
    without_receipt,
)
from tests.e2e.gateway import Gateway
from tests.providers.transport.servers import Peer, serve

STREAMS = 6
PIECES = 15
PAUSE_S = 0.1
ROOT = Path(__file__).parents[2]

several = pytest.mark.parametrize("workers", [2])
both_sizes = pytest.mark.parametrize("workers", [1, 2], ids=["1-worker", "2-workers"])


@pytest.fixture
async def gateway(tmp_path: Path, workers: int) -> AsyncIterator[Gateway]:
    """Before a provider whose streams take `PIECES` times `PAUSE_S`. The test stops it."""
    provider = Faulty()
    provider.script = steadily
    async with serve(provider) as server:
        running = Gateway(tmp_path, faulty_config(server.port), {"FAULTY_KEY": "key"}, workers=workers)
        await asyncio.to_thread(running.start)
        try:
            yield running
        finally:
            await asyncio.to_thread(running.stop)


async def steadily(peer: Peer) -> None:
    """A stream that takes a while."""
    await peer.send(STREAM_HEAD)
    await peer.send(*(chunked(delta("word ")) for _ in range(PIECES)), pause_s=PAUSE_S)
    await peer.send(chunked(delta("end.", finish="stop")), chunked(DONE), LAST_CHUNK)


async def read_stream(gateway: Gateway, begun: asyncio.Semaphore) -> bytes:
    """A whole stream, over a connection of its own; `begun` is released at its first byte."""
    headers = {"authorization": f"Bearer {gateway.token}"}
    async with (
        httpx.AsyncClient(timeout=WAIT_S, trust_env=False) as client,
        client.stream(
            "POST", f"{gateway.base_url}/v1/chat/completions", json=chat("faulty/m", stream=True), headers=headers
        ) as answer,
    ):
        pieces: list[bytes] = []
        async for piece in answer.aiter_raw():
            if not pieces:
                begun.release()
            pieces.append(piece)
        return b"".join(pieces)


async def begin_streams(gateway: Gateway, count: int) -> list[asyncio.Task[bytes]]:
    """So many streams, all of them under way."""
    begun = asyncio.Semaphore(0)
    streams = [asyncio.create_task(read_stream(gateway, begun)) for _ in range(count)]
    async with asyncio.timeout(WAIT_S):
        for _ in streams:
            await begun.acquire()
    return streams


async def refuses_connections(port: int) -> bool:
    """Whether nobody listens there any more, now or within a second."""
    for _ in range(20):
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", port)
        except ConnectionRefusedError:
            return True
        writer.transport.abort()
        await asyncio.sleep(0.05)
    return False


def children(pid: int) -> list[int]:
    """The processes that `pid` started."""
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


@pytest.mark.parametrize(
    ("workers", "number"), [(1, signal.SIGTERM), (2, signal.SIGINT)], ids=["1-worker-sigterm", "2-workers-sigint"]
)
async def test_streams_come_to_their_ends_when_it_is_told_to_stop(gateway: Gateway, number: signal.Signals) -> None:
    streams = await begin_streams(gateway, STREAMS)

    os.kill(gateway.pid, number)
    refused = await refuses_connections(gateway.port)
    bodies = await asyncio.gather(*streams)
    await asyncio.to_thread(gateway.stop)

    assert refused
    assert {body.count(b"word ") for body in bodies} == {PIECES}
    assert all(without_receipt(body).endswith(DONE) for body in bodies)
    assert [row["outcome"] for row in gateway.rows()] == ["ok"] * STREAMS


@several
async def test_interrupt_of_the_whole_process_group_lets_streams_end_too(gateway: Gateway) -> None:
    streams = await begin_streams(gateway, STREAMS)

    for pid in [*children(gateway.pid), gateway.pid]:  # as Ctrl-C in a terminal does
        os.kill(pid, signal.SIGINT)
    bodies = await asyncio.gather(*streams)
    await asyncio.to_thread(gateway.stop)

    assert all(without_receipt(body).endswith(DONE) for body in bodies)
    assert [row["outcome"] for row in gateway.rows()] == ["ok"] * STREAMS
    assert "Traceback" not in gateway.output()


@several
async def test_connection_that_is_kept_open_without_a_call_does_not_delay_the_stop(gateway: Gateway) -> None:
    async with httpx.AsyncClient(trust_env=False) as client:
        await client.get(f"{gateway.base_url}/healthz")
        begun = asyncio.get_running_loop().time()

        await asyncio.to_thread(gateway.stop)

    assert asyncio.get_running_loop().time() - begun < DRAIN_S / 2


@several
async def test_calls_that_came_before_the_stop_are_all_in_the_database(gateway: Gateway) -> None:
    headers = {"authorization": f"Bearer {gateway.token}"}
    async with httpx.AsyncClient(timeout=WAIT_S, trust_env=False, headers=headers) as client:
        calls = [client.post(f"{gateway.base_url}/v1/chat/completions", json=chat("demo")) for _ in range(100)]
        answers = await asyncio.gather(*calls)

    await asyncio.to_thread(gateway.stop)

    assert sorted(answer.headers["x-request-id"] for answer in answers) == sorted(row["id"] for row in gateway.rows())


@both_sizes
async def test_stream_that_is_longer_than_the_limit_is_cut_and_recorded(tmp_path: Path, workers: int) -> None:
    # Python imports this file at its start: the limit is 1 s then, not 30.
    (tmp_path / "sitecustomize.py").write_text("import cli.serve\n\ncli.serve.DRAIN_S = 1\n")
    environ = {"FAULTY_KEY": "key", "PYTHONPATH": os.pathsep.join([str(tmp_path), str(ROOT)])}
    provider = Faulty()

    async def endlessly(peer: Peer) -> None:
        await peer.send(STREAM_HEAD)
        while True:
            await peer.send(chunked(delta("word ")), pause_s=PAUSE_S)

    provider.script = endlessly
    async with serve(provider) as server:
        gateway = Gateway(tmp_path, faulty_config(server.port), environ, workers=workers, anew=True)
        await asyncio.to_thread(gateway.start)
        streams = await begin_streams(gateway, 2)

        await asyncio.to_thread(gateway.stop)
        ends = await asyncio.gather(*streams, return_exceptions=True)

    assert len(ends) == 2
    assert [row["outcome"] for row in gateway.rows()] == ["cut", "cut"]


async def test_whole_call_that_is_under_way_is_answered_before_the_stop(tmp_path: Path) -> None:
    provider = Faulty()

    async def slowly(peer: Peer) -> None:
        await asyncio.sleep(1)
        await peer.send(response(whole()))

    provider.script = slowly
    async with serve(provider) as server, httpx.AsyncClient(timeout=WAIT_S, trust_env=False) as client:
        gateway = Gateway(tmp_path, faulty_config(server.port), {"FAULTY_KEY": "key"})
        await asyncio.to_thread(gateway.start)
        call = asyncio.create_task(
            client.post(
                f"{gateway.base_url}/v1/chat/completions",
                json=chat("faulty/m"),
                headers={"authorization": f"Bearer {gateway.token}"},
            )
        )
        await provider.asked.wait()

        await asyncio.to_thread(gateway.stop)

    assert (await call).content == whole()


@both_sizes
async def test_stream_that_goes_on_for_ever_ends_when_the_gateway_begins_to_stop(tmp_path: Path, workers: int) -> None:
    gateway = Gateway(tmp_path, workers=workers)
    await asyncio.to_thread(gateway.start)
    headers = {"authorization": f"Bearer {gateway.token}"}
    begun = asyncio.Event()

    async def listen() -> bytes:
        async with (
            httpx.AsyncClient(timeout=WAIT_S, trust_env=False) as client,
            client.stream("GET", f"{gateway.base_url}/v1/monitors/events/stream", headers=headers) as answer,
        ):
            pieces = []
            async for piece in answer.aiter_raw():
                begun.set()
                pieces.append(piece)
            return b"".join(pieces)

    stream = asyncio.create_task(listen())
    await begun.wait()
    stopped_at = asyncio.get_running_loop().time()
    await asyncio.to_thread(gateway.stop)
    took_s = asyncio.get_running_loop().time() - stopped_at

    assert await stream == b"retry: 3000\n\n"  # to its end: it was not cut
    assert took_s < 5  # where streams are waited for, it takes 30 s
    assert "Traceback" not in gateway.output()
