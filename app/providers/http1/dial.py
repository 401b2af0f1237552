"""Opening a TCP connection to a host that may have several addresses (RFC 8305, "happy eyeballs").

uvloop's `create_connection` has no `happy_eyeballs_delay`, so the race is run here.
"""

import asyncio
import socket
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from itertools import chain, zip_longest

import httpx

_HEAD_START_S = 0.25  # RFC 8305, 5: the recommended delay before the next address is tried beside the first

SocketAddress = tuple[int, tuple[str, int] | tuple[str, int, int, int] | tuple[int, bytes]]
"""A family of addresses, and one of them as sockets of it want it."""

Dial = Callable[[str, int], Awaitable[socket.socket]]
"""Gives a connected, non-blocking socket for a host and a port; raises OSError or `Refused`."""


class Refused(httpx.TransportError):
    """No connection is made there: a rule forbids it, not the network.

    Attributes:
        why: the reason, as a clause without a subject. It names no host, for some are secrets.
    """

    def __init__(self, place: str, why: str) -> None:
        super().__init__(f"{place} {why}")
        self.why = why


async def dial(host: str, port: int) -> socket.socket:
    """A connected, non-blocking socket to whichever address of `host` answers first; the caller closes it.

    Raises:
        OSError: no address was found or none took the connection; it is the error of the first one that failed.
    """
    return await dial_addresses(await _resolve(host, port))


async def dial_addresses(addresses: Sequence[SocketAddress]) -> socket.socket:
    """The same to whichever of `addresses` answers first.

    Raises:
        OSError: none took the connection.
    """
    if len(addresses) == 1:
        return await _connect(addresses[0])
    return await _race(addresses)


async def _resolve(host: str, port: int) -> list[SocketAddress]:
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_NUMERICHOST)  # asks no server
    except socket.gaierror:
        loop = asyncio.get_running_loop()
        found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    by_family: dict[int, list[SocketAddress]] = {}
    for family, _, _, _, address in found:
        by_family.setdefault(family, []).append((family, address))
    return [address for address in chain(*zip_longest(*by_family.values())) if address is not None]


async def _connect(address: SocketAddress) -> socket.socket:
    family, where = address
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        sock.setblocking(False)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        await asyncio.get_running_loop().sock_connect(sock, where)
    except BaseException:
        sock.close()
        raise
    return sock


async def _race(addresses: Sequence[SocketAddress]) -> socket.socket:
    """Try the addresses one after the other, each with a head start over the next; the first connection wins."""
    waiting = deque(addresses)
    running: set[asyncio.Task[socket.socket]] = set()
    first_error: BaseException | None = None
    try:
        while waiting or running:
            if waiting:
                running.add(asyncio.create_task(_connect(waiting.popleft())))
            head_start_s = _HEAD_START_S if waiting else None
            done, _ = await asyncio.wait(running, timeout=head_start_s, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                error = task.exception()
                if error is None:
                    running.discard(task)  # the others are closed below
                    return task.result()
                first_error = first_error or error
            running -= done
    finally:
        for task in running:
            task.add_done_callback(_drop)
            task.cancel()
    raise first_error or OSError("no address")


def _drop(task: asyncio.Task[socket.socket]) -> None:
    if not task.cancelled() and task.exception() is None:
        task.result().close()
