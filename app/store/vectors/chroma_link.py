"""The way to a Chroma server: its client in a thread of its own, limits of time, and a rest after it failed."""

import asyncio
import threading
import time
from base64 import b64encode
from collections.abc import Awaitable, Callable
from concurrent.futures import Future
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar
from urllib.parse import unquote, urlsplit

from app.core.errors import CacheUnavailable

if TYPE_CHECKING:
    from chromadb.api.async_fastapi import AsyncFastAPI

T = TypeVar("T")

_FIRST_REST_S = 0.5
_LONGEST_REST_S = 15.0


@dataclass(frozen=True)
class ChromaServer:
    """Where it is, and how one comes in.

    Attributes:
        url: `http://HOST:PORT` or `https://…`, perhaps with a path, a user and a password.
        token: sent as `X-Chroma-Token`, and as bearer where the URL has no user.
        ca_file: who vouches for its certificate; None for the usual authorities.
    """

    url: str = field(repr=False)
    token: str | None = field(default=None, repr=False)
    tenant: str = "default_tenant"
    database: str = "default_database"
    ca_file: Path | None = None


class ChromaLink:
    """Does what is asked of a server in a thread with an event loop of its own.

    Importing the client takes seconds, and each call of it some milliseconds: the gateway's loop shall not wait for that. The
    client is the asynchronous one, so that what hangs can be given up and holds no thread. Used from one event loop.
    """

    def __init__(self, server: ChromaServer) -> None:
        self._server = server
        self._rest = _Rest()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._client: Future[AsyncFastAPI | None] = Future()
        self._failure = ""

    async def do(self, work: "Callable[[AsyncFastAPI], Awaitable[T]]", limit_s: float) -> T:
        """What `work` gives in the other thread, within so many seconds.

        Raises:
            CacheUnavailable: the server is away, does not answer in time, or refuses; or it failed a moment ago.
        """
        self._rest.check()
        client, loop = await self._ready(limit_s)

        async def in_thread() -> T:
            return await work(client)

        try:
            async with asyncio.timeout(limit_s):
                result = await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(in_thread(), loop))
        except CacheUnavailable:
            raise
        except Exception as exc:
            words, is_away = _describe(exc)
            if is_away:
                self._rest.begin()
            raise CacheUnavailable(f"Chroma {words}.") from exc
        self._rest.end()
        return result

    async def warm(self) -> None:
        """Have the client imported and made."""
        await self._ready(None)

    async def aclose(self) -> None:
        """Close the connections and end the thread."""
        if self._loop is None or self._thread is None:
            return
        client = await asyncio.wrap_future(self._client)
        if client is not None:
            await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(client.__aexit__(None, None, None), self._loop))
            self._loop.call_soon_threadsafe(self._loop.stop)
        await asyncio.to_thread(self._thread.join)
        self._loop.close()

    async def _ready(self, limit_s: float | None) -> "tuple[AsyncFastAPI, asyncio.AbstractEventLoop]":
        if self._client.done() and (ready := self._client.result()) is not None and self._loop is not None:
            return ready, self._loop
        if self._loop is None:
            self._loop = asyncio.new_event_loop()
            self._thread = threading.Thread(target=self._run, args=(self._loop,), name="chroma", daemon=True)
            self._thread.start()
        try:
            async with asyncio.timeout(limit_s):
                client = await asyncio.shield(asyncio.wrap_future(self._client))
        except TimeoutError:
            raise CacheUnavailable("The client of Chroma is not ready yet.") from None
        if client is None:
            raise CacheUnavailable(f"The client of Chroma cannot be used: {self._failure}.")
        return client, self._loop

    def _run(self, loop: asyncio.AbstractEventLoop) -> None:
        try:
            client = _make_client(self._server)
        except Exception as exc:  # it is not installed, or does not take what it is given
            # Others may tell what they were given, which holds the token.
            self._failure = str(exc) if isinstance(exc, ImportError) else type(exc).__name__
            self._client.set_result(None)
            return
        self._client.set_result(client)
        loop.run_forever()


class _Rest:
    """For how long the server is not asked, after it failed: then by one call, and if that fails too, for twice as long."""

    def __init__(self) -> None:
        self._length_s = 0.0
        self._until = 0.0

    def check(self) -> None:
        if not self._length_s:
            return
        now = time.monotonic()
        if now < self._until:
            raise CacheUnavailable("Chroma failed a moment ago and is left alone for a while.")
        self._until = now + self._length_s  # for all but the caller

    def begin(self) -> None:
        self._length_s = min(max(2 * self._length_s, _FIRST_REST_S), _LONGEST_REST_S)
        self._until = time.monotonic() + self._length_s

    def end(self) -> None:
        self._length_s = 0.0


def _make_client(server: ChromaServer) -> "AsyncFastAPI":
    from chromadb.api.async_fastapi import AsyncFastAPI
    from chromadb.config import Settings, System

    settings = Settings(
        _env_file=None,  # ours is none of the client's
        anonymized_telemetry=False,
        chroma_api_impl="chromadb.api.async_fastapi.AsyncFastAPI",
        chroma_server_host=_without_user(server.url),
        chroma_server_http_port=urlsplit(server.url).port or 8000,  # asked for, but the one in the URL counts
        chroma_server_ssl_enabled=server.url.startswith("https:"),
        chroma_server_ssl_verify=str(server.ca_file) if server.ca_file else True,  # by default it would believe anyone
        chroma_server_headers=_headers(server),
    )
    client = AsyncFastAPI(System(settings))
    client._clients = {}  # else all clients of the process share connections, and with them their headers
    return client


def _without_user(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path.rstrip('/')}"


def _headers(server: ChromaServer) -> dict[str, str]:
    headers: dict[str, str] = {}
    parts = urlsplit(server.url)
    if server.token:
        headers |= {"X-Chroma-Token": server.token, "Authorization": f"Bearer {server.token}"}
    if parts.username is not None:
        user = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
        headers["Authorization"] = f"Basic {b64encode(user.encode()).decode()}"
    return headers


def _describe(exc: Exception) -> tuple[str, bool]:
    """What an error says of the server, and whether it is away."""
    from chromadb.errors import ChromaError
    from httpx import HTTPError

    if isinstance(exc, TimeoutError):
        return "does not answer in time", True
    if isinstance(exc, HTTPError):
        return "cannot be reached", True
    if isinstance(exc, ChromaError):
        return f"refuses: {exc.message()[:200]}", False
    # What the client makes of an answer that is not Chroma's: plain exceptions, and whatever reading it leads to.
    return "gives an answer that cannot be understood", False
