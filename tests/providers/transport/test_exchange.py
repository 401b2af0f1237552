"""A request and its answer, as any HTTP/1.1 transport has to do them."""

import asyncio
import gzip
import zlib
from collections.abc import AsyncIterator, Callable

import httpx
import pytest

from app.providers.transport import Transport
from tests.providers.transport.servers import OK, Peer, Server, after_request, always, fetch, request, serve

CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"


async def test_request_arrives_as_it_was_built(transport: httpx.AsyncBaseTransport) -> None:
    seen = []

    async def script(peer: Peer) -> None:
        seen.append(await peer.request())
        await peer.send(OK)

    async with serve(script) as server:
        await fetch(transport, request(server, "/v1/chat?a=%20b", content=b"hello", headers={"X-Key": "v"}))

    head, body = seen[0]
    assert head.startswith(b"POST /v1/chat?a=%20b HTTP/1.1\r\n")
    assert f"Host: 127.0.0.1:{server.port}\r\n".encode() in head
    assert b"X-Key: v\r\n" in head
    assert b"Content-Length: 5\r\n" in head
    assert body == b"hello"


async def test_answer_arrives_as_it_was_sent(transport: httpx.AsyncBaseTransport) -> None:
    answer = b"HTTP/1.1 429 Slow Down\r\nX-A: 1\r\nx-a: two words \r\nEmpty:\r\nContent-Length: 5\r\n\r\nhello"

    async with serve(always(answer)) as server:
        response, body = await fetch(transport, request(server))

    assert response.status_code == 429
    assert response.reason_phrase == "Slow Down"
    assert response.http_version == "HTTP/1.1"
    assert response.headers.get_list("x-a") == ["1", "two words"]
    assert response.headers["empty"] == ""
    assert body == b"hello"


@pytest.mark.parametrize(
    ("answer", "method", "body"),
    [
        pytest.param(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", "POST", b"", id="empty"),
        pytest.param(CHUNKED + b"5\r\nhello\r\n1;ext=1\r\n!\r\n0\r\n\r\n", "POST", b"hello!", id="chunked"),
        pytest.param(CHUNKED + b"5\r\nhello\r\n0\r\nX-Sum: 1\r\n\r\n", "POST", b"hello", id="trailers"),
        pytest.param(b"HTTP/1.1 200 OK\r\n\r\nhello", "POST", b"hello", id="until-close"),
        pytest.param(b"HTTP/1.0 200 OK\r\n\r\nhello", "POST", b"hello", id="http-1.0"),
        pytest.param(b"HTTP/1.1 204 No Content\r\n\r\n", "POST", b"", id="204"),
        pytest.param(b"HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n", "GET", b"", id="304"),
        pytest.param(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", "HEAD", b"", id="head"),
        pytest.param(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", "HEAD", b"", id="head-chunked"),
        pytest.param(b"HTTP/1.1 100 Continue\r\n\r\n" + OK, "POST", b"ok", id="100"),
        pytest.param(b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" * 2 + OK, "POST", b"ok", id="103"),
        pytest.param(b"HTTP/1.1 200\r\nContent-Length: 2\r\n\r\nok", "POST", b"ok", id="no-reason"),
        pytest.param(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok", "POST", b"ok", id="close"),
    ],
)
async def test_body_ends_where_the_protocol_says(
    transport: httpx.AsyncBaseTransport, answer: bytes, method: str, body: bytes
) -> None:
    async with serve(after_request(answer)) as server:
        _, received = await fetch(transport, request(server, method=method, content=b""))

    assert received == body


async def test_answer_to_head_does_not_spill_into_the_next(transport: httpx.AsyncBaseTransport) -> None:
    async def script(peer: Peer) -> None:
        while True:
            head, _ = await peer.request()
            await peer.send(OK[:-2] if head.startswith(b"HEAD") else OK)

    async with serve(script) as server:
        for method, body in (("HEAD", b""), ("GET", b"ok"), ("HEAD", b""), ("GET", b"ok")):
            _, received = await fetch(transport, request(server, method=method, content=b""))
            assert received == body


async def test_interim_headers_are_not_those_of_the_answer(transport: httpx.AsyncBaseTransport) -> None:
    async with serve(after_request(b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n", OK, pause_s=0.02)) as server:
        response, _ = await fetch(transport, request(server))

    assert response.reason_phrase == "OK"
    assert "link" not in response.headers


async def test_head_is_handed_on_before_the_body_is_there(transport: httpx.AsyncBaseTransport) -> None:
    read = asyncio.Event()

    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(CHUNKED)
        await read.wait()
        await peer.send(b"2\r\nok\r\n0\r\n\r\n")

    async with serve(script) as server:
        response = await transport.handle_async_request(request(server))
        read.set()
        body = await response.aread()

    assert body == b"ok"


async def test_piece_is_handed_on_before_the_next_is_there(transport: httpx.AsyncBaseTransport) -> None:
    more = asyncio.Semaphore(0)

    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(CHUNKED)
        for _ in range(3):
            await peer.send(b"2\r\nok\r\n")
            await more.acquire()
        await peer.send(b"0\r\n\r\n")

    pieces = []
    async with serve(script) as server:
        response = await transport.handle_async_request(request(server))
        async for piece in response.aiter_raw():
            pieces.append(piece)
            more.release()

    assert pieces == [b"ok", b"ok", b"ok"]


@pytest.mark.parametrize("size", [1, 2, 7])
async def test_answer_in_tiny_pieces_is_the_same(transport: httpx.AsyncBaseTransport, size: int) -> None:
    answer = b"HTTP/1.1 200 OK\r\nX-Name: value\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"
    pieces = [answer[at : at + size] for at in range(0, len(answer), size)]

    async with serve(after_request(*pieces)) as server:
        response, body = await fetch(transport, request(server))

    assert response.headers["x-name"] == "value"
    assert body == b"hello"


@pytest.mark.parametrize(("coding", "code"), [("gzip", gzip.compress), ("deflate", zlib.compress)])
async def test_coded_content_is_decoded_by_the_response(
    transport: httpx.AsyncBaseTransport, coding: str, code: Callable[[bytes], bytes]
) -> None:
    coded = code(b"hello " * 50)
    head = f"HTTP/1.1 200 OK\r\nContent-Encoding: {coding}\r\nContent-Length: {len(coded)}\r\n\r\n".encode()

    async with serve(always(head + coded)) as server:
        response = await transport.handle_async_request(request(server))
        content = await response.aread()

    assert content == b"hello " * 50


async def test_streamed_request_body_is_sent_chunked(transport: httpx.AsyncBaseTransport) -> None:
    seen = []

    async def script(peer: Peer) -> None:
        seen.append(await peer.request())
        await peer.send(OK)

    async with serve(script) as server:
        await fetch(transport, request(server, content=_parts(b"one ", b"", b"two ", b"three")))

    head, body = seen[0]
    assert b"Transfer-Encoding: chunked\r\n" in head
    assert body == b"one two three"


async def test_streamed_request_body_of_a_known_length_is_sent_as_it_is(transport: httpx.AsyncBaseTransport) -> None:
    seen = []

    async def script(peer: Peer) -> None:
        seen.append(await peer.request())
        await peer.send(OK)

    async with serve(script) as server:
        await fetch(transport, request(server, content=_parts(b"one ", b"two"), headers={"Content-Length": "7"}))

    head, body = seen[0]
    assert b"Transfer-Encoding" not in head
    assert body == b"one two"


# Ours only: what h11 says of it comes out of httpx's as h11's own error.
@pytest.mark.parametrize("parts", [[b"one"], [b"one ", b"two ", b"three"]], ids=["short", "long"])
async def test_streamed_request_body_that_is_not_its_length_is_refused(own: Transport, parts: list[bytes]) -> None:
    async def script(peer: Peer) -> None:
        await peer.gone()

    async with serve(script) as server:
        asked = request(server, content=_parts(*parts), headers={"Content-Length": "7"})
        with pytest.raises(httpx.LocalProtocolError):
            await own.handle_async_request(asked)


@pytest.mark.parametrize(
    "headers",
    [
        pytest.param([("Content-Length", "x")], id="no-number"),
        pytest.param([("Transfer-Encoding", "gzip")], id="other-coding"),
    ],
)
async def test_request_framing_that_http_does_not_know_is_refused(
    transport: httpx.AsyncBaseTransport, headers: list[tuple[str, str]]
) -> None:
    async with serve(always(OK)) as server:
        with pytest.raises(httpx.LocalProtocolError):
            await transport.handle_async_request(_bare(server, headers))


# Ours only: httpx's lets h11's own error out for the first, and sends the others.
@pytest.mark.parametrize(
    "headers",
    [
        pytest.param([("Content-Length", "7")], id="wrong"),
        pytest.param([("Content-Length", "2"), ("Content-Length", "2")], id="twice"),
        pytest.param([("Content-Length", "2"), ("Transfer-Encoding", "chunked")], id="and-chunked"),
    ],
)
async def test_length_that_is_not_the_bodys_is_refused(own: Transport, headers: list[tuple[str, str]]) -> None:
    async with serve(always(OK)) as server:
        with pytest.raises(httpx.LocalProtocolError):
            await own.handle_async_request(_bare(server, headers))


# Ours only: httpx's refuses a request without a Host.
async def test_request_that_brings_only_a_body_is_given_its_host_and_length(own: Transport) -> None:
    seen = []

    async def script(peer: Peer) -> None:
        seen.append(await peer.request())
        await peer.send(OK)

    async with serve(script) as server:
        await fetch(own, httpx.Request("POST", server.url, stream=httpx.ByteStream(b"{}")))

    head = f"POST / HTTP/1.1\r\nHost: 127.0.0.1:{server.port}\r\nContent-Length: 2\r\n\r\n".encode()
    assert seen == [(head, b"{}")]


async def test_error_of_a_request_body_comes_out_as_it_is(transport: httpx.AsyncBaseTransport) -> None:
    async def broken() -> AsyncIterator[bytes]:
        yield b"one"
        raise LookupError("the source dried up")

    async def script(peer: Peer) -> None:
        await peer.gone()

    async with serve(script) as server:
        with pytest.raises(LookupError, match="dried up"):
            await transport.handle_async_request(request(server, content=broken()))


async def test_large_bodies_pass_both_ways(transport: httpx.AsyncBaseTransport) -> None:
    large = bytes(range(256)) * 16_384  # 4 MiB

    async def script(peer: Peer) -> None:
        _, body = await peer.request()
        await peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body), body)

    async with serve(script) as server:
        _, echoed = await fetch(transport, request(server, content=large))

    assert echoed == large


async def test_server_that_answers_while_it_reads_is_understood(transport: httpx.AsyncBaseTransport) -> None:
    async def script(peer: Peer) -> None:
        head = await peer.reader.readuntil(b"\r\n\r\n")
        assert b"Content-Length: 6" in head
        first = await peer.reader.readexactly(3)
        await peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\n" + first)
        await peer.send(await peer.reader.readexactly(3))

    async with serve(script) as server:
        asked = request(server, content=_parts(b"one", b"two", pause_s=0.05), headers={"Content-Length": "6"})
        _, echoed = await fetch(transport, asked)

    assert echoed == b"onetwo"


async def test_connection_is_used_again(transport: httpx.AsyncBaseTransport) -> None:
    async with serve(always(OK)) as server:
        for _ in range(5):
            await fetch(transport, request(server))

        assert server.connections == 1


async def test_second_request_at_the_same_time_gets_a_connection_of_its_own(
    transport: httpx.AsyncBaseTransport,
) -> None:
    both = asyncio.Barrier(2)

    async def script(peer: Peer) -> None:
        await peer.request()
        await both.wait()
        await peer.send(OK)

    async with serve(script) as server:
        await asyncio.gather(fetch(transport, request(server)), fetch(transport, request(server)))

        assert server.connections == 2


async def test_ipv6_address_is_reached(transport: httpx.AsyncBaseTransport) -> None:
    async with serve(always(OK), host="::1") as server:
        _, body = await fetch(transport, request(server))

    assert body == b"ok"


@pytest.mark.parametrize("url", ["ftp://127.0.0.1/", "/path"])
async def test_other_schemes_are_refused(transport: httpx.AsyncBaseTransport, url: str) -> None:
    with pytest.raises(httpx.UnsupportedProtocol):
        await transport.handle_async_request(httpx.Request("GET", url))


# Ours only: httpx's takes ws:// for http://, and looks up a host without a name.
@pytest.mark.parametrize("url", ["ws://127.0.0.1/", "http:///path"])
async def test_url_of_a_websocket_or_without_a_host_is_refused(own: Transport, url: str) -> None:
    with pytest.raises(httpx.UnsupportedProtocol):
        await own.handle_async_request(httpx.Request("GET", url))


@pytest.mark.parametrize(
    ("headers", "method"),
    [
        pytest.param([("X-A", "1\r\nX-B: 2")], "GET", id="line-break"),
        pytest.param([("X-A", "1\n2")], "GET", id="line-feed"),
        pytest.param([("X-A", "1\0")], "GET", id="nul"),
        pytest.param([("X A", "1")], "GET", id="space-in-name"),
        pytest.param([("X-A:", "1")], "GET", id="colon-in-name"),
        pytest.param([("", "1")], "GET", id="no-name"),
        pytest.param([], "GET IT", id="space-in-method"),
        pytest.param([], "GET\r\nX: 1", id="line-break-in-method"),
    ],
)
async def test_request_that_http_cannot_say_is_refused(
    transport: httpx.AsyncBaseTransport, headers: list[tuple[str, str]], method: str
) -> None:
    async with serve(always(OK)) as server:
        with pytest.raises(httpx.LocalProtocolError):
            await transport.handle_async_request(request(server, method=method, headers=headers))


async def test_closed_port_is_a_connect_error(transport: httpx.AsyncBaseTransport) -> None:
    async with serve(always(OK)) as server:
        asked = request(server)

    with pytest.raises(httpx.ConnectError):
        await transport.handle_async_request(asked)


# Ours only: for httpx's, `MaybeProxied` says it, in test_proxies.py.
@pytest.mark.parametrize(
    ("answer", "framing"),
    [
        (OK, "length"),
        (CHUNKED + b"0\r\n\r\n", "chunked"),
        (b"HTTP/1.1 200 OK\r\n\r\n", "close"),
        (b"HTTP/1.1 204 No Content\r\n\r\n", "none"),
    ],
)
async def test_response_says_how_the_end_of_its_body_is_known(own: Transport, answer: bytes, framing: str) -> None:
    async with serve(after_request(answer)) as server:
        response, _ = await fetch(own, request(server))

    assert response.extensions["framing"] == framing


# Ours only: httpx's has no such extension.
async def test_response_says_where_it_came_from(own: Transport) -> None:
    async with serve(always(OK)) as server:
        response, _ = await fetch(own, request(server))

    assert response.extensions["remote"] == f"127.0.0.1:{server.port}"


# Ours only: httpx's lets go of a connection with the body's end as it is read.
async def test_body_that_came_with_the_head_frees_the_connection_before_it_is_read(own: Transport) -> None:
    async with serve(always(OK)) as server:
        first = await own.handle_async_request(request(server))
        await fetch(own, request(server))
        body = await first.aread()

        assert server.connections == 1
        assert body == b"ok"


async def test_client_of_httpx_can_use_it(transport: httpx.AsyncBaseTransport) -> None:
    async with serve(always(OK)) as server, httpx.AsyncClient(transport=transport) as client:
        response = await client.post(server.url, json={})

    assert response.text == "ok"


async def test_error_tells_no_secret(transport: httpx.AsyncBaseTransport) -> None:
    async with serve(always(OK)) as server:
        asked = request(server, "/path?key=s3cret", headers={"Authorization": "Bearer s3cret"})

    with pytest.raises(httpx.ConnectError) as caught:
        await transport.handle_async_request(asked)

    assert "s3cret" not in str(caught.value)


# Ours only: httpx's says that "all connection attempts failed".
async def test_error_names_the_place(own: Transport) -> None:
    async with serve(always(OK)) as server:
        asked = request(server)

    with pytest.raises(httpx.ConnectError, match=f"127.0.0.1:{server.port}"):
        await own.handle_async_request(asked)


def _bare(server: Server, headers: list[tuple[str, str]]) -> httpx.Request:
    """A request to which httpx adds no header of its own."""
    return httpx.Request("POST", server.url, headers=[("Host", "x"), *headers], stream=httpx.ByteStream(b"{}"))


async def _parts(*parts: bytes, pause_s: float = 0.0) -> AsyncIterator[bytes]:
    for part in parts:
        yield part
        await asyncio.sleep(pause_s)
