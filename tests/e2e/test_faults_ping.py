"""Pings that keep a silent stream alive: the route in a server of its own, with a ping every 100 ms rather than every 15 s."""

import asyncio
import json
import socket
from collections.abc import AsyncIterator, Mapping

import httpx
import pytest
import uvicorn

from app.api.client_address import address_reader
from app.api.relay import RelayRoute
from app.api.surfaces import CHAT
from app.auth.guard import Guard
from app.auth.quota import Admission
from app.config import parse_config
from app.core.principal import Principal
from app.core.record import CallRecord
from app.core.reply import Outcome
from app.dialects.rescue import open_rescue
from app.pipeline import build_pipeline
from app.pipeline.board import Board
from app.pipeline.names import Names
from app.providers.registry import Registry
from app.providers.transport import open_transport
from tests.e2e.faulty import (
    DONE,
    KEY,
    LAST_CHUNK,
    STREAM_HEAD,
    WAIT_S,
    Faulty,
    Script,
    chat,
    chunked,
    delta,
    faulty_config,
    response,
    whole,
)
from tests.providers.transport.servers import Peer, serve

PING_S = 0.1
PING = b": ping\n\n"


class OpenGuard(Guard):
    """Lets everybody in."""

    def __init__(self) -> None:
        self.given_back = 0

    async def identify(
        self, authorization: str | None, client: str, *, headers: Mapping[bytes, bytes] | None = None
    ) -> Principal:
        return Principal("tokenid0", "tester", 1000)

    async def admit(self, principal: Principal) -> Admission:
        return Admission(principal.token_id, 0, 1000, 999, 1)

    def give_back(self, admission: Admission) -> None:
        self.given_back += 1


class Pinging:
    """The route before a faulty provider, and what it recorded."""

    def __init__(self, base_url: str, provider: Faulty, guard: OpenGuard, records: list[CallRecord]) -> None:
        self.base_url = base_url
        self.provider = provider
        self.guard = guard
        self.records = records
        self.recorded = asyncio.Event()

    async def ask(self, script: Script, *, stream: bool = True, provider: str = "faulty") -> httpx.Response:
        """The answer to a call that the provider answers by `script`."""
        self.provider.script = script
        async with httpx.AsyncClient(base_url=self.base_url, timeout=WAIT_S, trust_env=False) as client:
            return await client.post("/v1/chat/completions", json=chat(f"{provider}/m", stream=stream))

    def record(self, *records: CallRecord) -> None:
        """Take those of one call."""
        self.records.extend(records)
        self.recorded.set()


@pytest.fixture
async def pinging() -> AsyncIterator[Pinging]:
    provider, guard, transport = Faulty(), OpenGuard(), open_transport(environ={})
    listening = socket.create_server(("127.0.0.1", 0))
    async with serve(provider) as upstream:
        registry = Registry(parse_config(json.dumps(faulty_config(upstream.port))), lambda _: KEY, transport)
        running = Pinging(f"http://127.0.0.1:{listening.getsockname()[1]}", provider, guard, [])
        route = RelayRoute(
            CHAT,
            guard=guard,
            handler=build_pipeline(registry, running, Board(), open_rescue),
            check_name=Names(registry).check,
            check_recorder=lambda: None,
            split_name=Names(registry).split,
            read_address=address_reader(()),
            max_body_bytes=1_000_000,
            ping_s=PING_S,
        )
        config = uvicorn.Config(route, lifespan="off", log_config=None, ws="none", timeout_graceful_shutdown=1)
        server = uvicorn.Server(config)
        serving = asyncio.create_task(server.serve([listening]))
        try:
            yield running
        finally:
            server.should_exit = True
            await serving
            await transport.aclose()


def after(pause_s: float, *pieces: bytes) -> Script:
    """Say nothing for a while, and then the pieces."""

    async def script(peer: Peer) -> None:
        await asyncio.sleep(pause_s)
        await peer.send(*pieces)

    return script


def with_pause(before: bytes, pause_s: float, later: bytes) -> Script:
    """A stream with a silence in its midst."""

    async def script(peer: Peer) -> None:
        await peer.send(STREAM_HEAD, chunked(before))
        await asyncio.sleep(pause_s)
        await peer.send(chunked(later), LAST_CHUNK)

    return script


STREAM = STREAM_HEAD + chunked(delta("Hi.", finish="stop") + DONE) + LAST_CHUNK


async def test_stream_is_pinged_while_the_provider_thinks(pinging: Pinging) -> None:
    answer = await pinging.ask(after(0.55, STREAM))

    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/event-stream")
    pings, rest = answer.content.count(PING), answer.content.replace(PING, b"")
    assert 3 <= pings <= 6
    assert rest == delta("Hi.", finish="stop") + DONE


async def test_stream_that_flows_is_not_pinged(pinging: Pinging) -> None:
    async def steadily(peer: Peer) -> None:
        await peer.send(STREAM_HEAD)
        for _ in range(20):
            await peer.send(chunked(delta("word ")), pause_s=PING_S / 5)
        await peer.send(chunked(delta(".", finish="stop") + DONE), LAST_CHUNK)

    answer = await pinging.ask(steadily)

    assert PING not in answer.content


async def test_silence_between_two_events_is_pinged(pinging: Pinging) -> None:
    answer = await pinging.ask(with_pause(delta("Hi"), 0.35, delta(".", finish="stop") + DONE))

    first, _, rest = answer.content.partition(PING)
    assert first == delta("Hi")
    assert rest.replace(PING, b"") == delta(".", finish="stop") + DONE


async def test_ping_does_not_come_into_the_midst_of_an_event(pinging: Pinging) -> None:
    event = delta("a long event")

    async def halting(peer: Peer) -> None:
        await peer.send(STREAM_HEAD, chunked(delta("Hi")), chunked(event[:30]))
        await asyncio.sleep(0.35)
        await peer.send(chunked(event[30:] + delta(".", finish="stop") + DONE), LAST_CHUNK)

    answer = await pinging.ask(halting)

    assert PING in answer.content
    assert answer.content.replace(PING, b"") == delta("Hi") + event + delta(".", finish="stop") + DONE


async def test_error_after_a_ping_comes_as_an_event_and_gives_the_unit_back(pinging: Pinging) -> None:
    refusal = response(b'{"error":{"message":"Overloaded.","type":"busy"}}', status=b"529 Overloaded")

    answer = await pinging.ask(after(0.25, refusal))

    assert answer.status_code == 200
    event = answer.content.replace(PING, b"")
    assert json.loads(event.removeprefix(b"data: "))["error"]["message"] == "Overloaded."
    assert event.endswith(b"\n\n")
    assert pinging.guard.given_back == 1
    assert [(record.outcome, record.charged) for record in pinging.records] == [(Outcome.ERROR, False)]


async def test_timeout_after_a_ping_comes_as_an_event(pinging: Pinging) -> None:
    answer = await pinging.ask(after(WAIT_S), provider="hasty")

    assert answer.status_code == 200
    event = answer.content.replace(PING, b"")
    assert json.loads(event.removeprefix(b"data: "))["error"]["code"] == "upstream_timeout"


async def test_whole_reply_is_never_pinged(pinging: Pinging) -> None:
    answer = await pinging.ask(after(0.35, response(whole())), stream=False)

    assert answer.content == whole()


@pytest.mark.parametrize("pinged", [True, False])
async def test_client_that_leaves_a_pinged_stream_ends_the_upstream_call(pinging: Pinging, pinged: bool) -> None:
    pinging.provider.script = pinging.provider.watching()
    body = json.dumps(chat("faulty/m", stream=True)).encode()
    port = int(pinging.base_url.rpartition(":")[2])
    reader, writer = await asyncio.open_connection("127.0.0.1", port)

    writer.write(b"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body))
    await pinging.provider.asked.wait()
    if pinged:
        await reader.readuntil(PING)
    writer.transport.abort()
    async with asyncio.timeout(WAIT_S):
        await pinging.provider.left.wait()

    async with asyncio.timeout(WAIT_S):
        await pinging.recorded.wait()
    assert [record.outcome for record in pinging.records] == [Outcome.CLIENT_GONE]
