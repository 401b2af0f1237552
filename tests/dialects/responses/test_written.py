"""Replies written for clients: any reply is read again as it was, signatures of others come back, the form is OpenAI's."""

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.core.chat import Image, Reasoning, Refusal, Signature, Text, ToolCall
from app.core.events import (
    Citation,
    Completion,
    Event,
    Failed,
    Finished,
    ImageMade,
    ReasoningDelta,
    ReasoningSigned,
    RefusalDelta,
    Started,
    TextDelta,
    ToolCallDelta,
    ToolCallStarted,
    fold,
    merge,
    unfold,
)
from app.core.usage import NO_USAGE, Usage
from app.dialects.dialect import About
from app.dialects.responses.dialect import RESPONSES
from tests.dialects.responses.sdk import EVENT, accumulate, events_of, said_by, said_by_sdk, validated
from tests.dialects.responses.strategies import cuts, replies

REQUEST: dict[str, Any] = {"model": "m", "input": "Hi"}
ANTHROPIC = Signature("c2ln", "anthropic")
GEMINI = Signature("dGhvdWdodA==", "gemini")


def about(**payload: Any) -> About:
    return About("req_1", "m", 1_700_000_000, wants_usage=True, payload={**REQUEST, **payload})


def written(*events: Event, **payload: Any) -> bytes:
    writer = RESPONSES.write_stream(about(**payload))
    return b"".join([writer.write(event) for event in events])


def completion(*parts: Any, **fields: Any) -> Completion:
    known = {"id": "x", "model": "m", "created": 1, "citations": (), "reason": "stop", "usage": NO_USAGE}
    return Completion(**{**known, "parts": parts, **fields})


def types_of(body: bytes) -> list[str]:
    return [event["type"].removeprefix("response.") for event in events_of(body)]


def without_images(event: Event) -> Event:
    """Pictures are counted where they are read, whatever was reported."""
    if isinstance(event, Finished) and event.usage is not None:
        return replace(event, usage=event.usage._replace(images=0))
    return event


@settings(deadline=None, max_examples=60)
@given(replies(), st.data())
def test_stream_that_is_written_is_read_as_it_was(events: list[Event], data: st.DataObject) -> None:
    reader = RESPONSES.read_stream()

    read = [event for piece in data.draw(cuts(written(*events))) for event in reader.feed(piece)]

    assert merge([*map(without_images, read)]) == merge(events)
    assert reader.ended


@settings(deadline=None, max_examples=60)
@given(replies())
def test_stream_that_is_written_is_what_the_sdk_takes(events: list[Event]) -> None:
    body = events_of(written(*events))

    response = accumulate(body) if body[-1]["type"] == "response.completed" else validated(body[-1]["response"])

    for event in body:
        EVENT.validate_python(event)
    assert [event["sequence_number"] for event in body] == list(range(len(body)))
    said, ours = said_by_sdk(response), said_by(fold(events))
    said.reason = ours.reason = ""
    # Reasoning of one kind that follows on another is one piece in a fold.
    assert "".join(said.reasoning) == "".join(ours.reasoning)
    said.reasoning = ours.reasoning = []
    assert said == ours


@settings(deadline=None, max_examples=60)
@given(replies())
def test_reply_that_is_written_is_read_as_it_was(events: list[Event]) -> None:
    whole = fold(events)

    again = fold(RESPONSES.read_reply(json.loads(json.dumps(RESPONSES.write_reply(whole, about())))))

    assert again.parts == whole.parts
    assert set(again.citations) == set(whole.citations)
    usage = again.usage._replace(images=0)  # as `without_images`
    assert (again.reason, usage, again.id, again.model) == (whole.reason, whole.usage, whole.id, whole.model)


def test_stream_of_a_text_has_the_events_that_openai_sends() -> None:
    body = written(
        Started("resp_1", "gpt-x", 5), TextDelta("Hel"), TextDelta("lo"), Finished("stop", Usage(1, output=2))
    )

    assert types_of(body) == [
        "created",
        "in_progress",
        "output_item.added",
        "content_part.added",
        "output_text.delta",
        "output_text.delta",
        "output_text.done",
        "content_part.done",
        "output_item.done",
        "completed",
    ]
    assert body.startswith(b'event: response.created\ndata: {"type":"response.created","sequence_number":0,')
    assert body.endswith(b"}\n\n")


def test_stream_of_reasoning_and_a_call_has_the_events_that_openai_sends() -> None:
    body = written(
        Started(),
        ReasoningDelta("Hm"),
        ReasoningSigned(Signature("s", "responses")),
        ToolCallStarted(0, "call_1", "f"),
        ToolCallDelta(0, "{}"),
        Finished("tool_calls"),
    )

    assert types_of(body)[2:-1] == [
        "output_item.added",
        "reasoning_summary_part.added",
        "reasoning_summary_text.delta",
        "reasoning_summary_text.done",
        "reasoning_summary_part.done",
        "output_item.done",
        "output_item.added",
        "function_call_arguments.delta",
        "function_call_arguments.done",
        "output_item.done",
    ]
    reasoning, call = events_of(body)[-1]["response"]["output"]
    assert (reasoning["id"], reasoning["encrypted_content"]) == ("rs_req_1_0", "s")
    assert (call["id"], call["call_id"], call["arguments"], call["status"]) == (
        "fc_req_1_1",
        "call_1",
        "{}",
        "completed",
    )


def test_call_is_ended_before_the_next_one_begins_where_it_is_whole() -> None:
    body = written(
        Started(),
        ToolCallStarted(0, "a", "f"),
        ToolCallDelta(0, "{}"),
        ToolCallStarted(1, "b", "f"),
        ToolCallDelta(1, "{}"),
        Finished("tool_calls"),
    )

    items = [event for event in events_of(body) if "output_item" in event["type"]]
    assert [(event["type"][-5:], event["output_index"]) for event in items] == [
        ("added", 0),
        (".done", 0),
        ("added", 1),
        (".done", 1),
    ]


def test_arguments_that_come_in_turns_are_kept_apart() -> None:
    body = written(
        Started(),
        ToolCallStarted(0, "a", "f"),
        ToolCallDelta(0, '{"x"'),
        ToolCallStarted(1, "b", "g"),
        ToolCallDelta(1, '{"y"'),
        ToolCallDelta(0, ":1}"),
        ToolCallDelta(1, ":2}"),
        Finished("tool_calls"),
    )

    assert said_by_sdk(accumulate(events_of(body))).calls == [("a", "f", {"x": 1}), ("b", "g", {"y": 2})]


def test_call_without_arguments_has_an_empty_object() -> None:
    body = written(Started(), ToolCallStarted(0, "a", "f"), Finished("tool_calls"))

    assert said_by_sdk(accumulate(events_of(body))).calls == [("a", "f", {})]


@pytest.mark.parametrize(
    ("reason", "status", "detail"),
    [
        ("stop", "completed", None),
        ("tool_calls", "completed", None),
        ("refusal", "completed", None),
        ("length", "incomplete", {"reason": "max_output_tokens"}),
        ("content_filter", "incomplete", {"reason": "content_filter"}),
        ("pause", "incomplete", {"reason": "max_messages"}),
    ],
)
def test_reason_is_told_by_the_status(reason: Any, status: str, detail: Any) -> None:
    last = events_of(written(Started(), TextDelta("a"), Finished(reason)))[-1]

    assert last["type"] == f"response.{status}"
    assert (last["response"]["status"], last["response"]["incomplete_details"]) == (status, detail)
    assert last["response"]["output"][0]["status"] == status


def test_refusal_without_words_is_still_one() -> None:
    reply = RESPONSES.write_reply(completion(reason="refusal"), about())

    assert reply["output"][0]["content"] == [{"type": "refusal", "refusal": ""}]
    assert RESPONSES.read_reply(reply)[-1] == Finished("refusal")


def test_parameters_of_the_request_are_echoed() -> None:
    tool = {"type": "function", "name": "f", "parameters": {}, "strict": False}
    asked: dict[str, Any] = {
        "instructions": "Be kind.",
        "tools": [tool],
        "tool_choice": "required",
        "temperature": 0.5,
        "top_p": 0.9,
        "max_output_tokens": 50,
        "text": {"verbosity": "low"},
        "reasoning": {"effort": "low"},
        "metadata": {"a": "b"},
        "parallel_tool_calls": False,
        "truncation": "auto",
        "user": "u",
        "store": True,
    }

    reply = RESPONSES.write_reply(completion(Text("a")), about(**asked))

    validated(reply)
    assert {key: reply[key] for key in asked} == {
        **asked,
        "text": {"format": {"type": "text"}, "verbosity": "low"},
        "reasoning": {"effort": "low", "summary": None},
        "store": False,
    }


def test_parameters_that_were_not_given_are_there_too() -> None:
    reply = RESPONSES.write_reply(completion(Text("a")), about())

    validated(reply)
    assert (reply["id"], reply["object"], reply["created_at"], reply["status"]) == (
        "resp_req_1",
        "response",
        1,
        "completed",
    )
    assert (reply["tools"], reply["tool_choice"], reply["metadata"], reply["previous_response_id"]) == (
        [],
        "auto",
        {},
        None,
    )
    assert (reply["parallel_tool_calls"], reply["error"], reply["usage"]) == (True, None, None)


def test_ids_fit_what_the_api_takes_back() -> None:
    call_id = "req_0a1b2c3d4e5f6a7b8c9d0e1f"
    parts = (Reasoning("r", ANTHROPIC), Text("t"), Image(data="aGk="), ToolCall("c", "f", "{}"))

    reply = RESPONSES.write_reply(completion(*parts), About(call_id, "m", 1, wants_usage=True, payload=REQUEST))

    assert [item["id"].split("_")[0] for item in reply["output"]] == ["rs", "msg", "ig", "fc"]
    assert all(len(item["id"]) <= 64 for item in reply["output"])


def test_reasoning_that_shares_an_id_gets_one_of_its_own() -> None:
    parts = (
        Reasoning("a", Signature("1", "responses"), id="rs_x"),
        Reasoning("b", Signature("2", "responses"), id="rs_x"),
    )

    reply = RESPONSES.write_reply(completion(*parts), about())

    assert [item["id"] for item in reply["output"]] == ["rs_x", "rs_req_1_1"]


@pytest.mark.parametrize(
    "parts",
    [
        (Reasoning("Hm", ANTHROPIC), Text("a")),
        (Reasoning("", ANTHROPIC), Text("a")),
        (Reasoning("Hm", Signature("own", "responses")), Text("a")),
        (Reasoning(redacted=ANTHROPIC), Text("a")),
        (Reasoning(redacted=Signature("own", "responses")), Text("a")),
        (Reasoning("Hm"), Refusal("No")),
        (ToolCall("1", "f", "{}", signature=GEMINI), ToolCall("2", "g", "{}")),
        (Text("a"), ToolCall("1", "f", "{}"), ToolCall("2", "g", "{}", signature=GEMINI)),
        (Reasoning("Hm", GEMINI), ToolCall("1", "f", "{}", signature=GEMINI)),
        (Reasoning("1", Signature("lr.odd", "anthropic")), Reasoning("2", Signature("a.b.c", "gemini"))),
    ],
)
@pytest.mark.parametrize("streamed", [True, False])
def test_what_a_client_sends_back_has_the_signatures_of_other_providers(parts: Any, *, streamed: bool) -> None:
    whole = completion(*parts)
    streamed_reply = events_of(written(*unfold(whole)))[-1]["response"]
    reply = streamed_reply if streamed else RESPONSES.write_reply(whole, about())

    (message,) = RESPONSES.read_request({"input": reply["output"]}).messages

    assert message.role == "assistant"
    assert tuple(_without_id(part) for part in message.parts) == parts


def _without_id(part: Any) -> Any:
    return Reasoning(part.text, part.signature, part.redacted) if isinstance(part, Reasoning) else part


def test_signature_that_comes_after_other_things_is_an_item_of_its_own() -> None:
    body = written(
        Started(),
        ReasoningDelta("Hm", "rs_1"),
        TextDelta("a"),
        ReasoningSigned(Signature("s", "responses"), id="rs_1"),
        Finished("stop"),
    )

    output = accumulate(events_of(body)).output
    assert [item.type for item in output] == ["reasoning", "message", "reasoning"]
    assert len({item.id for item in output}) == 3


@pytest.mark.parametrize(
    ("citation", "start", "end"),
    [
        (Citation("u", start=1, end=3), 1, 3),
        (Citation("u", start=4, end=5), 0, 1),
        (Citation("u"), 0, 0),
        (Citation("u", start=1), 0, 0),
    ],
)
def test_source_stands_at_the_text_that_it_backs(citation: Citation, start: int, end: int) -> None:
    parts = (Text("abcd"), ToolCall("1", "f", "{}"), Text("efgh"))

    reply = RESPONSES.write_reply(completion(*parts, citations=(citation,), reason="tool_calls"), about())

    first, _, second = reply["output"]
    note = {"type": "url_citation", "url": "u", "title": "", "start_index": start, "end_index": end}
    expected = ([note], []) if citation.end == 3 else ([], [note])
    assert (first["content"][0]["annotations"], second["content"][0]["annotations"]) == expected


def test_source_without_a_text_is_not_lost() -> None:
    reply = RESPONSES.write_reply(completion(citations=(Citation("u", "t"),)), about())

    assert fold(RESPONSES.read_reply(reply)).citations == (Citation("u", "t"),)


def test_picture_that_is_only_linked_to_is_text() -> None:
    body = written(Started(), ImageMade(Image(url="https://a.example/i.png")), Finished("stop"))

    assert accumulate(events_of(body)).output_text == "![image](https://a.example/i.png)"


def test_empty_pieces_are_no_events() -> None:
    body = written(Started(), TextDelta(""), ReasoningDelta(""), ToolCallDelta(7, "{}"), Finished("stop"))

    assert types_of(body) == ["created", "in_progress", "completed"]


def test_refusal_after_a_text_is_a_part_of_the_same_message() -> None:
    body = written(Started(), TextDelta("a"), RefusalDelta("No"), Finished("refusal"))

    (message,) = events_of(body)[-1]["response"]["output"]
    assert [part["type"] for part in message["content"]] == ["output_text", "refusal"]


def test_error_in_a_stream_is_told_as_openai_does() -> None:
    body = written(Started("resp_1"), TextDelta("a"), Failed("Too much.", 429, "rate_limit_error", None))

    error, failed = events_of(body)[-2:]
    assert error["error"] == {
        "type": "rate_limit_error",
        "code": "rate_limit_error",
        "message": "Too much.",
        "param": None,
    }
    assert failed["type"] == "response.failed"
    assert failed["response"]["status"] == "failed"
    assert failed["response"]["error"] == {"code": "rate_limit_exceeded", "message": "Too much."}
    EVENT.validate_python(error)
    EVENT.validate_python(failed)


def test_error_in_a_stream_is_read_again() -> None:
    reader = RESPONSES.read_stream()

    failed = reader.feed(written(Started(), Failed("Busy", 529, "overloaded_error")))[-1]

    assert isinstance(failed, Failed)
    assert (failed.message, failed.status, failed.type) == ("Busy", 529, "overloaded_error")
