"""Providers that fail in every way, and the next one that answers: over real sockets, as clients and operators see it."""

import asyncio
import json
import time
from collections import Counter
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
import pytest_asyncio
from openai import AsyncOpenAI

from app.pipeline.board import CONSECUTIVE_FAILURES, OPEN_S
from tests.e2e.faulty import (
    ANSWERING,
    DONE,
    STREAM_HEAD,
    WAIT_S,
    Answer,
    Script,
    chat,
    chunked,
    delta,
    response,
    saying,
    streaming,
    then_reset,
    then_stall,
    whole,
)
from tests.e2e.gateway import Gateway, Row
from tests.providers.transport.servers import Peer, serve

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.xdist_group("failover")]

HASTY = {"connect": 2.0, "first_byte": 0.5, "idle": 0.5}
HTML = b"<!doctype html><html><body><h1>502 Bad Gateway</h1></body></html>"


class Providers:
    """Some providers on one port, each below a path of its own. Each call to one runs the next of its scripts; the last stays."""

    def __init__(self) -> None:
        self.scripts: dict[str, list[Script]] = {}
        self.asked: list[str] = []
        self.keys: list[str] = []
        self.bodies: list[Any] = []
        self.came = asyncio.Event()

    def prepare(self, **scripts: Script | list[Script]) -> None:
        """Forget what came; what is not named here answers."""
        self.scripts = {name: each if isinstance(each, list) else [each] for name, each in scripts.items()}
        for seen in (self.asked, self.keys, self.bodies):
            seen.clear()
        self.came.clear()

    async def __call__(self, peer: Peer) -> None:
        """Serve one connection."""
        head, body = await peer.request()
        if head.startswith(b"GET "):
            await peer.send(response(b"", status=b"404 Not Found"))
            return
        name = head.split(b"/", 2)[1].decode()
        self.asked.append(name)
        self.keys.append(head.lower().partition(b"authorization: bearer ")[2].split(b"\r\n")[0].decode())
        self.bodies.append(json.loads(body))
        self.came.set()
        scripts = self.scripts.get(name) or [_answering(self.bodies[-1])]
        await (scripts.pop(0) if len(scripts) > 1 else scripts[0])(peer)


def _answering(body: Any) -> Script:
    return ANSWERING if body["stream"] else saying(response(whole()))


class Rig:
    """The providers, the gateway and a client."""

    def __init__(self, providers: Providers, gateway: Gateway, client: httpx.AsyncClient) -> None:
        self.providers = providers
        self.gateway = gateway
        self.client = client

    async def ask(self, name: str, *, stream: bool = False, timeout_ms: int = 60_000) -> Answer:
        """A chat call, its body read to the end."""
        signed = {"authorization": f"Bearer {self.gateway.token}", "x-relay-timeout-ms": str(timeout_ms)}
        answer = await self.client.post("/v1/chat/completions", json=chat(name, stream=stream), headers=signed)
        return Answer(name, answer.status_code, answer.headers, answer.content, cut=False)

    async def row(self, answer: Answer) -> Row:
        """The row of a call."""
        return await self.row_where("id", answer.headers["x-request-id"])

    async def row_where(self, column: str, value: str) -> Row:
        """The one row with that value."""
        deadline = time.monotonic() + WAIT_S
        while not (found := [row for row in self.gateway.rows() if row[column] == value]):
            assert time.monotonic() < deadline, f"no row of {value} came into the database"
            await asyncio.sleep(0.05)
        assert len(found) == 1
        return found[0]

    async def health(self, provider: str) -> dict[str, Any]:
        """What `/v1/health/providers` says of a provider that has been called."""
        signed = {"authorization": f"Bearer {self.gateway.token}"}
        listed = (await self.client.get("/v1/health/providers", headers=signed)).json()["data"]
        return next(entry for entry in listed if entry["provider"] == provider)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def rig(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Rig]:
    providers = Providers()
    async with serve(providers) as server:

        def entry(name: str, **fields: Any) -> dict[str, Any]:
            ways = {"base_url": f"http://127.0.0.1:{server.port}/{name}", "supported_models": ["m"]}
            return ways | {"timeouts": HASTY, "breaker": False, "retries": 0} | fields

        config = {
            "one": entry("one"),
            "two": entry("two"),
            "again": entry("again", retries=2),
            "keys": entry("keys", api_key_env="KEYS"),
            "frail": entry("frail", breaker=True),
            "$names": {
                "pair": {"targets": ["one/m", "two/m"]},
                "saved": {"targets": ["one/m", "two/m"], "rescue": "continue"},
                "patient": {"targets": ["one/m", "two/m"], "retries": 1},
                "lot": {"targets": [{"target": "one/m", "weight": 1}, {"target": "two/m", "weight": 1}], "strategy": "weighted"},
                "quick": {"targets": ["one/m", "two/m"], "strategy": "fastest"},
            },
        }  # fmt: skip
        gateway = Gateway(tmp_path_factory.mktemp("gateway"), config, {"KEYS": "sk-first,sk-second"})
        await asyncio.to_thread(gateway.start)
        try:
            async with httpx.AsyncClient(base_url=gateway.base_url, timeout=WAIT_S, trust_env=False) as client:
                yield Rig(providers, gateway, client)
        except BaseException:
            gateway.kill()
            raise
        await asyncio.to_thread(gateway.stop)


def status(line: bytes, *headers: bytes, body: bytes = b'{"error": {"message": "sorry"}}') -> Script:
    return saying(response(body, *headers, status=line))


BEFORE_THE_FIRST_BYTE = [
    pytest.param(status(b"408 Request Timeout"), id="408"),
    pytest.param(status(b"429 Too Many Requests", b"Retry-After: 0"), id="429-with-retry-after"),
    pytest.param(status(b"500 Internal Server Error"), id="500"),
    pytest.param(status(b"503 Service Unavailable"), id="503"),
    pytest.param(status(b"529 Overloaded"), id="529"),
    pytest.param(status(b"401 Unauthorized"), id="our-key-refused"),
    pytest.param(saying(response(HTML, status=b"502 Bad Gateway", media_type=b"text/html")), id="html-error-page"),
    pytest.param(saying(response(HTML, media_type=b"text/html")), id="html-page"),
    pytest.param(saying(response(b"hello", media_type=b"text/plain")), id="wrong-content-type"),
    pytest.param(then_reset(), id="reset-before-the-head"),
    pytest.param(then_reset(b"HTTP/1.1 200 OK\r\nContent-"), id="reset-in-the-head"),
    pytest.param(then_reset(STREAM_HEAD), id="reset-before-the-first-byte"),
    pytest.param(saying(b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n" + whole()[:50]), id="body-cut"),
    pytest.param(then_stall(), id="hang"),
    pytest.param(then_stall(STREAM_HEAD), id="hang-behind-the-head"),
    pytest.param(streaming(b'data: {"error": {"message": "sorry", "code": 503}}\n\n'), id="error-as-first-event"),
]


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("fault", BEFORE_THE_FIRST_BYTE)
async def test_next_target_answers_where_the_first_fails(rig: Rig, fault: Script, stream: bool) -> None:
    rig.providers.prepare(one=fault)

    answer = await rig.ask("pair", stream=stream)

    assert answer.status == 200
    assert b"Hello." in answer.body
    assert rig.providers.asked == ["one", "two"]
    assert (answer.headers["x-relay-provider"], answer.headers["x-relay-attempts"]) == ("two", "2")
    row = await rig.row(answer)
    assert (row["provider"], row["attempts"], row["outcome"], row["rescued"]) == ("two", 2, "ok", 0)


async def test_when_all_fail_the_last_ones_status_and_words_are_told(rig: Rig) -> None:
    rig.providers.prepare(one=then_reset(), two=status(b"529 Overloaded"))

    answer = await rig.ask("pair")

    assert (answer.status, answer.error["message"]) == (529, "sorry")
    assert (answer.headers["x-relay-provider"], answer.headers["x-relay-attempts"]) == ("two", "2")
    assert (await rig.row(answer))["attempts"] == 2


async def test_same_target_is_asked_again_after_what_it_says(rig: Rig) -> None:
    rig.providers.prepare(again=[status(b"429 Too Many Requests", b"Retry-After: 1"), _answering({"stream": False})])
    began = time.monotonic()

    answer = await rig.ask("again/m")

    assert (answer.status, rig.providers.asked) == (200, ["again", "again"])
    assert time.monotonic() - began >= 1.0


async def test_clients_own_fault_is_asked_once(rig: Rig) -> None:
    rig.providers.prepare(one=status(b"400 Bad Request"))

    answer = await rig.ask("patient")

    assert (answer.status, rig.providers.asked) == (400, ["one"])


async def test_slow_drip_is_an_answer(rig: Rig) -> None:
    events = [delta(letter) for letter in "Hello"]
    rig.providers.prepare(one=streaming(*events, delta(".", finish="stop"), DONE, pause_s=0.2))

    answer = await rig.ask("pair", stream=True)

    assert (answer.text, rig.providers.asked) == ("Hello.", ["one"])


async def test_after_the_first_byte_nobody_else_is_asked(rig: Rig) -> None:
    rig.providers.prepare(one=then_reset(STREAM_HEAD, chunked(delta("Begun"))))

    answer = await rig.ask("pair", stream=True)

    assert (answer.status, rig.providers.asked) == (200, ["one"])
    assert answer.data[0]["choices"][0]["delta"]["content"] == "Begun"
    assert answer.data[-1]["error"]["code"] == "upstream_cut"
    assert (await rig.row(answer))["outcome"] == "cut"


@pytest.mark.parametrize(
    "ending",
    [
        pytest.param(then_reset(STREAM_HEAD, chunked(delta("Hel"))), id="reset"),
        pytest.param(saying(STREAM_HEAD, chunked(delta("Hel"))), id="fin"),
        pytest.param(then_stall(STREAM_HEAD, chunked(delta("Hel"))), id="silence"),
        pytest.param(streaming(delta("Hel"), b'data: {"error": {"message": "sorry"}}\n\n'), id="error-event"),
        pytest.param(streaming(delta("Hel") + b'data: {"error": {"message": "sorry"}}\n\n'), id="error-in-one-piece"),
    ],
)
async def test_stream_that_breaks_off_is_carried_on_where_the_name_says_so(rig: Rig, ending: Script) -> None:
    rig.providers.prepare(one=ending, two=streaming(delta("lo."), delta("", finish="stop"), DONE))

    answer = await rig.ask("saved", stream=True)

    assert (answer.text, answer.data[-1]) == ("Hello.", "[DONE]")
    assert rig.providers.asked == ["one", "two"]
    said = [(message["role"], message["content"]) for message in rig.providers.bodies[1]["messages"]]
    assert said[:2] == [("user", "Hello"), ("assistant", "Hel")]
    row = await rig.row(answer)
    assert (row["outcome"], row["rescued"], row["attempts"], row["provider"]) == ("ok", 1, 2, "two")
    assert row["output_tokens"] > 0
    (part,) = [each for each in await asyncio.to_thread(rig.gateway.rows) if each["parent_id"] == row["id"]]
    assert (part["id"], part["helper"], part["provider"]) == (f"{row['id']}.1", "broken", "one")
    assert (part["outcome"], part["charged"], part["requests"], row["requests"]) == ("cut", 0, 1, 1)
    assert part["output_tokens"] > 0


async def test_rescue_that_fails_ends_with_the_error_event(rig: Rig) -> None:
    rig.providers.prepare(one=then_reset(STREAM_HEAD, chunked(delta("Hel"))), two=status(b"503 Service Unavailable"))

    answer = await rig.ask("saved", stream=True)

    assert answer.data[-1]["error"]["code"] == "upstream_cut"
    row = await rig.row(answer)
    assert (row["outcome"], row["rescued"], row["attempts"]) == ("cut", 0, 2)


async def test_sdk_reads_a_rescued_stream_as_one(rig: Rig) -> None:
    usage = {"prompt_tokens": 9, "completion_tokens": 4, "total_tokens": 13}
    ending = delta("lo.", finish="stop", usage=usage)
    rig.providers.prepare(one=then_reset(STREAM_HEAD, chunked(delta("Hel"))), two=streaming(ending, DONE))
    async with AsyncOpenAI(base_url=f"{rig.gateway.base_url}/v1", api_key=rig.gateway.token, max_retries=0) as sdk:
        stream = await sdk.chat.completions.create(
            model="saved",
            messages=[{"role": "user", "content": "Hello"}],
            stream=True,
            stream_options={"include_usage": True},
        )
        chunks = [chunk async for chunk in stream]

    assert "".join(choice.delta.content or "" for chunk in chunks for choice in chunk.choices) == "Hello."
    assert len({chunk.id for chunk in chunks}) == 1
    assert chunks[-1].usage is not None
    assert chunks[-1].usage.completion_tokens > 4  # what the first target wrote is counted with it


async def test_no_target_is_asked_after_the_deadline(rig: Rig) -> None:
    rig.providers.prepare(one=then_stall(), two=ANSWERING)

    answer = await rig.ask("pair", timeout_ms=300)

    assert (answer.status, rig.providers.asked) == (504, ["one"])
    assert (await rig.row(answer))["attempts"] == 1


async def test_client_that_leaves_during_a_pause_ends_it(rig: Rig) -> None:
    rig.providers.prepare(again=status(b"503 Service Unavailable", b"Retry-After: 3"))
    name = "AGAIN/m"  # as nobody else writes it here
    _, writer = await asyncio.open_connection("127.0.0.1", rig.gateway.port)
    body = json.dumps(chat(name)).encode()
    head = f"POST /v1/chat/completions HTTP/1.1\r\nHost: g\r\nAuthorization: Bearer {rig.gateway.token}\r\n"
    writer.write(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)
    async with asyncio.timeout(WAIT_S):
        await rig.providers.came.wait()
    await asyncio.sleep(0.2)  # by now it pauses
    writer.close()

    row = await rig.row_where("name", name)
    assert (row["outcome"], row["attempts"]) == ("client_gone", 1)
    assert row["total_ms"] < 3000
    assert rig.providers.asked == ["again"]


async def test_keys_share_the_calls_and_one_that_is_used_up_makes_way(rig: Rig) -> None:
    rig.providers.prepare()
    for _ in range(40):
        await rig.ask("keys/m")
    shares = Counter(rig.providers.keys)

    async def limited(peer: Peer) -> None:
        first = rig.providers.keys[-1] == "sk-first"
        reply = response(b"{}", b"Retry-After: 30", status=b"429 Too Many Requests") if first else response(whole())
        await peer.send(reply)

    rig.providers.prepare(keys=limited)
    answers = [await rig.ask("keys/m") for _ in range(10)]

    assert min(shares["sk-first"], shares["sk-second"]) >= 5
    assert {answer.status for answer in answers} == {200}
    assert rig.providers.keys.count("sk-first") <= 1  # once it said for how long, it is left alone


async def test_calls_are_spread_by_weight_and_to_the_fastest(rig: Rig) -> None:
    rig.providers.prepare()
    for _ in range(40):
        await rig.ask("lot")
    by_lot = Counter(rig.providers.asked)

    async def slow(peer: Peer) -> None:
        await asyncio.sleep(0.05)
        await peer.send(response(whole()))

    rig.providers.prepare(one=slow)
    for _ in range(30):
        await rig.ask("quick")
    by_speed = Counter(rig.providers.asked[20:])

    assert min(by_lot["one"], by_lot["two"]) >= 5
    assert by_speed["two"] > by_speed["one"]


async def test_breaker_opens_is_told_and_heals(rig: Rig) -> None:
    rig.providers.prepare(frail=status(b"500 Internal Server Error"))
    for _ in range(CONSECUTIVE_FAILURES):
        assert (await rig.ask("frail/m")).status == 500

    refused = await rig.ask("frail/m")
    opened = await rig.health("frail")
    rig.providers.prepare()
    await asyncio.sleep(OPEN_S + 0.5)
    half_open = await rig.health("frail")
    healed = await rig.ask("frail/m")

    assert refused.status == 503
    assert 1 <= int(refused.headers["retry-after"]) <= OPEN_S
    assert (opened["state"], half_open["state"]) == ("open", "half-open")
    assert (healed.status, (await rig.health("frail"))["state"]) == (200, "closed")
