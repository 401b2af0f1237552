"""Whole chat replies as events, and written anew."""

import json
from typing import Any

import pytest
from openai.types.chat import ChatCompletion

from app.core.chat import Image, Reasoning, Refusal, Signature, Text, ToolCall
from app.core.errors import UpstreamError, UpstreamInvalid
from app.core.events import Citation, Completion, FinishReason, fold, unfold
from app.core.usage import NO_USAGE, Usage
from app.dialects.dialect import About
from app.dialects.openai.reply import read_reply, write_reply
from tests.dialects.openai.saying import ABOUT, said, said_by, said_by_sdk, sdk_whole
from tests.recordings import OPENAI_COMPATIBLE, Recording, recorded

WHOLES = [
    param
    for param in recorded("chat.*", *OPENAI_COMPATIBLE, "gemini")
    if not isinstance(param.values[0], Recording) or (not param.values[0].streamed and param.values[0].status == 200)
]
EACH_REPLY = pytest.mark.parametrize("recording", WHOLES)


def completion(*parts: Any, reason: FinishReason = "stop", **fields: Any) -> Completion:
    head: dict[str, Any] = {
        "id": "id",
        "model": "model",
        "created": 7,
        "citations": (),
        "usage": Usage(input=3, output=4),
    }
    return Completion(parts=parts, reason=reason, **head | fields)


def reply(message: dict[str, Any], **fields: Any) -> dict[str, Any]:
    choice = {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", **message}}
    return {"id": "id", "model": "model", "created": 7, "choices": [choice | fields.pop("choice", {})], **fields}


def read(document: Any) -> Completion:
    return fold(read_reply(document))


def message_of(written: dict[str, Any]) -> dict[str, Any]:
    message: dict[str, Any] = written["choices"][0]["message"]
    return message


@EACH_REPLY
def test_events_say_what_the_sdk_reads(recording: Recording) -> None:
    events = read_reply(json.loads(recording.body))

    ours, theirs = said(events), sdk_whole(recording.body)
    if recording.provider == "gemini":  # which gives no id to a call
        ours.calls, theirs.calls = [call[1:] for call in ours.calls], [call[1:] for call in theirs.calls]  # type: ignore[misc]
    assert ours == theirs
    assert ours.text or ours.calls or ours.refusal or ours.reasoning


@EACH_REPLY
def test_written_anew_it_says_the_same_to_the_sdk(recording: Recording) -> None:
    folded = read(json.loads(recording.body))

    written = write_reply(folded, ABOUT)

    again = said_by_sdk(ChatCompletion.model_validate(written), written["usage"])
    ours = said_by(folded)
    ours.usage = Usage(
        input=ours.usage.input,  # the usage object has no place for the cost, nor for searches
        cache_read=ours.usage.cache_read,
        cache_write=ours.usage.cache_write,
        output=ours.usage.output,
        reasoning=ours.usage.reasoning,
    )
    assert again == ours
    assert (written["id"], written["model"], written["created"]) == (folded.id, folded.model, folded.created)


@EACH_REPLY
def test_written_and_read_again_it_is_the_same(recording: Recording) -> None:
    folded = read(json.loads(recording.body))

    again = read(write_reply(folded, ABOUT))

    assert (again.parts, again.citations, again.reason) == (folded.parts, folded.citations, folded.reason)


def test_only_the_first_choice_counts() -> None:
    document = reply({"content": "one"})
    other = {**document["choices"][0], "index": 1, "message": {"content": "two"}}

    assert read({**document, "choices": [other, *document["choices"]]}).text == "one"


@pytest.mark.parametrize(
    ("told", "reason"),
    [
        ("stop", "stop"),
        ("eos", "stop"),
        ("length", "length"),
        ("max_tokens", "length"),
        ("insufficient_system_resource", "length"),
        ("content_filter", "content_filter"),
        ("SAFETY", "content_filter"),
        ("tool_calls", "stop"),  # but none is there
        ("something_new", "stop"),
        (None, "stop"),
        (5, "stop"),
    ],
)
def test_reason_of_a_text(told: Any, reason: str) -> None:
    assert read(reply({"content": "Hi"}, choice={"finish_reason": told})).reason == reason


@pytest.mark.parametrize(
    ("told", "reason"), [("stop", "tool_calls"), ("function_call", "tool_calls"), ("length", "length")]
)
def test_reason_of_a_call(told: str, reason: str) -> None:
    call = {"id": "a", "type": "function", "function": {"name": "f", "arguments": "{}"}}

    assert read(reply({"content": None, "tool_calls": [call]}, choice={"finish_reason": told})).reason == reason


def test_refusal_is_one_whatever_the_reason_says() -> None:
    folded = read(reply({"content": None, "refusal": "No."}))

    assert (folded.refusal, folded.reason) == ("No.", "refusal")


@pytest.mark.parametrize(
    ("part", "reason", "told"),
    [
        (Text("Hi"), "pause", "stop"),
        (Text("Hi"), "length", "length"),
        (Text("Hi"), "content_filter", "content_filter"),
        (Refusal("No."), "refusal", "stop"),
        (Text("Hi"), "refusal", "content_filter"),  # there are no words to put into `refusal`
        (ToolCall("a", "f", "{}"), "tool_calls", "tool_calls"),
    ],
)
def test_reason_that_is_written(part: Any, reason: FinishReason, told: str) -> None:
    written = write_reply(completion(part, reason=reason), ABOUT)

    assert written["choices"][0]["finish_reason"] == told


def test_what_the_provider_did_not_say_is_filled_in() -> None:
    written = write_reply(completion(id=None, model=None, created=None, usage=NO_USAGE), ABOUT)

    assert (written["id"], written["model"], written["created"]) == ("chatcmpl-req_1", "m", 1_700_000_000)
    assert message_of(written) == {"role": "assistant", "content": "", "refusal": None}
    assert written["usage"]["total_tokens"] == 0


def test_message_of_calls_only_has_no_content() -> None:
    message = message_of(write_reply(completion(ToolCall("a", "f", '{"x":1}')), ABOUT))

    assert message["content"] is None
    assert message["tool_calls"] == [{"id": "a", "type": "function", "function": {"name": "f", "arguments": '{"x":1}'}}]


def test_client_that_offered_functions_gets_a_function_call() -> None:
    about = About("req_1", "m", 1, wants_usage=True, payload={"functions": [{"name": "f"}]})

    written = write_reply(completion(ToolCall("a", "f", '{"x":1}'), reason="tool_calls"), about)

    assert message_of(written)["function_call"] == {"name": "f", "arguments": '{"x":1}'}
    assert "tool_calls" not in message_of(written)
    assert written["choices"][0]["finish_reason"] == "function_call"


def test_function_call_is_a_call_with_an_id_of_ours() -> None:
    (call,) = read(reply({"content": None, "function_call": {"name": "f", "arguments": "{}"}})).tool_calls

    assert call.id.startswith("call_")
    assert call.name == "f"


def test_reasoning_with_its_proofs_survives_a_client() -> None:
    parts = (
        Reasoning("First.", Signature("s1", "anthropic")),
        Reasoning(redacted=Signature("r1", "anthropic")),
        Reasoning("Then.", Signature("s2", "responses"), id="rs_1"),
        Reasoning("Bare."),
        Text("Hi"),
    )

    written = write_reply(completion(*parts), ABOUT)

    assert message_of(written)["reasoning_content"] == "First.Then.Bare."
    assert [item["format"] for item in message_of(written)["reasoning_details"] if "format" in item] == [
        "lr:anthropic",
        "lr:anthropic",
        "lr:responses",
    ]
    assert read(written).parts == parts


def test_reasoning_without_proofs_needs_no_details() -> None:
    message = message_of(write_reply(completion(Reasoning("Hm."), Text("Hi")), ABOUT))

    assert "reasoning_details" not in message


@pytest.mark.parametrize("origin", ["gemini", "anthropic"])
def test_proof_of_a_call_survives_a_client(origin: str) -> None:
    call = ToolCall("a", "f", "{}", Signature("proof", origin))

    written = write_reply(completion(call), ABOUT)

    told = message_of(written)["tool_calls"][0]["extra_content"]["google"]["thought_signature"]
    assert told == ("proof" if origin == "gemini" else "lr.anthropic.proof")
    assert read(written).parts == (call,)


def test_openrouters_proof_of_a_call_belongs_to_the_call() -> None:
    details = [{"type": "reasoning.encrypted", "data": "proof", "format": "google-gemini-v1", "id": "a"}]
    call = {"id": "a", "type": "function", "function": {"name": "f", "arguments": "{}"}}

    folded = read(reply({"content": None, "tool_calls": [call], "reasoning_details": details}))

    assert folded.parts == (ToolCall("a", "f", "{}", Signature("proof", "gemini")),)


def test_summary_and_its_proof_are_one_piece() -> None:
    details = [
        {"type": "reasoning.summary", "summary": "Hm.", "format": "openai-responses-v1", "index": 0},
        {"type": "reasoning.encrypted", "data": "proof", "format": "openai-responses-v1", "id": "rs_1", "index": 1},
    ]

    folded = read(reply({"content": "Hi", "reasoning": "Hm.", "reasoning_details": details}))

    assert folded.parts[0] == Reasoning("Hm.", Signature("proof", "responses"), id="rs_1")


def test_proof_of_unknown_format_is_left_out() -> None:
    details = [
        {"type": "reasoning.text", "text": "Hm.", "signature": "proof", "format": "unknown"},
        {"type": "reasoning.encrypted", "data": "proof"},
        {"type": "reasoning.new", "text": "?"},
        "odd",
    ]

    folded = read(reply({"content": "Hi", "reasoning_details": details}))

    assert folded.parts == (Reasoning("Hm."), Text("Hi"))


@pytest.mark.parametrize("image", [Image(data="aGk=", media_type="image/webp"), Image(url="https://example.org/a.png")])
def test_picture_survives(image: Image) -> None:
    assert read(write_reply(completion(Text("Here:"), image), ABOUT)).parts == (Text("Here:"), image)


@pytest.mark.parametrize(
    "citation",
    [
        Citation("https://a", "A", "words", 3, 9),
        Citation("https://a"),
    ],
)
def test_source_survives(citation: Citation) -> None:
    written = write_reply(completion(Text("Hi"), citations=(citation,)), ABOUT)

    ChatCompletion.model_validate(written, strict=True)
    assert read(written).citations == (citation,)


def test_sources_are_told_once_by_url_and_place() -> None:
    def cited(url: str, start: int, end: int) -> dict[str, Any]:
        return {
            "type": "url_citation",
            "url_citation": {"url": url, "title": "", "start_index": start, "end_index": end},
        }

    annotations = [
        *(cited("https://a", 1, 4), cited("https://a", 1, 4), cited("https://a", 7, 9), cited("https://a", 0, 0)),
        {"type": "url_citation", "url": "https://flat"},
        *(cited("https://c", 2, 5), cited("https://c", 0, 0)),
        *({"type": "file_citation"}, {"type": "url_citation"}, 5),
    ]

    folded = read(reply({"content": "Hi", "annotations": annotations}, citations=["https://b", "https://a", 5, ""]))

    assert [(c.url, c.start) for c in folded.citations] == [
        *(("https://b", None), ("https://a", None)),
        *(("https://a", 1), ("https://a", 7), ("https://flat", None), ("https://c", 2)),
    ]


def test_unfolded_reply_folds_to_itself_through_the_dialect() -> None:
    wanted = completion(
        Reasoning("Hm.", Signature("s", "anthropic")),
        Text("Hi"),
        ToolCall("a", "f", '{"x":1}'),
        ToolCall("b", "g", "{}"),
        reason="tool_calls",
        usage=Usage(input=3, cache_read=2, output=4, reasoning=1),
    )

    assert read(write_reply(fold(unfold(wanted)), ABOUT)) == wanted


@pytest.mark.parametrize(
    "document",
    [
        None,
        [],
        "Hi",
        {},
        {"choices": None},
        {"choices": []},
        {"choices": "Hi"},
        {"choices": [5]},
        {"choices": [{"index": 1, "message": {}}]},
        {"choices": [{"text": "Hi"}]},
        {"choices": [{"message": "Hi"}]},
    ],
)
def test_what_is_no_reply_is_an_error(document: Any) -> None:
    with pytest.raises(UpstreamInvalid):
        read_reply(document)


@pytest.mark.parametrize(
    ("document", "status", "message"),
    [
        ({"error": {"message": "No", "code": 402}}, 402, "No"),
        ({"error": {"message": "No", "code": "429"}}, 429, "No"),
        ({"error": {"message": "No", "type": "overloaded_error"}}, 529, "No"),
        ({"error": {"message": "No", "type": "invalid_request_error", "code": "model_not_found"}}, 404, "No"),
        ({"error": {"message": "No"}}, 502, "No"),
        ({"error": "No", "code": "unheard of"}, 502, "No"),
        ({"object": "error", "message": "No", "code": 400}, 400, "No"),
        ({"choices": [{"error": {"message": "No", "code": 503}, "message": {"content": ""}}]}, 503, "No"),
        (
            {"choices": [{"finish_reason": "error", "message": {"content": "Hi"}}]},
            502,
            "The provider ended its answer with an error.",
        ),
        ({"error": {"message": "wrong key sk-proj-abcdefghijklmnop"}}, 502, "wrong key [redacted]"),
    ],
)
def test_error_with_status_200_is_one(document: Any, status: int, message: str) -> None:
    with pytest.raises(UpstreamError) as caught:
        read_reply(document)

    assert (caught.value.status, caught.value.message) == (status, message)
