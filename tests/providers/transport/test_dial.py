"""Hosts with more than one address, and with none."""

import asyncio
import socket
import time
from typing import Any

import httpx
import pytest

from app.providers.http1 import dial
from app.providers.transport import Transport
from tests.providers.transport.servers import OK, always, fetch, request, serve


def _resolving_to(monkeypatch: pytest.MonkeyPatch, *addresses: str) -> None:
    async def resolve(host: str, port: int) -> list[Any]:
        found = [socket.getaddrinfo(address, port, type=socket.SOCK_STREAM)[0] for address in addresses]
        assert host == "two.example"
        return [(family, where) for family, _, _, _, where in found]

    monkeypatch.setattr(dial, "_resolve", resolve)


async def test_address_that_refuses_is_passed_over_at_once(own: Transport, monkeypatch: pytest.MonkeyPatch) -> None:
    _resolving_to(monkeypatch, "::1", "127.0.0.1")

    async with serve(always(OK)) as server:
        started = time.monotonic()
        _, body = await fetch(own, request(server, f"http://two.example:{server.port}/"))

    assert body == b"ok"
    assert time.monotonic() - started < 0.2


async def test_address_that_is_silent_is_overtaken(own: Transport, monkeypatch: pytest.MonkeyPatch) -> None:
    _resolving_to(monkeypatch, "127.0.0.2", "127.0.0.1")
    connect = dial._connect

    async def silent(address: Any) -> socket.socket:
        if address[1][0] == "127.0.0.2":
            await asyncio.sleep(5)
        return await connect(address)

    monkeypatch.setattr(dial, "_connect", silent)
    async with serve(always(OK)) as server:
        started = time.monotonic()
        _, body = await fetch(own, request(server, f"http://two.example:{server.port}/"))

    assert body == b"ok"
    assert 0.2 < time.monotonic() - started < 2


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


async def test_first_error_is_told_where_every_address_refuses(own: Transport, monkeypatch: pytest.MonkeyPatch) -> None:
    _resolving_to(monkeypatch, "::1", "127.0.0.1")
    async with serve(always(OK)) as server:
        asked = request(server, f"http://two.example:{server.port}/")

    with pytest.raises(httpx.ConnectError, match="::1"):
        await own.handle_async_request(asked)


@pytest.mark.parametrize("host", ["does-not-exist.invalid", "a" * 70 + ".invalid"])
async def test_name_without_an_address_is_a_connect_error(own: Transport, host: str) -> None:
    with pytest.raises(httpx.ConnectError, match=host):
        await own.handle_async_request(httpx.Request("GET", f"http://{host}/"))


async def test_families_take_turns() -> None:
    addresses = await dial._resolve("localhost", 80)

    families = [family for family, _ in addresses]
    assert families[:2] in ([socket.AF_INET], [socket.AF_INET, socket.AF_INET6], [socket.AF_INET6, socket.AF_INET])
