"""How a stream of responses is read: what providers leave out, mix up or call otherwise, and how streams end."""

import json
from typing import Any

import pytest

from app.core.chat import Image, Reasoning, Signature
from app.core.errors import UpstreamCut, UpstreamInvalid
from app.core.events import (
    Citation,
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
)
from app.dialects.responses.stream import ResponsesReader

CREATED = {"type": "response.created", "response": {"id": "resp_1", "model": "m", "created_at": 5.0}}
STARTED = Started("resp_1", "m", 5)
COMPLETED: dict[str, Any] = {"type": "response.completed", "response": {"status": "completed"}}
MESSAGE = {"type": "message", "id": "msg_1", "role": "assistant", "content": []}
CALL = {"type": "function_call", "id": "fc_1", "call_id": "call_1", "name": "f", "arguments": ""}


def sse(*events: Any) -> bytes:
    return b"".join([b"data: " + json.dumps(event).encode() + b"\n\n" for event in events])


def read(*events: Any) -> list[Event]:
    """What is between the beginning and the end of a stream with these events."""
    first, *others = merge(ResponsesReader().feed(sse(CREATED, *events, COMPLETED)))
    assert first == STARTED
    assert isinstance(others[-1], Finished)
    return others[:-1]


def text(delta: str, index: int = 0, part: int = 0) -> dict[str, Any]:
    return {"type": "response.output_text.delta", "output_index": index, "content_index": part, "delta": delta}


def summary(delta: str, part: int = 0, name: str = "rs_1") -> dict[str, Any]:
    kind = "response.reasoning_summary_text.delta"
    return {"type": kind, "output_index": 0, "item_id": name, "summary_index": part, "delta": delta}


def thought(delta: str, part: int = 0) -> dict[str, Any]:
    kind = "response.reasoning_text.delta"
    return {"type": kind, "output_index": 0, "item_id": "rs_1", "content_index": part, "delta": delta}


def added(item: dict[str, Any], index: int = 0) -> dict[str, Any]:
    return {"type": "response.output_item.added", "output_index": index, "item": item}


def done(item: dict[str, Any], index: int = 0) -> dict[str, Any]:
    return {"type": "response.output_item.done", "output_index": index, "item": item}


def message(*parts: dict[str, Any]) -> dict[str, Any]:
    return {**MESSAGE, "content": list(parts)}


def note(**fields: Any) -> dict[str, Any]:
    return {"type": "url_citation", "url": "u", "title": "t", "start_index": 0, "end_index": 2, **fields}


@pytest.mark.parametrize(
    ("events", "expected"),
    [
        ([text("a"), text("b")], [TextDelta("ab")]),
        ([text("ab"), done(message({"type": "output_text", "text": "abc"}))], [TextDelta("abc")]),
        ([text("ab"), done(message({"type": "output_text", "text": "xyz"}))], [TextDelta("ab")]),
        (
            [text("a"), {"type": "response.output_text.done", "output_index": 0, "content_index": 0, "text": "ab"}],
            [TextDelta("ab")],
        ),
        ([done(message({"type": "text", "text": "a"}, {"type": "output_text", "text": "b"}))], [TextDelta("ab")]),
        (
            [{"type": "response.content_part.done", "output_index": 0, "part": {"type": "output_text", "text": "a"}}],
            [TextDelta("a")],
        ),
        (
            [{"type": "response.refusal.delta", "delta": "N"}, {"type": "response.refusal.done", "refusal": "No"}],
            [RefusalDelta("No")],
        ),
        ([done(message({"type": "refusal", "refusal": "No"}))], [RefusalDelta("No")]),
        ([summary("a"), summary("b"), summary("c", 1)], [ReasoningDelta("ab\n\nc", "rs_1")]),
        ([thought("a"), thought("b", 1)], [ReasoningDelta("a\n\nb", "rs_1")]),
        ([summary("a"), thought("b")], [ReasoningDelta("a\n\nb", "rs_1")]),
        (
            [
                added({"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "half"}),
                done({"type": "reasoning", "id": "rs_1", "summary": [{"text": "a"}], "encrypted_content": "whole"}),
            ],
            [ReasoningDelta("a", "rs_1"), ReasoningSigned(Signature("whole", "responses"), id="rs_1")],
        ),
        (
            [{"type": "response.reasoning_summary_text.done", "output_index": 0, "summary_index": 0, "text": "a"}],
            [ReasoningDelta("a")],
        ),
        (
            [done({"type": "reasoning", "id": "rs_1", "content": [{"type": "reasoning_text", "text": "a"}]})],
            [ReasoningDelta("a", "rs_1")],
        ),
        (
            [added(CALL), {"type": "response.function_call_arguments.done", "output_index": 0, "arguments": "{}"}],
            [ToolCallStarted(0, "call_1", "f"), ToolCallDelta(0, "{}")],
        ),
        (
            [{"type": "response.function_call_arguments.delta", "output_index": 0, "delta": "{}"}, done(CALL)],
            [ToolCallStarted(0, "call_1", "f"), ToolCallDelta(0, "{}")],
        ),
        ([done({**CALL, "call_id": None})], [ToolCallStarted(0, "fc_1", "f")]),
        (
            [done({"type": "image_generation_call", "id": "ig_1", "result": "aGk=", "output_format": "webp"})],
            [ImageMade(Image(data="aGk=", media_type="image/webp"))],
        ),
        ([{"type": "response.image_generation_call.partial_image", "partial_image_b64": "aGk="}], []),
        ([done({"type": "web_search_call", "id": "ws_1", "status": "completed"})], []),
        ([{"type": "response.something.new", "delta": "a"}], []),
        ([{"delta": "a"}], []),
    ],
)
def test_each_thing_is_told_once(events: list[Any], expected: list[Event]) -> None:
    assert read(*events) == expected


def test_call_without_any_id_gets_one() -> None:
    started = read(done({"type": "function_call", "name": "f", "arguments": "{}"}))[0]

    assert isinstance(started, ToolCallStarted)
    assert started.id.startswith("call_")
    assert len(started.id) == 29


def test_calls_are_counted_from_zero_whatever_their_place() -> None:
    events = read(done(message(), 0), done({**CALL, "arguments": "{}"}, 3), done({**CALL, "call_id": "call_2"}, 5))

    assert [(event.index, event.id) for event in events if isinstance(event, ToolCallStarted)] == [
        (0, "call_1"),
        (1, "call_2"),
    ]


def test_items_without_a_place_are_told_by_their_ids() -> None:
    first = {"type": "response.output_text.delta", "item_id": "msg_1", "delta": "a"}
    second = {"type": "response.output_text.delta", "item_id": "msg_2", "delta": "b"}
    end = {"type": "response.output_item.done", "item": {**MESSAGE, "content": [{"type": "output_text", "text": "a!"}]}}

    assert read(first, second, end) == [TextDelta("ab!")]


def test_items_with_other_ids_at_the_end_are_not_told_twice() -> None:
    reasoning = {"type": "reasoning", "id": "rs_new", "content": [{"text": "Hm"}], "encrypted_content": "s"}
    response = {"output": [reasoning, {**message({"type": "output_text", "text": "a"}), "id": "msg_new"}]}
    body = sse(CREATED, thought("Hm"), text("a", 1), {"type": "response.completed", "response": response})

    whole = fold(ResponsesReader().feed(body))

    assert (whole.text, whole.reasoning) == ("a", "Hm")
    assert Reasoning(signature=Signature("s", "responses"), id="rs_1") in whole.parts


def test_items_that_begin_in_another_order_than_they_stand_are_not_mixed_up() -> None:
    output = [message({"type": "output_text", "text": "ab"}), message({"type": "output_text", "text": "xyz"})]
    end = {"type": "response.completed", "response": {"output": output}}

    events = ResponsesReader().feed(sse(CREATED, text("xy", 1), text("a", 0), end))

    assert events[1:-1] == [TextDelta("xy"), TextDelta("a"), TextDelta("b"), TextDelta("z")]


def test_source_counts_from_the_beginning_of_the_answer() -> None:
    annotation = {"type": "response.output_text.annotation.added", "output_index": 1, "annotation": note()}

    events = read(text("abc"), text("de", 1), annotation, done(message({"text": "de", "annotations": [note()]}), 1))

    assert events[1:] == [Citation("u", "t", start=3, end=5)]


@pytest.mark.parametrize(
    ("annotation", "expected"),
    [
        (note(), [Citation("u", "t", start=0, end=2)]),
        (note(title="", content="c"), [Citation("u", None, "c", 0, 2)]),
        (note(start_index=0, end_index=0), [Citation("u", "t")]),
        (note(start_index="0"), [Citation("u", "t")]),
        (note(url=None), []),
        ({"type": "file_citation", "file_id": "f", "filename": "a.txt", "index": 1}, []),
        ("nonsense", []),
    ],
)
def test_source_is_what_has_an_address(annotation: Any, expected: list[Event]) -> None:
    item = message({"type": "output_text", "text": "ab", "annotations": [annotation]})

    assert read(done(item))[1:] == expected


@pytest.mark.parametrize(
    ("response", "reason"),
    [
        ({"status": "completed"}, "stop"),
        ({}, "stop"),
        ({"status": "incomplete", "incomplete_details": {"reason": "max_output_tokens"}}, "length"),
        ({"status": "incomplete", "incomplete_details": {"reason": "content_filter"}}, "content_filter"),
        ({"status": "incomplete", "incomplete_details": {"reason": "steered"}}, "pause"),
        ({"status": "incomplete", "incomplete_details": None}, "length"),
        ({"status": "completed", "output": [CALL]}, "tool_calls"),
        ({"status": "incomplete", "output": [CALL]}, "length"),
        ({"status": "completed", "output": [message({"type": "refusal", "refusal": "No"})]}, "refusal"),
        ({"status": "completed", "output": [message({"type": "refusal", "refusal": ""})]}, "refusal"),
    ],
)
@pytest.mark.parametrize("kind", ["response.completed", "response.incomplete"])
def test_reason_is_told_by_status_and_output(response: Any, reason: str, kind: str) -> None:
    events = ResponsesReader().feed(sse(CREATED, {"type": kind, "response": response}))

    finished = events[-1]

    assert isinstance(finished, Finished)
    assert finished.reason == (
        reason if kind == "response.completed" or response.get("incomplete_details") else "length"
    )


def test_announced_refusal_without_words_is_one() -> None:
    part = {"type": "response.content_part.added", "output_index": 0, "part": {"type": "refusal", "refusal": ""}}

    assert ResponsesReader().feed(sse(CREATED, part, COMPLETED)) == [STARTED, Finished("refusal")]


def test_stream_without_created_begins_all_the_same() -> None:
    assert ResponsesReader().feed(sse(text("a"), COMPLETED)) == [Started(), TextDelta("a"), Finished("stop")]


def test_nothing_is_read_after_the_end() -> None:
    reader = ResponsesReader()

    events = reader.feed(sse(CREATED, COMPLETED, text("a")) + b"data: [DONE]\n\n")

    assert events == [STARTED, Finished("stop")]
    assert reader.ended
    assert reader.feed(sse(text("b"))) == []
    assert reader.close(certain=False) == []


def test_comments_blank_data_and_the_byte_order_mark_are_skipped() -> None:
    body = b"\xef\xbb\xbf: OPENROUTER PROCESSING\n\n" + b"event: ping\n\ndata:\n\n" + sse(CREATED, COMPLETED)

    assert ResponsesReader().feed(body) == [STARTED, Finished("stop")]


def test_half_a_character_is_replaced() -> None:
    broken = sse(CREATED) + b'data: {"type":"response.output_text.delta","output_index":0,"delta":"a\xc3"}\n\n'

    assert ResponsesReader().feed(broken)[1:] == [TextDelta("a\ufffd")]


@pytest.mark.parametrize("body", [b"data: {\n\n", b"data: []\n\n", b"data: nonsense\n\n"])
def test_event_that_is_no_object_is_the_providers_fault(body: bytes) -> None:
    with pytest.raises(UpstreamInvalid, match="no JSON object"):
        ResponsesReader().feed(body)


@pytest.mark.parametrize("body", [b"<html>\n\n", b'{"error":{"message":"no"}}\n\n'])
def test_answer_that_is_no_stream_is_the_providers_fault(body: bytes) -> None:
    with pytest.raises(UpstreamInvalid, match="no stream"):
        ResponsesReader().feed(body)


def test_last_event_needs_no_blank_line() -> None:
    reader = ResponsesReader()

    events = reader.feed(sse(CREATED) + sse(COMPLETED).rstrip())

    assert events + reader.close(certain=False) == [STARTED, Finished("stop")]


@pytest.mark.parametrize(
    ("body", "certain"),
    [
        (b"", True),
        (sse(CREATED), False),
        (sse(CREATED, added(MESSAGE), text("a")), True),
        (sse(CREATED, done(MESSAGE)), False),
        (sse(CREATED) + b'data: {"type":"resp', True),
    ],
)
def test_stream_that_breaks_off_is_cut(body: bytes, *, certain: bool) -> None:
    reader = ResponsesReader()
    reader.feed(body)

    with pytest.raises(UpstreamCut):
        reader.close(certain=certain)


def test_stream_whose_items_all_ended_is_whole_where_the_transport_is_certain() -> None:
    reader = ResponsesReader()
    reader.feed(sse(CREATED, added(MESSAGE), text("a"), done(MESSAGE)))

    assert reader.close(certain=True) == [Finished("stop")]
    assert reader.ended


@pytest.mark.parametrize(
    ("event", "failed"),
    [
        (
            {"type": "error", "code": "rate_limit_exceeded", "message": "Slow.", "param": None},
            Failed("Slow.", 429, None, "rate_limit_exceeded"),
        ),
        (
            {"type": "error", "error": {"type": "overloaded_error", "message": "Busy."}},
            Failed("Busy.", 529, "overloaded_error"),
        ),
        ({"type": "error", "error": "Broken."}, Failed("Broken.", 502)),
        ({"error": {"code": 402, "message": "Pay."}}, Failed("Pay.", 402)),
        (
            {"type": "response.failed", "response": {"error": {"code": "server_error", "message": "Oh."}}},
            Failed("Oh.", 500, None, "server_error"),
        ),
        (
            {"type": "response.failed", "response": {"error": {"code": "invalid_image_url", "message": "Where?"}}},
            Failed("Where?", 400, None, "invalid_image_url"),
        ),
        (
            {"type": "error", "error": {"type": "x", "code": "503", "message": "m"}},
            Failed("m", 503, "x", "503"),
        ),
        ({"type": "response.failed", "response": None}, Failed("The provider reported an error without words.", 502)),
        ({"type": "error", "error": {"message": "key sk-abcdefghijkl is bad"}}, Failed("key [redacted] is bad", 502)),
    ],
)
def test_error_ends_the_stream(event: Any, failed: Failed) -> None:
    reader = ResponsesReader()

    told = reader.feed(sse(CREATED, event, COMPLETED))[-1]

    assert isinstance(told, Failed)
    assert (told.message, told.status, told.type, told.code) == (
        failed.message,
        failed.status,
        failed.type,
        failed.code,
    )
    assert reader.ended


def test_error_before_anything_else_comes_alone() -> None:
    (failed,) = ResponsesReader().feed(sse({"type": "error", "message": "No."}))

    assert isinstance(failed, Failed)
