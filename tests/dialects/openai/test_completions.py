"""Legacy completions for clients, whoever answers: requests read as a chat, replies written whole and streamed."""

import json
from dataclasses import replace
from typing import Any

import pytest
from openai.types import Completion as SdkCompletion

from app.core.call import Call
from app.core.chat import Message, Text
from app.core.errors import InvalidRequest, UpstreamCut, UpstreamError, UpstreamInvalid
from app.core.events import Event, Failed, Finished, ReasoningDelta, RefusalDelta, Started, TextDelta, fold
from app.core.usage import Usage
from app.dialects.convert import incoming, outgoing
from app.dialects.dialect import About
from app.dialects.openai.completions import COMPLETIONS, CompletionWriter, read_asked, read_request, write_reply
from app.dialects.splice import Additions
from tests.calls import make_call
from tests.contract.crossing import dialect_of, folded, read_recorded
from tests.contract.test_pairs import ANSWERS
from tests.recordings import Recording, recorded

ABOUT = About("req_1", "m", 7, wants_usage=False, payload={})
REASONS = {"length": "length", "content_filter": "content_filter"}


def make(payload: dict[str, Any]) -> Call:
    body = json.dumps(payload).encode()
    asked = read_asked(body)
    return replace(
        make_call(),
        dialect="openai-completions",
        surface="completions",
        name=asked.name,
        body=body,
        payload=payload,
        streamed=asked.streamed,
        wants_usage=asked.wants_usage,
    )


def chunks_of(stream: bytes) -> list[dict[str, Any]]:
    *events, done, rest = stream.split(b"\n\n")
    assert (done, rest) == (b"data: [DONE]", b"")
    return [json.loads(event.removeprefix(b"data: ")) for event in events]


@pytest.mark.parametrize("recording", ANSWERS)
def test_client_reads_what_a_provider_of_another_api_said(recording: Recording) -> None:
    facts = folded(read_recorded(recording))
    call = make({"model": "m", "prompt": "Hi", "stream": recording.streamed, "stream_options": {"include_usage": True}})
    reading = incoming(call, provider="Acme", model="m", dialect=dialect_of(recording) or "")

    out = reading.feed(recording.body) + reading.close(certain=True)

    # As the SDK reads it: `finish_reason` is null in all chunks but the last, which the type does not know.
    said = chunks_of(out) if recording.streamed else [json.loads(out)]
    told = [SdkCompletion.construct(**each) for each in said]
    text = "".join(choice.text for each in told for choice in each.choices)
    (reason,) = [choice.finish_reason for each in told for choice in each.choices if choice.finish_reason]
    usage = told[-1].usage
    assert usage is not None
    if recording.provider != "perplexity":  # its streams repeat themselves, and only its own class mends that
        assert text == (facts.text or facts.refusal)
    assert reason == REASONS.get(facts.reason, "stop")
    if facts.prompt_tokens:
        assert (usage.prompt_tokens, usage.completion_tokens) == (facts.prompt_tokens, facts.completion_tokens)


def test_prompt_is_asked_as_one_message_of_the_user() -> None:
    request = read_request(
        {"model": "m", "prompt": ["Once"], "max_tokens": 5, "temperature": 0.5, "stop": "\n", "seed": 1, "n": 1}
    )

    assert request.messages == (Message("user", (Text("Once"),)),)
    assert (request.max_tokens, request.temperature, request.stop, request.seed) == (5, 0.5, ("\n",), 1)
    assert request.extras is None


@pytest.mark.parametrize(
    "wish",
    [
        {"suffix": "end"},
        {"echo": True},
        {"logprobs": 0},
        {"best_of": 2},
        {"n": 2},
        {"logit_bias": {"5": 1}},
        {"tools": [{"type": "function", "function": {"name": "f"}}]},
        {"messages": [{"role": "user", "content": "no"}]},
    ],
)
def test_what_no_chat_can_be_told_is_named(wish: dict[str, Any]) -> None:
    sent = outgoing(make({"model": "m", "prompt": "Hi", **wish}), "M", Additions(), dialect="gemini")

    assert sent.unsupported == tuple(wish)
    assert json.loads(sent.body) == {"contents": [{"role": "user", "parts": [{"text": "Hi"}]}]}


@pytest.mark.parametrize("silent", [{"suffix": ""}, {"echo": False}, {"best_of": 1}, {"logprobs": None}, {"n": None}])
def test_wish_for_what_happens_anyway_is_not_named(silent: dict[str, Any]) -> None:
    assert (
        outgoing(make({"model": "m", "prompt": "Hi", **silent}), "M", Additions(), dialect="ollama").unsupported == ()
    )


@pytest.mark.parametrize("prompt", [None, "", [], ["a", "b"], [1, 2], [[1, 2]], [[1], [2]], 5, [""]])
def test_prompt_that_is_not_one_text_is_refused(prompt: Any) -> None:
    with pytest.raises(InvalidRequest) as raised:
        read_request({"model": "m", "prompt": prompt})

    assert raised.value.param == "prompt"


@pytest.mark.parametrize(
    ("payload", "param"),
    [
        ({"prompt": "Hi"}, "model"),
        ({"model": "m", "stream": 1}, "stream"),
        ({"model": "m", "stream_options": []}, "stream_options"),
        ({"model": "m", "stream_options": {"include_usage": 1}}, "stream_options.include_usage"),
    ],
)
def test_request_that_is_wrong_is_refused(payload: dict[str, Any], param: str) -> None:
    with pytest.raises(InvalidRequest) as raised:
        read_asked(json.dumps(payload).encode())

    assert raised.value.param == param


def test_whole_reply_is_a_text_completion() -> None:
    events: list[Event] = [
        Started(),
        ReasoningDelta("Hm"),
        TextDelta("Hi"),
        Finished("length", Usage(input=2, output=1)),
    ]

    written = write_reply(fold(events), ABOUT)

    assert {key: written[key] for key in ("id", "object", "created", "model")} == {
        "id": "cmpl-req_1",
        "object": "text_completion",
        "created": 7,
        "model": "m",
    }
    assert written["choices"] == [{"text": "Hi", "index": 0, "logprobs": None, "finish_reason": "length"}]
    assert written["usage"]["total_tokens"] == 3


def test_words_of_a_refusal_are_text() -> None:
    writer = CompletionWriter(ABOUT)
    events: list[Event] = [Started(), RefusalDelta("No."), Finished("refusal")]

    chunks = chunks_of(b"".join(map(writer.write, events)))

    assert [choice["text"] for chunk in chunks for choice in chunk["choices"]] == ["No.", ""]
    assert chunks[-1]["choices"][0]["finish_reason"] == "stop"
    assert write_reply(fold(events), ABOUT)["choices"][0]["text"] == "No."


def test_usage_of_a_stream_comes_where_it_is_asked_for() -> None:
    events: list[Event] = [Started(), TextDelta("Hi"), Finished("stop", Usage(input=2, output=1))]
    silent, telling = CompletionWriter(ABOUT), CompletionWriter(replace(ABOUT, wants_usage=True))

    without = chunks_of(b"".join(map(silent.write, events)))
    told = chunks_of(b"".join(map(telling.write, events)))

    assert told[: len(without)] == without
    assert not any("usage" in chunk for chunk in without)
    assert (told[-1]["choices"], told[-1]["usage"]["prompt_tokens"]) == ([], 2)


def test_error_in_a_stream_is_its_last_event() -> None:
    writer = CompletionWriter(ABOUT)

    out = writer.write(Started()) + writer.write(TextDelta("Hi")) + writer.write(Failed("Broke", 503))

    assert chunks_of(out)[-1]["error"]["message"] == "Broke"


@pytest.mark.parametrize("recording", recorded("completions.*", "openai", "together"))
def test_provider_that_has_this_api_gets_the_request_and_gives_its_answer_as_they_are(recording: Recording) -> None:
    payload = {**recording.request, "prompt": '"lr.anthropic.x'}
    body = json.dumps(payload, indent=2).encode()
    call = replace(make(payload), name=payload["model"], body=body)

    sent = outgoing(call, payload["model"], Additions(), dialect=COMPLETIONS.name)
    reading = incoming(call, provider="Acme", model="m", dialect=COMPLETIONS.name)

    assert sent.body == body
    assert reading.feed(recording.body) + reading.close(certain=True) == recording.body
    reported = json.loads(recording.body)["usage"]
    assert (reading.read_usage().input, reading.read_usage().output) == (
        reported["prompt_tokens"],
        reported["completion_tokens"],
    )


def chunk(*texts: str, **fields: Any) -> bytes:
    """A provider's chunk with a choice for each text."""
    choices = [
        {"index": index, "text": text, "logprobs": None, "finish_reason": None} for index, text in enumerate(texts)
    ]
    document = {"id": "cmpl-1", "object": "text_completion", "created": 1, "model": "m", "choices": choices, **fields}
    return b"data: " + json.dumps(document, separators=(",", ":")).encode() + b"\n\n"


DONE = b"data: [DONE]\n\n"
USAGE = {"prompt_tokens": 7, "completion_tokens": 9, "total_tokens": 16}


def passing(stream: bytes, prompt: Any = "x" * 40) -> tuple[bytes, Usage]:
    """What a client gets of a provider's stream, fed byte by byte, and what is recorded."""
    call = make({"model": "m", "prompt": prompt, "stream": True})
    reading = incoming(call, provider="Acme", model="m", dialect=COMPLETIONS.name)
    out = b"".join(reading.feed(stream[at : at + 1]) for at in range(len(stream))) + reading.close(certain=True)
    return out, reading.read_usage()


@pytest.mark.parametrize(
    ("stream", "usage"),
    [
        (chunk("x" * 8) + chunk("é" * 4) + DONE, Usage(input=10, output=3, estimated=True)),
        (chunk("x" * 8, "y" * 8) + DONE, Usage(input=10, output=4, estimated=True)),
        (chunk("Hi") + chunk(choices=[], usage=USAGE) + DONE, Usage(input=7, output=9)),
        (chunk("Hi", usage=USAGE), Usage(input=7, output=9)),
        (b": hello\n\n" + chunk("x" * 8) + chunk("", usage=None), Usage(input=10, output=2, estimated=True)),
    ],
)
def test_stream_of_a_provider_that_has_this_api_passes_and_is_metered(stream: bytes, usage: Usage) -> None:
    assert passing(stream) == (stream, usage)


@pytest.mark.parametrize(
    ("prompt", "tokens"),
    [("x" * 40, 10), (["x" * 40, "y" * 4], 11), ([1, 2, 3], 3), ([[1, 2], [3]], 3), ([], 0), (None, 0), ([None], 0)],
)
def test_tokens_of_any_prompt_are_estimated(prompt: Any, tokens: int) -> None:
    assert passing(chunk("Hi") + DONE, prompt)[1].input == tokens


def test_whole_reply_without_usage_is_estimated() -> None:
    body = json.dumps({"choices": [{"index": 0, "text": "x" * 8}, {"index": 1, "text": "y" * 8}]}).encode()
    call = make({"model": "m", "prompt": "x" * 40})
    reading = incoming(call, provider="Acme", model="m", dialect=COMPLETIONS.name)

    assert reading.feed(body) + reading.close(certain=True) == body
    assert reading.read_usage() == Usage(input=10, output=4, estimated=True)


def test_stream_that_is_cut_is_metered_for_what_came() -> None:
    call = make({"model": "m", "prompt": "x" * 40, "stream": True})
    reading = incoming(call, provider="Acme", model="m", dialect=COMPLETIONS.name)

    reading.feed(chunk("x" * 8))
    with pytest.raises(UpstreamCut):
        reading.close(certain=False)

    assert reading.read_usage() == Usage(input=10, output=2, estimated=True)


@pytest.mark.parametrize("streamed", [False, True])
def test_error_of_a_provider_that_has_this_api_has_a_status(*, streamed: bool) -> None:
    document = b'{"error":{"message":"too many","type":"rate_limit_error"}}'
    call = make({"model": "m", "prompt": "Hi", "stream": streamed})
    reading = incoming(call, provider="Acme", model="m", dialect=COMPLETIONS.name)

    with pytest.raises(UpstreamError, match="too many") as raised:
        _ = reading.feed(b"data: " + document + b"\n\n" if streamed else document) + reading.close(certain=True)

    assert raised.value.status == 429


@pytest.mark.parametrize("body", [b"[]", b"{}", b'{"choices":5}', b"no json"])
def test_what_is_no_reply_is_a_bad_gateway(body: bytes) -> None:
    reading = incoming(make({"model": "m", "prompt": "Hi"}), provider="Acme", model="m", dialect=COMPLETIONS.name)

    reading.feed(body)
    with pytest.raises(UpstreamInvalid):
        reading.close(certain=True)
