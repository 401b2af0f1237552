"""Each call ends in exactly one record, whatever the way it ends."""

import asyncio
from decimal import Decimal

import pytest

from app.core.call import Call, Target
from app.core.errors import InvalidRequest, QuotaExceeded, RelayError, UpstreamError, UpstreamTimeout
from app.core.ports import Priced
from app.core.record import CallRecord
from app.core.reply import CLIENT_LEFT, End, Outcome, Reply
from app.core.usage import NO_USAGE, Usage
from app.pipeline.metering import Metering
from tests.calls import make_call, make_reply


class Records(list[CallRecord]):
    """A recorder."""

    def record(self, record: CallRecord) -> None:
        self.append(record)


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
    usage = Usage(1, 2, 3, 4, 5, Decimal("0.5"))

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
    call = make_call(free=free)

    async def answering(call: Call) -> Reply:
        call.trace.target = Target("acme", "Acme-1")
        return make_reply()

    reply = await Metering(records, Known()).handle(call, answering)
    for tap in reply.taps:
        tap.close(End(outcome, 200, usage, call.started_at + 1))

    (record,) = records
    assert record.cost == cost
