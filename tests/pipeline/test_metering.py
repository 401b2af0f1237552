"""Each call ends in exactly one record, whatever the way it ends."""

import asyncio
import gc
from decimal import Decimal
from typing import Any

import pytest

from app.core.call import Broken, Call, Target
from app.core.errors import InvalidRequest, QuotaExceeded, RelayError, UpstreamError, UpstreamTimeout
from app.core.ports import Priced
from app.core.receipt import ReceiptForm
from app.core.record import CallRecord
from app.core.redaction import MARK
from app.core.reply import CLIENT_LEFT, EVENT_STREAM_TYPE, End, Outcome, Reply
from app.core.usage import NO_USAGE, Usage
from app.dialects.receipt import open_receipt
from app.pipeline.metering import Metering
from tests.calls import make_call, make_reply


class Records(list[CallRecord]):
    """A recorder."""

    def record(self, *records: CallRecord) -> None:
        self.extend(records)


async def fail_with(error: BaseException, call: Call | None = None) -> CallRecord:
    records = Records()

    async def failing(call: Call) -> Reply:
        call.trace.target = Target("acme", "Acme-1")
        raise error

    with pytest.raises(type(error)) as caught:
        await Metering(records).handle(call or make_call(), failing)

    assert caught.value is error
    (record,) = records
    return record


async def answer(records: Records, call: Call) -> Reply:
    async def answering(call: Call) -> Reply:
        call.trace.target = Target("acme", "Acme-1")
        return make_reply()

    return await Metering(records).handle(call, answering)


async def test_nothing_is_recorded_before_the_reply_ends() -> None:
    records = Records()

    reply = await answer(records, make_call())
    for tap in reply.taps:
        tap.feed(b"{}")

    assert records == []


@pytest.mark.parametrize("outcome", list(Outcome))
async def test_reply_is_recorded_when_it_ends(outcome: Outcome) -> None:
    records = Records()
    call = make_call({"model": "acme-1", "stream": True})
    reply = await answer(records, call)
    usage = Usage(1, 2, 3, output=4, reasoning=5, cost=Decimal("0.5"))

    for tap in reply.taps:
        tap.close(End(outcome, 200, usage, call.started_at + 2.5, "words"))

    (record,) = records
    assert (record.id, record.name, record.provider, record.model) == (call.id, "acme-1", "acme", "Acme-1")
    assert (record.token_id, record.username, record.client) == ("Ab3dEf9h", "alice", "192.0.2.7")
    assert (record.surface, record.streamed, record.received_at) == ("chat", True, call.received_at)
    assert (record.status, record.outcome, record.usage, record.error) == (200, outcome, usage, "words")
    assert record.total_ms == 2500
    assert record.first_byte_ms is not None
    assert 0 <= record.first_byte_ms < 1000
    assert record.charged


@pytest.mark.parametrize(
    ("error", "status", "charged"),
    [
        (InvalidRequest("No"), 400, False),
        (QuotaExceeded("No"), 429, False),
        (UpstreamTimeout("No"), 504, False),
        (UpstreamError("No", status=503), 503, False),
        (UpstreamError("No", status=429), 429, False),
        (UpstreamError("No", status=400), 400, True),
    ],
)
async def test_error_is_recorded_with_what_the_client_sees(error: RelayError, status: int, *, charged: bool) -> None:
    record = await fail_with(error)

    assert (record.status, record.outcome, record.error) == (status, Outcome.ERROR, "No")
    assert (record.charged, record.usage, record.first_byte_ms) == (charged, NO_USAGE, None)
    assert (record.provider, record.model) == ("acme", "Acme-1")


async def test_call_that_costs_nothing_is_recorded_as_not_charged() -> None:
    records = Records()
    call = make_call(free=True)
    reply = await answer(records, call)

    for tap in reply.taps:
        tap.close(End(Outcome.OK, 200, NO_USAGE, call.started_at))

    assert [record.charged for record in records] == [False]


async def test_call_that_never_found_its_target_is_recorded_without() -> None:
    records = Records()

    async def failing(_call: Call) -> Reply:
        raise InvalidRequest("No")

    with pytest.raises(InvalidRequest):
        await Metering(records).handle(make_call(), failing)

    assert (records[0].provider, records[0].model) == (None, None)


async def test_key_in_the_place_of_a_model_is_recorded_nowhere() -> None:
    target = Target("acme", "lr_Ab3dEf9h_0123456789")
    records = Records()

    async def failing(call: Call) -> Reply:
        call.trace.target, call.trace.broken = target, (Broken(target, NO_USAGE, 1.0, 1.5, "cut"),)
        raise InvalidRequest(f"No {target}")

    with pytest.raises(InvalidRequest):
        await Metering(records).handle(make_call({"model": str(target)}), failing)

    assert [record.model for record in records] == [MARK, MARK]
    assert target.model not in repr(records)


async def test_client_that_leaves_before_the_reply_is_recorded_as_gone() -> None:
    record = await fail_with(asyncio.CancelledError(CLIENT_LEFT))

    assert (record.status, record.outcome, record.error) == (499, Outcome.CLIENT_GONE, None)


async def test_gateway_that_is_shut_down_before_the_reply_is_recorded_as_an_error() -> None:
    record = await fail_with(asyncio.CancelledError())

    assert (record.status, record.outcome) == (503, Outcome.ERROR)
    assert "shut down" in (record.error or "")


async def test_bug_in_a_stage_is_recorded_as_ours_without_its_words() -> None:
    record = await fail_with(KeyError("secret words"))

    assert (record.status, record.outcome, record.error, record.charged) == (500, Outcome.ERROR, "KeyError", False)


class Known:
    """Prices that know one answer."""

    def price(self, _target: Target, _usage: Usage, _at: float) -> Priced:
        return Priced(Decimal(3), "made 1")

    def most(self, _target: Target, _input_tokens: int, _output_tokens: int) -> Decimal | None:
        return None

    async def settled(self) -> None:
        """All are there."""


@pytest.mark.parametrize(
    ("outcome", "usage", "free", "cost"),
    [
        (Outcome.OK, Usage(output=1), False, 3),
        (Outcome.CUT, Usage(output=1), False, 3),
        (Outcome.OK, NO_USAGE, False, 3),  # it used something that nobody counted: that is for the prices to say
        (Outcome.OK, NO_USAGE, True, 0),
        (Outcome.ERROR, NO_USAGE, False, 0),
        (Outcome.CLIENT_GONE, NO_USAGE, False, 0),
    ],
)
async def test_call_that_got_nothing_costs_nothing(outcome: Outcome, usage: Usage, free: bool, cost: int) -> None:
    records = Records()
    call = make_call(free=free, receipt="none")

    async def answering(call: Call) -> Reply:
        call.trace.target = Target("acme", "Acme-1")
        return make_reply()

    reply = await Metering(records, Known()).handle(call, answering)
    for tap in reply.taps:
        tap.close(End(outcome, 200, usage, call.started_at + 1))

    (record,) = records
    assert record.cost == cost


class Prices:
    """A token costs a millionth of a dollar at acme; nothing is known of others."""

    def price(self, target: Target, usage: Usage, at: float) -> Priced:
        cost = Decimal(usage.total) / 1_000_000 if target.provider == "acme" else None
        return Priced(cost, f"v{at:.0f}")

    def most(self, target: Target, input_tokens: int, output_tokens: int) -> Decimal | None:
        return None

    async def settled(self) -> None:
        """All are there."""


class Counter:
    """A provider's reading: each look at it tells of more."""

    def __init__(self) -> None:
        self.looks = 0

    def __call__(self) -> Usage:
        self.looks += 1
        return Usage(input=self.looks * 1000)


async def metered(call: Call, *pieces: bytes, broken: tuple[Broken, ...] = (), **fields: Any) -> tuple[Reply, Records]:
    """A reply of acme, and the records that will be made of it."""
    records = Records()

    async def answering(call: Call) -> Reply:
        call.trace.target, call.trace.broken = Target("acme", "Acme-1"), broken
        return make_reply(*(pieces or (b"{}",)), **{"read_usage": lambda: Usage(input=1000), **fields})

    return await Metering(records, Prices(), open_receipt).handle(call, answering), records


def end(reply: Reply) -> None:
    for tap in reply.taps:
        tap.close(End(Outcome.OK, 200, reply.read_usage(), 0.0))


async def test_whole_reply_tells_what_is_recorded() -> None:
    reply, records = await metered(make_call(), read_usage=Counter(), headers=[(b"x-a", b"b")])
    end(reply)

    assert reply.headers == [(b"x-a", b"b"), (b"x-relay-cost", b"0.001"), (b"x-relay-usage", b"input=1000")]
    assert (records[0].cost, records[0].usage) == (Decimal("0.001"), Usage(input=1000))
    assert reply.closing is None


@pytest.mark.parametrize("stream", [True, False])
async def test_client_that_wants_no_receipt_gets_none(*, stream: bool) -> None:
    call = make_call({"stream": stream}, receipt="none")

    reply, records = await metered(call, media_type=EVENT_STREAM_TYPE)
    end(reply)

    assert (reply.headers, reply.closing) == ([], None)
    assert records[0].cost == Decimal("0.001")


async def test_stream_tells_at_its_end_and_its_chunks_pass_untouched() -> None:
    reply, records = await metered(make_call({"stream": True}), b"a", b"b", media_type=EVENT_STREAM_TYPE)

    assert (reply.first, [piece async for piece in reply.rest]) == (b"a", [b"b"])
    assert reply.closing is not None
    assert reply.closing() == b": x-relay-cost 0.001; x-relay-usage input=1000\n\n"
    end(reply)
    assert records[0].cost == Decimal("0.001")
    assert reply.headers == []


async def test_stream_tells_in_its_chunks_where_that_is_asked_for() -> None:
    closed: list[str] = []

    async def aclose() -> None:
        closed.append("provider")

    call = make_call({"stream": True}, receipt="chunk")
    pieces = b'data: {"choices":[]}\n\n', b'data: {"usage":{"a":1}}\n', b"\ndata: [DONE]\n\n"
    reply, _ = await metered(call, *pieces, media_type=EVENT_STREAM_TYPE, aclose=aclose)

    out = reply.first + b"".join([piece async for piece in reply.rest])
    assert out == b'data: {"choices":[]}\n\ndata: {"usage":{"a":1,"cost":0.001}}\n\ndata: [DONE]\n\n'
    assert reply.closing is not None
    assert reply.closing() == b""
    await reply.aclose()
    assert closed == ["provider"]


ONE = Broken(Target("acme", "m1"), Usage(output=500), 1.0, 1.25, "cut", ("seed",))
TWO = Broken(Target("other", "m2"), Usage(output=1), 1.0, 1.5, "cut")


async def test_parts_that_others_carried_on_are_recorded_beside_the_call() -> None:
    call = make_call({"stream": True}, tags=("a",), end_user="bob")
    reply, records = await metered(call, broken=(ONE, TWO), media_type=EVENT_STREAM_TYPE)
    end(reply)

    parent, first, second = records
    assert (parent.id, parent.parent_id, parent.helper, parent.usage) == (call.id, None, None, Usage(input=1000))
    assert (parent.cost, parent.charged) == (Decimal("0.001"), True)
    assert [(part.id, part.parent_id, part.helper) for part in (first, second)] == [
        (f"{call.id}.1", call.id, "broken"),
        (f"{call.id}.2", call.id, "broken"),
    ]
    assert (first.provider, first.model, first.usage, first.cost) == ("acme", "m1", ONE.usage, Decimal("0.0005"))
    assert (first.total_ms, first.outcome, first.charged, first.warnings) == (250, Outcome.CUT, False, ("seed",))
    assert (first.tags, first.end_user, first.username, first.name) == (
        ("a",),
        "bob",
        call.principal.username,
        call.name,
    )
    assert (second.provider, second.cost) == ("other", None)


@pytest.mark.parametrize(
    ("broken", "told"),
    [((ONE,), b"x-relay-cost 0.0015; x-relay-usage input=1000, output=500"), ((TWO,), b"x-relay-usage input=1000, output=1")],
    ids=["priced", "unknown"],
)  # fmt: skip
async def test_receipt_of_a_rescued_stream_is_the_sum_of_its_records(broken: tuple[Broken, ...], told: bytes) -> None:
    reply, records = await metered(make_call({"stream": True}), broken=broken, media_type=EVENT_STREAM_TYPE)

    assert reply.closing is not None
    assert reply.closing() == b": " + told + b"\n\n"
    end(reply)
    costs = [record.cost for record in records]
    assert (None in costs) == (b"cost" not in told)


async def test_parts_are_recorded_also_of_a_call_that_failed_in_the_end() -> None:
    records, call = Records(), make_call({"stream": True})

    async def failing(call: Call) -> Reply:
        call.trace.target, call.trace.broken = Target("acme", "Acme-1"), (ONE,)
        raise UpstreamError("No", status=503)

    with pytest.raises(UpstreamError):
        await Metering(records, Prices()).handle(call, failing)

    assert [(record.id, record.usage, record.cost) for record in records] == [
        (call.id, NO_USAGE, Decimal(0)),
        (f"{call.id}.1", ONE.usage, Decimal("0.0005")),
    ]


@pytest.mark.parametrize(
    "error", [asyncio.CancelledError(CLIENT_LEFT), asyncio.CancelledError(), UpstreamTimeout("No")]
)
async def test_what_an_attempt_used_that_gave_no_reply_is_recorded(error: BaseException) -> None:
    used = Usage(input=9, estimated=True)
    records = Records()

    async def failing(call: Call) -> Reply:
        call.trace.target, call.trace.used = Target("acme", "Acme-1"), used
        raise error

    with pytest.raises(type(error)):
        await Metering(records, Prices()).handle(make_call(), failing)

    assert (records[0].usage, records[0].cost) == (used, Decimal("0.000009"))


@pytest.mark.parametrize("stream", [True, False])
async def test_warnings_are_recorded(*, stream: bool) -> None:
    call = make_call({"stream": stream})
    call.trace.warnings = ("seed", "logit_bias")
    reply, records = await metered(call)
    end(reply)

    assert records[0].warnings == ("seed", "logit_bias")


@pytest.mark.parametrize("receipt", ["comment", "chunk", "none"])
@pytest.mark.parametrize("stream", [True, False])
async def test_call_that_ended_waits_for_no_garbage_collector(*, stream: bool, receipt: ReceiptForm) -> None:
    gc.collect()
    before = _count_calls()
    gc.disable()
    try:
        await _whole_life(make_call({"stream": stream}, receipt=receipt))
        assert _count_calls() == before
    finally:
        gc.enable()


def _count_calls() -> int:
    return sum(isinstance(kept, Reply | Call) for kept in gc.get_objects())


async def _whole_life(call: Call) -> None:
    reply, _ = await metered(call, b"a", b"b", media_type=EVENT_STREAM_TYPE if call.streamed else "application/json")
    async for _ in reply.rest:
        pass
    end(reply)
    if reply.closing is not None:
        reply.closing()
    await reply.aclose()
