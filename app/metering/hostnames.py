"""The names of clients' addresses: asked of the DNS beside the calls, never by one, and kept for a while."""

import asyncio
import logging
import re
import time
from collections.abc import Awaitable, Callable, Iterable, Sequence
from importlib import import_module
from ipaddress import ip_address

from app.core.errors import Unavailable
from app.store.db import Database
from app.store.hosts import StoredHost, read_hosts, write_hosts

log = logging.getLogger(__name__)

LOOKUP_S = 3.0
NAMED_S = 86_400.0
# Names come and go less often than somebody puts one right.
NAMELESS_S = 3600.0
UNANSWERED_S = 300.0
AT_ONCE = 16
# Some 3 MB. What is forgotten is looked up in the database once more.
MAX_REMEMBERED = 10_000

# RFC 1123, 2.1, and the underscore that some have. A name is what the owner of the address says: nothing else gets in.
_HOSTNAME = re.compile(r"(?=.{1,253}$)[a-z0-9_]([a-z0-9_.-]*[a-z0-9])?")

Resolve = Callable[[str], Awaitable[str | None]]
"""The name of an address as the DNS has it, None where it has none; raises `NotAnswered`."""


class NotAnswered(Exception):
    """The DNS did not say whether the address has a name."""


class Hostnames:
    """`note` addresses at any rate; `run` beside it finds out their names and writes them to the database.

    Args:
        clock: seconds since the epoch.
    """

    def __init__(self, db: Database, resolve: Resolve, *, clock: Callable[[], float] = time.time) -> None:
        self._db = db
        self._resolve = resolve
        self._clock = clock
        self._again_at: dict[str, float] = {}
        self._waiting: dict[str, None] = {}
        self._came = asyncio.Event()

    def note(self, addresses: Iterable[str]) -> None:
        """Have the names of `addresses` looked up, where they are not known or have been for too long."""
        now = self._clock()
        for address in addresses:
            if self._again_at.get(address, 0.0) <= now and len(self._waiting) < MAX_REMEMBERED and _is_address(address):
                self._waiting[address] = None
                self._came.set()

    async def run(self) -> None:
        """Look up what was noted, for as long as the gateway runs."""
        while True:
            await self._came.wait()
            self._came.clear()
            await self.look_up()

    async def look_up(self) -> None:
        """Look up what was noted until now."""
        while self._waiting:
            batch = list(self._waiting)[:AT_ONCE]
            for address in batch:
                del self._waiting[address]
            await self._look_up(batch)

    async def _look_up(self, addresses: Sequence[str]) -> None:
        now = self._clock()
        hosts: dict[str, StoredHost] = {}
        try:
            stored = await read_hosts(self._db, addresses)
            hosts = {address: host for address, host in stored.items() if _good_until(host) > now}
            unknown = [address for address in addresses if address not in hosts]
            answers = await asyncio.gather(*map(self._ask, unknown))
            fresh = {address: host for address, host in zip(unknown, answers, strict=True) if host is not None}
            hosts |= fresh
            await write_hosts(self._db, fresh)
        except Unavailable as exc:
            log.info("the names of %d clients could not be kept: %s", len(addresses), exc)
        for address in addresses:
            self._remember(address, _good_until(hosts[address]) if address in hosts else now + UNANSWERED_S)

    async def _ask(self, address: str) -> StoredHost | None:
        try:
            async with asyncio.timeout(LOOKUP_S):
                name = await self._resolve(address)
        except (NotAnswered, TimeoutError) as exc:
            log.debug("the DNS did not tell the name of %s: %s", address, exc)
            return None
        name = (name or "").rstrip(".").lower()
        return StoredHost(name if _HOSTNAME.fullmatch(name) else None, int(self._clock() * 1000))

    def _remember(self, address: str, again_at: float) -> None:
        self._again_at.pop(address, None)
        while len(self._again_at) >= MAX_REMEMBERED:
            del self._again_at[next(iter(self._again_at))]
        self._again_at[address] = again_at


def ask_dns(nameservers: Sequence[str] = (), port: int = 53) -> Resolve:
    """Asks `nameservers`, or those of the system."""

    async def resolve(address: str) -> str | None:
        # A tenth of a second the first time, that no call is to wait for.
        await asyncio.to_thread(import_module, "dns.asyncresolver")
        from dns.asyncresolver import Resolver
        from dns.exception import DNSException
        from dns.resolver import NXDOMAIN, NoAnswer

        try:
            resolver = Resolver(configure=not nameservers)
            if nameservers:
                resolver.nameservers, resolver.port = list(nameservers), port
            answer = await resolver.resolve_address(address, lifetime=LOOKUP_S)
        except (NXDOMAIN, NoAnswer):
            return None
        except (DNSException, OSError) as exc:
            raise NotAnswered(str(exc)) from exc
        return str(answer[0].target)

    return resolve


def _good_until(host: StoredHost) -> float:
    return host.looked_up_at / 1000 + (NAMELESS_S if host.hostname is None else NAMED_S)


def _is_address(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True
