"""Whom we trust, and whom we say we want."""

import asyncio
import ssl
from pathlib import Path

import httpx
import pytest

from app.providers.transport import Transport
from tests.providers.transport.servers import (
    OK,
    Authority,
    Kind,
    Peer,
    always,
    fetch,
    read_into,
    request,
    serve,
    transport_of,
)


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1"])
async def test_server_of_our_own_authority_is_trusted(authority: Authority, kind: Kind, host: str) -> None:
    tls = authority.server_context("localhost", "127.0.0.1")

    async with transport_of(kind, ca_file=authority.ca_file) as transport, serve(always(OK), tls=tls) as server:
        for _ in range(2):
            response, body = await fetch(transport, request(server, f"https://{host}:{server.port}/"))

        assert response.status_code == 200
        assert body == b"ok"
        assert server.connections == 1


async def test_unknown_authority_is_a_connect_error(authority: Authority, transport: httpx.AsyncBaseTransport) -> None:
    async with serve(always(OK), tls=authority.server_context("127.0.0.1")) as server:
        with pytest.raises(httpx.ConnectError, match="CERTIFICATE_VERIFY_FAILED"):
            await transport.handle_async_request(request(server))


async def test_other_authority_is_a_connect_error(authority: Authority, kind: Kind, tmp_path: Path) -> None:
    other = Authority(tmp_path, "Other Authority")

    async with (
        transport_of(kind, ca_file=other.ca_file) as transport,
        serve(always(OK), tls=authority.server_context("127.0.0.1")) as server,
    ):
        with pytest.raises(httpx.ConnectError, match="CERTIFICATE_VERIFY_FAILED"):
            await transport.handle_async_request(request(server))


async def test_certificate_of_another_host_is_a_connect_error(authority: Authority, kind: Kind) -> None:
    tls = authority.server_context("api.example.com")

    async with transport_of(kind, ca_file=authority.ca_file) as transport, serve(always(OK), tls=tls) as server:
        with pytest.raises(httpx.ConnectError, match="not valid for 'localhost'"):
            await transport.handle_async_request(request(server, f"https://localhost:{server.port}/"))


async def test_server_is_told_the_name_and_the_protocol_that_are_wanted(authority: Authority, kind: Kind) -> None:
    told = []
    tls = authority.server_context("localhost")
    tls.set_alpn_protocols(["h2", "http/1.1"])
    tls.sni_callback = lambda sock, name, context: told.append(name)
    chosen = []

    async def script(peer: Peer) -> None:
        chosen.append(peer.writer.get_extra_info("ssl_object").selected_alpn_protocol())
        await always(OK)(peer)

    async with transport_of(kind, ca_file=authority.ca_file) as transport, serve(script, tls=tls) as server:
        await fetch(transport, request(server, f"https://localhost:{server.port}/"))

    assert told == ["localhost"]
    assert chosen == ["http/1.1"]


async def test_plain_server_is_a_connect_error(transport: httpx.AsyncBaseTransport) -> None:
    async def script(peer: Peer) -> None:
        await peer.reader.read(100)
        await peer.send(b"HTTP/1.1 400 Bad Request\r\n\r\n")

    async with serve(script) as server:
        with pytest.raises(httpx.ConnectError):
            await transport.handle_async_request(request(server, server.url.replace("http:", "https:")))


async def test_server_that_leaves_in_the_handshake_is_a_connect_error(transport: httpx.AsyncBaseTransport) -> None:
    async def script(peer: Peer) -> None:
        await peer.reader.read(100)

    async with serve(script) as server:
        with pytest.raises(httpx.ConnectError):
            await transport.handle_async_request(request(server, server.url.replace("http:", "https:")))


async def test_large_bodies_pass_both_ways_encrypted(authority: Authority, kind: Kind) -> None:
    large = bytes(range(256)) * 8_192  # 2 MiB

    async def script(peer: Peer) -> None:
        _, body = await peer.request()
        await peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body), body)

    tls = authority.server_context("127.0.0.1")
    async with transport_of(kind, ca_file=authority.ca_file) as transport, serve(script, tls=tls) as server:
        _, echoed = await fetch(transport, request(server, content=large))

    assert echoed == large


async def test_cut_body_is_told_from_a_whole_one_when_encrypted(authority: Authority, kind: Kind) -> None:
    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello")

    tls = authority.server_context("127.0.0.1")
    async with transport_of(kind, ca_file=authority.ca_file) as transport, serve(script, tls=tls) as server:
        response = await transport.handle_async_request(request(server))
        with pytest.raises(httpx.RemoteProtocolError):
            await read_into([], response)


async def test_server_that_closes_before_a_slow_reader_is_done_loses_nothing(authority: Authority, kind: Kind) -> None:
    size = 3_000_000

    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: %d\r\n\r\n" % size, b"x" * size)

    received = 0
    tls = authority.server_context("127.0.0.1")
    async with transport_of(kind, ca_file=authority.ca_file) as transport, serve(script, tls=tls) as server:
        response = await transport.handle_async_request(request(server))
        async for piece in response.aiter_raw():
            received += len(piece)
            await asyncio.sleep(0.002)

    assert received == size


def test_authority_file_that_cannot_be_used_is_told_of_at_the_start(tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_text("not a certificate")

    with pytest.raises(ssl.SSLError):
        Transport(ca_file=str(tmp_path / "ca.pem"))
    with pytest.raises(FileNotFoundError):
        Transport(ca_file=str(tmp_path / "missing.pem"))
