"""A provider that misbehaves as a test scripts it, and the real gateway before it, both on real sockets."""

import asyncio
import contextlib
import itertools
import json
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from tests.e2e.gateway import Gateway, Row, free_port
from tests.providers.transport.servers import Peer, serve

KEY = "planted-Key-0123456789-abcdef"
"""The provider's key: of no shape that anybody would know for one."""

HASTY_S = 0.5
"""What the provider `hasty` is waited for."""

WAIT_S = 20.0
"""More than anything here takes on a busy machine."""

STREAM_HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
UNSIZED_STREAM_HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n"
LAST_CHUNK = b"0\r\n\r\n"
DONE = b"data: [DONE]\n\n"

Script = Callable[[Peer], Awaitable[None]]


def chunked(data: bytes) -> bytes:
    """`data` as one chunk of a chunked body."""
    return b"%x\r\n%s\r\n" % (len(data), data)


def delta(text: str, *, finish: str | None = None, **fields: Any) -> bytes:
    """An event with a chat chunk."""
    choice = {"index": 0, "delta": {"role": "assistant", "content": text}, "finish_reason": finish}
    chunk = {"id": "c1", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": [choice], **fields}
    return b"data: " + json.dumps(chunk, separators=(",", ":"), ensure_ascii=False).encode() + b"\n\n"


def whole(text: str = "Hello.", **fields: Any) -> bytes:
    """The body of a whole chat reply."""
    choice = {"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}
    usage = {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5}
    reply = {"id": "c1", "object": "chat.completion", "created": 1, "model": "m", "choices": [choice], "usage": usage}
    return json.dumps(reply | fields).encode()


def response(body: bytes, *headers: bytes, status: bytes = b"200 OK", media_type: bytes = b"application/json") -> bytes:
    """A whole HTTP response."""
    lines = [b"HTTP/1.1 " + status, b"Content-Type: " + media_type, b"Content-Length: %d" % len(body), *headers]
    return b"\r\n".join([*lines, b"", body])


def saying(*pieces: bytes, pause_s: float = 0.0) -> Script:
    """Send the pieces, and close."""

    async def script(peer: Peer) -> None:
        await peer.send(*pieces, pause_s=pause_s)

    return script


def streaming(*events: bytes, pause_s: float = 0.0) -> Script:
    """Send a proper stream of `events`, each as a chunk."""
    return saying(STREAM_HEAD, *map(chunked, events), LAST_CHUNK, pause_s=pause_s)


def then_reset(*pieces: bytes) -> Script:
    """Send the pieces, see them taken, and reset the connection."""

    async def script(peer: Peer) -> None:
        await peer.send(*pieces, pause_s=0.1)  # a reset overtakes what is still on its way
        peer.reset()

    return script


def then_stall(*pieces: bytes) -> Script:
    """Send the pieces, and then nothing for as long as the other side stays."""

    async def script(peer: Peer) -> None:
        await peer.send(*pieces)
        await peer.gone()

    return script


ANSWERING = streaming(delta("Hello.", finish="stop"), DONE)


class Faulty:
    """The provider. `script` is run for each chat call, whose connection is then closed.

    Attributes:
        asked: a chat call has come since this was last cleared.
        gone_at: when the other side was seen to leave, on the monotonic clock, set by `watching`.
        bodies: of the chat calls, decoded.
        reads_bodies: False to run the script as soon as a head is there.
    """

    def __init__(self) -> None:
        self.script = ANSWERING
        self.asked = asyncio.Event()
        self.left = asyncio.Event()
        self.gone_at = 0.0
        self.bodies: list[Any] = []
        self.reads_bodies = True

    async def __call__(self, peer: Peer) -> None:
        """Serve one connection."""
        head = await peer.reader.readuntil(b"\r\n\r\n")
        if head.startswith(b"GET "):
            await peer.send(response(b"", status=b"404 Not Found"))
            return
        if self.reads_bodies:
            length = int(head.lower().partition(b"content-length: ")[2].split(b"\r\n")[0])
            self.bodies.append(json.loads(await peer.reader.readexactly(length)))
        self.asked.set()
        await self.script(peer)

    def watching(self, *pieces: bytes) -> Script:
        """Send the pieces, and note when the other side leaves."""

        async def script(peer: Peer) -> None:
            await peer.send(*pieces)
            await peer.gone()
            self.note_leaving()

        return script

    def note_leaving(self) -> None:
        """The other side has left."""
        self.gone_at = time.monotonic()
        self.left.set()


@dataclass(frozen=True)
class Answer:
    """What a client got: `name` is what it asked for, `cut` whether the response had no proper end."""

    name: str
    status: int
    headers: httpx.Headers
    body: bytes
    cut: bool

    @property
    def error(self) -> dict[str, Any]:
        """The error object of a whole response."""
        found = json.loads(self.body)["error"]
        assert isinstance(found, dict)
        return found

    @property
    def data(self) -> list[Any]:
        """The data of each event, decoded; the last is as a rule "[DONE]"."""
        lines = [line.removeprefix("data: ") for line in self.body.decode().split("\n") if line.startswith("data: ")]
        return [line if line == "[DONE]" else json.loads(line) for line in lines]

    @property
    def text(self) -> str:
        """What the model said in a stream."""
        choices = [choice for event in self.data if isinstance(event, dict) for choice in event.get("choices", ())]
        return "".join(choice["delta"].get("content") or "" for choice in choices)

    @property
    def remaining(self) -> int:
        """Calls that the token has left today."""
        return int(self.headers["x-ratelimit-remaining-requests"])


class Rig:
    """A faulty provider, the gateway before it, and a client. Each call asks for another model, to be told apart by its row."""

    def __init__(self, provider: Faulty, gateway: Gateway, client: httpx.AsyncClient) -> None:
        self.provider = provider
        self.gateway = gateway
        self.client = client
        self.names: list[str] = []
        self._numbers = itertools.count(1)

    def name(self, provider: str = "faulty") -> str:
        """A model's name that nobody asked for before; a call is made for it."""
        name = f"{provider}/m-{next(self._numbers)}"
        self.names.append(name)
        return name

    def prepare(self, script: Script | None = None) -> None:
        """Make the provider ready for the next call; without a script it gives a proper answer."""
        self.provider.script = script or ANSWERING
        self.provider.asked.clear()
        self.provider.left.clear()

    async def ask(
        self,
        script: Script | None = None,
        *,
        stream: bool = True,
        provider: str = "faulty",
        token: str = "",
        **fields: Any,
    ) -> Answer:
        """A chat call that the provider answers by `script`, with its body read to the end."""
        self.prepare(script)
        name = self.name(provider)
        body = chat(name, stream=stream, **fields)
        headers = {"authorization": f"Bearer {token or self.gateway.token}"}
        async with self.client.stream("POST", "/v1/chat/completions", json=body, headers=headers) as answer:
            pieces, cut = [], False
            try:
                async for piece in answer.aiter_raw():
                    pieces.append(piece)  # noqa: PERF401 - it must survive a cut
            except httpx.RemoteProtocolError:
                cut = True
            return Answer(name, answer.status_code, answer.headers, b"".join(pieces), cut)

    async def row(self, name: str) -> Row:
        """The one row of the call for `name`."""
        deadline = time.monotonic() + WAIT_S
        while not (found := [row for row in self.gateway.rows() if row["name"] == name]):
            assert time.monotonic() < deadline, f"no row of {name} came into the database"
            await asyncio.sleep(0.05)
        assert len(found) == 1
        return found[0]

    async def leave(
        self, name: str, *, stream: bool, first_bytes: bool = False, politely: bool = False, after_s: float = 0.1
    ) -> float:
        """Ask for `name` on a connection of its own, and leave when the provider was asked.

        Args:
            first_bytes: leave when an answer has begun.
            politely: with a FIN, not a reset.
            after_s: how long it stays then.

        Returns:
            Seconds until the provider saw its connection closed.
        """
        reader, writer = await self.connect()
        try:
            writer.write(self.raw_request(json.dumps(chat(name, stream=stream)).encode()))
            await self.provider.asked.wait()
            if first_bytes:
                await reader.readuntil(b"data: ")
            await asyncio.sleep(after_s)
        finally:
            left_at = time.monotonic()
            if politely:
                writer.close()
            else:
                writer.transport.abort()
        async with asyncio.timeout(WAIT_S):
            await self.provider.left.wait()
        seconds = self.provider.gone_at - left_at
        print(f"the upstream call was closed {seconds * 1000:.1f} ms after the client left")  # noqa: T201 - see pytest -s
        return seconds

    async def connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """A connection to the gateway; the caller closes it."""
        return await asyncio.open_connection("127.0.0.1", self.gateway.port)

    def raw_request(self, body: bytes, *headers: str) -> bytes:
        """The bytes of a chat call."""
        lines = [
            "POST /v1/chat/completions HTTP/1.1",
            "Host: gateway",
            f"Authorization: Bearer {self.gateway.token}",
            "Content-Type: application/json",
            f"Content-Length: {len(body)}",
            *headers,
        ]
        return "\r\n".join([*lines, "", ""]).encode() + body


def chat(name: str, *, stream: bool = False, **fields: Any) -> dict[str, Any]:
    """The body of a chat call."""
    return {"model": name, "stream": stream, "messages": [{"role": "user", "content": "Hello"}], **fields}


def faulty_config(port: int) -> dict[str, Any]:
    """Ways to a faulty provider on `port`, patient and hasty, and two providers that cannot be reached."""
    way = {"base_url": f"http://127.0.0.1:{port}/v1", "api_key_env": "FAULTY_KEY"}
    hasty = {"connect": 2.0, "first_byte": HASTY_S, "idle": HASTY_S}
    config: dict[str, Any] = {
        "faulty": way,
        "hasty": way | {"timeouts": hasty},
        "refused": {"base_url": f"http://127.0.0.1:{free_port()}/v1"},
        "nowhere": {"base_url": "http://no-such-host.invalid/v1"},
    }
    # Each fault is to be seen once, whatever became of the calls before.
    return {key: entry | {"retries": 0, "breaker": False} for key, entry in config.items()}


@contextlib.asynccontextmanager
async def faulty_rig(folder: Path, environ: Mapping[str, str] | None = None) -> AsyncIterator[Rig]:
    """Provider, gateway and client for the length of the block. At its end each call must have left exactly one row."""
    provider = Faulty()
    async with serve(provider) as server:
        gateway = Gateway(folder, faulty_config(server.port), {"FAULTY_KEY": KEY, **(environ or {})})
        await asyncio.to_thread(gateway.start)
        try:
            async with httpx.AsyncClient(base_url=gateway.base_url, timeout=WAIT_S, trust_env=False) as client:
                rig = Rig(provider, gateway, client)
                yield rig
        except BaseException:
            gateway.kill()
            raise
        await asyncio.to_thread(gateway.stop)
    assert Counter(row["name"] for row in gateway.rows()) == Counter(rig.names)
    assert KEY not in gateway.output()
    assert KEY not in gateway.log_file.read_text()


def without_receipt(body: bytes) -> bytes:
    """A stream without the comment at its end."""
    rest, _, comment = body.rpartition(b"\n\n: x-relay-")
    return rest + b"\n\n" if rest and comment.endswith(b"\n\n") else body
