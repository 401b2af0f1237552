"""Hosts with more than one address, and with none."""

import asyncio
import contextlib
import socket
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from app.providers.http1 import dial
from app.providers.transport import Transport
from tests.providers.transport.servers import OK, always, fetch, request, serve


def _resolving_to(monkeypatch: pytest.MonkeyPatch, *addresses: str) -> None:
    """Let two.example have these addresses."""

    async def getaddrinfo(host: str | bytes, port: int, **options: int) -> list[Any]:
        if host not in ("two.example", b"two.example"):
            return await resolve(host, port, **options)
        return [socket.getaddrinfo(address, port, type=socket.SOCK_STREAM)[0] for address in addresses]

    loop = asyncio.get_running_loop()
    resolve = loop.getaddrinfo
    monkeypatch.setattr(loop, "getaddrinfo", getaddrinfo)


@contextlib.contextmanager
def _listening(host: str, port: int, *, backlog: int = 8) -> Iterator[socket.socket]:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.create_server((host, port), family=family, backlog=backlog) as listening:
        listening.setblocking(False)
        yield listening


@contextlib.contextmanager
def _silent(host: str, port: int) -> Iterator[None]:
    """An address that neither takes a connection nor refuses it, since nobody takes those that wait there."""
    with contextlib.ExitStack() as stack:
        listening = stack.enter_context(_listening(host, port, backlog=0))
        for _ in range(4):
            waiting = stack.enter_context(socket.socket(listening.family))
            waiting.setblocking(False)
            waiting.connect_ex((host, port))
        yield


async def test_address_that_refuses_is_passed_over_at_once(
    transport: httpx.AsyncBaseTransport, monkeypatch: pytest.MonkeyPatch
) -> None:
    _resolving_to(monkeypatch, "::1", "127.0.0.1")

    async with serve(always(OK)) as server:
        asked = request(server, f"http://two.example:{server.port}/", connect=0.2)  # less than a head start
        _, body = await fetch(transport, asked)

    assert body == b"ok"


async def test_address_that_is_silent_is_overtaken(
    transport: httpx.AsyncBaseTransport, monkeypatch: pytest.MonkeyPatch
) -> None:
    _resolving_to(monkeypatch, "::1", "127.0.0.1")

    async with serve(always(OK)) as server:
        with _silent("::1", server.port):
            _, body = await fetch(transport, request(server, f"http://two.example:{server.port}/", connect=2.0))

    assert body == b"ok"


async def test_address_that_answers_has_a_head_start(
    transport: httpx.AsyncBaseTransport, monkeypatch: pytest.MonkeyPatch
) -> None:
    _resolving_to(monkeypatch, "::1", "127.0.0.1")

    async with serve(always(OK), host="::1") as server:
        with _listening("127.0.0.1", server.port) as other:
            await fetch(transport, request(server, f"http://two.example:{server.port}/"))

            assert server.connections == 1
            with pytest.raises(BlockingIOError):
                other.accept()


# Ours only: that both connect in the same moment can only be brought about from within.
async def test_connection_that_loses_the_race_is_closed(own: Transport, monkeypatch: pytest.MonkeyPatch) -> None:
    _resolving_to(monkeypatch, "127.0.0.1", "127.0.0.1")
    connect = dial._connect
    both = asyncio.Barrier(2)

    async def together(address: Any) -> socket.socket:
        sock = await connect(address)
        await both.wait()
        return sock

    monkeypatch.setattr(dial, "_connect", together)
    async with serve(always(OK)) as server:
        await fetch(own, request(server, f"http://two.example:{server.port}/"))
        await asyncio.sleep(0.05)

        assert server.connections == 2
        assert len(server.writers) == 1


async def test_host_of_which_every_address_refuses_is_a_connect_error(
    transport: httpx.AsyncBaseTransport, monkeypatch: pytest.MonkeyPatch
) -> None:
    _resolving_to(monkeypatch, "::1", "127.0.0.1")
    async with serve(always(OK)) as server:
        asked = request(server, f"http://two.example:{server.port}/")

    with pytest.raises(httpx.ConnectError):
        await transport.handle_async_request(asked)


# Ours only: httpx's says that "all connection attempts failed".
async def test_first_error_is_told_where_every_address_refuses(own: Transport, monkeypatch: pytest.MonkeyPatch) -> None:
    _resolving_to(monkeypatch, "::1", "127.0.0.1")
    async with serve(always(OK)) as server:
        asked = request(server, f"http://two.example:{server.port}/")

    with pytest.raises(httpx.ConnectError, match="::1"):
        await own.handle_async_request(asked)


NAMES = ["does-not-exist.invalid", "a" * 70 + ".invalid"]


@pytest.mark.parametrize("host", NAMES)
async def test_name_without_an_address_is_a_connect_error(transport: httpx.AsyncBaseTransport, host: str) -> None:
    with pytest.raises(httpx.ConnectError):
        await transport.handle_async_request(httpx.Request("GET", f"http://{host}/"))


# Ours only: httpx's says no name.
@pytest.mark.parametrize("host", NAMES)
async def test_error_tells_the_name_without_an_address(own: Transport, host: str) -> None:
    with pytest.raises(httpx.ConnectError, match=host):
        await own.handle_async_request(httpx.Request("GET", f"http://{host}/"))


# Ours only, as it looks inside.
async def test_families_take_turns() -> None:
    addresses = await dial._resolve("localhost", 80)

    families = [family for family, _ in addresses]
    assert families[:2] in ([socket.AF_INET], [socket.AF_INET, socket.AF_INET6], [socket.AF_INET6, socket.AF_INET])
