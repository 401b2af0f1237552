"""The guard of connections to places that others than the operator chose (server-side request forgery).

It stands where a socket is made, not where an address is read: a name is resolved once, each of its addresses is
checked, and the socket goes to those and nowhere else. So it holds for whatever a transport is asked for, redirects
and all, and a name server that changes its mind gains nothing. The host in the request and in TLS stays as it was.
"""

import asyncio
import functools
import socket
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from ipaddress import IPv4Address, IPv6Address, ip_address

from app.core.places import Address, Place
from app.providers.http1.dial import Refused, SocketAddress, dial_addresses
from app.web.addresses import plain, why_not_public

Resolve = Callable[[str, int], Awaitable[Sequence[str]]]
"""All addresses of a host's name. Raises OSError where there are none."""

USUAL_PORTS = (80, 443)
MOST_LOOKUPS = 16
_LOOPBACK = IPv4Address("127.0.0.1")


class Guard:
    """Decides which connections are made.

    Args:
        allowed: what the operator opened (WEB_ALLOW): at its port, or at the usual ones where it has none.
        resolve: asks the system's resolver where it is not given.
        any_port: for an address that the operator wrote with its port.
    """

    def __init__(
        self, allowed: Sequence[Place] = (), resolve: Resolve | None = None, *, any_port: bool = False
    ) -> None:
        self._allowed = tuple(allowed)
        self._resolve = resolve or Resolver().look_up
        self._any_port = any_port

    async def dial(self, host: str, port: int) -> socket.socket:
        """A socket that is connected to an address of `host`, for `Transport(dial=…)`.

        Raises:
            Refused: see `addresses`.
            OSError: no address was found, or none took the connection.
        """
        return await dial_addresses([_for_socket(address, port) for address in await self.addresses(host, port)])

    async def addresses(self, host: str, port: int) -> list[Address]:
        """The addresses of `host`, asked for once.

        Raises:
            Refused: one of them is not of the public internet, or the port is none of the usual, and neither was opened.
            OSError: none was found.
        """
        host = host.lower()
        self._check_port(host, port)
        if (literal := _literal(host)) is not None:
            found = [literal]
        else:
            found = [plain(ip_address(text)) for text in await self._resolve(host, port)]
        if not found:
            raise OSError("no address was found")
        self._check_addresses(host, port, found)
        return found

    def check(self, host: str, port: int) -> None:
        """As `addresses`, as far as it can be told without asking anybody.

        Raises:
            Refused: the port is none of the usual, or the host says itself that it is not of the public internet.
        """
        host = host.lower()
        self._check_port(host, port)
        address = _LOOPBACK if host == "localhost" or host.endswith(".localhost") else _literal(host)
        if address is not None:
            self._check_addresses(host, port, [address])

    def _check_port(self, host: str, port: int) -> None:
        if not self._is_usual(port) and not any(place.port == port for place in self._allowed):
            raise Refused(
                _place(host, port), f"has port {port}, and only {' and '.join(map(str, USUAL_PORTS))} are open"
            )

    def _check_addresses(self, host: str, port: int, found: Sequence[Address]) -> None:
        usual = self._is_usual(port)
        for address in found:
            if self._is_opened(host, address, port, usual):
                continue
            kind = why_not_public(address)
            if kind is not None or not usual:
                raise Refused(_place(host, port), f"leads to {kind} address" if kind else f"has the closed port {port}")

    def _is_usual(self, port: int) -> bool:
        return self._any_port or port in USUAL_PORTS

    def _is_opened(self, host: str, address: Address, port: int, usual: bool) -> bool:
        return any(
            (usual if place.port is None else place.port == port) and place.has(host, address)
            for place in self._allowed
        )


class Resolver:
    """The system's resolver, asked in threads of its own.

    A stranger's name server that never answers holds a thread for half a minute, whoever has given up waiting. Among the
    event loop's own few threads it would keep providers' names, and all else that needs one, waiting too.
    """

    def __init__(self, most: int = MOST_LOOKUPS) -> None:
        self._threads = ThreadPoolExecutor(most, "guarded-names")

    async def look_up(self, host: str, port: int) -> Sequence[str]:
        """See `Resolve`."""
        ask = functools.partial(socket.getaddrinfo, host, port, type=socket.SOCK_STREAM)
        found = await asyncio.get_running_loop().run_in_executor(self._threads, ask)
        return list(dict.fromkeys(str(where[0]) for _, _, _, _, where in found))


def _literal(host: str) -> Address | None:
    try:
        return plain(ip_address(host))
    except ValueError:
        return None


def _for_socket(address: Address, port: int) -> SocketAddress:
    if isinstance(address, IPv6Address):
        return socket.AF_INET6, (str(address), port, 0, 0)
    return socket.AF_INET, (str(address), port)


def _place(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
