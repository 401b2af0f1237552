"""The way through a proxy, and past it."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

import httpx
import pytest

from app.providers.proxies import read_proxies
from app.providers.transport import Transport, open_transport
from tests.providers.transport.servers import OK, Authority, Peer, Server, after_request, always, fetch, request, serve


@contextlib.asynccontextmanager
async def forward_proxy(seen: list[bytes]) -> AsyncIterator[Server]:
    """A proxy that writes down the first line of each request and passes on what follows a CONNECT."""

    async def script(peer: Peer) -> None:
        head = await peer.reader.readuntil(b"\r\n\r\n")
        line = head.split(b"\r\n")[0]
        seen.append(line)
        if not line.startswith(b"CONNECT "):
            await peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nproxy")
            return
        host, port = line.split(b" ")[1].rsplit(b":", 1)
        reader, writer = await asyncio.open_connection(host.decode(), int(port))
        await peer.send(b"HTTP/1.1 200 Connected\r\n\r\n")
        try:
            await asyncio.wait(
                [asyncio.create_task(_pipe(peer.reader, writer)), asyncio.create_task(_pipe(reader, peer.writer))],
                return_when=asyncio.FIRST_COMPLETED,
            )
        finally:
            writer.close()

    async with serve(script) as server:
        yield server


async def _pipe(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(ConnectionError):
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()


async def test_without_a_proxy_everything_goes_through_our_own_transport() -> None:
    transport = open_transport(environ={"NO_PROXY": "x"})

    assert type(transport) is Transport
    await transport.aclose()


async def test_proxied_host_is_reached_through_the_proxy() -> None:
    seen: list[bytes] = []
    async with forward_proxy(seen) as proxy:
        transport = open_transport(environ={"HTTP_PROXY": proxy.url})
        try:
            response, body = await fetch(transport, request(proxy, "http://api.example/v1"))
        finally:
            await transport.aclose()

    assert seen == [b"POST http://api.example/v1 HTTP/1.1"]
    assert body == b"proxy"
    assert response.extensions["framing"] == "length"


@pytest.mark.parametrize(
    ("answer", "method", "framing"),
    [
        pytest.param(OK, "POST", "length", id="length"),
        pytest.param(
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "POST", "chunked", id="chunked"
        ),
        pytest.param(b"HTTP/1.1 200 OK\r\n\r\n", "POST", "close", id="close"),
        pytest.param(b"HTTP/1.1 204 No Content\r\n\r\n", "POST", "none", id="204"),
        pytest.param(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n", "HEAD", "none", id="head"),
    ],
)
async def test_proxied_response_says_how_the_end_of_its_body_is_known(answer: bytes, method: str, framing: str) -> None:
    async with serve(after_request(answer)) as proxy:
        transport = open_transport(environ={"HTTP_PROXY": proxy.url})
        try:
            response, _ = await fetch(transport, request(proxy, "http://api.example/", method=method))
        finally:
            await transport.aclose()

    assert response.extensions["framing"] == framing


async def test_encrypted_call_goes_through_a_tunnel(tmp_path_factory: pytest.TempPathFactory) -> None:
    authority = Authority(tmp_path_factory.mktemp("authority"))
    seen: list[bytes] = []
    async with forward_proxy(seen) as proxy, serve(always(OK), tls=authority.server_context("127.0.0.1")) as server:
        transport = open_transport(
            ca_file=authority.ca_file, environ={"https_proxy": proxy.url.removeprefix("http://")}
        )
        try:
            _, body = await fetch(transport, request(server))
        finally:
            await transport.aclose()

    assert seen == [f"CONNECT 127.0.0.1:{server.port} HTTP/1.1".encode()]
    assert body == b"ok"


async def test_excepted_host_is_reached_directly() -> None:
    seen: list[bytes] = []
    async with forward_proxy(seen) as proxy, serve(always(OK)) as server:
        transport = open_transport(environ={"ALL_PROXY": proxy.url, "NO_PROXY": "127.0.0.1"})
        try:
            response, body = await fetch(transport, request(server))
        finally:
            await transport.aclose()

    assert seen == []
    assert body == b"ok"
    assert response.extensions["remote"] == f"127.0.0.1:{server.port}"


async def test_slow_first_byte_is_allowed_for_behind_a_proxy() -> None:
    async def script(peer: Peer) -> None:
        await peer.request()
        await asyncio.sleep(0.3)
        await peer.send(OK)

    async with serve(script) as proxy:
        transport = open_transport(environ={"HTTP_PROXY": proxy.url})
        try:
            _, body = await fetch(transport, request(proxy, "http://api.example/", first_byte=5.0, read=0.1))
        finally:
            await transport.aclose()

    assert body == b"ok"


@pytest.mark.parametrize(
    ("environ", "url", "proxy"),
    [
        ({"HTTP_PROXY": "http://p:1"}, "http://a.example", "http://p:1"),
        ({"HTTP_PROXY": "http://p:1"}, "https://a.example", None),
        ({"HTTPS_PROXY": "http://p:1"}, "https://a.example", "http://p:1"),
        ({"ALL_PROXY": "http://p:1"}, "https://a.example", "http://p:1"),
        ({"ALL_PROXY": "http://p:1", "HTTP_PROXY": "http://q:2"}, "http://a.example", "http://q:2"),
        ({"https_proxy": "http://p:1", "HTTPS_PROXY": "http://q:2"}, "https://a.example", "http://p:1"),
        ({"https_proxy": "", "HTTPS_PROXY": "http://q:2"}, "https://a.example", None),
        ({"HTTP_PROXY": "p:1"}, "http://a.example", "http://p:1"),
        ({"HTTP_PROXY": "http://p:1", "NO_PROXY": "*"}, "http://a.example", None),
        ({"HTTP_PROXY": "http://p:1", "NO_PROXY": "a.example"}, "http://a.example", None),
        ({"HTTP_PROXY": "http://p:1", "NO_PROXY": "a.example"}, "http://A.EXAMPLE", None),
        ({"HTTP_PROXY": "http://p:1", "NO_PROXY": "example"}, "http://a.example", None),
        ({"HTTP_PROXY": "http://p:1", "NO_PROXY": ".example"}, "http://a.example", None),
        ({"HTTP_PROXY": "http://p:1", "NO_PROXY": "*.example"}, "http://a.example", None),
        ({"HTTP_PROXY": "http://p:1", "NO_PROXY": "ample"}, "http://a.example", "http://p:1"),
        ({"HTTP_PROXY": "http://p:1", "NO_PROXY": "x, a.example:80"}, "http://a.example", None),
        ({"HTTP_PROXY": "http://p:1", "NO_PROXY": "a.example:81"}, "http://a.example", "http://p:1"),
        ({"HTTP_PROXY": "http://p:1", "NO_PROXY": "10.0.0.0/8"}, "http://10.2.3.4", None),
        ({"HTTP_PROXY": "http://p:1", "NO_PROXY": "10.0.0.0/8"}, "http://11.2.3.4", "http://p:1"),
        ({"HTTP_PROXY": "http://p:1", "NO_PROXY": "::1"}, "http://[::1]:8000", None),
        ({"HTTP_PROXY": "http://p:1", "NO_PROXY": "[::1]"}, "http://[::1]:8000", None),
        ({"HTTP_PROXY": "http://p:1", "NO_PROXY": "localhost"}, "http://localhost:8000", None),
    ],
)
def test_environment_is_read_as_curl_does(environ: dict[str, str], url: str, proxy: str | None) -> None:
    asked = httpx.URL(url)
    port = asked.port or {"http": 80, "https": 443}[asked.scheme]

    assert read_proxies(environ).url_for(asked.scheme, asked.host, port) == proxy
