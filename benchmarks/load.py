"""The load: calls over raw connections, the status and body of each reply checked."""

import asyncio
import contextlib
from array import array
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from time import perf_counter
from typing import cast

import httptools

from benchmarks import wire

_LIMIT_S = 60.0  # how long a load may outlast its time, for servers that are slow, before it is given up
_POLL_S = 0.005
_EDGE_CHUNKS = 5  # left out at both ends of a paced stream: there the calls start and end


class BadReply(Exception):
    """A reply was not what the exchange calls for, or none came: the whole load is void."""


@dataclass(frozen=True)
class Address:
    """Where to send calls, and the `Authorization` that is taken there; it may be empty."""

    port: int
    authorization: str = ""

    def request(self, exchange: wire.Exchange) -> bytes:
        return exchange.request(f"127.0.0.1:{self.port}", self.authorization)


@dataclass(frozen=True)
class Throughput:
    """What happened within the measured time of a load: `done` calls or chunks, and the CPU time of the server."""

    done: int
    seconds: float
    cpu_ns: int

    @property
    def cpu_us_each(self) -> float:
        return self.cpu_ns / 1000 / self.done

    @property
    def per_s(self) -> float:
        return self.done / self.seconds

    @property
    def busy(self) -> float:
        """The share of one core that the server used."""
        return self.cpu_ns / 1e9 / self.seconds


@dataclass(frozen=True)
class Latencies:
    """Seconds from sending a request to the first byte of the reply's body, and to its end."""

    first_byte_s: "array[float]" = field(default_factory=lambda: array("d"))
    whole_s: "array[float]" = field(default_factory=lambda: array("d"))


async def closed_loop(
    address: Address,
    exchange: wire.Exchange,
    *,
    connections: int,
    warmup_s: float,
    seconds: float,
    read_cpu_ns: Callable[[], int],
) -> Throughput:
    """Keep `connections` calls open for `seconds`, each followed at once by the next.

    A server that takes long for them is given longer: the time goes on until each connection had two replies.

    Raises:
        BadReply: a reply was wrong, a connection broke, or a call did not end.
    """
    load = _Load(exchange)
    stopping = False

    def go_on(connection: _Connection) -> None:
        if not stopping:
            connection.send()

    async with (
        _bounded(warmup_s + seconds + _LIMIT_S),
        _opened(load, address, connections, _Connection, go_on) as opened,
    ):
        for connection in opened:
            connection.send()
        await load.wait(warmup_s)
        await load.until(lambda: load.done >= connections)
        done, cpu_ns, started = load.done, read_cpu_ns(), perf_counter()
        await load.wait(seconds)
        await load.until(lambda: load.done - done >= 2 * connections)
        measured = Throughput(load.done - done, perf_counter() - started, read_cpu_ns() - cpu_ns)
        stopping = True
        await load.until(lambda: not any(connection.waiting for connection in opened))
    return measured


async def paced_streams(
    address: Address, exchange: wire.Exchange, *, streams: int, read_cpu_ns: Callable[[], int]
) -> Throughput:
    """Read `streams` paced streams side by side, and count the chunks while all of them flow.

    Raises:
        BadReply: a stream was incomplete, came all at once instead of paced, or did not end.
    """
    load = _Load(exchange)

    async with (
        _bounded(_LIMIT_S),
        _opened(load, address, streams, _PacedConnection, lambda _: None) as opened,
    ):
        for connection in opened:
            connection.send()
            await load.wait(wire.PACE_S / streams)  # spread over one pace, as independent streams would be
        await load.until(lambda: min(connection.chunks for connection in opened) >= _EDGE_CHUNKS)
        chunks, cpu_ns, started = load.chunks, read_cpu_ns(), perf_counter()
        await load.until(lambda: max(connection.chunks for connection in opened) >= wire.PACED_CHUNKS - _EDGE_CHUNKS)
        measured = Throughput(load.chunks - chunks, perf_counter() - started, read_cpu_ns() - cpu_ns)
        await load.until(lambda: not any(connection.waiting for connection in opened))
        shortest_s = min(connection.ended_at - connection.first_byte_at for connection in opened)
    if shortest_s < 0.8 * wire.PACE_S * (wire.PACED_CHUNKS - 1):
        raise BadReply(
            f"a stream paced over {wire.PACE_S * wire.PACED_CHUNKS:.1f} s came within {shortest_s:.2f} s: "
            f"{streams} streams at once are too many for it, or it holds chunks back"
        )
    if not measured.done:
        raise BadReply(f"at no time did all {streams} streams flow")
    return measured


async def interleaved(
    addresses: list[Address], exchange: wire.Exchange, *, calls: int, seconds: float
) -> list[Latencies]:
    """Call each address in turn on one connection each, until `calls` calls or `seconds` are over.

    Raises:
        BadReply: a reply was wrong, a connection broke, or a call did not end.
    """
    load = _Load(exchange)
    measured = [Latencies() for _ in addresses]

    async with _bounded(seconds + _LIMIT_S), contextlib.AsyncExitStack() as stack:
        opened = [
            (await stack.enter_async_context(_opened(load, address, 1, _Connection, load.call_ended)))[0]
            for address in addresses
        ]
        warmup = min(20, calls // 10)
        limit = perf_counter() + seconds
        for position in range(warmup + calls):
            for connection, latencies in zip(opened, measured, strict=True):
                await load.call(connection)
                if position >= warmup:
                    latencies.first_byte_s.append(connection.first_byte_at - connection.sent_at)
                    latencies.whole_s.append(connection.ended_at - connection.sent_at)
            if perf_counter() > limit and position > warmup:
                break
    return measured


class _Load:
    """What the connections of one load share: the counts, and the first failure."""

    def __init__(self, exchange: wire.Exchange) -> None:
        self.exchange = exchange
        self.done = 0
        self.chunks = 0
        self._loop = asyncio.get_running_loop()
        self._failure: asyncio.Future[str] = self._loop.create_future()
        self._ended: asyncio.Future[None] | None = None

    def fail(self, reason: str) -> None:
        if not self._failure.done():
            self._failure.set_result(reason)
            if self._ended and not self._ended.done():
                self._ended.set_exception(BadReply(reason))

    async def wait(self, seconds: float) -> None:
        """Let the load go on for `seconds`; raise `BadReply` as soon as it fails."""
        await asyncio.wait({self._failure}, timeout=seconds)
        if self._failure.done():
            raise BadReply(self._failure.result())

    async def until(self, holds: Callable[[], bool]) -> None:
        """Let the load go on until `holds()`; raise `BadReply` as soon as it fails."""
        while not holds():
            await self.wait(_POLL_S)

    async def call(self, connection: "_Connection") -> None:
        """Send one call and return when its reply has ended; `call_ended` must be the connection's `on_done`."""
        self._ended = self._loop.create_future()
        connection.send()
        await self._ended

    def call_ended(self, _: "_Connection") -> None:
        if self._ended and not self._ended.done():
            self._ended.set_result(None)


class _Connection(asyncio.Protocol):
    """One keep-alive connection: one call at a time."""

    def __init__(self, load: _Load, request: bytes, on_done: Callable[["_Connection"], None]) -> None:
        self.waiting = False
        self.sent_at = self.first_byte_at = self.ended_at = 0.0
        self.chunks = 0
        self._load = load
        self._request = request
        self._on_done = on_done
        self._parser = httptools.HttpResponseParser(self)
        self._body: list[bytes] = []
        self._read_in_full = False
        self._transport: asyncio.Transport

    def send(self) -> None:
        self._body.clear()
        self.waiting = True
        self.sent_at = perf_counter()
        self._transport.write(self._request)

    def close(self) -> None:
        self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def connection_lost(self, exc: Exception | None) -> None:
        if self.waiting:
            self._load.fail(f"the connection broke within a call: {exc!r}")

    def data_received(self, data: bytes) -> None:
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError as exc:
            self._load.fail(f"no HTTP: {exc}: {data[:200]!r}")

    def on_body(self, body: bytes) -> None:
        if not self._body:
            self.first_byte_at = perf_counter()
        self._body.append(body)

    def on_message_complete(self) -> None:
        self.ended_at = perf_counter()
        self.waiting = False
        body = b"".join(self._body)
        status = self._parser.get_status_code()
        if status != 200 or not self._load.exchange.accepts(body):
            return self._load.fail(f"status {status}, {len(body)} bytes: {body[:300]!r} … {body[-100:]!r}")
        if not self._read_in_full:
            self._read_in_full = True
            self._read(body)
        self._load.done += 1
        return self._on_done(self)

    def _read(self, body: bytes) -> None:
        try:
            text = self._load.exchange.read_text(body)
        except (ValueError, LookupError, TypeError) as exc:
            return self._load.fail(f"not an OpenAI reply: {exc!r}: {body[:300]!r}")
        if text != self._load.exchange.text:
            return self._load.fail(f"the reply has the text {text[:200]!r}")
        return None


class _PacedConnection(_Connection):
    """One that counts chunks as they come."""

    def on_body(self, body: bytes) -> None:
        super().on_body(body)
        came = body.count(b"data: ")
        self.chunks += came
        self._load.chunks += came


@contextlib.asynccontextmanager
async def _bounded(seconds: float) -> AsyncIterator[None]:
    try:
        async with asyncio.timeout(seconds):
            yield
    except TimeoutError as exc:
        raise BadReply(f"the load did not end within {seconds:.0f} s") from exc
    except OSError as exc:
        raise BadReply(f"no connection: {exc}") from exc


@contextlib.asynccontextmanager
async def _opened(
    load: _Load, address: Address, count: int, kind: type[_Connection], on_done: Callable[[_Connection], None]
) -> AsyncIterator[list[_Connection]]:
    loop = asyncio.get_running_loop()
    request = address.request(load.exchange)
    opened: list[_Connection] = []
    try:
        for _ in range(count):
            _, connection = await loop.create_connection(
                lambda: kind(load, request, on_done), "127.0.0.1", address.port
            )
            opened.append(connection)
        yield opened
    finally:
        for connection in opened:
            connection.waiting = False
            connection.close()
