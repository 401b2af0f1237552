"""The guard: no socket goes where nobody but the operator may send us, however that is written or resolved."""

import asyncio
import socket
import ssl
import threading
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from app.core.places import read_place
from app.providers.http1.dial import Refused
from app.providers.transport import Transport
from app.web.guard import Guard
from app.web.url import read_url
from tests.providers.transport.servers import OK, Authority, Peer, always, serve
from tests.web.conftest import Sentinel
from tests.web.names import running_names

LIMITS = {"timeout": {"connect": 5.0, "first_byte": 5.0, "read": 5.0}}

# Each goes to the sentinel or to a machine's own network for some reader; PORT is the sentinel's.
HOSTILE = [
    # loopback, plainly and as numbers
    "http://127.0.0.1:PORT/",
    "http://127.1.2.3:PORT/",
    "http://127.1:PORT/",
    "http://127.0.1:PORT/",
    "http://2130706433:PORT/",
    "http://017700000001:PORT/",
    "http://0x7f000001:PORT/",
    "http://0X7F.0.0.1:PORT/",
    "http://0x7f.1:PORT/",
    "http://0177.0.0.1:PORT/",
    "http://127.0.0.01:PORT/",
    "http://0:PORT/",
    "http://0.0.0.0:PORT/",
    "http://4294967297:PORT/",
    "http://127.0.0.1.:PORT/",
    "http://%31%32%37.0.0.1:PORT/",
    "http://localhost:PORT/",
    "http://LOCALHOST:PORT/",
    "http://localhost.:PORT/",
    "http://localhost.localdomain:PORT/",
    "http://a.localhost:PORT/",
    # IPv6, and IPv4 within it
    "http://[::1]:PORT/",
    "http://[0:0:0:0:0:0:0:1]:PORT/",
    "http://[::]:PORT/",
    "http://[::127.0.0.1]:PORT/",
    "http://[::ffff:127.0.0.1]:PORT/",
    "http://[::ffff:7f00:1]:PORT/",
    "http://[::ffff:0:127.0.0.1]:PORT/",
    "http://[64:ff9b::127.0.0.1]:PORT/",
    "http://[64:ff9b::7f00:1]:PORT/",
    "http://[64:ff9b:1::7f00:1]:PORT/",
    "http://[2002:7f00:1::]:PORT/",
    "http://[2002:a9fe:a9fe::1]:PORT/",
    "http://[2001:0:4136:e378:8000:63bf:80ff:fffe]:PORT/",
    "http://[fe80::1]:PORT/",
    "http://[fe80::1%25lo]:PORT/",
    "http://[::1%lo]:PORT/",
    "http://[fc00::1]:PORT/",
    "http://[fd00:ec2::254]:PORT/latest/meta-data/",
    "http://[fec0::1]:PORT/",
    "http://[ff02::1]:PORT/",
    "http://[2001:db8::1]:PORT/",
    "http://[3fff::1]:PORT/",
    "http://[3ffe::1]:PORT/",
    "http://[2606:2800:21f:cb07:0:5efe:127.0.0.1]:PORT/",
    "http://[2606:2800:21f:cb07:200:5efe:10.0.0.1]:PORT/",
    "http://[2606:2800:21f:cb07:0:5efe:a9fe:a9fe]/latest/meta-data/",
    "http://[100::1]:PORT/",
    "http://[5f00::1]:PORT/",
    "http://[v1.127.0.0.1]:PORT/",
    # private, link-local, a carrier's, documentation's, multicast
    "http://169.254.169.254/latest/meta-data/",
    "http://0xa9fea9fe/latest/meta-data/",
    "http://2852039166/latest/meta-data/",
    "http://169.254.43518/",
    "http://168.63.129.16/machine?comp=goalstate",
    "http://100.100.100.200/latest/meta-data/",
    "http://192.0.0.192/opc/v2/",
    "http://10.0.0.1/",
    "http://172.16.0.1/",
    "http://172.31.255.255/",
    "http://192.168.1.1/",
    "http://100.64.0.1/",
    "http://192.0.2.1/",
    "http://198.18.0.1/",
    "http://198.51.100.7/",
    "http://203.0.113.9/",
    "http://224.0.0.1/",
    "http://240.0.0.1/",
    "http://255.255.255.255/",
    # names that lead there
    "http://metadata.google.internal/computeMetadata/v1/",
    "http://inside.example:PORT/",
    "http://inside6.example:PORT/",
    "http://mapped.example:PORT/",
    "http://nat64.example:PORT/",
    "http://both.example:PORT/",
    "http://127.0.0.1.inside.example:PORT/",
    # users, backslashes, control characters, dots and digits of other scripts
    "http://public.example@127.0.0.1:PORT/",
    "http://127.0.0.1:PORT@public.example/",
    "http://user:password@public.example/",
    "http://@127.0.0.1:PORT/",
    "http://public.example%40127.0.0.1:PORT/",
    "http://public.example\\@127.0.0.1:PORT/",
    "http:\\\\127.0.0.1:PORT\\",
    "http://public.example\\.inside.example:PORT/",
    "http://127.0.0.1\t:PORT/",
    "http://127.0.\n0.1:PORT/",
    "\x01http://127.0.0.1:PORT/",
    "http://127.0.0.1\x00.public.example:PORT/",
    "http://127。0。0。1:PORT/",
    "http://127．0．0．1:PORT/",
    "http://127｡0｡0｡1:PORT/",
    "http://①②⑦.⓪.⓪.①:PORT/",
    "http://\uff11\uff12\uff17.0.0.1:PORT/",
    "http://ⓛⓞⓒⓐⓛⓗⓞⓢⓣ:PORT/",
    "http://loc\u00adalhost:PORT/",
    "http://local\u200bhost:PORT/",
    "http://١٢٧.٠.٠.١:PORT/",
    "http://inside。example:PORT/",
    "http://.inside.example:PORT/",
    "http://inside..example:PORT/",
    "http://inside.example.:PORT/",
    "http:///127.0.0.1:PORT/",
    "http:127.0.0.1:PORT/",
    "http:/127.0.0.1:PORT/",
    "//127.0.0.1:PORT/",
    "http://:PORT/",
    "http://[::1:PORT/",
    "http://::1:PORT/",
    "http://127.0.0.1:PORT#@public.example/",
    "http://127.0.0.1:PORT?@public.example/",
    "http://127.0.0.1:PORT:80/",
    "http://127.0.0.1:0/",
    "http://127.0.0.1:65616/",
    "http://127.0.0.1:٨٠/",
    # other ways than http
    "gopher://127.0.0.1:PORT/_GET%20/",
    "ftp://127.0.0.1:PORT/",
    "file:///etc/passwd",
    "file://127.0.0.1:PORT/etc/passwd",
    "dict://127.0.0.1:PORT/",
    "ldap://127.0.0.1:PORT/",
    "ws://127.0.0.1:PORT/",
    "unix:///var/run/docker.sock",
    "http+unix://%2Fvar%2Frun%2Fdocker.sock/info",
    "jar:http://127.0.0.1:PORT/!/",
    "view-source:http://127.0.0.1:PORT/",
    "data:text/html,hello",
    "javascript:alert(1)",
    "",
]

NAMES = {
    "inside.example": ["127.0.0.1"],
    "127.0.0.1.inside.example": ["127.0.0.1"],
    "inside6.example": ["::1"],
    "mapped.example": ["::ffff:127.0.0.1"],
    "nat64.example": ["64:ff9b::7f00:1"],
    "both.example": ["93.184.215.14", "127.0.0.1"],
    "public.example": ["127.0.0.1"],
    "localhost": ["127.0.0.1"],
    "localhost.localdomain": ["127.0.0.1"],
    "a.localhost": ["::1"],
    "metadata.google.internal": ["169.254.169.254"],
}


async def resolve(host: str, port: int) -> list[str]:
    """As a resolver that has never heard of numbers; the system's own for names that it may know itself."""
    if host.lower() in NAMES:
        return NAMES[host.lower()]
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_NUMERICHOST)
    return [str(each[4][0]) for each in found]


async def ask(guard: Guard, url: httpx.URL, ca_file: str | None = None) -> bytes:
    transport = Transport(dial=guard.dial, ca_file=ca_file)
    try:
        response = await transport.handle_async_request(httpx.Request("GET", url, extensions=LIMITS))
        return await response.aread()
    finally:
        await transport.aclose()


def test_there_are_more_than_forty_hostile_addresses() -> None:
    assert len(set(HOSTILE)) == len(HOSTILE) > 40


@pytest.mark.parametrize("text", HOSTILE)
async def test_hostile_address_is_refused_and_nothing_is_connected_to(
    text: str, sentinel: Sentinel, connects: list[Any]
) -> None:
    guard = Guard(resolve=resolve, any_port=True)

    with pytest.raises(Refused):
        await ask(guard, read_url(text.replace("PORT", str(sentinel.port))))

    assert not connects
    assert not sentinel.came


@pytest.mark.parametrize("text", HOSTILE)
async def test_hostile_address_that_was_not_read_strictly_connects_to_nothing_either(
    text: str, sentinel: Sentinel, connects: list[Any]
) -> None:
    guard = Guard(resolve=resolve, any_port=True)

    with pytest.raises((httpx.TransportError, httpx.InvalidURL)):
        await ask(guard, httpx.URL(text.replace("PORT", str(sentinel.port))))

    assert not connects
    assert not sentinel.came


async def test_the_sentinel_and_the_record_of_connections_would_notice(sentinel: Sentinel, connects: list[Any]) -> None:
    with pytest.raises(httpx.TransportError):
        await ask(Guard([read_place("127.0.0.0/8")], any_port=True), read_url(f"http://127.0.0.1:{sentinel.port}/"))

    assert connects == [("127.0.0.1", sentinel.port)]
    assert len(sentinel.came) == 1


async def test_name_that_first_tells_a_public_address_and_then_our_own_is_connected_to_at_neither(
    sentinel: Sentinel, connects: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    dialled: list[Any] = []

    async def dial_nothing(addresses: list[Any]) -> socket.socket:
        dialled.append(addresses)
        raise OSError("no such machine")

    monkeypatch.setattr("app.web.guard.dial_addresses", dial_nothing)
    answers = {"rebinding.example": [["93.184.215.14"], ["127.0.0.1"]]}
    async with running_names(answers) as names:
        guard = Guard(resolve=names.resolver(), any_port=True)
        url = read_url(f"http://rebinding.example:{sentinel.port}/")
        connects.clear()

        with pytest.raises(httpx.ConnectError):
            await ask(guard, url)
        asked = names.asked["rebinding.example", "A"]
        with pytest.raises(Refused, match="loopback"):
            await ask(guard, url)

    assert asked == 1
    assert dialled == [[(socket.AF_INET, ("93.184.215.14", sentinel.port))]]
    assert not any(port == sentinel.port for _, port in connects)
    assert not sentinel.came


async def test_address_that_was_checked_is_the_one_that_is_connected_to(connects: list[Any]) -> None:
    async def answer(peer: Peer) -> None:
        heads.append((await peer.request())[0])
        await peer.send(OK)

    heads: list[bytes] = []
    async with serve(answer) as server:
        host, port = "127.0.0.1", server.port
        # Were it asked a second time, the answer would be one that is not opened.
        answers = {"pages.example": [[host], ["10.0.0.1"]]}
        async with running_names(answers) as names:
            guard = Guard([read_place(f"127.0.0.0/8:{port}")], names.resolver())

            body = await ask(guard, read_url(f"http://pages.example:{port}/a"))

    assert body == b"ok"
    assert [where for where in connects if where[1] == port] == [(host, port)]
    assert f"Host: pages.example:{port}".encode() in heads[0]


async def test_name_of_the_page_is_what_its_certificate_is_checked_for(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    asked: list[str | None] = []
    good, other = authority.server_context("pages.example"), authority.server_context("other.example", "127.0.0.1")
    good.sni_callback = lambda _socket, name, _context: asked.append(name)

    async def fetch(tls: ssl.SSLContext) -> bytes:
        async with serve(always(OK), tls=tls) as server:
            guard = Guard([read_place(f"pages.example:{server.port}")], _tells("127.0.0.1"))
            return await ask(guard, read_url(f"https://pages.example:{server.port}/"), authority.ca_file)

    assert await fetch(good) == b"ok"
    assert asked == ["pages.example"]
    with pytest.raises(httpx.ConnectError, match="CERTIFICATE_VERIFY_FAILED"):
        await fetch(other)


@pytest.mark.parametrize("port", [22, 25, 6379, 8080, 11211])
async def test_ports_that_serve_no_pages_are_closed(port: int, connects: list[Any]) -> None:
    with pytest.raises(Refused, match="only 80 and 443"):
        await ask(Guard(), read_url(f"http://93.184.215.14:{port}/"))

    assert not connects


@pytest.mark.parametrize(
    ("opened", "host", "address", "port"),
    [
        ("intranet.example", "intranet.example", "10.0.0.7", 443),
        ("intranet.example:8080", "intranet.example", "10.0.0.7", 8080),
        ("10.0.0.0/8", "any.example", "10.0.0.7", 80),
        ("10.0.0.7:8080", "10.0.0.7", "10.0.0.7", 8080),
        ("10.0.0.0/8", "mapped.example", "::ffff:10.0.0.7", 80),
        ("::ffff:10.0.0.0/104", "any.example", "10.0.0.7", 80),
        ("[::ffff:10.0.0.7]:8080", "mapped.example", "::ffff:10.0.0.7", 8080),
        ("[fd00::7]:8080", "any.example", "fd00::7", 8080),
        ("fd00::/8", "any.example", "fd00::7", 443),
        ("pages.example:8443", "pages.example", "93.184.215.14", 8443),
    ],
)
async def test_what_the_operator_opened_is_open(opened: str, host: str, address: str, port: int) -> None:
    guard = Guard([read_place(opened)], _tells(address))

    assert len(await guard.addresses(host, port)) == 1


@pytest.mark.parametrize(
    ("opened", "host", "address", "port"),
    [
        ("intranet.example", "other.example", "10.0.0.7", 443),
        ("intranet.example", "intranet.example", "10.0.0.7", 8080),
        ("intranet.example", "sub.intranet.example", "10.0.0.7", 443),
        ("intranet.example:8080", "intranet.example", "10.0.0.7", 443),
        ("intranet.example:8080", "other.example", "93.184.215.14", 8080),
        ("10.0.0.0/8", "any.example", "192.168.0.1", 80),
        ("10.0.0.0/8", "any.example", "10.0.0.7", 8080),
        ("10.0.0.7:8080", "10.0.0.7", "10.0.0.7", 80),
        ("::ffff:10.0.0.0/104", "any.example", "192.168.0.1", 80),
        ("::ffc0:0:0/90", "any.example", "10.0.0.7", 80),
    ],
)
async def test_nothing_else_is_open(opened: str, host: str, address: str, port: int) -> None:
    guard = Guard([read_place(opened)], _tells(address))

    with pytest.raises(Refused):
        await guard.addresses(host, port)


@pytest.mark.parametrize(
    "address",
    [
        "93.184.215.14",
        "2606:2800:21f:cb07:6820:80da:af6b:8b2c",
        "64:ff9b::5db8:d70e",
        "2606:2800:21f:cb07:0:5efe:5db8:d70e",
    ],
)
async def test_public_addresses_are_open(address: str) -> None:
    assert [str(each) for each in await Guard(resolve=_tells(address)).addresses("public.example", 443)] == [address]


async def test_refusal_tells_no_address_that_a_name_has() -> None:
    with pytest.raises(Refused) as refusal:
        await Guard(resolve=_tells("10.11.12.13")).addresses("inside.example", 443)

    assert str(refusal.value) == "inside.example:443 leads to a private address"


async def test_system_resolver_is_asked_where_none_is_given() -> None:
    with pytest.raises(Refused, match="loopback"):
        await Guard().addresses("localhost", 80)


async def test_name_servers_that_never_answer_keep_nobody_else_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    answered = threading.Event()
    monkeypatch.setattr("socket.getaddrinfo", lambda *_args, **_kwargs: answered.wait() and [])
    guard = Guard()
    lost = [asyncio.create_task(guard.addresses(f"{number}.example", 80)) for number in range(99)]
    try:
        await asyncio.sleep(0)

        assert await asyncio.wait_for(asyncio.to_thread(lambda: "here"), 10) == "here"
    finally:
        answered.set()
        for each in lost:
            each.cancel()
        await asyncio.gather(*lost, return_exceptions=True)


def _tells(*addresses: str) -> Callable[[str, int], Awaitable[list[str]]]:
    async def resolve(_host: str, _port: int) -> list[str]:
        return list(addresses)

    return resolve
