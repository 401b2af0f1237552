"""The built-in provider, which answers without a key."""

import json

import pytest

from app.core.call import Target
from app.core.errors import NotServed
from app.providers.demo import ANSWER, MODEL, Demo
from tests.calls import make_call
from tests.dialects.openai.folding import chunks_of, data_of, fold

TARGET = Target("demo", MODEL)


async def test_whole_answer_is_a_completion() -> None:
    reply = await Demo().send(make_call({"model": "demo"}), TARGET)

    document = json.loads(reply.first)
    assert (document["object"], document["model"]) == ("chat.completion", "demo")
    assert document["choices"][0]["message"] == {"role": "assistant", "content": ANSWER, "refusal": None}
    assert document["choices"][0]["finish_reason"] == "stop"
    assert document["usage"]["total_tokens"] == reply.read_usage().total


async def test_streamed_answer_says_the_same() -> None:
    reply = await Demo().send(make_call({"stream": True}), TARGET)

    body = reply.first + b"".join([piece async for piece in reply.rest])
    chunks = chunks_of(body)
    assert fold(chunks).texts == {(0, "content"): ANSWER}
    assert fold(chunks).reasons == {0: "stop"}
    assert chunks[0]["choices"][0]["delta"]["role"] == "assistant"
    assert data_of(body)[-1] == b"[DONE]"
    assert not [chunk for chunk in chunks if "usage" in chunk]


async def test_end_of_a_stream_is_known_with_its_last_piece() -> None:
    reply = await Demo().send(make_call({"stream": True}), TARGET)

    known = [(b"[DONE]" in piece, reply.ending.ended) async for piece in reply.rest]

    assert known == [*[(False, False)] * (len(known) - 1), (True, True)]


async def test_stream_ends_with_usage_where_it_was_asked_for() -> None:
    reply = await Demo().send(make_call({"stream": True, "stream_options": {"include_usage": True}}), TARGET)

    last = chunks_of(b"".join([piece async for piece in reply.rest]))[-1]
    assert last["choices"] == []
    assert last["usage"]["total_tokens"] == reply.read_usage().total
    assert reply.read_usage().estimated


async def test_it_refuses_to_go_on_from_what_it_does_not_keep() -> None:
    call = make_call({"input": "Go on.", "previous_response_id": "resp_1"}, dialect="responses")

    with pytest.raises(NotServed) as refused:
        await Demo().send(call, TARGET)

    assert refused.value.param == "previous_response_id"


async def test_it_has_one_model() -> None:
    assert [each.model for each in await Demo().list_models()] == ["demo"]
