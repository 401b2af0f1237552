"""Servers that break the protocol, the connection or a promise."""

import asyncio
import contextlib
import socket
import time
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from app.providers.transport import Transport
from tests.providers.transport.servers import OK, Peer, Script, after_request, fetch, read_into, request, serve, until

CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
LENGTH = b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n"


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(b"SSH-2.0-OpenSSH_9.6\r\n", id="another-protocol"),
        pytest.param(b"\x16\x03\x01\x00\xa5\x01\x00\x00\xa1\x03\x03", id="tls"),
        pytest.param(b"HTTP/1.1 abc OK\r\n\r\n", id="status-in-letters"),
        pytest.param(b"HTTP/1.1 20\r\n\r\n", id="status-of-two-digits"),
        pytest.param(b"HTTP/1.1 200 OK\r\nno colon here\r\n\r\n", id="header-without-colon"),
        pytest.param(b"HTTP/1.1 200 OK\r\nBad Name: 1\r\n\r\n", id="space-in-header-name"),
        pytest.param(b"HTTP/1.1 200 OK\r\nX: a\0b\r\n\r\n", id="nul-in-header"),
        pytest.param(b"HTTP/1.1 200 \0\r\nContent-Length: 2\r\n\r\nok", id="nul-in-reason"),
        pytest.param(b"HTTP/1.1 200 OK\r\nContent-Length: ten\r\n\r\n", id="length-in-letters"),
        pytest.param(b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n", id="negative-length"),
        pytest.param(b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab", id="two-lengths"),
        pytest.param(b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999999\r\n\r\n", id="length-beyond-64-bits"),
        pytest.param(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n", id="transfer-coding-gzip"),
        pytest.param(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n", id="transfer-coding-gzip-chunked"),
        pytest.param(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: h2c\r\nConnection: Upgrade\r\n\r\n", id="upgrade"),
        pytest.param(b"HTTP/1.1 101 Switching Protocols\r\n\r\n", id="101"),
        pytest.param(b"HTTP/1.1 150 Odd\r\nContent-Length: 2\r\n\r\nok" + OK, id="interim-with-body"),
        pytest.param(b"", id="nothing"),
        pytest.param(b"HTTP/1.1 200 OK\r\nContent-Le", id="half-a-head"),
        pytest.param(b"HTTP/1.1 100 Continue\r\n\r\n", id="only-an-interim-answer"),
        pytest.param(b"HTTP/1.1 200 OK\r\nX: " + b"x" * 200_000 + b"\r\n\r\n", id="header-too-long"),
        pytest.param(b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 40_000 + b"\r\n", id="too-many-headers"),
        pytest.param(b"HTTP/1.1 200 " + b"x" * 70_000, id="reason-too-long"),
        pytest.param(b"\r\n" * 50_000, id="only-line-breaks"),
        pytest.param(b"HTTP/1.1 100 Continue\r\n\r\n" * 5_000, id="interim-answers-without-end"),
    ],
)
async def test_what_is_no_answer_is_an_error_of_the_server(transport: httpx.AsyncBaseTransport, answer: bytes) -> None:
    async with serve(after_request(answer)) as server:
        with pytest.raises(httpx.RemoteProtocolError):
            await transport.handle_async_request(request(server))


# Ours only: httpx's takes any version of HTTP, and heads of up to 100 KiB or a little more.
@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(b"HTTP/2.0 200 OK\r\nContent-Length: 2\r\n\r\nok", id="http-2.0"),
        pytest.param(b"HTTP/0.9 200 OK\r\nContent-Length: 2\r\n\r\nok", id="http-0.9"),
        pytest.param(b"HTTP/1.1 200 OK\r\nX: " + b"x" * 70_000 + b"\r\n\r\n", id="header-above-64-KiB"),
        pytest.param(b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 12_000 + b"\r\n", id="headers-above-64-KiB"),
    ],
)
async def test_what_is_no_answer_to_us_is_an_error_of_the_server(own: Transport, answer: bytes) -> None:
    async with serve(after_request(answer)) as server:
        with pytest.raises(httpx.RemoteProtocolError):
            await own.handle_async_request(request(server))


# Ours only: httpx's says no place.
@pytest.mark.parametrize("answer", [b"SSH-2.0-OpenSSH_9.6\r\n", b"HTTP/1.1 200 OK\r\nContent-Le", b""])
async def test_error_of_the_server_names_it(own: Transport, answer: bytes) -> None:
    async with serve(after_request(answer)) as server:
        with pytest.raises(httpx.RemoteProtocolError, match=f"127.0.0.1:{server.port}"):
            await own.handle_async_request(request(server))


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(LENGTH + b"hello", id="length"),
        pytest.param(CHUNKED + b"5\r\nhello\r\n", id="between-chunks"),
        pytest.param(CHUNKED + b"9\r\nhello", id="in-a-chunk"),
        pytest.param(CHUNKED + b"5\r\nhello\r\n0\r\n", id="before-the-last-line"),
        pytest.param(CHUNKED + b"5\r\nhello", id="before-the-end-of-a-chunk"),
    ],
)
async def test_cut_body_is_given_and_then_told(transport: httpx.AsyncBaseTransport, answer: bytes) -> None:
    pieces: list[bytes] = []

    async with serve(after_request(answer)) as server:
        response = await transport.handle_async_request(request(server))
        with pytest.raises(httpx.RemoteProtocolError):
            await read_into(pieces, response)

    assert b"".join(pieces) == b"hello"


@pytest.mark.parametrize(
    "rest",
    [
        pytest.param(b"zz\r\nhello\r\n", id="chunk-size"),
        pytest.param(b"-1\r\n", id="negative-chunk-size"),
        pytest.param(b"2\r\nokay\r\n", id="chunk-longer-than-its-size"),
        pytest.param(b"f" * 21 + b"\r\n", id="chunk-size-beyond-80-bits"),
        pytest.param(b"1;" + b"x" * 600_000, id="chunk-size-line-too-long"),
        pytest.param(b"0\r\n" + b"X: y\r\n" * 100_000, id="too-many-trailers"),
        pytest.param(b"0\r\nX: " + b"y" * 600_000, id="trailer-too-long"),
    ],
)
async def test_garbage_in_a_body_is_told_after_what_came_before(
    transport: httpx.AsyncBaseTransport, rest: bytes
) -> None:
    pieces: list[bytes] = []

    async with serve(_going_on(rest)) as server:
        response = await transport.handle_async_request(request(server))
        with pytest.raises(httpx.RemoteProtocolError):
            await read_into(pieces, response)

    assert b"".join(pieces).startswith(b"hello")


# Ours only: httpx's takes chunk sizes of up to 80 bits, and waits for the bytes.
async def test_chunk_size_beyond_64_bits_is_told_after_what_came_before(own: Transport) -> None:
    pieces: list[bytes] = []

    async with serve(_going_on(b"f" * 17 + b"\r\n")) as server:
        response = await own.handle_async_request(request(server))
        with pytest.raises(httpx.RemoteProtocolError):
            await read_into(pieces, response)

    assert pieces == [b"hello"]


def _going_on(rest: bytes) -> Script:
    """A body that begins well, and then this."""

    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(CHUNKED + b"5\r\nhello\r\n")
        await peer.send(rest)
        await peer.gone()

    return script


async def test_reset_amid_the_head_is_a_read_error(transport: httpx.AsyncBaseTransport) -> None:
    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(b"HTTP/1.1 200 OK\r\n", pause_s=0.05)
        peer.reset()

    async with serve(script) as server:
        with pytest.raises(httpx.ReadError):
            await transport.handle_async_request(request(server))


@pytest.mark.parametrize(
    "head", [LENGTH, CHUNKED + b"5\r\n", b"HTTP/1.1 200 OK\r\n\r\n"], ids=["length", "chunked", "close"]
)
async def test_reset_amid_the_body_is_a_read_error(transport: httpx.AsyncBaseTransport, head: bytes) -> None:
    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(head + b"hello", pause_s=0.05)
        peer.reset()

    async with serve(script) as server:
        response = await transport.handle_async_request(request(server))
        with pytest.raises(httpx.ReadError):
            await response.aread()
        await response.aclose()


async def test_answer_before_the_request_was_read_is_delivered(transport: httpx.AsyncBaseTransport) -> None:
    async def script(peer: Peer) -> None:
        await peer.reader.readuntil(b"\r\n\r\n")
        await peer.send(b"HTTP/1.1 413 Too Large\r\nContent-Length: 4\r\n\r\nmuch")
        await peer.gone()

    async with serve(script) as server:
        asked = request(server, content=b"x" * 20_000_000)
        response, body = await asyncio.wait_for(fetch(transport, asked), 3)

        assert response.status_code == 413
        assert body == b"much"


# Ours only: httpx's sends all of a request before it reads an answer.
async def test_connection_with_half_a_request_on_it_is_not_used_again(own: Transport) -> None:
    async def script(peer: Peer) -> None:
        if server.connections == 1:
            await peer.reader.readuntil(b"\r\n\r\n")
            await peer.send(OK)
            await peer.reader.readexactly(1_000_000)
            await asyncio.sleep(0.2)  # some of the request stays in the client's buffer
            await peer.gone()
        await peer.request()
        await peer.send(OK)

    async with serve(script) as server:
        await fetch(own, request(server, content=b"x" * 30_000_000))
        _, body = await fetch(own, request(server))

        assert server.connections == 2
        assert body == b"ok"


# Ours only: likewise, so that it waits for the source.
async def test_source_of_a_request_body_is_closed_with_its_connection(own: Transport) -> None:
    closed = asyncio.Event()

    async def stalled() -> AsyncIterator[bytes]:
        try:
            yield b"x"
            await asyncio.sleep(60)
        finally:
            closed.set()

    async with serve(after_request(OK)) as server:
        asked = request(server, content=stalled(), headers={"Content-Length": "1"})
        await fetch(own, asked)

        await asyncio.wait_for(closed.wait(), 1)


# Ours only: likewise, and the answer is lost with the connection.
async def test_answer_and_close_before_the_request_was_read_is_delivered(own: Transport) -> None:
    async def script(peer: Peer) -> None:
        await peer.reader.readuntil(b"\r\n\r\n")
        await peer.send(b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 2\r\nConnection: close\r\n\r\nno")

    async with serve(script) as server:
        response, body = await fetch(own, request(server, content=b"x" * 5_000_000))

    assert response.status_code == 401
    assert body == b"no"


# Ours only: likewise, so that it uploads for ever.
async def test_early_answer_to_a_streamed_request_is_delivered_and_ends_the_upload(own: Transport) -> None:
    given = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal given
        while True:
            given += 1
            yield b"x" * 1000
            await asyncio.sleep(0.005)

    async def script(peer: Peer) -> None:
        await peer.reader.readuntil(b"\r\n\r\n")
        await peer.send(b"HTTP/1.1 413 Too Large\r\nContent-Length: 4\r\n\r\nmuch")
        await peer.gone()

    async with serve(script) as server:
        response, body = await fetch(own, request(server, content=endless()))
        at_the_end = given
        await asyncio.sleep(0.05)

    assert response.status_code == 413
    assert body == b"much"
    assert given <= at_the_end + 1


async def test_server_that_stops_reading_a_streamed_request_does_not_fill_the_memory(
    transport: httpx.AsyncBaseTransport,
) -> None:
    given = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal given
        while True:
            given += 1
            yield b"x" * 65_536

    async def script(peer: Peer) -> None:
        await peer.reader.readuntil(b"\r\n\r\n")
        peer.reader._transport.pause_reading()  # type: ignore[attr-defined]
        await asyncio.sleep(5)

    async with serve(script) as server:
        with pytest.raises(httpx.WriteTimeout):
            await transport.handle_async_request(request(server, content=endless(), write=0.2))

    assert given * 65_536 < 32_000_000  # what the kernel's buffers on both sides take


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok", id="close"),
        pytest.param(b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok", id="http-1.0"),
    ],
)
async def test_connection_that_the_server_is_about_to_close_is_not_used_again(
    transport: httpx.AsyncBaseTransport, answer: bytes
) -> None:
    async with serve(_once(answer)) as server:
        for _ in range(2):
            _, body = await fetch(transport, request(server))
            assert body == b"ok"

        assert server.connections == 2


# Ours only: httpx's takes what came with an answer for the beginning of the next.
@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(OK + b"more", id="extra-bytes"),
        pytest.param(OK + OK, id="second-answer"),
        pytest.param(CHUNKED + b"0\r\n\r\nHTTP", id="half-an-answer"),
        pytest.param(b"HTTP/1.1 204 No Content\r\n\r\nbody", id="204-with-body"),
    ],
)
async def test_connection_with_more_on_it_than_an_answer_is_not_used_again(own: Transport, answer: bytes) -> None:
    async with serve(_once(answer)) as server:
        for _ in range(2):
            response, body = await fetch(own, request(server))
            assert response.status_code in (200, 204)
            assert body in (b"", b"ok")

        assert server.connections == 2


def _once(answer: bytes) -> Script:
    """This answer and no other, on a connection that stays open."""

    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(answer)
        await peer.gone()

    return script


async def test_connection_on_which_the_client_asked_to_close_is_not_used_again(
    transport: httpx.AsyncBaseTransport,
) -> None:
    async with serve(_once(OK)) as server:
        for _ in range(2):
            await fetch(transport, request(server, headers={"Connection": "close"}))

        assert server.connections == 2


# Ours only: httpx's closes it.
async def test_http_1_0_server_that_keeps_the_connection_is_believed(own: Transport) -> None:
    async def script(peer: Peer) -> None:
        while True:
            await peer.request()
            await peer.send(b"HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 2\r\n\r\nok")

    async with serve(script) as server:
        for _ in range(2):
            await fetch(own, request(server))

        assert server.connections == 1


async def test_bytes_on_an_idle_connection_are_no_answer(transport: httpx.AsyncBaseTransport) -> None:
    sent = asyncio.Event()

    async with serve(_unasked(sent)) as server:
        await fetch(transport, request(server))
        await sent.wait()
        await asyncio.sleep(0.02)
        _, body = await fetch(transport, request(server))

        assert server.connections == 2
        assert body == b"ok"


# Ours only: httpx's looks at an idle connection when it is asked for one.
async def test_bytes_on_an_idle_connection_end_it(own: Transport) -> None:
    async with serve(_unasked(asyncio.Event())) as server:
        await fetch(own, request(server))

        await until(lambda: not server.writers)


async def test_answer_that_nobody_has_seen_yet_is_not_the_next_ones(transport: httpx.AsyncBaseTransport) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening, ThreadPoolExecutor(1) as outside_of_the_loop:
        served = outside_of_the_loop.submit(_answer_and_time_out, listening)
        asked = httpx.Request("GET", f"http://127.0.0.1:{listening.getsockname()[1]}/")
        first = await transport.handle_async_request(asked)
        assert await first.aread() == b"ok"
        time.sleep(0.2)  # noqa: ASYNC251 - the loop must not see what comes meanwhile

        second = await transport.handle_async_request(asked)

        assert (second.status_code, await second.aread()) == (200, b"ok")
        served.result()


def _answer_and_time_out(listening: socket.socket) -> None:
    """On each of two connections: an answer, and soon after it that nothing more was asked."""
    with contextlib.ExitStack() as stack:
        for _ in range(2):
            connection = stack.enter_context(listening.accept()[0])
            connection.recv(65536)
            connection.sendall(OK)
            time.sleep(0.05)
            with contextlib.suppress(OSError):
                connection.sendall(b"HTTP/1.1 408 Request Timeout\r\nContent-Length: 4\r\n\r\nevil")


def _unasked(sent: asyncio.Event) -> Script:
    """One answer that was asked for, and one later that was not."""

    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(OK, pause_s=0.02)
        await peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil")
        sent.set()
        await peer.gone()

    return script


async def test_server_that_ends_only_its_own_side_has_answered(transport: httpx.AsyncBaseTransport) -> None:
    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(b"HTTP/1.1 200 OK\r\n\r\nhello")
        peer.writer.write_eof()
        await peer.gone()

    async with serve(script) as server:
        _, body = await fetch(transport, request(server))

    assert body == b"hello"


async def test_body_after_an_error_is_over(transport: httpx.AsyncBaseTransport) -> None:
    async with serve(after_request(LENGTH + b"hello")) as server:
        response = await transport.handle_async_request(request(server))
        pieces = aiter(response.stream)  # type: ignore[arg-type]
        await anext(pieces)
        with pytest.raises(httpx.RemoteProtocolError):
            await anext(pieces)

        assert await anext(pieces, None) is None
