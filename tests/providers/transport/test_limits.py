"""How long each step may take; the limits are short here and the bounds on the clock wide."""

import asyncio
import time
from collections.abc import AsyncIterator

import httpx
import pytest

from app.providers.transport import Transport
from tests.providers.transport.servers import OK, Peer, after_request, fetch, request, serve

HEAD = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"


async def _silent(peer: Peer) -> None:
    await peer.gone()


async def test_silence_before_the_head_is_a_read_timeout(transport: httpx.AsyncBaseTransport) -> None:
    async with serve(_silent) as server:
        with pytest.raises(httpx.ReadTimeout):
            await transport.handle_async_request(request(server, read=0.1))


# Ours only: httpx's knows no `first_byte`; `MaybeProxied` turns it into `read`.
async def test_first_byte_has_a_limit_of_its_own(own: Transport) -> None:
    async with serve(_silent) as server:
        with pytest.raises(httpx.ReadTimeout, match=r"no byte of an answer within 0.1 s \(limit 'first_byte'\)"):
            await own.handle_async_request(request(server, first_byte=0.1, read=60.0))


# Ours only, likewise.
async def test_slow_first_byte_is_not_held_to_the_limit_between_pieces(own: Transport) -> None:
    async with serve(after_request(b"", OK, pause_s=0.3)) as server:
        _, body = await fetch(own, request(server, first_byte=5.0, read=0.1))

    assert body == b"ok"


async def test_no_limit_is_no_limit(transport: httpx.AsyncBaseTransport) -> None:
    async with serve(after_request(b"", OK, pause_s=0.2)) as server:
        _, body = await fetch(
            transport, request(server, first_byte=None, read=None, pool=None, connect=None, write=None)
        )

    assert body == b"ok"


async def test_request_without_limits_is_served(transport: httpx.AsyncBaseTransport) -> None:
    async with serve(after_request(OK)) as server:
        _, body = await fetch(transport, httpx.Request("POST", server.url, content=b"{}"))

    assert body == b"ok"


@pytest.mark.parametrize("sent", [b"HTTP/1.1 200", HEAD, HEAD + b"5\r\nhel"], ids=["in-head", "after-head", "in-chunk"])
async def test_silence_after_some_bytes_is_a_read_timeout(transport: httpx.AsyncBaseTransport, sent: bytes) -> None:
    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(sent)
        await peer.gone()

    async with serve(script) as server:
        with pytest.raises(httpx.ReadTimeout):
            await fetch(transport, request(server, read=0.1))


async def test_drip_that_is_never_silent_is_no_timeout(transport: httpx.AsyncBaseTransport) -> None:
    async with serve(after_request(HEAD, *[b"1\r\nx\r\n"] * 10, b"0\r\n\r\n", pause_s=0.04)) as server:
        _, body = await fetch(transport, request(server, read=0.3))

    assert body == b"x" * 10


async def test_time_the_reader_takes_is_not_the_servers(transport: httpx.AsyncBaseTransport) -> None:
    async with serve(after_request(HEAD + b"1\r\na\r\n", b"1\r\nb\r\n0\r\n\r\n", pause_s=0.25)) as server:
        response = await transport.handle_async_request(request(server, read=0.15))
        pieces = []
        async for piece in response.aiter_raw():
            pieces.append(piece)
            await asyncio.sleep(0.35)

    assert b"".join(pieces) == b"ab"


async def test_second_request_on_a_connection_has_its_limit_from_its_own_start(
    transport: httpx.AsyncBaseTransport,
) -> None:
    async def script(peer: Peer) -> None:
        for _ in range(3):
            await peer.request()
            await asyncio.sleep(0.2)
            await peer.send(OK)

    async with serve(script) as server:
        for _ in range(3):
            await fetch(transport, request(server, first_byte=0.35, read=0.35))

        assert server.connections == 1


async def test_limit_of_a_request_is_not_that_of_the_one_before(transport: httpx.AsyncBaseTransport) -> None:
    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(OK)
        await peer.request()
        await peer.gone()

    async with serve(script) as server:
        await fetch(transport, request(server, read=60.0))
        with pytest.raises(httpx.ReadTimeout):
            await asyncio.wait_for(fetch(transport, request(server, read=0.1)), 2)

        assert server.connections == 1


# Ours only: httpx's has one limit for the first byte and the next.
async def test_shorter_limit_counts_though_a_longer_one_was_set_before(own: Transport) -> None:
    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(HEAD)
        await peer.gone()

    async with serve(script) as server:
        started = time.monotonic()
        with pytest.raises(httpx.ReadTimeout):
            await fetch(own, request(server, first_byte=60.0, read=0.1))

    assert time.monotonic() - started < 2


async def test_server_that_takes_no_bytes_is_a_write_timeout(transport: httpx.AsyncBaseTransport) -> None:
    async def script(peer: Peer) -> None:
        peer.writer.transport.pause_reading()  # type: ignore[attr-defined]
        await asyncio.sleep(5)

    async with serve(script) as server:
        with pytest.raises(httpx.WriteTimeout):
            await transport.handle_async_request(request(server, content=b"x" * 30_000_000, write=0.2, read=30.0))


# Ours only: httpx's gives the whole of a body the time that ours gives to each step.
async def test_server_that_takes_bytes_slowly_is_no_write_timeout(own: Transport) -> None:
    async def script(peer: Peer) -> None:
        head = await peer.reader.readuntil(b"\r\n\r\n")
        assert b"30000000" in head
        left = 30_000_000
        while left:
            left -= len(await peer.reader.read(1_000_000))
            if left > 15_000_000:
                await asyncio.sleep(0.005)
        await peer.send(OK)

    async with serve(script) as server:
        _, body = await fetch(own, request(server, content=b"x" * 30_000_000, write=0.3))

    assert body == b"ok"


async def test_source_that_is_slow_is_no_timeout(transport: httpx.AsyncBaseTransport) -> None:
    async def slow() -> AsyncIterator[bytes]:
        for _ in range(3):
            await asyncio.sleep(0.15)
            yield b"x"

    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(OK)

    async with serve(script) as server:
        _, body = await fetch(transport, request(server, content=slow(), write=0.1, first_byte=0.1, read=0.1))

    assert body == b"ok"


async def test_handshake_that_hangs_is_a_connect_timeout(transport: httpx.AsyncBaseTransport) -> None:
    async with serve(_silent) as server:
        asked = request(server, server.url.replace("http:", "https:"), connect=0.3)
        with pytest.raises(httpx.ConnectTimeout):
            await transport.handle_async_request(asked)


async def test_timeout_closes_the_connection(transport: httpx.AsyncBaseTransport) -> None:
    ended = asyncio.Event()

    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.gone()
        ended.set()

    async with serve(script) as server:
        with pytest.raises(httpx.ReadTimeout):
            await transport.handle_async_request(request(server, first_byte=0.1, read=0.1))
        await asyncio.wait_for(ended.wait(), 1)
