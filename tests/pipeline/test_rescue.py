"""A stream that breaks off is carried on by the next target, and everybody concerned hears of it."""

import asyncio
import time
from dataclasses import dataclass, field, replace

import pytest

from app.core.call import Call, Choice, Route, Target
from app.core.errors import RelayError, UpstreamCut, UpstreamError
from app.core.reply import CLIENT_LEFT, End, Outcome, Reply
from app.core.usage import Usage
from app.pipeline.board import Board
from app.pipeline.failover import Failover
from tests.calls import make_call, make_reply

ONE, TWO, THREE = (Target(name, "m") for name in ("one", "two", "three"))
CUT = UpstreamCut("cut")


class Providers:
    """Gives each target's reply or error, and remembers what was asked."""

    def __init__(self, outcomes: dict[Target, Reply | RelayError]) -> None:
        self.outcomes = outcomes
        self.asked: list[tuple[Target, bytes]] = []

    async def __call__(self, call: Call) -> Reply:
        assert call.target is not None
        self.asked.append((call.target, call.body))
        outcome = self.outcomes[call.target]
        if isinstance(outcome, RelayError):
            raise outcome
        return outcome


@dataclass
class UpperCase:
    """Writes everything in capitals; a `!` is the provider's error, and behind a `#` nothing can be carried on."""

    call: Call
    media_type: str = "text/shout"
    ended: bool = False
    text: bytes = b""
    used: list[Usage] = field(default_factory=list)

    def feed(self, data: bytes) -> bytes:
        if data == b"!":
            raise UpstreamError("the provider is sorry", status=500)
        self.text += data
        return data.upper()

    def close(self) -> bytes:
        self.ended = True
        return b"."

    def carry_on(self, used: Usage) -> Call | None:
        self.used.append(used)
        return None if b"#" in self.text else replace(self.call, body=self.text)


class Ends:
    """A tap that remembers its ends."""

    def __init__(self) -> None:
        self.outcomes: list[Outcome] = []

    def feed(self, chunk: bytes) -> None: ...

    def close(self, end: End) -> None:
        self.outcomes.append(end.outcome)


def call_for(*targets: Target) -> Call:
    route = Route(tuple(map(Choice, targets)), name="fast", rescue=True)
    return replace(make_call({"stream": True}), route=route)


def streamed(*pieces: bytes | BaseException, tokens: int = 1) -> Reply:
    return make_reply(*pieces, read_usage=lambda: Usage(output=tokens))


async def read(reply: Reply) -> bytes:
    return reply.first + b"".join([piece async for piece in reply.rest])


async def test_next_target_goes_on_where_the_stream_broke_off() -> None:
    board, ends = Board(), [Ends(), Ends()]
    first, second = streamed(b"one ", b"two ", CUT, tokens=2), streamed(b"three", tokens=5)
    first.taps.append(ends[0])
    second.taps.append(ends[1])
    providers, call = Providers({ONE: first, TWO: second}), call_for(ONE, TWO)

    reply = await Failover(board, UpperCase).handle(call, providers)
    text = await read(reply)

    assert text == b"ONE TWO THREE."
    assert (reply.media_type, reply.status) == ("text/shout", 200)
    assert providers.asked[1] == (TWO, b"one two ")
    assert reply.read_usage() == Usage(output=5)
    assert (call.trace.target, call.trace.attempts, call.trace.rescued) == (TWO, 2, True)
    assert ends[0].outcomes == [Outcome.CUT]
    assert ends[1].outcomes == []
    assert ends[1] in reply.taps
    assert (board.healths()[ONE].failures, board.healths()[TWO].failures) == (1, 0)


async def test_end_is_known_with_the_piece_that_holds_it() -> None:
    providers = Providers({ONE: streamed(b"one ", CUT), TWO: streamed(b"two")})

    reply = await Failover(Board(), UpperCase).handle(call_for(ONE, TWO), providers)

    assert [(piece, reply.ending.ended) async for piece in reply.rest] == [(b"TWO", False), (b".", True)]


async def test_error_that_the_provider_reports_in_its_stream_is_carried_on_too() -> None:
    providers = Providers({ONE: streamed(b"a", b"!"), TWO: streamed(b"b")})

    reply = await Failover(Board(), UpperCase).handle(call_for(ONE, TWO), providers)

    assert await read(reply) == b"AB."


async def test_stream_may_break_off_as_often_as_there_are_targets() -> None:
    providers = Providers(
        {ONE: streamed(b"a", CUT, tokens=2), TWO: streamed(b"b", CUT, tokens=3), THREE: streamed(b"c", tokens=4)}
    )
    call = call_for(ONE, TWO, THREE)

    reply = await Failover(Board(), UpperCase).handle(call, providers)

    assert await read(reply) == b"ABC."
    assert reply.read_usage() == Usage(output=4)
    assert [(part.target, part.usage, part.error) for part in call.trace.broken] == [
        (ONE, Usage(output=2), "cut"),
        (TWO, Usage(output=3), "cut"),
    ]
    assert call.trace.target == THREE


async def test_part_that_broke_off_has_its_own_time_and_warnings() -> None:
    now = time.monotonic()
    first = streamed(b"a", CUT)

    async def send(call: Call) -> Reply:
        call.trace.warnings = (f"told to {call.target}",)
        return first if call.target == ONE else streamed(b"b")

    call = call_for(ONE, TWO)
    await read(await Failover(Board(), UpperCase).handle(call, send))

    (part,) = call.trace.broken
    assert now <= part.began_at <= part.ended_at <= time.monotonic()
    assert part.warnings == ("told to one/m",)
    assert call.trace.warnings == ("told to two/m",)


async def test_what_the_client_got_is_no_part_where_nobody_carried_it_on() -> None:
    call = call_for(ONE, TWO)
    providers = Providers({ONE: streamed(b"a", CUT, tokens=2), TWO: UpstreamError("down", status=503)})
    reply = await Failover(Board(), UpperCase).handle(call, providers)

    with pytest.raises(UpstreamCut):
        await read(reply)

    assert (call.trace.broken, call.trace.used, reply.read_usage()) == ((), None, Usage(output=2))


async def test_reply_that_broke_off_before_anything_of_it_went_out_is_a_part_though_the_next_failed() -> None:
    call = call_for(ONE, TWO)
    providers = Providers({ONE: streamed(b"", CUT, tokens=2), TWO: UpstreamError("down", status=503)})

    with pytest.raises(UpstreamCut):
        await Failover(Board(), UpperCase).handle(call, providers)

    assert [(part.target, part.usage) for part in call.trace.broken] == [(ONE, Usage(output=2))]
    assert (call.trace.target, call.trace.used) == (TWO, None)


@pytest.mark.parametrize("broke", [CUT, asyncio.CancelledError(CLIENT_LEFT)], ids=["cut", "client-left"])
async def test_only_target_whose_reply_gave_the_client_nothing_has_used_what_it_counted(broke: BaseException) -> None:
    call = call_for(ONE)
    first = streamed(b"", broke, tokens=2)
    first.taps.append(Ends())

    with pytest.raises(type(broke)):
        await Failover(Board(), UpperCase).handle(call, Providers({ONE: first}))

    assert (call.trace.target, call.trace.used) == (ONE, Usage(output=2))


async def test_client_that_leaves_while_the_next_is_asked_leaves_a_part_for_that_one_too() -> None:
    async def send(call: Call) -> Reply:
        if call.target == ONE:
            return streamed(b"a", CUT, tokens=2)
        call.trace.used = Usage(input=9, estimated=True)
        raise asyncio.CancelledError(CLIENT_LEFT)

    call = call_for(ONE, TWO)
    reply = await Failover(Board(), UpperCase).handle(call, send)

    with pytest.raises(asyncio.CancelledError):
        await read(reply)

    assert (call.trace.target, reply.read_usage()) == (ONE, Usage(output=2))
    assert [(part.target, part.usage) for part in call.trace.broken] == [(TWO, Usage(input=9, estimated=True))]


@pytest.mark.parametrize(
    "outcomes",
    [
        pytest.param({ONE: streamed(b"a", CUT), TWO: UpstreamError("down", status=503)}, id="the-next-fails-too"),
        pytest.param({ONE: streamed(b"a", b"#", CUT), TWO: streamed(b"b")}, id="cannot-be-carried-on"),
    ],
)
async def test_what_cannot_be_carried_on_ends_with_its_own_error(outcomes: dict[Target, Reply | RelayError]) -> None:
    call = call_for(*outcomes)
    reply = await Failover(Board(), UpperCase).handle(call, Providers(outcomes))

    with pytest.raises(UpstreamCut):
        await read(reply)

    assert not call.trace.rescued


async def test_rescue_has_the_time_that_the_first_byte_had() -> None:
    asked: list[Call] = []

    async def send(call: Call) -> Reply:
        asked.append(call)
        return streamed(b"a", CUT) if call.target == ONE else streamed(b"b")

    now = time.monotonic()
    call = replace(call_for(ONE, TWO), started_at=now, deadline=now + 60)
    reply = await Failover(Board(), UpperCase).handle(call, send)
    await asyncio.sleep(0.01)
    assert await read(reply) == b"AB."

    before, after = (each.deadline for each in asked)
    assert before == now + 60
    assert after is not None
    assert after >= before + 0.01


async def test_record_of_a_stream_that_nobody_carries_on_names_whose_it_is() -> None:
    call = call_for(ONE, TWO)
    providers = Providers({ONE: streamed(b"a", CUT), TWO: UpstreamError("down", status=503)})
    reply = await Failover(Board(), UpperCase).handle(call, providers)

    with pytest.raises(UpstreamCut):
        await read(reply)

    assert (call.trace.target, call.trace.attempts) == (ONE, 2)


async def test_stream_that_broke_off_before_anything_of_it_went_out_has_the_headers_of_the_next() -> None:
    providers = Providers({ONE: streamed(b"", CUT), TWO: streamed(b"b")})

    reply = await Failover(Board(), UpperCase).handle(call_for(ONE, TWO), providers)

    assert dict(reply.headers) == {b"x-relay-provider": b"two", b"x-relay-attempts": b"2"}
    assert await read(reply) == b"B."


async def test_taps_of_a_stream_that_ends_before_anything_of_it_went_out_hear_of_it() -> None:
    board, ends = Board(), Ends()
    first = streamed(b"", CUT)
    first.taps.append(ends)

    with pytest.raises(UpstreamCut):
        await Failover(board, UpperCase).handle(call_for(ONE), Providers({ONE: first}))

    assert ends.outcomes == [Outcome.CUT]
    assert board.healths()[ONE].failures == 1


async def test_client_that_leaves_before_anything_went_out_is_no_fault_of_the_targets() -> None:
    board, ends = Board(), Ends()
    first = streamed(b"", asyncio.CancelledError(CLIENT_LEFT))
    first.taps.append(ends)

    with pytest.raises(asyncio.CancelledError):
        await Failover(board, UpperCase).handle(call_for(ONE), Providers({ONE: first}))

    assert ends.outcomes == [Outcome.CLIENT_GONE]
    assert board.healths()[ONE].failures == 0


async def test_failure_before_the_first_byte_is_no_rescue() -> None:
    call = call_for(ONE, TWO)
    providers = Providers({ONE: UpstreamError("down", status=503), TWO: streamed(b"b")})

    reply = await Failover(Board(), UpperCase).handle(call, providers)

    assert await read(reply) == b"B."
    assert not call.trace.rescued


async def test_end_closes_the_reply_that_is_being_read_and_the_one_that_broke_off() -> None:
    closed: list[str] = []

    def closing(name: str, *pieces: bytes | BaseException) -> Reply:
        async def aclose() -> None:
            closed.append(name)

        return make_reply(*pieces, aclose=aclose)

    providers = Providers({ONE: closing("one", b"a", CUT), TWO: closing("two", b"b", b"c")})
    reply = await Failover(Board(), UpperCase).handle(call_for(ONE, TWO), providers)
    await anext(aiter(reply.rest))

    await reply.aclose()

    assert closed == ["one", "two"]


@pytest.mark.parametrize(
    "call", [replace(call_for(ONE), streamed=False), replace(call_for(ONE), route=Route((Choice(ONE),)))]
)
async def test_whole_replies_and_names_without_rescue_pass_untouched(call: Call) -> None:
    first = streamed(b"a")

    assert await Failover(Board(), UpperCase).handle(call, Providers({ONE: first})) is first


async def test_every_stream_that_broke_off_is_noted_before_outer_stages_hear_of_the_end() -> None:
    providers = Providers({ONE: streamed(b"a", CUT), TWO: streamed(b"b", CUT)})
    call = call_for(ONE, TWO)
    reply = await Failover(Board(), UpperCase).handle(call, providers)
    heard: list[str] = []

    class Outer(Ends):
        def close(self, end: End) -> None:
            heard.extend(failure.provider for failure in call.trace.failures)

    reply.taps.append(Outer())
    with pytest.raises(UpstreamCut):
        await read(reply)
    end = End(Outcome.CUT, 200, reply.read_usage(), time.monotonic(), "cut", failure=CUT)
    for tap in reply.taps:
        tap.close(end)

    assert heard == ["one", "two"]
