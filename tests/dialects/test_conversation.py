"""What stages do with chats in every dialect: read what is asked, say more before it, and give an answer again."""

from dataclasses import replace
from typing import Any

import pytest

from app.core.call import Call
from app.core.chat import ChatRequest, Image, Message, Text, ToolCall
from app.core.events import Citation, Completion
from app.core.jsonio import loads
from app.core.usage import Usage
from app.dialects.conversation import (
    last_user_text,
    read_answer,
    read_chat,
    read_question_answer,
    with_message,
    write_answer,
    write_question,
)
from app.dialects.registry import DIALECTS
from tests.calls import make_call
from tests.contract.crossing import ASKED, CLIENT_DIALECTS

PROMPT = {"model": "m", "prompt": "Hi"}
CHATS = {**ASKED, "openai-completions": PROMPT}
TURNS: dict[str, dict[str, Any]] = {
    "openai": {
        "model": "m",
        "seed": 7,
        "x_own": {"a": 1},
        "messages": [
            {"role": "system", "content": "Be brief."},
            {"role": "user", "content": "One"},
            {"role": "assistant", "content": "Two"},
            {"role": "user", "content": "Three?"},
        ],
    },
    "responses": {"model": "m", "input": [{"role": "user", "content": "One"}, {"role": "user", "content": "Three?"}]},
    "anthropic": {
        "model": "m",
        "max_tokens": 9,
        "system": "Be brief.",
        "x_own": 1,
        "messages": [
            {"role": "user", "content": "One"},
            {"role": "assistant", "content": "Two"},
            {"role": "user", "content": "Three?"},
        ],
    },
    "gemini": {
        "system_instruction": {"parts": [{"text": "Be brief."}]},
        "contents": [{"role": "user", "parts": [{"text": "One"}]}, {"role": "user", "parts": [{"text": "Three?"}]}],
        "generationConfig": {"topK": 3},
    },
    "ollama": {"model": "m", "keep_alive": 5, "messages": [{"role": "user", "content": "Three?"}]},
    "ollama-generate": {"model": "m", "prompt": "Three?", "keep_alive": 5},
    "openai-completions": {"model": "m", "prompt": "Three?", "seed": 7},
}
TURNS["gemini-array"] = TURNS["gemini"]

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


def texts_of(request: ChatRequest) -> list[tuple[str, str]]:
    return [
        (message.role, part.text) for message in request.messages for part in message.parts if isinstance(part, Text)
    ]


@pytest.mark.parametrize("dialect", TURNS)
def test_message_is_said_before_the_last_one_of_the_user_and_all_else_stays(dialect: str) -> None:
    call = call_of(dialect, TURNS[dialect])
    request = read_chat(call)
    assert request is not None

    changed = with_message(call, request, "<found>42</found>", "user")

    again = read_chat(changed)
    assert again is not None
    said = "\n".join(text for _, text in texts_of(again))
    assert said.index("<found>42</found>") < said.index("Three?")
    assert "One" not in said or said.index("One") < said.index("<found>")
    assert loads(changed.body) == changed.payload
    untouched = {
        "model",
        "seed",
        "x_own",
        "max_tokens",
        "keep_alive",
        "generationConfig",
        "system_instruction",
        "system",
    }
    assert {key: changed.payload[key] for key in call.payload if key in untouched} == {
        key: value for key, value in call.payload.items() if key in untouched
    }
    assert call.payload == TURNS[dialect]


@pytest.mark.parametrize("dialect", [each for each in TURNS if each not in ("ollama-generate", "openai-completions")])
def test_message_of_the_system_role_is_told_apart_from_the_users(dialect: str) -> None:
    call = call_of(dialect, TURNS[dialect])
    request = read_chat(call)
    assert request is not None

    again = read_chat(with_message(call, request, "<found/>", "system"))

    assert again is not None
    assert ("system", "<found/>") in texts_of(again) or any(
        role == "system" and "<found/>" in text for role, text in texts_of(again)
    )
    assert last_user_text(again) == "Three?"


def test_request_without_words_of_the_user_is_left_alone() -> None:
    call = call_of("openai", {"model": "m", "messages": [{"role": "system", "content": "Be brief."}]})
    request = read_chat(call)
    assert request is not None

    assert with_message(call, request, "x", "user") is call
    assert last_user_text(request) == ""


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
    assert set(CHATS) == set(TURNS) == set(DIALECTS)
