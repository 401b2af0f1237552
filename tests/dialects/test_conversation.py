"""What stages do with chats in every dialect: read what is asked, and give an answer again."""

from dataclasses import replace
from typing import Any

import pytest

from app.core.call import Call
from app.core.chat import ChatRequest, Image, Message, Text, ToolCall, ToolResult
from app.core.events import Citation, Completion
from app.core.jsonio import loads
from app.core.usage import Usage
from app.dialects.conversation import (
    last_user_text,
    read_answer,
    read_chat,
    read_question_answer,
    write_answer,
    write_question,
)
from app.dialects.registry import DIALECTS
from tests.calls import make_call
from tests.contract.crossing import ASKED, CLIENT_DIALECTS

PROMPT = {"model": "m", "prompt": "Hi"}
CHATS = {**ASKED, "openai-completions": PROMPT}

COMPLETION = Completion(
    "id-1",
    "m-1",
    1_767_225_600,
    (Text("All of it, “as is”:\n\n{}"),),
    (),
    "stop",
    Usage(input=10, output=7),
)


def call_of(dialect: str, payload: dict[str, Any], *, streamed: bool = False) -> Call:
    return replace(make_call(payload), payload=payload, dialect=dialect, name="m", streamed=streamed, wants_usage=True)


async def replay(dialect: str, completion: Completion, *, streamed: bool) -> Completion | None:
    reply = write_answer(call_of(dialect, CHATS[dialect], streamed=streamed), completion)
    body = reply.first + b"".join([piece async for piece in reply.rest])
    assert reply.status == 200
    assert reply.read_usage() == completion.usage
    return read_answer(dialect, body, streamed=streamed)


@pytest.mark.parametrize("streamed", [False, True])
@pytest.mark.parametrize("dialect", CHATS)
async def test_text_that_is_given_again_is_the_same_in_every_dialect(dialect: str, streamed: bool) -> None:
    again = await replay(dialect, COMPLETION, streamed=streamed)

    assert again is not None
    assert (again.text, again.reason) == (COMPLETION.text, "stop")
    assert (again.usage.input, again.usage.output) == (10, 7)


@pytest.mark.parametrize("streamed", [False, True])
@pytest.mark.parametrize("dialect", [each for each in CLIENT_DIALECTS if each != "ollama-generate"])
async def test_tool_calls_that_are_given_again_are_the_same(dialect: str, streamed: bool) -> None:
    calls = ToolCall("call_1", "weather", '{"city":"Köln"}'), ToolCall("call_2", "time", "{}")

    again = await replay(dialect, replace(COMPLETION, parts=calls, reason="tool_calls"), streamed=streamed)

    assert again is not None
    assert [(call.name, loads(call.arguments)) for call in again.tool_calls] == [
        ("weather", {"city": "Köln"}),
        ("time", {}),
    ]
    assert again.reason == "tool_calls"


@pytest.mark.parametrize("dialect", ["openai", "responses", "anthropic", "gemini"])
async def test_sources_are_given_again(dialect: str) -> None:
    cited = replace(COMPLETION, citations=(Citation("https://a.test/x", "A", start=0, end=3),))

    again = await replay(dialect, cited, streamed=False)

    assert again is not None
    assert [citation.url for citation in again.citations] == ["https://a.test/x"]


@pytest.mark.parametrize("streamed", [False, True])
@pytest.mark.parametrize("dialect", CHATS)
def test_what_is_no_answer_is_none(dialect: str, streamed: bool) -> None:
    for body in (b"", b"{", b'{"error": "gone"}', b"data: {", b"\xff\xfe", b"[1]"):
        assert read_answer(dialect, body, streamed=streamed) is None


PICTURE = Message("user", (Image(url="https://a.test/i.png"),))
RESULT = Message("user", (ToolResult("call_1", (Text("noon"),)),))
ASKED_ONE, ANSWERED, ASKED_TWO = Message("user", (Text("One"),)), Message("assistant", (Text("Two"),)), Text("Three?")


@pytest.mark.parametrize(
    ("messages", "text"),
    [
        ((ASKED_ONE, ANSWERED, Message("user", (ASKED_TWO,))), "Three?"),
        ((ASKED_ONE, ANSWERED, Message("user", (*PICTURE.parts, ASKED_TWO))), "Three?"),
        ((ASKED_ONE, PICTURE), "One"),
        ((ASKED_ONE, Message("system", (Text("Be brief."),))), "One"),
        ((ASKED_ONE, ANSWERED), "One"),  # which is how the reply is to begin
        # the turn has no words: those of an earlier one are answered
        ((ASKED_ONE, ANSWERED, PICTURE), ""),
        ((ASKED_ONE, ANSWERED, RESULT), ""),
        ((ASKED_ONE, ANSWERED, RESULT, Message("system", (Text("Be brief."),))), ""),
        ((Message("system", (Text("Be brief."),)),), ""),
        ((), ""),
    ],
)
def test_last_words_of_the_user_are_those_of_the_turn_that_is_to_be_answered(
    messages: tuple[Message, ...], text: str
) -> None:
    assert last_user_text(ChatRequest(messages)) == text


def test_call_that_is_no_chat_is_not_read() -> None:
    assert read_chat(call_of("openai-embeddings", {"model": "m", "input": "Hi"})) is None
    assert read_chat(call_of("openai", {"model": "m", "messages": 3})) is None


def test_question_of_the_gateways_own_and_its_answer() -> None:
    request = ChatRequest(
        (Message("user", (Text("Which?"), Image(url="https://a.test/i.png"))),), max_tokens=5, temperature=0
    )

    payload = write_question(request, "acme/m")
    answer = write_answer(call_of("openai", dict(payload)), COMPLETION)

    assert (payload["model"], payload.get("stream")) == ("acme/m", None)
    assert read_question_answer(answer.first).text == COMPLETION.text


def test_every_dialect_of_chats_is_looked_at_here() -> None:
    assert set(CHATS) == set(DIALECTS)
