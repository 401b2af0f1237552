"""The loop that moves a reply to the client: what goes out, what everybody hears of the end, who may leave when."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from app.api import vigil
from app.api.pump import Client, Voice, pump
from app.api.vigil import Rounds
from app.core.call import Call
from app.core.errors import RelayError, UpstreamCut, UpstreamError
from app.core.ports import Handler
from app.core.record import CallRecord
from app.core.reply import EVENT_STREAM_TYPE, JSON_TYPE, STOPPED, End, Outcome, Reply
from app.core.usage import Usage
from app.dialects.openai.errors import write_error, write_error_event
from app.pipeline.metering import Metering
from app.pipeline.stage import chain
from tests.calls import make_call, make_reply

VOICE = Voice(write_error, write_error_event)
USAGE = Usage(input=3, output=4)
STREAMED = {"stream": True}
A, B, DONE = b'data: {"n":1}\n\n', b'data: {"n":2}\n\n', b"data: [DONE]\n\n"
PING = b": ping\n\n"


class Tap:
    """Notes what it sees."""

    def __init__(self) -> None:
        self.seen: list[bytes] = []
        self.ends: list[End] = []

    def feed(self, chunk: bytes) -> None:
        self.seen.append(chunk)

    def close(self, end: End) -> None:
        self.ends.append(end)


@dataclass
class Exchange:
    """One request at fake ASGI ends, with real metering in front of `handler`."""

    handler: Handler
    streamed: bool = True
    ping_s: float = 60.0
    voice: Voice = VOICE
    sent: list[dict[str, Any]] = field(default_factory=list)
    records: list[CallRecord] = field(default_factory=list)
    recorded_before: list[int] = field(default_factory=list)
    left: asyncio.Event = field(default_factory=asyncio.Event)
    blocked: asyncio.Event | None = None
    blocked_at: int | None = None
    is_blocked: asyncio.Event = field(default_factory=asyncio.Event)
    go_on: asyncio.Event = field(default_factory=asyncio.Event)
    rounds: Rounds = field(default_factory=lambda: Rounds(60.0))

    def record(self, *records: CallRecord) -> None:
        self.records.extend(records)

    async def run(self) -> RelayError | None:
        self.rounds = Rounds(self.ping_s)
        call = make_call({"stream": self.streamed})
        client = Client(self._send, self.voice, [(b"x-request-id", b"req_1")])
        handler = chain([Metering(self)], self.handler)
        return await pump(call, handler, client, self._receive, self.rounds)

    def stop(self) -> bool:
        """As an administrator does; whether the call was not at its end."""
        return any(vigil.stop() for vigil in self.rounds)

    @property
    def status(self) -> int:
        starts = [message["status"] for message in self.sent if message["type"] == "http.response.start"]
        assert len(starts) == 1
        status: int = starts[0]
        return status

    @property
    def headers(self) -> dict[str, str]:
        pairs: list[tuple[bytes, bytes]] = self.sent[0]["headers"]
        return {name.decode(): value.decode() for name, value in pairs}

    @property
    def body(self) -> bytes:
        return b"".join([message["body"] for message in self.sent[1:]])

    @property
    def is_finished(self) -> bool:
        return not self.sent[-1].get("more_body") and self.sent[-1]["type"] == "http.response.body"

    async def _send(self, message: dict[str, Any]) -> None:
        if self.blocked is not None:
            await self.blocked.wait()
        assert not self.sent or not self.is_finished, "nothing is sent after the end"
        if self.blocked_at == len(self.sent):
            self.is_blocked.set()
            await self.go_on.wait()
        self.sent.append(message)
        self.recorded_before.append(len(self.records))

    async def _receive(self) -> Mapping[str, Any]:
        await self.left.wait()
        return {"type": "http.disconnect"}


class Source:
    """A reply whose pieces the test lets go, and whose closing it counts."""

    def __init__(self, *pieces: bytes | BaseException, first: bytes = A, knows_end: bool = False) -> None:
        self.closed = 0
        self.tap = Tap()
        self.go_on = asyncio.Event()
        self._pieces = pieces
        self._first = self._last = first
        self._knows_end = knows_end

    async def __call__(self, call: Call) -> Reply:
        return make_reply(
            self._first,
            media_type=EVENT_STREAM_TYPE if call.streamed else JSON_TYPE,
            rest=self._rest(),
            aclose=self._close,
            read_usage=lambda: USAGE,
            taps=[self.tap],
            ending=self,
        )

    @property
    def ended(self) -> bool:
        return self._knows_end and self._last.endswith(DONE)

    async def _rest(self) -> AsyncIterator[bytes]:
        for piece in self._pieces:
            await self.go_on.wait()
            if isinstance(piece, BaseException):
                raise piece
            self._last = piece
            yield piece

    async def _close(self) -> None:
        self.closed += 1

    def started(self) -> "Source":
        self.go_on.set()
        return self


@pytest.fixture(autouse=True)
def quick_rounds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vigil, "ROUND_S", 0.005)


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(5):
        while not condition():  # noqa: ASYNC110 - what is waited for is a state that tells nobody
            await asyncio.sleep(0.002)


def failing(error: BaseException, after_s: float = 0.0) -> Callable[[Call], Awaitable[Reply]]:
    async def fail(_call: Call) -> Reply:
        await asyncio.sleep(after_s)
        raise error

    return fail


def error_in(event: bytes) -> dict[str, Any]:
    error: dict[str, Any] = json.loads(event.removeprefix(b"data: "))["error"]
    return error


# What goes well.


async def test_whole_reply_goes_out_with_its_length() -> None:
    source = Source(first=b'{"a":1}')
    exchange = Exchange(source, streamed=False)

    assert await exchange.run() is None

    assert (exchange.status, exchange.body, exchange.is_finished) == (200, b'{"a":1}', True)
    assert exchange.headers == {
        "content-length": "7",
        "content-type": "application/json",
        "x-request-id": "req_1",
        "x-relay-cost": "0",
        "x-relay-usage": "input=3, output=4",
    }


async def test_stream_goes_out_as_it_comes() -> None:
    exchange = Exchange(Source(B, DONE).started())

    assert await exchange.run() is None

    assert [message["body"] for message in exchange.sent[1:]] == [A, B, DONE, b""]
    assert exchange.is_finished
    assert exchange.headers["content-type"] == "text/event-stream; charset=utf-8"
    assert exchange.headers["x-accel-buffering"] == "no"
    assert exchange.headers["cache-control"] == "no-cache"


async def test_what_closes_a_stream_is_asked_for_when_all_else_has_gone_out_and_goes_with_its_end() -> None:
    read: list[bytes] = []

    async def rest() -> AsyncIterator[bytes]:
        yield B
        read.append(DONE)
        yield DONE

    async def handler(_call: Call) -> Reply:
        return make_reply(A, rest=rest(), closing=lambda: b": " + b"".join(read))

    exchange = Exchange(handler)
    await exchange.run()

    assert [message["body"] for message in exchange.sent[1:]] == [A, B, DONE, b": " + DONE]
    assert exchange.is_finished


@pytest.mark.parametrize("streamed", [True, False])
async def test_taps_see_every_piece_and_hear_of_the_end_once(*, streamed: bool) -> None:
    source = Source(B, DONE).started()
    exchange = Exchange(source, streamed=streamed)

    await exchange.run()

    assert source.tap.seen == ([A, B, DONE] if streamed else [A])
    (end,) = source.tap.ends
    assert (end.outcome, end.status, end.usage, end.error) == (Outcome.OK, 200, USAGE, None)
    assert source.closed == 1
    assert [record.outcome for record in exchange.records] == [Outcome.OK]


async def test_error_that_the_provider_told_in_the_stream_is_the_outcome() -> None:
    async def handler(_call: Call) -> Reply:
        return make_reply(A, B, DONE, read_failure=lambda: "Overloaded")

    exchange = Exchange(handler)
    await exchange.run()

    assert exchange.body == A + B + DONE
    assert (exchange.records[0].outcome, exchange.records[0].error) == (Outcome.ERROR, "Overloaded")


# When the end is recorded.


async def test_whole_reply_is_recorded_before_its_first_byte() -> None:
    exchange = Exchange(Source(first=b"{}"), streamed=False)

    await exchange.run()

    assert [message["type"] for message in exchange.sent] == ["http.response.start", "http.response.body"]
    assert exchange.recorded_before == [0, 1], "an ASGI server lets the head leave with the first bytes of the body"


async def test_stream_is_recorded_before_its_last_bytes() -> None:
    exchange = Exchange(Source(B, DONE).started())

    await exchange.run()

    assert [message.get("body") for message in exchange.sent] == [None, A, B, DONE, b""]
    assert exchange.recorded_before == [0, 0, 0, 0, 1]


async def test_stream_that_knows_its_own_end_is_recorded_before_that() -> None:
    source = Source(B, DONE, knows_end=True).started()
    exchange = Exchange(source)

    await exchange.run()

    assert exchange.recorded_before == [0, 0, 0, 1, 1]
    assert len(source.tap.ends) == source.closed == 1
    assert source.tap.seen == [A, B, DONE]


async def test_stream_of_one_piece_is_recorded_before_it() -> None:
    source = Source(first=A + DONE, knows_end=True)
    exchange = Exchange(source)

    await exchange.run()

    assert exchange.recorded_before == [0, 1, 1]
    assert len(source.tap.ends) == 1


@pytest.mark.parametrize("error", [UpstreamCut("It broke off."), KeyError("x")], ids=["theirs", "ours"])
async def test_reply_that_broke_off_is_recorded_before_the_client_is_told(error: Exception) -> None:
    exchange = Exchange(Source(error).started())

    await exchange.run()

    assert exchange.recorded_before == [0, 0, 1, 1]


async def test_call_that_failed_is_recorded_before_the_client_is_told() -> None:
    exchange = Exchange(failing(UpstreamError("No", status=500)))

    await exchange.run()

    assert exchange.recorded_before == [1, 1]


@pytest.mark.parametrize(
    ("source", "streamed", "at"),
    [
        pytest.param(Source(first=b"{}"), False, 1, id="whole"),
        pytest.param(Source(DONE, knows_end=True).started(), True, 2, id="own-end"),
        pytest.param(Source(DONE).started(), True, 3, id="end-of-the-response"),
    ],
)
async def test_client_that_leaves_while_the_last_bytes_are_written_had_a_whole_reply(
    source: Source, at: int, *, streamed: bool
) -> None:
    exchange = Exchange(source, streamed=streamed, blocked_at=at)
    task = asyncio.create_task(exchange.run())
    await until(lambda: bool(exchange.records))

    exchange.left.set()
    if at == 3:  # nobody listens any more: the server tells the one that writes
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    else:
        async with asyncio.timeout(2):
            assert await task is None

    assert [record.outcome for record in exchange.records] == [Outcome.OK]
    assert len(source.tap.ends) == source.closed == 1


@pytest.mark.parametrize("streamed", [True, False])
async def test_shutdown_while_the_last_bytes_are_written_adds_nothing_to_them(*, streamed: bool) -> None:
    source = Source(DONE, knows_end=True).started()
    exchange = Exchange(source, streamed=streamed, blocked_at=2 if streamed else 1)
    task = asyncio.create_task(exchange.run())
    await until(lambda: bool(exchange.records))

    task.cancel()

    with pytest.raises(asyncio.CancelledError):
        await task
    assert len(exchange.sent) == (2 if streamed else 1)
    assert [record.outcome for record in exchange.records] == [Outcome.OK]


# Errors.


@pytest.mark.parametrize("streamed", [True, False])
async def test_error_before_the_first_byte_has_its_status(*, streamed: bool) -> None:
    error = UpstreamError("Slow down", status=429, retry_after="7")
    exchange = Exchange(failing(error), streamed=streamed)

    assert await exchange.run() is error

    assert exchange.status == 429
    assert exchange.headers["content-type"] == "application/json"
    assert exchange.headers["retry-after"] == "7"
    assert exchange.headers["x-request-id"] == "req_1"
    assert json.loads(exchange.body)["error"]["message"] == "Slow down"
    assert int(exchange.headers["content-length"]) == len(exchange.body)
    assert [(record.status, record.outcome) for record in exchange.records] == [(429, Outcome.ERROR)]


async def test_header_of_an_error_takes_the_place_of_ours() -> None:
    error = UpstreamError("No", status=500)
    error.headers = (("x-request-id", "other"), ("x-note", "\u2028"))
    exchange = Exchange(failing(error))

    await exchange.run()

    assert exchange.headers["x-request-id"] == "other"
    assert exchange.headers["x-note"] == "?"


async def test_error_in_the_midst_of_a_stream_is_an_event_and_then_its_end() -> None:
    source = Source(B, UpstreamCut("It broke off.")).started()
    exchange = Exchange(source)

    assert await exchange.run() is None

    assert exchange.status == 200
    assert exchange.body.startswith(A + B)
    assert error_in(exchange.body.removeprefix(A + B))["code"] == "upstream_cut"
    assert exchange.is_finished
    assert source.closed == 1
    (record,) = exchange.records
    assert (record.outcome, record.error, record.usage) == (Outcome.CUT, "It broke off.", USAGE)


async def test_fault_of_ours_in_the_midst_of_a_stream_tells_the_client_nothing_of_it(
    caplog: pytest.LogCaptureFixture,
) -> None:
    source = Source(B, KeyError("inner words")).started()
    exchange = Exchange(source)

    await exchange.run()

    assert b"inner words" not in exchange.body
    assert error_in(exchange.body.removeprefix(A + B))["type"] == "api_error"
    assert exchange.is_finished
    assert (exchange.records[0].outcome, exchange.records[0].error) == (Outcome.ERROR, "KeyError")
    assert source.closed == 1
    assert "a reply broke off by a fault of ours" in caplog.text


async def test_tap_that_fails_ends_the_reply_and_everybody_hears_of_it() -> None:
    class Failing(Tap):
        def feed(self, chunk: bytes) -> None:
            raise RuntimeError

    source = Source(B, DONE).started()
    source.tap = Failing()
    exchange = Exchange(source)

    await exchange.run()

    assert exchange.status == 500
    assert len(source.tap.ends) == len(exchange.records) == source.closed == 1


async def test_bug_before_the_first_byte_is_left_to_the_route() -> None:
    exchange = Exchange(failing(KeyError("x")))

    with pytest.raises(KeyError):
        await exchange.run()

    assert exchange.sent == []
    assert [record.status for record in exchange.records] == [500]


# Calls that an administrator stops.


@pytest.mark.parametrize("streamed", [True, False])
async def test_call_that_is_stopped_before_the_first_byte_is_an_error_and_not_charged(*, streamed: bool) -> None:
    ended = asyncio.Event()

    async def handler(_call: Call) -> Reply:
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()
        raise AssertionError

    exchange = Exchange(handler, streamed=streamed)
    task = asyncio.create_task(exchange.run())
    await asyncio.sleep(0)

    assert exchange.stop()
    async with asyncio.timeout(2):
        error = await task

    assert ended.is_set()
    assert error is not None
    assert (error.status, error.code, error.charged, exchange.status) == (403, "call_stopped", False, 403)
    assert json.loads(exchange.body)["error"]["message"] == STOPPED
    (record,) = exchange.records
    assert (record.status, record.outcome, record.error, record.charged) == (403, Outcome.ERROR, STOPPED, False)


async def test_stream_that_is_stopped_ends_with_an_error_and_is_metered_as_what_it_used() -> None:
    source = Source(B, DONE)
    exchange = Exchange(source)
    task = asyncio.create_task(exchange.run())
    await until(lambda: len(exchange.sent) == 2)

    assert exchange.stop()
    assert not exchange.stop()
    async with asyncio.timeout(2):
        assert await task is None

    assert source.closed == 1
    assert exchange.is_finished
    assert STOPPED.encode() in exchange.body
    (record,) = exchange.records
    assert (record.outcome, record.usage, record.error, record.charged) == (Outcome.CUT, USAGE, STOPPED, True)
    assert len(exchange.rounds) == 0


async def test_stopped_call_ends_also_where_its_client_takes_nothing_and_leaves() -> None:
    source = Source(B, DONE).started()
    exchange = Exchange(source)
    exchange.blocked = asyncio.Event()
    task = asyncio.create_task(exchange.run())
    await until(lambda: len(exchange.rounds) == 1)
    await asyncio.sleep(0)

    assert exchange.stop()
    await until(lambda: source.closed == 1)
    exchange.left.set()
    async with asyncio.timeout(2):
        await task

    assert [record.error for record in exchange.records] == [STOPPED]


async def test_reply_that_is_all_there_is_not_stopped() -> None:
    exchange = Exchange(Source(first=b"{}"), streamed=False, blocked_at=1)
    task = asyncio.create_task(exchange.run())
    await until(lambda: bool(exchange.records))

    assert not exchange.stop()
    exchange.go_on.set()

    assert await task is None
    assert exchange.body == b"{}"


async def test_whole_reply_that_is_stopped_while_its_head_goes_out_is_cut_and_gets_nothing_else() -> None:
    exchange = Exchange(Source(first=b"{}"), streamed=False, blocked_at=0)
    task = asyncio.create_task(exchange.run())
    await until(lambda: len(exchange.rounds) == 1)
    await until(lambda: any(vigil.reply is not None for vigil in exchange.rounds))

    assert exchange.stop()
    exchange.go_on.set()
    async with asyncio.timeout(2):
        await task

    assert exchange.body == b""
    assert [record.outcome for record in exchange.records] == [Outcome.CUT]


# Clients that leave.


@pytest.mark.parametrize("streamed", [True, False])
async def test_client_that_leaves_before_the_first_byte_ends_the_call(*, streamed: bool) -> None:
    ended = asyncio.Event()

    async def handler(_call: Call) -> Reply:
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()
        raise AssertionError

    exchange = Exchange(handler, streamed=streamed)
    exchange.left.set()

    async with asyncio.timeout(2):
        assert await exchange.run() is None

    assert ended.is_set()
    assert exchange.sent == []
    assert [(record.status, record.outcome) for record in exchange.records] == [(499, Outcome.CLIENT_GONE)]


async def test_error_counts_also_where_the_client_leaves_while_it_is_told() -> None:
    error = UpstreamError("Slow down", status=429)
    exchange = Exchange(failing(error), blocked=asyncio.Event())
    exchange.left.set()

    async with asyncio.timeout(2):
        assert await exchange.run() is error

    assert [record.charged for record in exchange.records] == [False]


async def test_client_that_leaves_after_the_first_byte_ends_the_reply_once() -> None:
    source = Source(B, DONE)
    exchange = Exchange(source)
    task = asyncio.create_task(exchange.run())
    await until(lambda: len(exchange.sent) == 2)

    exchange.left.set()
    async with asyncio.timeout(2):
        assert await task is None

    assert source.closed == 1
    (end,) = source.tap.ends
    assert (end.outcome, end.usage) == (Outcome.CLIENT_GONE, USAGE)
    assert [record.outcome for record in exchange.records] == [Outcome.CLIENT_GONE]
    assert source.tap.seen == [A]


async def test_client_that_leaves_while_it_takes_nothing_ends_the_reply() -> None:
    source = Source(B, DONE).started()
    exchange = Exchange(source)
    exchange.blocked = asyncio.Event()
    task = asyncio.create_task(exchange.run())

    exchange.left.set()
    async with asyncio.timeout(2):
        await task

    assert source.closed == 1
    assert [record.outcome for record in exchange.records] == [Outcome.CLIENT_GONE]


async def test_task_that_served_a_client_that_left_is_not_cancelled_any_more() -> None:
    exchange = Exchange(Source(B))

    async def serve() -> int:
        await exchange.run()
        await asyncio.sleep(0)
        task = asyncio.current_task()
        return task.cancelling() if task else -1

    task = asyncio.create_task(serve())
    await until(lambda: len(exchange.sent) == 2)
    exchange.left.set()

    assert await task == 0


@pytest.mark.parametrize("begun", [True, False])
async def test_gateway_that_is_shut_down_ends_the_call_and_says_so(*, begun: bool) -> None:
    source = Source(B)
    exchange = Exchange(source if begun else failing(KeyError(), after_s=60))
    task = asyncio.create_task(exchange.run())
    await (until(lambda: len(exchange.sent) == 2) if begun else asyncio.sleep(0.01))

    task.cancel()

    with pytest.raises(asyncio.CancelledError):
        await task
    assert [record.outcome for record in exchange.records] == [Outcome.CUT if begun else Outcome.ERROR]
    assert source.closed == int(begun)


async def test_client_that_left_after_all_was_sent_is_no_client_gone() -> None:
    source = Source(DONE).started()
    exchange = Exchange(source)

    await exchange.run()
    exchange.left.set()
    await asyncio.sleep(0.03)

    assert [record.outcome for record in exchange.records] == [Outcome.OK]


# Pings.


async def test_stream_that_is_silent_before_its_first_byte_is_pinged() -> None:
    source = Source(DONE).started()

    async def late(call: Call) -> Reply:
        await asyncio.sleep(0.1)
        return await source(call)

    exchange = Exchange(late, ping_s=0.01)
    await exchange.run()

    assert exchange.status == 200
    assert exchange.body.count(PING) >= 2
    assert exchange.body.replace(PING, b"") == A + DONE
    assert exchange.body.endswith(A + DONE)


async def test_stream_that_falls_silent_is_pinged_between_its_events() -> None:
    source = Source(DONE)
    exchange = Exchange(source, ping_s=0.01)
    task = asyncio.create_task(exchange.run())
    await until(lambda: exchange.sent[2:] != [])

    source.go_on.set()
    await task

    assert exchange.body.startswith(A + PING)
    assert exchange.body.endswith(DONE)
    assert source.tap.seen == [A, DONE]


async def test_whole_reply_is_never_pinged() -> None:
    source = Source(first=b"{}")

    async def late(call: Call) -> Reply:
        await asyncio.sleep(0.05)
        return await source(call)

    exchange = Exchange(late, streamed=False, ping_s=0.01)
    await exchange.run()

    assert exchange.body == b"{}"


async def test_reply_that_may_be_no_stream_is_never_pinged_so_that_its_error_has_a_status() -> None:
    error = UpstreamError("Overloaded", status=529)
    exchange = Exchange(failing(error, after_s=0.06), ping_s=0.01, voice=replace(VOICE, write_ping=None))

    assert await exchange.run() is error

    assert exchange.status == 529
    assert error_in(exchange.body)["message"] == "Overloaded"


async def test_error_after_a_ping_is_an_event_for_the_status_is_out() -> None:
    error = UpstreamError("Overloaded", status=529)
    exchange = Exchange(failing(error, after_s=0.06), ping_s=0.01)

    assert await exchange.run() is error

    assert exchange.status == 200
    assert error_in(exchange.body.replace(PING, b""))["message"] == "Overloaded"
    assert exchange.is_finished
    assert [(record.status, record.outcome) for record in exchange.records] == [(529, Outcome.ERROR)]


async def test_client_that_leaves_a_pinged_stream_ends_it() -> None:
    exchange = Exchange(failing(KeyError(), after_s=60), ping_s=0.01)
    task = asyncio.create_task(exchange.run())
    await until(lambda: exchange.sent[2:] != [])

    exchange.left.set()
    async with asyncio.timeout(2):
        await task

    assert [record.outcome for record in exchange.records] == [Outcome.CLIENT_GONE]


async def test_ping_and_event_never_mix_while_the_client_is_slow() -> None:
    source = Source(*[B] * 20, DONE).started()
    exchange = Exchange(source, ping_s=0.005)
    gate = exchange.blocked = asyncio.Event()
    task = asyncio.create_task(exchange.run())
    while not task.done():
        await asyncio.sleep(0.02)
        gate.set()
        await asyncio.sleep(0)
        gate.clear()
        if len(exchange.sent) > 10:
            gate.set()

    assert exchange.sent[0]["type"] == "http.response.start"
    assert exchange.body.replace(PING, b"") == A + B * 20 + DONE
    assert exchange.is_finished


class Delivery:
    """Notes whether a reply said that it was delivered, and what came before `aclose`."""

    def __init__(self) -> None:
        self.told: list[str] = []

    def note(self) -> None:
        self.told.append("delivered")

    async def aclose(self) -> None:
        self.told.append("closed")

    def reply(self, body: bytes, *, streamed: bool) -> Reply:
        return make_reply(
            body,
            media_type=EVENT_STREAM_TYPE if streamed else JSON_TYPE,
            delivered=self.note,
            aclose=self.aclose,
            ending=Over(),
        )


class Over:
    ended = True


def gives(reply: Reply) -> Handler:
    async def handler(_call: Call) -> Reply:
        return reply

    return handler


SIZES = pytest.mark.parametrize("body", [DONE, b"x" * 200_000 + DONE, b"x" * 65536, b""], ids=len)
WAYS = pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])


@SIZES
@WAYS
async def test_reply_hears_that_it_was_delivered_after_its_last_bytes(body: bytes, streamed: bool) -> None:
    delivery = Delivery()
    exchange = Exchange(gives(delivery.reply(body, streamed=streamed)), streamed=streamed)

    await exchange.run()

    assert delivery.told == ["delivered", "closed"]
    assert exchange.body.startswith(body)
    assert exchange.is_finished
    assert exchange.records[0].outcome is Outcome.OK


@WAYS
async def test_client_that_had_left_before_the_answer_got_nothing_of_it(streamed: bool) -> None:
    delivery = Delivery()
    exchange = Exchange(gives(delivery.reply(DONE, streamed=streamed)), streamed=streamed)
    exchange.left.set()

    await exchange.run()

    assert delivery.told == ["closed"]
    assert DONE not in exchange.body
    assert exchange.records[0].outcome is Outcome.CLIENT_GONE


@WAYS
async def test_client_that_leaves_in_the_midst_of_a_long_answer_did_not_get_it(streamed: bool) -> None:
    delivery = Delivery()
    exchange = Exchange(gives(delivery.reply(b"x" * 200_000 + DONE, streamed=streamed)), streamed=streamed)
    exchange.blocked_at = 3

    running = asyncio.ensure_future(exchange.run())
    await exchange.is_blocked.wait()
    exchange.left.set()
    await running

    assert delivery.told == ["closed"]
    assert exchange.records[0].outcome is Outcome.CLIENT_GONE


async def test_no_ping_comes_into_an_answer_that_is_all_there() -> None:
    delivery, body = Delivery(), b"x" * 200_000 + DONE
    exchange = Exchange(gives(delivery.reply(body, streamed=True)), ping_s=0.0)
    exchange.blocked_at = 3

    running = asyncio.ensure_future(exchange.run())
    await exchange.is_blocked.wait()
    await asyncio.sleep(vigil.ROUND_S * 6)  # in which pings would be sent
    exchange.go_on.set()
    await running

    assert exchange.body.startswith(body)
    assert delivery.told == ["delivered", "closed"]
