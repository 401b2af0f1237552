"""A provider that answers what a test tells it to, over a real socket, and remembers what it was asked."""

import asyncio
import contextlib
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Self

from app.core.jsonio import dumps, loads

JSON = {"content-type": "application/json"}
EVENT_STREAM = {"content-type": "text/event-stream; charset=utf-8"}

_WAIT_S = 10.0


@dataclass(frozen=True)
class Answer:
    """One response.

    Attributes:
        pieces: the body, in the pieces in which it is written; a chunked one has a chunk for each.
        chunked: else it has a Content-Length, or none and ends with the connection where `until_close`.
        delay_s: before the first byte.
        pause_s: before each piece but the first.
        hold: after the last piece nothing more comes, until the client leaves.
        reset: after the last piece the connection is broken off.
        silent: nothing is written at all, not even a head; with `hold` or `reset`.
    """

    status: int = 200
    headers: Mapping[str, str] = field(default_factory=lambda: JSON)
    pieces: Sequence[bytes] = (b"",)
    chunked: bool = False
    until_close: bool = False
    delay_s: float = 0.0
    pause_s: float = 0.0
    hold: bool = False
    reset: bool = False
    silent: bool = False

    @classmethod
    def json(cls, value: Any, status: int = 200, **headers: str) -> Self:
        """A whole JSON body. Names in `headers` are written with `-` for `_`."""
        further = {name.replace("_", "-"): text for name, text in headers.items()}
        return cls(status, JSON | further, (dumps(value),))

    @classmethod
    def events(cls, *data: Any, done: bool = True, **options: Any) -> Self:
        """Server-sent events, each by itself, `[DONE]` last."""
        pieces = [b"data: " + dumps(value) + b"\n\n" for value in data]
        return cls(200, EVENT_STREAM, [*pieces, b"data: [DONE]\n\n"] if done else pieces, chunked=True, **options)

    def in_pieces(self, *sizes: int) -> Self:
        """The same body cut after so many bytes each; the last size is used over and over."""
        body, pieces, left = b"".join(self.pieces), [], list(sizes)
        while body:
            size = left.pop(0) if len(left) > 1 else left[0]
            pieces.append(body[:size])
            body = body[size:]
        return replace(self, pieces=pieces or (b"",))


@dataclass
class Exchange:
    """A request that came, and whether its sender waited for all of the answer.

    Attributes:
        headers: names in lower case.
        answered: the whole answer has gone out.
        left: the client closed the connection before that.
    """

    method: str
    path: str
    headers: dict[str, str]
    body: bytes
    answered: threading.Event = field(default_factory=threading.Event)
    left: threading.Event = field(default_factory=threading.Event)

    @property
    def json(self) -> Any:
        """The body, decoded."""
        return loads(self.body)

    def wait_until_left(self, timeout_s: float = _WAIT_S) -> bool:
        """True as soon as the client has left early, False when the time is over."""
        return self.left.wait(timeout_s)


class StandIn:
    """A server on a loopback port, in a thread of its own, so that tests of any kind may block.

    `answer` is given to every POST until it is changed, or made for each from what it asks; `models` to every GET.

    Args:
        port: 0 for any that is free.
    """

    def __init__(self, port: int = 0) -> None:
        self.answer: Answer | Callable[[Exchange], Answer] = Answer()
        self.models: Answer | Callable[[Exchange], Answer] = Answer.json({"object": "list", "data": []})
        self.exchanges: list[Exchange] = []
        self.port = port
        self._came = threading.Condition()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, name="standin", daemon=True)
        self._started = threading.Event()
        self._stop = asyncio.Event()
        self._tasks: set[asyncio.Task[Any]] = set()

    @property
    def base_url(self) -> str:
        """Without a path, such as `http://127.0.0.1:40123`."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def is_running(self) -> bool:
        """It was started, and not stopped since."""
        return self._thread.is_alive()

    @property
    def posts(self) -> list[Exchange]:
        """All POST requests since `forget`."""
        return [exchange for exchange in self.exchanges if exchange.method == "POST"]

    def forget(self) -> None:
        """Forget the requests that came."""
        self.exchanges.clear()

    def wait_for_post(self, timeout_s: float = _WAIT_S) -> Exchange:
        """The first POST since `forget`, when its request is all there."""
        with self._came:
            assert self._came.wait_for(lambda: self.posts, timeout_s), "no request came"
        return self.posts[0]

    def start(self) -> None:
        """Listen."""
        self._thread.start()
        self._started.wait()

    def stop(self) -> None:
        """End all connections and the thread."""
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join()

    def _run(self) -> None:
        with contextlib.closing(self._loop):
            self._loop.run_until_complete(self._serve())

    async def _serve(self) -> None:
        server = await asyncio.start_server(self._handle, "127.0.0.1", self.port)
        self.port = server.sockets[0].getsockname()[1]
        self._started.set()
        await self._stop.wait()
        server.close()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await server.wait_closed()

    async def _handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        try:
            first: bytes | None = b""
            while first is not None:
                first = await self._exchange(first, reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass  # the client left, or the test is over
        finally:
            writer.close()

    async def _exchange(self, first: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bytes | None:
        """Answer the request that begins with `first`; what was read of the next one, or None for the connection's end."""
        exchange = await _read_request(first, reader)
        scripted = self.answer if exchange.method == "POST" else self.models
        answer = scripted(exchange) if callable(scripted) else scripted
        with self._came:
            self.exchanges.append(exchange)
            self._came.notify_all()
        writing = asyncio.create_task(_write(answer, writer))
        reading = asyncio.create_task(reader.read(1))
        try:
            await asyncio.wait({writing, reading}, return_when=asyncio.FIRST_COMPLETED)
            if not writing.done() and await reading:
                await asyncio.wait({writing})
            await asyncio.sleep(0)
            if not writing.done() or writing.exception():
                exchange.left.set()
                return None
            exchange.answered.set()
            if answer.reset:
                writer.transport.abort()
            if answer.until_close or answer.reset:
                return None
            return await reading or None
        finally:
            for task in (writing, reading):
                task.cancel()
            await asyncio.gather(writing, reading, return_exceptions=True)


@contextlib.contextmanager
def running_standin() -> Iterator[StandIn]:
    """A `StandIn` for the length of the block."""
    standin = StandIn()
    standin.start()
    try:
        yield standin
    finally:
        standin.stop()


async def _read_request(first: bytes, reader: asyncio.StreamReader) -> Exchange:
    head = (first + await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    method, path, _ = head[0].split(" ", 2)
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in head[1:-2])}
    body = await reader.readexactly(int(headers.get("content-length", "0")))
    return Exchange(method, path, headers, body)


async def _write(answer: Answer, writer: asyncio.StreamWriter) -> None:
    await asyncio.sleep(answer.delay_s)
    if not answer.silent:
        _write_head(answer, writer)
    for index, piece in enumerate(() if answer.silent else answer.pieces):
        if index:
            await asyncio.sleep(answer.pause_s)
        if piece:
            writer.write(b"%x\r\n%s\r\n" % (len(piece), piece) if answer.chunked else piece)
        await writer.drain()
    if answer.hold:
        await asyncio.Event().wait()
    if answer.chunked and not answer.reset:
        writer.write(b"0\r\n\r\n")
    await writer.drain()


def _write_head(answer: Answer, writer: asyncio.StreamWriter) -> None:
    headers = dict(answer.headers)
    if answer.chunked:
        headers["transfer-encoding"] = "chunked"
    elif not answer.until_close and answer.status != 204:
        headers["content-length"] = str(sum(map(len, answer.pieces)))
    lines = [f"HTTP/1.1 {answer.status} Scripted", *(f"{name}: {value}" for name, value in headers.items())]
    writer.write("\r\n".join([*lines, "", ""]).encode("latin-1"))
