"""A stream that breaks off and is carried on is one stream for the client, in every dialect."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from app.core.call import Call
from app.core.errors import UpstreamError
from app.core.events import (
    Citation,
    Event,
    Failed,
    Finished,
    ReasoningDelta,
    RefusalDelta,
    Started,
    TextDelta,
    ToolCallDelta,
    ToolCallStarted,
    fold,
)
from app.core.jsonio import dumps, loads
from app.core.usage import Usage
from app.dialects.dialect import About
from app.dialects.registry import DIALECTS
from app.dialects.rescue import GO_ON, Rescue, open_rescue
from tests.calls import make_call

TURNS = [{"role": "user", "content": "Count."}]
PAYLOADS: dict[str, dict[str, Any]] = {
    "openai": {"messages": TURNS, "seed": 5, "logit_bias": {"1": 2}},
    "responses": {"input": "Count.", "truncation": "auto"},
    "anthropic": {"messages": TURNS, "max_tokens": 9, "service_tier": "auto"},
    "gemini": {"contents": [{"role": "user", "parts": [{"text": "Count."}]}]},
    "gemini-array": {"contents": [{"role": "user", "parts": [{"text": "Count."}]}]},
    "ollama": {"messages": TURNS, "keep_alive": "5m"},
    "ollama-generate": {"prompt": "Count."},
}
"""A request of every dialect in which a stream can be carried on."""
FIRST: list[Event] = [Started("id-1", "m", 1), TextDelta("one, "), TextDelta("two, ")]
SECOND: list[Event] = [Started("id-2", "n", 2), TextDelta("three"), Finished("stop", Usage(input=7, output=3))]


def call_in(dialect: str, *, wants_usage: bool = True) -> Call:
    payload = {"model": "fast", "stream": True, **PAYLOADS[dialect]}
    call = replace(make_call({"stream": True}), dialect=dialect, name="fast", wants_usage=wants_usage)
    return replace(call, payload=payload, body=dumps(payload))


def opened(dialect: str) -> Rescue:
    rescue = open_rescue(call_in(dialect))
    assert rescue is not None
    return rescue


@pytest.mark.parametrize("own", [{"suffix": "end"}, {"raw": True}, {"template": "{{ .Prompt }}"}, {"context": [1]}])
def test_stream_of_generate_that_no_chat_could_be_asked_for_is_not_carried_on(own: dict[str, Any]) -> None:
    call = call_in("ollama-generate")

    assert open_rescue(replace(call, payload={**call.payload, **own})) is None


def written(rescue: Rescue, events: Sequence[Event]) -> bytes:
    """A provider's stream, in the dialect in which `rescue` asks."""
    writer = DIALECTS[rescue.call.dialect].write_stream(About("id", "m", 1, True, rescue.call.payload))
    return b"".join([writer.write(event) for event in events])


def read(dialect: str, data: bytes) -> list[Event]:
    if dialect == "gemini-array":
        dialect, data = "gemini", b"".join(b"data: " + dumps(chunk) + b"\n\n" for chunk in loads(data))
    if dialect == "ollama-generate":
        lines = [loads(line) for line in data.splitlines()]
        messages = [line | {"message": {"role": "assistant", "content": line.pop("response")}} for line in lines]
        dialect, data = "ollama", b"".join(dumps(line) + b"\n" for line in messages)
    reader = DIALECTS[dialect].read_stream()
    events = reader.feed(data)
    return events if reader.ended else events + reader.close(certain=True)


@pytest.mark.parametrize("dialect", PAYLOADS)
def test_client_gets_one_stream_with_the_usage_of_both(dialect: str) -> None:
    rescue = opened(dialect)
    used = Usage(input=5, output=4)

    stream = rescue.feed(written(rescue, FIRST))
    further = rescue.carry_on(used)
    assert further is not None
    ended = [rescue.ended]
    stream += rescue.feed(written(rescue, SECOND)) + rescue.close()
    ended.append(rescue.ended)

    assert ended == [False, True]
    reply = fold(read(dialect, stream))
    assert (reply.text, reply.reason) == ("one, two, three", "stop")
    assert (reply.usage.input, reply.usage.output) == (12, 7)


@pytest.mark.parametrize("dialect", PAYLOADS)
def test_next_target_is_shown_the_text_and_asked_to_go_on(dialect: str) -> None:
    rescue = opened(dialect)
    rescue.feed(written(rescue, FIRST))

    further = rescue.carry_on(Usage())

    assert further is not None
    assert further.dialect == rescue.call.dialect
    assert loads(further.body) == further.payload
    messages = DIALECTS[further.dialect].read_request(further.payload).messages
    texts = [(message.role, getattr(message.parts[0], "text", None)) for message in messages]
    assert texts == [("user", "Count."), ("assistant", "one, two, "), ("user", GO_ON)]


def test_legacy_completions_are_not_carried_on_and_all_other_dialects_are() -> None:
    payload = {"model": "fast", "stream": True, "prompt": "Count."}
    call = replace(make_call(), dialect="openai-completions", payload=payload, body=dumps(payload), streamed=True)

    assert open_rescue(call) is None
    assert {*PAYLOADS, "openai-completions"} == set(DIALECTS)


@pytest.mark.parametrize(("dialect", "field"), [("openai", "logit_bias"), ("anthropic", "service_tier")])
def test_fields_that_only_the_clients_dialect_has_stay(dialect: str, field: str) -> None:
    rescue = opened(dialect)
    rescue.feed(written(rescue, FIRST))

    further = rescue.carry_on(Usage())

    assert further is not None
    assert further.payload[field] == PAYLOADS[dialect][field]


def test_legacy_completions_are_not_carried_on() -> None:
    payload = {"model": "fast", "prompt": "Count.", "stream": True}
    call = replace(make_call(), dialect="openai-completions", payload=payload, body=dumps(payload), streamed=True)

    assert open_rescue(call) is None
    assert DIALECTS.keys() - PAYLOADS.keys() == {call.dialect}


def test_first_target_is_asked_what_the_client_asked() -> None:
    call = call_in("openai")

    rescue = open_rescue(call)

    assert rescue is not None
    assert rescue.call == replace(call, wants_usage=True)


def test_client_that_did_not_ask_for_usage_gets_none() -> None:
    rescue = open_rescue(call_in("openai", wants_usage=False))
    assert rescue is not None

    stream = rescue.feed(written(rescue, [*FIRST, Finished("stop", Usage(input=1, output=1))]))

    assert rescue.call.wants_usage
    assert b'"usage"' not in stream


def test_before_any_text_the_next_target_is_asked_the_same() -> None:
    rescue = opened("openai")
    rescue.feed(written(rescue, [Started(), ReasoningDelta("Hm")]))

    assert rescue.carry_on(Usage()) == rescue.call


@pytest.mark.parametrize(
    "events",
    [
        pytest.param([ToolCallStarted(0, "call_1", "count"), ToolCallDelta(0, '{"to"')], id="tool-call"),
        pytest.param([RefusalDelta("I will")], id="refusal"),
        pytest.param([Finished("stop")], id="end"),
    ],
)
def test_behind_anything_but_text_nothing_is_carried_on(events: list[Event]) -> None:
    rescue = opened("openai")

    rescue.feed(written(rescue, [*FIRST, *events]))

    assert rescue.carry_on(Usage()) is None


def test_error_in_the_stream_is_raised_with_the_providers_words() -> None:
    rescue = opened("anthropic")
    stream = rescue.feed(written(rescue, [*FIRST, Failed("the house is full", 529, "overloaded_error")]))

    with pytest.raises(UpstreamError) as caught:
        rescue.close()

    assert b"two, " in stream
    assert (caught.value.message, caught.value.status) == ("the house is full", 529)
    assert rescue.carry_on(Usage()) is not None


def test_citations_of_the_second_reply_count_from_the_beginning_of_the_text() -> None:
    rescue = opened("openai")
    cited: list[Event] = [Started(), TextDelta("three"), Citation("https://a.test", "A", None, 0, 5), Finished("stop")]

    stream = rescue.feed(written(rescue, FIRST))
    rescue.carry_on(Usage())
    stream += rescue.feed(written(rescue, cited))

    (citation,) = fold(read("openai", stream)).citations
    assert (citation.start, citation.end) == (10, 15)


def test_calls_of_other_kinds_and_requests_that_cannot_be_read_have_no_rescue() -> None:
    unreadable = {"model": "fast", "messages": [{"role": "user", "content": 5}]}

    assert open_rescue(replace(make_call(), dialect="openai-embeddings")) is None
    assert open_rescue(replace(make_call(), payload=unreadable)) is None
