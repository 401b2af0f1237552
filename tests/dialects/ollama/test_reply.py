"""Whole replies: what is written is read again as it was, and each rule of both."""

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import ollama
import pytest
from hypothesis import given

from app.core.chat import Image, Reasoning, Refusal, Signature, Text, ToolCall
from app.core.errors import UpstreamError, UpstreamInvalid
from app.core.events import Citation, Completion, Finished, FinishReason, ImageMade, Started, TextDelta, fold
from app.core.jsonio import dumps, loads
from app.core.usage import Usage
from app.dialects.dialect import Dialect
from app.dialects.ollama.dialect import OLLAMA, OLLAMA_GENERATE
from tests.dialects.ollama.playing import ABOUT, CREATED_AT, UNHURRIED, completions


def completion_of(*parts: Any, reason: FinishReason = "stop", citations: tuple[Citation, ...] = ()) -> Completion:
    return Completion(
        id="x",
        model="demo",
        created=1_700_000_000,
        parts=parts,
        citations=citations,
        reason=reason,
        usage=Usage(input=3, output=5),
    )


def chat_message(*parts: Any) -> dict[str, Any]:
    message: dict[str, Any] = OLLAMA.write_reply(completion_of(*parts), ABOUT)["message"]
    return message


@UNHURRIED
@given(completions())
def test_chat_reply_is_read_as_it_was_written(completion: Completion) -> None:
    document = loads(dumps(OLLAMA.write_reply(completion, ABOUT)))

    assert fold(OLLAMA.read_reply(document)) == completion


@UNHURRIED
@given(completions())
def test_generate_reply_is_read_as_it_was_written_but_for_further_pictures(completion: Completion) -> None:
    document = loads(dumps(OLLAMA_GENERATE.write_reply(completion, ABOUT)))

    read = fold(OLLAMA_GENERATE.read_reply(document))

    pictures = [part for part in completion.parts if isinstance(part, Image)]
    assert [part for part in read.parts if isinstance(part, Image)] == pictures[:1]
    assert (read.text, read.reasoning, read.tool_calls) == (
        completion.text,
        completion.reasoning,
        completion.tool_calls,
    )
    assert (read.reason, read.usage, read.citations) == (completion.reason, completion.usage, completion.citations)


@UNHURRIED
@given(completions())
def test_replies_are_accepted_by_the_official_types(completion: Completion) -> None:
    # The official client takes no pictures in a reply, though its server's schema has them.
    without = [part for part in completion.parts if not isinstance(part, Image)]

    chat = ollama.ChatResponse.model_validate(OLLAMA.write_reply(completion_of(*without), ABOUT))
    generate = ollama.GenerateResponse.model_validate(OLLAMA_GENERATE.write_reply(completion_of(*without), ABOUT))

    assert chat.message.content == generate.response == completion.text
    assert (chat.message.thinking or "") == (generate.thinking or "") == completion.reasoning


def test_chat_reply_has_everything_in_one_object() -> None:
    document = OLLAMA.write_reply(completion_of(Reasoning("Hm."), Text("Hello")), ABOUT)

    assert document == {
        "model": "demo",
        "created_at": CREATED_AT,
        "message": {"role": "assistant", "content": "Hello", "thinking": "Hm."},
        "done": True,
        "done_reason": "stop",
        "total_duration": 0,
        "load_duration": 0,
        "prompt_eval_duration": 0,
        "eval_duration": 0,
        "prompt_eval_count": 3,
        "eval_count": 5,
    }


@pytest.mark.parametrize("dialect", [OLLAMA, OLLAMA_GENERATE])
def test_reply_tells_how_long_the_call_took(dialect: Dialect, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.dialects.ollama.times.time", SimpleNamespace(monotonic_ns=lambda: 3_000_000_000))

    document = dialect.write_reply(completion_of(Text("Hello")), replace(ABOUT, began_s=1.0))

    assert (document["total_duration"], document["eval_duration"]) == (2_000_000_000, 2_000_000_000)


def test_generate_reply_has_its_text_in_response() -> None:
    document = OLLAMA_GENERATE.write_reply(completion_of(Reasoning("Hm."), Text("Hello")), ABOUT)

    assert (document["response"], document["thinking"]) == ("Hello", "Hm.")
    assert "message" not in document


def test_pieces_of_text_and_refusals_are_one_content() -> None:
    message = chat_message(Text("a"), Refusal("b"), Image(url="https://a.test"), Text("c"))

    assert message["content"] == "ab![](https://a.test)c"


def test_sources_are_beside_the_message() -> None:
    document = OLLAMA.write_reply(completion_of(Text("a"), citations=(Citation("https://a.test", text="q"),)), ABOUT)

    assert document["citations"] == [{"url": "https://a.test", "text": "q"}]


def test_tool_calls_are_counted() -> None:
    message = chat_message(ToolCall("a", "f", "{}"), ToolCall("b", "f", '{"x":1}', Signature("s", "gemini")))

    assert message["tool_calls"] == [
        {"id": "a", "function": {"index": 0, "name": "f", "arguments": {}}},
        {"id": "b", "function": {"index": 1, "name": "f", "arguments": {"x": 1}}, "signature": "lr.gemini.s"},
    ]


def test_signature_of_one_of_several_pieces_of_thinking_is_not_told_of_all() -> None:
    message = chat_message(Reasoning("a", Signature("s", "anthropic")), Text("-"), Reasoning("b"))

    assert message["thinking"] == "ab"
    assert "thinking_signature" not in message


@pytest.mark.parametrize(
    ("reason", "word"),
    [
        ("stop", "stop"),
        ("length", "length"),
        ("tool_calls", "stop"),
        ("content_filter", "content_filter"),
        ("refusal", "refusal"),
        ("pause", "pause"),
    ],
)
def test_reasons(reason: FinishReason, word: str) -> None:
    assert OLLAMA.write_reply(completion_of(Text("a"), reason=reason), ABOUT)["done_reason"] == word


def test_load_reply_is_read_as_an_empty_answer() -> None:
    document = {"model": "m", "message": {"role": "assistant", "content": ""}, "done_reason": "load", "done": True}

    assert OLLAMA.read_reply(document) == [Started(model="m"), Finished("stop")]


def test_generated_picture_is_read() -> None:
    events = OLLAMA.read_reply({"response": "Hi", "image": "R0lGODlh", "done": True})

    assert events[1:-1] == [TextDelta("Hi"), ImageMade(Image(data="R0lGODlh", media_type="image/gif"))]


@pytest.mark.parametrize("document", [None, [], "x", {}, {"done": True}, {"message": 5}, {"choices": []}])
def test_what_is_no_reply_is_refused(document: Any) -> None:
    with pytest.raises(UpstreamInvalid):
        OLLAMA.read_reply(document)


@pytest.mark.parametrize("error", ["it broke", {"message": "it broke"}])
def test_error_with_status_200_is_an_error(error: Any) -> None:
    with pytest.raises(UpstreamError) as raised:
        OLLAMA.read_reply({"error": error})

    assert (raised.value.message, raised.value.status) == ("it broke", 502)


def test_arguments_that_nest_too_deeply_are_refused() -> None:
    deep: Any = {}
    for _ in range(2000):
        deep = {"a": deep}

    with pytest.raises(UpstreamInvalid):
        OLLAMA.read_reply({"message": {"tool_calls": [{"function": {"name": "f", "arguments": deep}}]}})
