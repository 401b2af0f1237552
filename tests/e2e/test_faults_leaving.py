"""A client that leaves: its upstream call ends at once, and its row says so."""

import asyncio
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.e2e.faulty import STREAM_HEAD, Rig, chunked, delta, faulty_rig, whole
from tests.providers.transport.servers import Peer

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.xdist_group("faults_leaving")]

# The promise is 100 ms; a machine that is busy with other tests may take some more.
AT_ONCE_S = 0.5


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def rig(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Rig]:
    async with faulty_rig(tmp_path_factory.mktemp("gateway")) as running:
        yield running


@pytest.mark.parametrize("politely", [True, False], ids=["fin", "reset"])
@pytest.mark.parametrize("stream", [True, False], ids=["stream", "whole"])
async def test_client_that_leaves_before_the_first_byte_ends_the_upstream_call_at_once(
    rig: Rig, stream: bool, politely: bool
) -> None:
    name = rig.name()
    rig.prepare(rig.provider.watching())

    seconds = await rig.leave(name, stream=stream, politely=politely)

    assert seconds < AT_ONCE_S
    row = await rig.row(name)
    assert (row["outcome"], row["status"], row["first_byte_ms"]) == ("client_gone", 499, None)


@pytest.mark.parametrize("stream", [True, False], ids=["stream", "whole"])
async def test_client_that_leaves_as_soon_as_it_has_asked_ends_the_upstream_call_too(rig: Rig, stream: bool) -> None:
    name = rig.name()
    rig.prepare(rig.provider.watching())

    seconds = await rig.leave(name, stream=stream, after_s=0.0)

    assert seconds < AT_ONCE_S
    assert (await rig.row(name))["outcome"] == "client_gone"


@pytest.mark.parametrize("politely", [True, False], ids=["fin", "reset"])
async def test_client_that_leaves_a_stream_after_its_first_byte_ends_the_upstream_call_at_once(
    rig: Rig, politely: bool
) -> None:
    name = rig.name()
    rig.prepare(rig.provider.watching(STREAM_HEAD, chunked(delta("Some text.")), chunked(delta("More of it."))))

    seconds = await rig.leave(name, stream=True, first_bytes=True, politely=politely)

    assert seconds < AT_ONCE_S
    row = await rig.row(name)
    assert (row["outcome"], row["status"]) == ("client_gone", 200)


async def test_client_that_leaves_a_stream_has_its_tokens_counted(rig: Rig) -> None:
    name = rig.name()
    rig.prepare(rig.provider.watching(STREAM_HEAD, *(chunked(delta("word ")) for _ in range(20))))

    await rig.leave(name, stream=True, first_bytes=True)

    row = await rig.row(name)
    assert row["usage_estimated"]
    assert row["output_tokens"] >= 19


async def test_client_that_leaves_amid_a_whole_reply_ends_the_upstream_call_at_once(rig: Rig) -> None:
    name = rig.name()
    head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 10000\r\n\r\n"
    rig.prepare(rig.provider.watching(head, whole()[:50]))

    seconds = await rig.leave(name, stream=False)

    assert seconds < AT_ONCE_S
    row = await rig.row(name)
    assert (row["outcome"], row["status"]) == ("client_gone", 499)


async def test_client_that_does_not_read_and_then_leaves_ends_the_upstream_call_at_once(rig: Rig) -> None:
    name = rig.name()
    piece = chunked(delta("x" * 60_000))

    async def flood(peer: Peer) -> None:
        try:
            await peer.send(STREAM_HEAD)
            while True:
                await peer.send(piece)
        finally:
            rig.provider.note_leaving()

    rig.prepare(flood)

    seconds = await rig.leave(name, stream=True, after_s=1.0)

    assert seconds < AT_ONCE_S
    row = await rig.row(name)
    assert (row["outcome"], row["status"]) == ("client_gone", 200)


async def test_client_that_leaves_amid_its_request_asks_nothing_of_the_provider(rig: Rig) -> None:
    rig.prepare()
    before = len(await asyncio.to_thread(rig.gateway.rows))
    request = rig.raw_request(b"x" * 1000)

    _, writer = await rig.connect()
    writer.write(request[:-500])
    await writer.drain()
    await asyncio.sleep(0.1)
    writer.transport.abort()
    await asyncio.sleep(0.4)

    assert not rig.provider.asked.is_set()
    assert len(rig.gateway.rows()) == before


async def test_connection_to_the_provider_is_not_used_again_by_others_after_its_client_left(rig: Rig) -> None:
    name = rig.name()
    rig.prepare(rig.provider.watching(STREAM_HEAD, chunked(delta("Not for you."))))
    await rig.leave(name, stream=True, first_bytes=True)

    answer = await rig.ask()

    assert answer.text == "Hello."
