"""The gateway's own HTTP/1.1 client behind httpx's transport interface, and the choice between it and a proxy's."""

import asyncio
import functools
import os
import ssl
from collections.abc import Mapping

import httpx

from app.providers.answer import Answer, Limits, Post, post_by
from app.providers.http1.connection import Connection
from app.providers.http1.dial import Dial, dial
from app.providers.http1.outgoing import Headers, Outgoing, prepare, write_out
from app.providers.http1.pool import Origin, Pool
from app.providers.proxies import MaybeProxied, read_proxies

MAX_CONNECTIONS = 1000  # to one origin, so that a provider that hangs cannot take the connections of the others
MAX_IDLE = 256  # to one origin; as many streams at once go on without new handshakes
IDLE_S = 50.0  # less than what usual servers and balancers allow: 60 s at AWS, 75 s at nginx

_POOLS_BEFORE_TIDYING = 256
_PORTS = {"http": 80, "https": 443}


def open_transport(
    *,
    ca_file: str | None = None,
    environ: Mapping[str, str] = os.environ,
    max_connections: int = MAX_CONNECTIONS,
    max_idle: int = MAX_IDLE,
    idle_s: float = IDLE_S,
) -> httpx.AsyncBaseTransport:
    """The transport for calls to providers, for the life of the process; the caller closes it.

    It is `Transport`, unless `environ` names a proxy: then each host goes the way that it says. `ca_file` holds
    authorities (PEM) to be trusted beside the system's. Connections are counted for each origin.
    """
    own = Transport(ca_file=ca_file, max_connections=max_connections, max_idle=max_idle, idle_s=idle_s)
    proxies = read_proxies(environ)
    if not proxies:
        return own
    limits = httpx.Limits(max_connections=max_connections, max_keepalive_connections=max_idle, keepalive_expiry=idle_s)
    return MaybeProxied(own, proxies, trusted(ca_file), limits)


def trusted(ca_file: str | None) -> ssl.SSLContext:
    """A context that trusts the system's authorities (SSL_CERT_FILE and SSL_CERT_DIR can name others) and `ca_file`'s."""
    context = ssl.create_default_context()
    if ca_file is not None:
        context.load_verify_locations(ca_file)
    context.set_alpn_protocols(["http/1.1"])
    return context


class Transport(httpx.AsyncBaseTransport):
    """HTTP/1.1 over connections that are kept for the life of the process.

    `request.extensions["timeout"]` may hold the seconds for `pool`, `connect`, `write` (no byte of the request taken),
    `first_byte` (from the request's last byte to the answer's first; `read` where it is not there) and `read` (between
    two pieces). The response's extensions tell `http_version`, `reason_phrase`, `remote` ("address:port") and
    `framing`, how the end of the body is known: "length", "chunked", "close" (a cut cannot be told from an end) or
    "none" (no body).

    Whoever gets a response closes it: read to its end, its connection is kept; else the socket is closed at once.
    A cancelled request or read closes it too. A request whose kept connection the server had given up is sent once
    more on a new one, where its body is in memory.

    `dial` makes the sockets; one that chooses where they may go raises `Refused`. Host header and TLS are not its own.

    Only `httpx.TransportError`s come out, apart from what a request's own body iterator raises.
    """

    def __init__(
        self,
        *,
        ca_file: str | None = None,
        max_connections: int = MAX_CONNECTIONS,
        max_idle: int = MAX_IDLE,
        idle_s: float = IDLE_S,
        dial: Dial = dial,
    ) -> None:
        self._trusted = functools.cache(functools.partial(trusted, ca_file))
        if ca_file is not None:
            self._trusted()  # a file that cannot be used is told of now, not with the first call
        self._pool = functools.partial(
            Pool, max_connections=max_connections, max_idle=max_idle, idle_s=idle_s, tls=self._tls, dial=dial
        )
        self._pools: dict[tuple[str, str, int | None], Pool] = {}
        self._closed = False

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send `request` and return when the head of its answer is here; the body comes as `response.stream`.

        Raises:
            httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout: the request was not sent.
            Refused: nor may it be, as `dial` says.
            httpx.WriteError, httpx.WriteTimeout, httpx.ReadError, httpx.ReadTimeout: the connection broke or hung.
            httpx.RemoteProtocolError: the server did not answer, or not in HTTP/1.1.
            httpx.LocalProtocolError, httpx.UnsupportedProtocol: the request cannot be sent in HTTP/1.1.
        """
        pool = self._pool_for(request.url)
        outgoing = write_out(request, request.url.netloc)
        connection = await _exchange(pool, outgoing, request.extensions.get("timeout") or {})
        answer = connection.answer
        try:
            return httpx.Response(
                answer.status,
                headers=answer.headers,
                extensions={
                    "http_version": answer.http_version,
                    "reason_phrase": answer.reason,
                    "framing": answer.framing,
                    "remote": connection.remote,
                },
                stream=Body(connection, pool),
            )
        except BaseException:
            connection.close()
            raise

    def post_to(self, url: httpx.URL, headers: Headers, limits: Limits) -> Post:
        """As `handle_async_request`, for many requests that differ only in their bodies: what they share is made once."""
        shared = None

        async def post(body: bytes, further: Headers = ()) -> Answer:
            nonlocal shared
            shared = shared or prepare(url, headers)
            pool = self._pool_for(url)
            connection = await _exchange(pool, shared.with_body(body, further), limits)
            answer = connection.answer
            return Answer(answer.status, dict(answer.headers), answer.framing, Body(connection, pool))

        return post

    async def aclose(self) -> None:
        """Close all connections; what is under way fails."""
        self._closed = True
        for pool in self._pools.values():
            await pool.aclose()

    def _pool_for(self, url: httpx.URL) -> Pool:
        return self._pools.get((url.scheme, url.host, url.port)) or self._open_pool(url)

    def _open_pool(self, url: httpx.URL) -> Pool:
        if url.scheme not in _PORTS or not url.host:
            raise httpx.UnsupportedProtocol(f"requests go to http:// and https:// addresses, not {url.scheme!r}")
        if self._closed:
            raise httpx.ConnectError(f"no connection to {url.host}: the transport is closed")
        if len(self._pools) >= _POOLS_BEFORE_TIDYING:
            self._pools = {key: pool for key, pool in self._pools.items() if not pool.is_empty}
        origin = Origin(url.scheme, url.raw_host.decode(), url.port or _PORTS[url.scheme])
        return self._pools.setdefault((url.scheme, url.host, url.port), self._pool(origin))

    async def _tls(self) -> ssl.SSLContext:
        return await asyncio.to_thread(self._trusted)  # reading the system's authorities takes some 50 ms


def open_post(transport: httpx.AsyncBaseTransport, url: httpx.URL, headers: Headers, limits: Limits) -> Post:
    """The cheapest way to post to `url` by `transport`."""
    return (transport.post_to if isinstance(transport, Transport) else functools.partial(post_by, transport))(
        url, headers, limits
    )


async def _exchange(pool: Pool, outgoing: Outgoing, limits: Limits) -> Connection:
    """Send a request; the connection that has the head of its answer. Whoever gets it closes it or gives it back."""
    connection = await pool.take(limits)
    try:
        try:
            await connection.ask(outgoing, limits)
        except httpx.TransportError:
            if not connection.is_stale or not isinstance(outgoing.body, bytes):
                raise
            connection = await pool.take(limits, again=True)
            await connection.ask(outgoing, limits)
    except BaseException:
        connection.close()
        raise
    return connection


class Body(httpx.AsyncByteStream):
    """The body of a response, read once, as it comes from the socket.

    What came at once with the head is taken from the connection there and then, so that a small answer gives its
    connection back before it is read.
    """

    def __init__(self, connection: Connection, pool: Pool) -> None:
        self._connection: Connection | None = connection
        self._pool = pool
        self._arrived = connection.take()
        self._let_go_if_finished(connection)

    def __aiter__(self) -> "Body":
        return self

    async def __anext__(self) -> bytes:
        if data := self._arrived:
            self._arrived = b""
            return data
        connection = self._connection
        if connection is None:
            raise StopAsyncIteration
        answer = connection.answer
        while not answer.pieces:
            if answer.stage == "end":
                self._let_go_if_finished(connection)
                raise StopAsyncIteration
            try:
                await connection.more()
            except BaseException:
                self._connection = None
                connection.close()
                raise
        data = connection.take()
        if answer.stage == "end":
            self._let_go_if_finished(connection)
        return data

    async def aclose(self) -> None:
        """Close the connection at once, unless the body came to its end and it was given back."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    def _let_go_if_finished(self, connection: Connection) -> None:
        if connection.is_finished:
            self._connection = None
            self._pool.give_back(connection)
