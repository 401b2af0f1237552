"""The crossing between dialects; so far the client's is the provider's."""

import json

import pytest

from app.core.abilities import Rules
from app.dialects.convert import incoming, incoming_error, outgoing
from app.dialects.openai.stream import ChatStream
from app.dialects.openai.whole import WholeReply
from app.dialects.splice import Additions
from tests.calls import make_call


def test_request_goes_out_with_the_providers_model_and_its_additions() -> None:
    call = make_call({"model": "m"})

    sent = outgoing(call, "M-1", Additions(extra={"n": 1}))

    assert json.loads(sent.body) == {**call.payload, "model": "M-1", "n": 1}


ADDING = Additions(extra={"n": 1})
REFUSING = Rules(unsupported=("stream_options", "user", "temperature"))


def test_usage_of_a_stream_is_not_asked_for_where_the_provider_refuses_that() -> None:
    sent = outgoing(make_call({"stream": True}), "M-1", ADDING, rules=REFUSING)

    assert "stream_options" not in json.loads(sent.body)
    assert not sent.unsupported


def test_parameters_that_the_provider_refuses_are_left_out_and_named() -> None:
    call = make_call({"stream": True, "stream_options": {"include_usage": True}, "user": "u", "seed": 1})

    sent = outgoing(call, "M-1", ADDING, rules=REFUSING)

    assert json.loads(sent.body) == {
        "model": "M-1",
        "messages": call.payload["messages"],
        "stream": True,
        "seed": 1,
        "n": 1,
    }
    assert list(sent.unsupported) == ["user"]


def test_parameters_that_the_provider_refuses_are_left_out_of_translated_requests_too() -> None:
    payload = {
        "model": "m",
        "max_tokens": 9,
        "messages": [{"role": "user", "content": "Hi"}],
        "temperature": 0.5,
        "stream": True,
    }
    call = make_call(payload, dialect="anthropic")

    sent = outgoing(call, "M-1", ADDING, rules=REFUSING)

    assert not {"temperature", "stream_options"} & json.loads(sent.body).keys()
    assert list(sent.unsupported) == ["temperature"]


@pytest.mark.parametrize(("streamed", "kind"), [(True, ChatStream), (False, WholeReply)])
def test_reply_is_read_as_it_was_asked_for(kind: type, *, streamed: bool) -> None:
    assert isinstance(incoming(make_call({"stream": streamed}), provider="Acme", model="m"), kind)


def test_stream_of_a_client_that_asked_for_usage_has_it() -> None:
    call = make_call({"stream": True, "stream_options": {"include_usage": True}})
    stream = incoming(call, provider="Acme", model="m")

    out = stream.feed(
        b'data: {"choices":[{"index":0,"delta":{"role":"assistant","content":"Hi"}}]}\n\ndata: [DONE]\n\n'
    )

    assert b'"usage":{' in out
    assert b"chatcmpl-req_0123456789" in out


def test_error_of_a_provider_tells_no_key() -> None:
    error = incoming_error(401, b"key my-own-key is wrong", provider="Acme", retry_after=None, secret="my-own-key")

    assert error.message == "key [redacted] is wrong"
