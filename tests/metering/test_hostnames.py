"""Names of addresses, asked of a real DNS server on a loopback port."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import dns.flags
import dns.message
import dns.rcode
import dns.rrset
import pytest

from app.metering.hostnames import (
    AT_ONCE,
    MAX_REMEMBERED,
    NAMED_S,
    NAMELESS_S,
    UNANSWERED_S,
    Hostnames,
    NotAnswered,
    ask_dns,
)
from app.store.db import Database
from app.store.hosts import read_hosts
from tests.databases import sqlite_only

NOW = 1_767_225_600.0


class DnsServer(asyncio.DatagramProtocol):
    """Answers for the zones of reverse addresses that it has; `None` is an address that it fails on."""

    def __init__(self) -> None:
        self.names: dict[str, str | None] = {}
        self.asked: list[str] = []

    def connection_made(self, transport: Any) -> None:
        self.transport = transport

    def datagram_received(self, data: bytes, peer: Any) -> None:
        query = dns.message.from_wire(data)
        question = query.question[0]
        self.asked.append(str(question.name))
        answer = dns.message.make_response(query, recursion_available=True)
        match self.names.get(str(question.name), ""):
            case None:
                answer.set_rcode(dns.rcode.SERVFAIL)
            case "":
                answer.set_rcode(dns.rcode.NXDOMAIN)
            case name:
                answer.answer.append(dns.rrset.from_text(question.name, 60, "IN", "PTR", str(name)))
        self.transport.sendto(answer.to_wire(), peer)


@pytest.fixture
async def server() -> AsyncIterator[DnsServer]:
    server = DnsServer()
    transport, _ = await asyncio.get_running_loop().create_datagram_endpoint(
        lambda: server, local_addr=("127.0.0.1", 0)
    )
    yield server
    transport.close()


def ask(server: DnsServer) -> Callable[[str], Awaitable[str | None]]:
    return ask_dns(["127.0.0.1"], server.transport.get_extra_info("sockname")[1])


class Clock:
    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> float:
        return self.now


async def look_up(hostnames: Hostnames, *addresses: str) -> None:
    """Note them, and return when all are looked up."""
    hostnames.note(addresses)
    await hostnames.look_up()


async def test_dns_is_asked_for_the_name_of_an_address(server: DnsServer) -> None:
    server.names = {"7.2.0.192.in-addr.arpa.": "Client-7.Example.COM."}

    assert await ask(server)("192.0.2.7") == "Client-7.Example.COM."
    assert await ask(server)("192.0.2.8") is None
    assert await ask(server)("2001:db8::7") is None
    assert server.asked[2] == "7.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa."


async def test_dns_that_fails_has_not_answered(server: DnsServer) -> None:
    server.names = {"7.2.0.192.in-addr.arpa.": None}

    with pytest.raises(NotAnswered):
        await ask(server)("192.0.2.7")


async def test_names_are_kept_in_lower_case_and_so_is_that_there_is_none(database: Database, server: DnsServer) -> None:
    server.names = {"7.2.0.192.in-addr.arpa.": "Client-7.Example.COM."}

    await look_up(Hostnames(database, ask(server), clock=Clock()), "192.0.2.7", "192.0.2.8")

    hosts = await read_hosts(database, ["192.0.2.7", "192.0.2.8", "192.0.2.9"])
    assert {address: host.hostname for address, host in hosts.items()} == {
        "192.0.2.7": "client-7.example.com",
        "192.0.2.8": None,
    }
    assert {host.looked_up_at for host in hosts.values()} == {int(NOW * 1000)}


@pytest.mark.parametrize("name", ["<b>.example.com", "a b", "x" * 254, "-", "a..\x1b", ""])
async def test_what_is_no_name_is_not_kept(database: Database, name: str) -> None:
    async def resolve(_address: str) -> str:
        return name

    await look_up(Hostnames(database, resolve), "192.0.2.7")

    assert (await read_hosts(database, ["192.0.2.7"]))["192.0.2.7"].hostname is None


class Asked:
    """A DNS that remembers what it was asked."""

    def __init__(self, name: str | None = "a.example", failure: Exception | None = None) -> None:
        self.addresses: list[str] = []
        self.came = asyncio.Event()
        self.name = name
        self.failure = failure

    async def __call__(self, address: str) -> str | None:
        self.addresses.append(address)
        self.came.set()
        if self.failure is not None:
            raise self.failure
        return self.name


@pytest.mark.parametrize(
    ("dns_says", "good_s"),
    [
        (Asked("a.example"), NAMED_S),
        (Asked(None), NAMELESS_S),
        (Asked(failure=NotAnswered("SERVFAIL")), UNANSWERED_S),
        (Asked(failure=TimeoutError()), UNANSWERED_S),
    ],
)
async def test_address_is_asked_for_again_when_its_time_is_over(
    database: Database, dns_says: Asked, good_s: float
) -> None:
    dns_says.addresses.clear()
    clock = Clock()
    hostnames = Hostnames(database, dns_says, clock=clock)

    await look_up(hostnames, "192.0.2.7", "192.0.2.7")
    clock.now += good_s - 1
    await look_up(hostnames, "192.0.2.7")
    assert dns_says.addresses == ["192.0.2.7"]
    clock.now += 2
    await look_up(hostnames, "192.0.2.7")

    assert dns_says.addresses == ["192.0.2.7"] * 2


async def test_name_that_another_worker_found_is_not_asked_for(database: Database) -> None:
    await look_up(Hostnames(database, Asked("a.example"), clock=Clock()), "192.0.2.7")
    other = Asked()

    await look_up(Hostnames(database, other, clock=Clock()), "192.0.2.7")

    assert other.addresses == []


async def test_dns_that_never_answers_keeps_nobody_waiting_for_long(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.metering.hostnames.LOOKUP_S", 0.01)

    async def silent(address: str) -> str | None:
        if address == "192.0.2.7":
            await asyncio.Event().wait()
        return "b.example"

    await look_up(Hostnames(database, silent), "192.0.2.7", "192.0.2.8")

    assert list(await read_hosts(database, ["192.0.2.7", "192.0.2.8"])) == ["192.0.2.8"]


async def test_no_more_are_asked_at_once_than_may_be(database: Database) -> None:
    now, most = 0, 0

    async def counting(_address: str) -> None:
        nonlocal now, most
        now += 1
        most = max(most, now)
        await asyncio.sleep(0.001)
        now -= 1

    await look_up(Hostnames(database, counting), *(f"10.0.0.{number}" for number in range(40)))

    assert most == AT_ONCE


async def test_what_is_no_address_is_not_asked_for(database: Database) -> None:
    dns_says = Asked()

    await look_up(Hostnames(database, dns_says), "", "testclient", "unix:", "192.0.2.7")

    assert dns_says.addresses == ["192.0.2.7"]


def test_memory_is_bounded() -> None:
    hostnames = Hostnames(None, Asked())  # type: ignore[arg-type] # nothing is written here

    hostnames.note(f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}" for number in range(MAX_REMEMBERED + 10))
    for number in range(MAX_REMEMBERED + 10):
        hostnames._remember(str(number), NOW)

    assert len(hostnames._waiting) == len(hostnames._again_at) == MAX_REMEMBERED


@sqlite_only  # a server says of tables that are missing that we are wrong, not that it is away
async def test_database_that_is_away_is_asked_again_later(open_another: Callable[[str], Database]) -> None:
    hostnames = Hostnames(open_another("without-tables.db"), Asked(), clock=Clock())

    await look_up(hostnames, "192.0.2.7")
    await look_up(hostnames, "192.0.2.7")

    assert hostnames._again_at == {"192.0.2.7": NOW + UNANSWERED_S}


async def test_what_is_noted_is_looked_up_beside(database: Database) -> None:
    dns_says = Asked()
    hostnames = Hostnames(database, dns_says)
    running = asyncio.create_task(hostnames.run())
    await asyncio.sleep(0)

    for address in ("192.0.2.7", "192.0.2.8"):
        hostnames.note([address])
        async with asyncio.timeout(10):
            await dns_says.came.wait()
        dns_says.came.clear()
    running.cancel()

    assert dns_says.addresses == ["192.0.2.7", "192.0.2.8"]
