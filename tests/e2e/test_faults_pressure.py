"""Clients and providers of unequal speed: what one offers and the other does not take is not collected in memory."""

import asyncio
import json
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from tests.e2e.faulty import DONE, LAST_CHUNK, STREAM_HEAD, WAIT_S, Rig, chat, chunked, delta, faulty_rig
from tests.providers.transport.servers import Peer

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.xdist_group("faults_pressure")]

MB = 1_000_000
# The buffers of both sockets (some 6 MB each way on Linux) and the gateway's own.
MOST_TAKEN_BYTES = 40 * MB
MOST_GROWTH_BYTES = 40 * MB

PIECE = chunked(delta("x" * 65_000))


class Firehose:
    """A provider's stream of so many bytes; `sent` counts what the gateway's side took."""

    def __init__(self, offered: int) -> None:
        self.offered = offered
        self.sent = 0

    async def __call__(self, peer: Peer) -> None:
        await peer.send(STREAM_HEAD)
        while self.sent < self.offered:
            await peer.send(PIECE)
            self.sent += len(PIECE)
        await peer.send(chunked(delta(".", finish="stop")), chunked(DONE), LAST_CHUNK)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def rig(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Rig]:
    async with faulty_rig(tmp_path_factory.mktemp("gateway")) as running:
        yield running


def resident_bytes(pid: int) -> int:
    """What the process has in memory."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * 4096


async def settled(firehose: Firehose) -> None:
    """Return when nothing flows any more."""
    before = -1
    while before != firehose.sent:
        before = firehose.sent
        await asyncio.sleep(0.5)


async def test_provider_is_not_read_faster_than_the_client_reads(rig: Rig) -> None:
    firehose = Firehose(300 * MB)
    rig.prepare(firehose)
    resident = resident_bytes(rig.gateway.pid)
    reader, writer = await rig.connect()

    writer.write(rig.raw_request(json.dumps(chat(rig.name(), stream=True)).encode()))
    await reader.readuntil(b"data: ")
    async with asyncio.timeout(WAIT_S):
        await settled(firehose)
    growth = resident_bytes(rig.gateway.pid) - resident
    writer.transport.abort()

    print(f"taken from the provider: {firehose.sent / MB:.1f} MB; grown by {growth / MB:.1f} MB")  # noqa: T201 - see pytest -s
    assert firehose.sent < MOST_TAKEN_BYTES
    assert growth < MOST_GROWTH_BYTES


async def test_large_stream_goes_through_in_little_memory(rig: Rig) -> None:
    firehose = Firehose(100 * MB)
    rig.prepare(firehose)
    resident = peak = resident_bytes(rig.gateway.pid)
    name, received, begun = rig.name(), 0, time.monotonic()
    reader, writer = await rig.connect()

    writer.write(rig.raw_request(json.dumps(chat(name, stream=True)).encode(), "Connection: close"))
    while data := await reader.read(MB):
        received += len(data)
        peak = max(peak, resident_bytes(rig.gateway.pid))
    writer.transport.abort()

    print(f"{received / MB:.0f} MB in {time.monotonic() - begun:.1f} s; grown by {(peak - resident) / MB:.1f} MB")  # noqa: T201 - see pytest -s
    assert received >= firehose.offered
    assert peak - resident < MOST_GROWTH_BYTES
    assert (await rig.row(name))["outcome"] == "ok"


async def test_other_calls_go_on_while_a_client_does_not_read(rig: Rig) -> None:
    firehose = Firehose(300 * MB)
    rig.prepare(firehose)
    reader, writer = await rig.connect()
    writer.write(rig.raw_request(json.dumps(chat(rig.name(), stream=True)).encode()))
    await reader.readuntil(b"data: ")

    answer = await rig.ask()

    assert answer.text == "Hello."
    writer.transport.abort()
