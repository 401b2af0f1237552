"""Calls of the gateway's own: whose they are, how long they are waited for, and how they are recorded."""

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from app.core.call import Call, Trace
from app.core.chat import ChatRequest, Message, Text
from app.core.errors import DeadlineExceeded, UnknownModel, UpstreamCut, UpstreamInvalid
from app.core.jsonio import dumps
from app.core.record import CallRecord
from app.core.reply import Outcome, Reply
from app.core.usage import Usage
from app.dialects.conversation import read_question_answer, write_question
from app.pipeline.asking import Asker
from app.pipeline.board import Board
from app.pipeline.failover import Failover
from app.pipeline.metering import Metering
from app.pipeline.stage import chain
from tests.calls import PRINCIPAL, make_call, make_reply
from tests.pipeline.test_names import registry

REQUEST = ChatRequest((Message("user", (Text("Which?"),)),), max_tokens=5)
ANSWER = {
    "id": "a",
    "choices": [{"index": 0, "message": {"role": "assistant", "content": "small"}, "finish_reason": "stop"}],
}


class Bench:
    """An asker over all that a call of its own goes through but the provider, which does what a test says."""

    def __init__(self) -> None:
        self.sent: list[Call] = []
        self.records: list[CallRecord] = []
        self.reply: Any = lambda: make_reply(dumps(ANSWER), read_usage=lambda: Usage(input=9, output=1))
        directory = registry("small", "embed")
        handler = chain([Metering(self), Failover(Board())], self._send)
        self.asker = Asker(directory, handler, write_question, read_question_answer)

    def record(self, *records: CallRecord) -> None:
        self.records += records

    async def _send(self, call: Call) -> Reply:
        self.sent.append(call)
        reply = self.reply()
        if asyncio.iscoroutine(reply):
            reply = await reply
        assert isinstance(reply, Reply)
        return reply

    async def ask(self, parent: Call, **options: Any) -> str:
        fields = {"model": "acme/small", "helper": "designator", "timeout_s": 5.0, **options}
        return (await self.asker.ask(parent, request=REQUEST, **fields)).text


@pytest.fixture
def bench() -> Bench:
    return Bench()


def parent() -> Call:
    call = make_call({"stream": True}, tags=("team",), end_user="ann")
    return replace(call, trace=Trace(alias="research", router="auto", tags=("faq",), holds=()))


async def test_call_of_our_own_is_a_child_of_the_clients(bench: Bench) -> None:
    call = parent()

    assert await bench.ask(call) == "small"
    await bench.ask(call, helper="judge")

    first, second = bench.records
    assert (first.id, second.id) == (f"{call.id}.designator1", f"{call.id}.judge2")
    assert {(each.parent_id, each.username, each.token_id) for each in bench.records} == {
        (call.id, PRINCIPAL.username, PRINCIPAL.token_id)
    }
    assert (first.helper, first.router, first.alias, first.tags) == ("designator", "auto", "research", ("faq", "team"))
    assert (first.provider, first.model, first.end_user) == ("acme", "small", "ann")
    assert (first.usage.output, first.outcome, first.charged, first.streamed) == (1, Outcome.OK, False, False)
    assert call.trace.attempts == 0
    assert call.trace.target is None


async def test_it_is_waited_for_no_longer_than_said_nor_than_the_client_waits(bench: Bench) -> None:
    async def never() -> Reply:
        await asyncio.Event().wait()
        raise AssertionError

    bench.reply = never
    hurried = replace(parent(), deadline=0.0)

    with pytest.raises(DeadlineExceeded):
        await bench.ask(parent(), timeout_s=0.02)
    with pytest.raises(DeadlineExceeded):
        await bench.ask(hurried)

    assert [record.outcome for record in bench.records] == [Outcome.ERROR, Outcome.ERROR]


async def test_model_that_does_not_exist_is_not_asked(bench: Bench) -> None:
    with pytest.raises(UnknownModel, match="'auto', which is to be asked as designator, does not exist"):
        await bench.ask(parent(), model="auto")

    assert bench.records == []


async def test_answer_that_breaks_off_is_recorded_as_such(bench: Bench) -> None:
    bench.reply = lambda: make_reply(b"{", UpstreamCut("It broke off."))

    with pytest.raises(UpstreamCut):
        await bench.ask(parent())

    (record,) = bench.records
    assert (record.outcome, record.error) == (Outcome.CUT, "It broke off.")


async def test_what_is_no_answer_is_an_error(bench: Bench) -> None:
    bench.reply = lambda: make_reply(b"<html>")

    with pytest.raises(UpstreamInvalid):
        await bench.ask(parent())


async def test_vectors_are_read_and_counted(bench: Bench) -> None:
    data = [{"embedding": [0, 1.5]}, {"embedding": [2, 3]}]
    bench.reply = lambda: make_reply(dumps({"data": data}))

    vectors = await bench.asker.embed(parent(), "acme/embed", ["a", "b"], timeout_s=1)

    assert vectors == [[0.0, 1.5], [2.0, 3.0]]
    assert bench.sent[0].payload == {"model": "acme/embed", "input": ["a", "b"], "encoding_format": "float"}
    for broken in (b"{}", b"[]", b'{"data": []}', b'{"data": [{"embedding": []}, {"embedding": [1]}]}', b"no"):
        bench.reply = lambda broken=broken: make_reply(broken)
        with pytest.raises(UpstreamInvalid):
            await bench.asker.embed(parent(), "acme/embed", ["a", "b"], timeout_s=1)
