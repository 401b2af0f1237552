"""What is in a reply, and what each dialect has its own words for."""

import json
from typing import Any

import pytest

from app.core.chat import Image, Signature
from app.core.errors import UpstreamError, UpstreamInvalid
from app.core.events import (
    Citation,
    Completion,
    Event,
    Finished,
    ImageMade,
    ReasoningDelta,
    ReasoningSigned,
    Started,
    TextDelta,
    ToolCallDelta,
    ToolCallStarted,
    fold,
)
from app.core.usage import NO_USAGE, Usage
from app.dialects.dialect import About
from app.dialects.gemini.dialect import GEMINI
from app.dialects.gemini.signatures import NO_SIGNATURE
from app.dialects.gemini.usage import read_usage

ABOUT = About("req-1", "demo", 1_700_000_000, wants_usage=True, payload={})


def reply(*parts: Any, **candidate: Any) -> dict[str, Any]:
    return {"candidates": [{"content": {"role": "model", "parts": list(parts)}, "finishReason": "STOP", **candidate}]}


def events_of(*parts: Any, **candidate: Any) -> list[Event]:
    [started, *events, finished] = GEMINI.read_reply(reply(*parts, **candidate))
    assert isinstance(started, Started)
    assert isinstance(finished, Finished)
    return events


def reason_of(document: dict[str, Any]) -> str:
    return fold(GEMINI.read_reply(document)).reason


def citations_of(text: str, grounding: Any) -> list[Event]:
    return events_of({"text": text}, groundingMetadata=grounding)[1:]


@pytest.mark.parametrize(
    ("part", "events"),
    [
        ({"text": "x"}, [TextDelta("x")]),
        ({"text": ""}, []),
        ({"text": "x", "thought": True}, [ReasoningDelta("x")]),
        (
            {"text": "x", "thought": True, "thoughtSignature": "c2ln"},
            [ReasoningDelta("x"), ReasoningSigned(Signature("c2ln", "gemini"))],
        ),
        (
            {"text": "x", "thoughtSignature": "c2ln"},
            [ReasoningSigned(Signature("c2ln", "gemini")), TextDelta("x")],
        ),
        ({"thoughtSignature": "c2ln"}, [ReasoningSigned(Signature("c2ln", "gemini"))]),
        (
            {"inlineData": {"mimeType": "image/png", "data": "aGk="}, "thoughtSignature": "c2ln"},
            [ReasoningSigned(Signature("c2ln", "gemini")), ImageMade(Image("aGk=", "image/png"))],
        ),
        ({"inlineData": {"mimeType": "image/png", "data": "aGk="}, "thought": True}, []),
        ({"inlineData": {"mimeType": "audio/L16;rate=24000", "data": "aGk="}}, []),
        (
            {"fileData": {"mimeType": "image/png", "fileUri": "https://e.com/a"}},
            [ImageMade(Image(media_type="image/png", url="https://e.com/a"))],
        ),
        (
            {"functionCall": {"id": "1", "name": "f", "args": {"a": [1.5, "ü"]}}, "thoughtSignature": "c2ln"},
            [ToolCallStarted(0, "1", "f", Signature("c2ln", "gemini")), ToolCallDelta(0, '{"a":[1.5,"ü"]}')],
        ),
        ({"functionCall": {"id": "1", "name": "f"}}, [ToolCallStarted(0, "1", "f"), ToolCallDelta(0, "{}")]),
        ({"executableCode": {"code": "1"}, "thoughtSignature": "c2ln"}, []),
        ({"text": 5}, []),
        (5, []),
    ],
)
def test_part_is_read(part: Any, events: list[Event]) -> None:
    assert events_of(part) == events


def test_call_without_an_id_gets_one() -> None:
    [one, _, other, _] = events_of({"functionCall": {"name": "f"}}, {"functionCall": {"name": "f", "id": ""}})

    assert isinstance(one, ToolCallStarted)
    assert isinstance(other, ToolCallStarted)
    assert one.id.startswith("call_")
    assert other.id.startswith("call_")
    assert one.id != other.id
    assert (one.index, other.index) == (0, 1)


@pytest.mark.parametrize(
    ("reason", "expected"),
    [
        ("STOP", "stop"),
        ("FINISH_REASON_UNSPECIFIED", "stop"),
        ("MAX_TOKENS", "length"),
        ("CONTINUATION", "length"),
        ("TOO_MANY_TOOL_CALLS", "length"),
        ("SAFETY", "content_filter"),
        ("RECITATION", "content_filter"),
        ("LANGUAGE", "content_filter"),
        ("BLOCKLIST", "content_filter"),
        ("PROHIBITED_CONTENT", "content_filter"),
        ("SPII", "content_filter"),
        ("IMAGE_SAFETY", "content_filter"),
        ("MALFORMED_FUNCTION_CALL", "content_filter"),
        ("UNEXPECTED_TOOL_CALL", "content_filter"),
        ("OTHER", "content_filter"),
        ("ONE_TO_COME", "content_filter"),
        (None, "stop"),
    ],
)
def test_end_of_a_reply_is_read(reason: str | None, expected: str) -> None:
    assert reason_of(reply({"text": "x"}, finishReason=reason)) == expected


@pytest.mark.parametrize(
    ("reason", "expected"), [("STOP", "tool_calls"), (None, "tool_calls"), ("MAX_TOKENS", "length")]
)
def test_reply_with_a_call_waits_for_its_result(reason: str | None, expected: str) -> None:
    assert reason_of(reply({"functionCall": {"name": "f"}}, finishReason=reason)) == expected


@pytest.mark.parametrize("reason", ["SAFETY", "OTHER", "PROHIBITED_CONTENT", "ONE_TO_COME"])
def test_blocked_prompt_is_a_filtered_reply(reason: str) -> None:
    events = GEMINI.read_reply(
        {"promptFeedback": {"blockReason": reason}, "usageMetadata": {"promptTokenCount": 4}, "modelVersion": "m"}
    )

    assert events == [Started(model="m"), Finished("content_filter", Usage(input=4))]


def test_first_of_several_candidates_is_read() -> None:
    first, second = reply({"text": "a"}, index=0), reply({"text": "b"}, index=1)
    both = {"candidates": second["candidates"] + first["candidates"]}

    assert fold(GEMINI.read_reply(both)).text == "a"
    assert fold(GEMINI.read_reply([first, second])).text == "a"


@pytest.mark.parametrize(
    ("created", "seconds"),
    [
        ("2026-11-22T09:00:00Z", 1795338000),
        ("2026-11-22T09:00:00.123456789Z", 1795338000),
        ("2026-11-22T10:00:00+01:00", 1795338000),
        ("2026-11-22T09:00:00", 1795338000),
        ("yesterday", None),
        (5, None),
    ],
)
def test_time_of_a_reply_is_read(created: Any, seconds: int | None) -> None:
    document = reply({"text": "x"}) | {"createTime": created, "responseId": "r", "modelVersion": "m"}

    assert GEMINI.read_reply(document)[0] == Started("r", "m", seconds)


@pytest.mark.parametrize(
    "document",
    [
        5,
        [],
        {},
        {"candidates": []},
        {"candidates": 5},
        {"candidates": [5]},
        [5],
        {"usageMetadata": {"promptTokenCount": 4}},
        {"candidates": [{"content": {"parts": [{"functionCall": {}}]}}]},
    ],
)
def test_what_is_no_reply_is_refused(document: Any) -> None:
    with pytest.raises(UpstreamInvalid):
        GEMINI.read_reply(document)


@pytest.mark.parametrize("in_a_list", [False, True])
def test_error_with_status_200_is_raised(*, in_a_list: bool) -> None:
    document: Any = {"error": {"code": 503, "message": "Busy", "status": "UNAVAILABLE"}}

    with pytest.raises(UpstreamError, match="Busy") as raised:
        GEMINI.read_reply([reply({"text": "x"}), document] if in_a_list else document)

    assert (raised.value.status, raised.value.type) == (503, "UNAVAILABLE")


@pytest.mark.parametrize(
    ("reported", "usage"),
    [
        ({"promptTokenCount": 5, "candidatesTokenCount": 3}, Usage(input=5, output=3)),
        ({"promptTokenCount": 5, "cachedContentTokenCount": 4}, Usage(input=1, cache_read=4)),
        ({"promptTokenCount": 5, "cachedContentTokenCount": 9}, Usage(cache_read=5)),
        ({"promptTokenCount": 5, "toolUsePromptTokenCount": 2}, Usage(input=7)),
        ({"promptTokenCount": 5.0, "thoughtsTokenCount": 2}, Usage(input=5, reasoning=2)),
        ({"promptTokenCount": -5, "candidatesTokenCount": True}, None),
        ({}, None),
        (None, None),
        ([5], None),
    ],
)
def test_usage_is_read_as_far_as_it_can_be(reported: Any, usage: Usage | None) -> None:
    assert read_usage(reported) == usage


WEB = {"web": {"uri": "https://e.com", "title": "E"}}


@pytest.mark.parametrize(
    ("text", "grounding", "citations"),
    [
        ("abc", {"groundingChunks": [WEB]}, [Citation("https://e.com", "E")]),
        (
            "é→xyz",
            {
                "groundingChunks": [WEB],
                "groundingSupports": [
                    {"segment": {"startIndex": 6, "endIndex": 8, "text": "yz"}, "groundingChunkIndices": [0, 7]},
                    {"segment": {"endIndex": 2}, "groundingChunkIndices": [0]},
                ],
            },
            [Citation("https://e.com", "E", None, 3, 5), Citation("https://e.com", "E", None, 0, 1)],
        ),
        (
            "one two",
            {
                "groundingChunks": [WEB],
                "groundingSupports": [
                    {"segment": {"startIndex": 90, "endIndex": 93, "text": "two"}, "groundingChunkIndices": [0]}
                ],
            },
            [Citation("https://e.com", "E", None, 4, 7)],
        ),
        (
            "one",
            {
                "groundingChunks": [WEB],
                "groundingSupports": [
                    {"segment": {"endIndex": 3, "text": "two"}, "groundingChunkIndices": [0]},
                    {"segment": 5, "groundingChunkIndices": 5},
                    5,
                ],
            },
            [Citation("https://e.com", "E")],
        ),
        (
            "x",
            {"groundingChunks": [{"retrievedContext": {"uri": "gs://a", "title": "A", "text": "said"}}]},
            [Citation("gs://a", "A", "said")],
        ),
        ("x", {"groundingChunks": [{"maps": {"uri": "https://m", "title": "M"}}]}, [Citation("https://m", "M")]),
        ("x", {"groundingChunks": [{"image": {"sourceUri": "https://i"}}]}, [Citation("https://i")]),
        ("x", {"groundingChunks": [{"retrievedContext": {"text": "said"}}, 5, {}]}, []),
        ("x", {"groundingChunks": 5, "groundingSupports": 5}, []),
        ("x", 5, []),
    ],
)
def test_sources_of_an_answer_are_its_citations(text: str, grounding: Any, citations: list[Event]) -> None:
    assert citations_of(text, grounding) == citations


def test_last_grounding_of_a_stream_counts() -> None:
    first, last = ({"groundingChunks": [{"web": {"uri": f"https://e.com/{name}"}}]} for name in ("first", "last"))

    events = GEMINI.read_reply(
        [
            reply({"text": "a"}, groundingMetadata=first),
            reply({"text": "b"}, groundingMetadata=last),
            reply({"text": "c"}),
        ]
    )

    assert fold(events).citations == (Citation("https://e.com/last"),)


def test_reply_without_a_word_has_an_empty_text() -> None:
    written = GEMINI.write_reply(Completion(None, None, None, (), (), "length", NO_USAGE), ABOUT)

    assert written == {
        "candidates": [
            {"content": {"parts": [{"text": ""}], "role": "model"}, "finishReason": "MAX_TOKENS", "index": 0}
        ],
        "modelVersion": "demo",
        "responseId": "req-1",
        "createTime": "2023-11-14T22:13:20Z",
    }


def test_whole_reply_is_one_document() -> None:
    events: list[Event] = [
        Started("r", "m", 7),
        ReasoningDelta("so"),
        TextDelta("a"),
        ToolCallStarted(0, "1", "f"),
        ToolCallDelta(0, '{"a":1}'),
        Finished("tool_calls", Usage(input=1, output=2)),
    ]

    written = GEMINI.write_reply(fold(events), ABOUT)

    assert json.loads(json.dumps(written)) == {
        "candidates": [
            {
                "content": {
                    "parts": [
                        {"text": "so", "thought": True},
                        {"text": "a"},
                        {"functionCall": {"id": "1", "name": "f", "args": {"a": 1}}, "thoughtSignature": NO_SIGNATURE},
                    ],
                    "role": "model",
                },
                "finishReason": "STOP",
                "index": 0,
            }
        ],
        "modelVersion": "m",
        "responseId": "r",
        "createTime": "1970-01-01T00:00:07Z",
        "usageMetadata": {"promptTokenCount": 1, "candidatesTokenCount": 2, "totalTokenCount": 3},
    }
