"""What a provider writes becomes events: the rules that the recordings do not show."""

from typing import Any

import pytest

from app.core.chat import Signature
from app.core.errors import UpstreamError, UpstreamInvalid
from app.core.events import (
    Citation,
    Event,
    Failed,
    Finished,
    ReasoningDelta,
    ReasoningSigned,
    RefusalDelta,
    Started,
    TextDelta,
    ToolCallDelta,
    ToolCallStarted,
    fold,
)
from app.core.usage import Usage
from app.dialects.anthropic.answer import Answer
from app.dialects.anthropic.reply import read_reply

CITED = {
    "type": "web_search_result_location",
    "url": "https://a.org",
    "title": "A",
    "cited_text": "words",
    "encrypted_index": "x",
}
END = {"type": "message_stop"}


def events_of(*documents: dict[str, Any]) -> list[Event]:
    answer = Answer()
    return [event for document in documents for event in answer.take(document)]


def started(index: int, **block: Any) -> dict[str, Any]:
    return {"type": "content_block_start", "index": index, "content_block": block}


def delta(index: int | None, **fields: Any) -> dict[str, Any]:
    return {"type": "content_block_delta", "index": index, "delta": fields}


def stopped(index: int) -> dict[str, Any]:
    return {"type": "content_block_stop", "index": index}


def whole(*content: Any, **fields: Any) -> list[Event]:
    return read_reply({"id": "m1", "model": "c", "content": list(content), "stop_reason": "end_turn", **fields})


def test_stream_becomes_events() -> None:
    events = events_of(
        {
            "type": "message_start",
            "message": {"id": "m1", "model": "c", "usage": {"input_tokens": 5, "output_tokens": 1}},
        },
        {"type": "ping"},
        started(0, type="thinking", thinking="", signature=""),
        delta(0, type="thinking_delta", thinking="Hm"),
        delta(0, type="signature_delta", signature="sig"),
        stopped(0),
        started(1, type="tool_use", id="t1", name="f", input={}),
        delta(1, type="input_json_delta", partial_json=""),
        delta(1, type="input_json_delta", partial_json='{"a":1}'),
        stopped(1),
        {"type": "message_delta", "delta": {"stop_reason": "tool_use"}, "usage": {"output_tokens": 9}},
        END,
    )

    assert events == [
        Started("m1", "c"),
        ReasoningDelta("Hm"),
        ReasoningSigned(Signature("sig", "anthropic")),
        ToolCallStarted(0, "t1", "f"),
        ToolCallDelta(0, '{"a":1}'),
        Finished("tool_calls", Usage(input=5, output=9)),
    ]


def test_later_report_of_usage_changes_only_what_it_tells() -> None:
    first = {"input_tokens": 5, "cache_read_input_tokens": 3, "output_tokens": 1}
    last = {"input_tokens": None, "cache_read_input_tokens": None, "output_tokens": 9}

    events = events_of(
        {"type": "message_start", "message": {"usage": first}},
        {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": last},
        END,
    )

    assert events[-1] == Finished("stop", Usage(input=5, cache_read=3, output=9))


def test_blocks_that_are_written_at_once_are_told_apart() -> None:
    events = events_of(
        started(0, type="tool_use", id="t1", name="f"),
        started(1, type="tool_use", id="t2", name="g"),
        delta(0, type="input_json_delta", partial_json="{"),
        delta(1, type="input_json_delta", partial_json="{}"),
        delta(0, type="input_json_delta", partial_json="}"),
    )

    assert events[3:] == [ToolCallDelta(0, "{"), ToolCallDelta(1, "{}"), ToolCallDelta(0, "}")]


def test_arguments_that_come_with_the_beginning_are_taken_where_no_others_follow() -> None:
    begun = started(0, type="tool_use", id="t1", name="f", input={"a": 1})
    more = delta(0, type="input_json_delta", partial_json='{"b":2}')

    assert events_of(begun, stopped(0))[-1] == ToolCallDelta(0, '{"a":1}')
    assert events_of(begun, more, stopped(0))[-1] == ToolCallDelta(0, '{"b":2}')


def test_citations_are_told_with_the_text_that_they_back() -> None:
    events = events_of(
        started(0, type="text", text="One. "),
        stopped(0),
        started(1, type="text", text="", citations=[]),
        delta(1, type="citations_delta", citation=CITED),
        delta(1, type="text_delta", text="Two."),
        stopped(1),
    )

    assert events[1:] == [TextDelta("One. "), TextDelta("Two."), Citation("https://a.org", "A", "words", 5, 9)]


@pytest.mark.parametrize(
    ("citation", "expected"),
    [
        ({**CITED, "title": None, "cited_text": ""}, [Citation("https://a.org", start=0, end=2)]),
        (
            {"type": "search_result_location", "source": "http://b", "title": "B", "cited_text": "w"},
            [Citation("http://b", "B", "w", 0, 2)],
        ),
        ({"type": "search_result_location", "source": "my notes"}, []),
        ({"type": "char_location", "document_title": "D", "cited_text": "w"}, []),
        ({**CITED, "url": 5}, []),
        (None, []),
    ],
)
def test_source_with_an_address_is_a_citation(citation: Any, expected: list[Citation]) -> None:
    events = whole({"type": "text", "text": "Hi", "citations": [citation]})

    assert [event for event in events if isinstance(event, Citation)] == expected


@pytest.mark.parametrize("kind", ["server_tool_use", "web_search_tool_result", "container_upload", "compaction", "new"])
def test_what_is_written_for_the_providers_own_tools_is_passed_over(kind: str) -> None:
    block = {"type": kind, "id": "s1", "name": "web_search", "input": {"query": "x"}, "content": []}

    assert whole(block, {"type": "text", "text": "Hi"})[1:-1] == [TextDelta("Hi")]
    assert events_of(started(0, **block), delta(0, type="input_json_delta", partial_json="{}"), stopped(0))[1:] == []


def test_call_without_an_id_gets_one() -> None:
    first, second = (whole({"type": "tool_use", "name": "f", "input": {}})[1] for _ in range(2))

    assert isinstance(first, ToolCallStarted)
    assert isinstance(second, ToolCallStarted)
    assert first.id.startswith("call_")
    assert first.id != second.id


def test_call_without_a_name_is_no_reply() -> None:
    with pytest.raises(UpstreamInvalid):
        whole({"type": "tool_use", "id": "t1", "input": {}})


def test_block_without_an_index_is_the_one_that_is_open() -> None:
    events = events_of(
        {"type": "content_block_start", "content_block": {"type": "text", "text": ""}},
        {"type": "content_block_delta", "delta": {"type": "text_delta", "text": "Hi"}},
        {"type": "content_block_stop"},
        {"type": "content_block_start", "content_block": {"type": "tool_use", "id": "t", "name": "f"}},
        {"type": "content_block_delta", "delta": {"type": "input_json_delta", "partial_json": "{}"}},
    )

    assert events[1:] == [TextDelta("Hi"), ToolCallStarted(0, "t", "f"), ToolCallDelta(0, "{}")]


def test_text_outside_a_block_is_text() -> None:
    assert events_of(delta(0, type="text_delta", text="Hi"), END) == [Started(), TextDelta("Hi"), Finished("stop")]


@pytest.mark.parametrize(
    ("word", "reason"),
    [
        ("end_turn", "stop"),
        ("max_tokens", "length"),
        ("model_context_window_exceeded", "length"),
        ("tool_use", "tool_calls"),
        ("refusal", "refusal"),
        ("pause_turn", "pause"),
        ("compaction", "pause"),
        ("something_new", "stop"),
        (None, "stop"),
        (5, "stop"),
    ],
)
def test_reason_to_stop_is_mapped(word: Any, reason: str) -> None:
    assert fold(whole(stop_reason=word)).reason == reason


def test_stop_sequence_is_told() -> None:
    finished = whole(stop_reason="stop_sequence", stop_sequence="###")[-1]

    assert finished == Finished("stop", None, "###")


def test_explanation_of_a_refusal_is_told_as_one() -> None:
    details = {"type": "refusal", "category": "cyber", "explanation": "Not this."}

    events = whole({"type": "text", "text": "Hi"}, stop_reason="refusal", stop_details=details)

    assert events[1:] == [TextDelta("Hi"), RefusalDelta("Not this."), Finished("refusal")]


@pytest.mark.parametrize(
    ("reported", "usage"),
    [
        ({"input_tokens": 5, "output_tokens": 7}, Usage(input=5, output=7)),
        (
            {
                "input_tokens": 5,
                "cache_read_input_tokens": 3,
                "cache_creation_input_tokens": 2,
                "output_tokens": 9,
                "output_tokens_details": {"thinking_tokens": 4},
            },
            Usage(input=5, cache_read=3, cache_write=2, output=5, reasoning=4),
        ),
        (
            {"input_tokens": 1, "output_tokens": 2, "output_tokens_details": {"thinking_tokens": 9}},
            Usage(1, 0, 0, output=0, reasoning=2),
        ),
        ({"input_tokens": 0, "cache_read_input_tokens": 3, "output_tokens": 0}, Usage(cache_read=3)),
        ({"input_tokens": 0, "output_tokens": 0}, None),
        ({"input_tokens": -1, "output_tokens": 2}, None),
        ({"input_tokens": 1}, None),
        ({"input_tokens": True, "output_tokens": 2}, None),
        ({"input_tokens": "1", "output_tokens": 2}, None),
        ([], None),
        (None, None),
    ],
)
def test_usage_is_read(reported: Any, usage: Usage | None) -> None:
    assert whole(usage=reported)[-1] == Finished("stop", usage)


@pytest.mark.parametrize(
    ("cost", "expected"), [(0.25, "0.25"), (-1, None), ("0.25", "0.25"), ("a", None), (1e300, None), (True, None)]
)
def test_cost_is_read_where_a_provider_tells_it(cost: Any, expected: str | None) -> None:
    finished = whole(usage={"input_tokens": 1, "output_tokens": 1, "cost": cost})[-1]

    assert isinstance(finished, Finished)
    assert finished.usage is not None
    assert (None if finished.usage.cost is None else str(finished.usage.cost)) == expected


@pytest.mark.parametrize(
    ("event", "failed"),
    [
        (
            {"type": "error", "error": {"type": "rate_limit_error", "message": "Slow down"}},
            ("Slow down", 429, "rate_limit_error"),
        ),
        ({"type": "error", "error": {"type": "new_error", "message": "No"}}, ("No", 502, "new_error")),
        ({"type": "error", "error": "No"}, ("No", 502, None)),
        ({"type": "error", "message": "No"}, ("No", 502, None)),
        ({"error": {"message": "No"}}, ("No", 502, None)),
        ({"type": "error"}, ("The provider reported an error.", 502, None)),
        (
            {"type": "error", "error": {"type": "api_error", "message": "key sk-ant-abcdefgh12345678"}},
            ("key [redacted]", 500, "api_error"),
        ),
    ],
)
def test_error_in_a_stream_ends_it(event: dict[str, Any], failed: tuple[str, int, str | None]) -> None:
    answer = Answer()

    (told,) = answer.take(event)

    assert isinstance(told, Failed)
    assert (told.message, told.status, told.type) == failed
    assert answer.ended


@pytest.mark.parametrize("reply", [None, [], "x", {}, {"content": "Hi"}, {"choices": []}])
def test_what_is_no_message_is_refused(reply: Any) -> None:
    with pytest.raises(UpstreamInvalid):
        read_reply(reply)


@pytest.mark.parametrize(
    ("reply", "status"),
    [
        ({"type": "error", "error": {"type": "overloaded_error", "message": "Busy"}}, 529),
        ({"error": {"message": "Busy", "code": 503}}, 503),
    ],
)
def test_error_with_status_200_has_the_status_that_it_would_have_had(reply: dict[str, Any], status: int) -> None:
    with pytest.raises(UpstreamError) as caught:
        read_reply(reply)

    assert (caught.value.message, caught.value.status) == ("Busy", status)
