"""A web site on loopback, under names that only the tests know, and the pages that are fetched from it."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import Any

from app.core.places import read_place
from app.web.page import Pages
from tests.providers.transport.servers import Peer, serve

Route = bytes | Callable[[Peer], Awaitable[None]]


def answer(body: bytes | str, kind: str = "text/html; charset=utf-8", *headers: str, status: int = 200) -> bytes:
    """A response as it goes onto the wire."""
    raw = body.encode() if isinstance(body, str) else body
    lines = [
        f"HTTP/1.1 {status} X",
        f"Content-Length: {len(raw)}",
        *([f"Content-Type: {kind}"] if kind else []),
        *headers,
    ]
    return "\r\n".join([*lines, "", ""]).encode() + raw


def redirect(where: str, status: int = 302) -> bytes:
    """A response that sends elsewhere."""
    return answer(b"", "", f"Location: {where}", status=status)


class Site:
    """What answers, and what was asked: `asked` has the paths, `heads` all that was sent."""

    def __init__(self, routes: Mapping[str, Route]) -> None:
        self.routes = dict(routes)
        self.asked: list[str] = []
        self.heads: list[bytes] = []
        self.under_way = self.most_under_way = 0
        self.port = 0

    def url(self, path: str, host: str = "pages.example") -> str:
        return f"http://{host}:{self.port}{path}"

    async def script(self, peer: Peer) -> None:
        while True:
            head, _ = await peer.request()
            path = head.split(b" ")[1].decode()
            self.asked.append(path)
            self.heads.append(head)
            self.under_way += 1
            self.most_under_way = max(self.most_under_way, self.under_way)
            try:
                route = self.routes.get(path, answer("not here", status=404))
                await (peer.send(route) if isinstance(route, bytes) else route(peer))
            finally:
                self.under_way -= 1


@contextlib.asynccontextmanager
async def running_site(routes: Mapping[str, Route]) -> AsyncIterator[Site]:
    """Listening on 127.0.0.1."""
    site = Site(routes)
    async with serve(site.script) as server:
        site.port = server.port
        yield site


@contextlib.asynccontextmanager
async def pages_of(site: Site, **options: Any) -> AsyncIterator[Pages]:
    """Pages to which the site is open under the names pages.example and other.example."""

    async def resolve(host: str, _port: int) -> list[str]:
        return ["127.0.0.1"] if host.endswith(".example") else [host]

    opened = [read_place(f"{name}.example:{site.port}") for name in ("pages", "other")]
    pages = Pages(opened, resolve=resolve, **options)
    try:
        yield pages
    finally:
        await pages.aclose()


async def never(peer: Peer) -> None:
    """Give no answer, ever."""
    await asyncio.sleep(60)
    await peer.gone()
