"""One more message in a chat of every dialect: it stands where it belongs, and all else stays as it came."""

from dataclasses import replace
from typing import Any

import pytest

from app.core.call import Call
from app.core.chat import ChatRequest, Role, Text
from app.core.jsonio import loads
from app.dialects.conversation import last_user_text, read_chat
from app.dialects.insertion import with_message
from app.dialects.registry import DIALECTS
from tests.calls import make_call

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

# What only their own dialect has; the last is the question.
RICH: dict[str, tuple[str, list[dict[str, Any]]]] = {
    "openai": (
        "messages",
        [
            {"role": "developer", "content": "Be brief.", "x_own": 1},
            {
                "role": "user",
                "name": "ann",
                "content": [{"type": "text", "text": "One", "cache_control": {"type": "ephemeral"}}],
            },
            {"role": "assistant", "content": "Two", "reasoning_content": "Hm", "x_own": 3},
            {
                "role": "user",
                "content": [
                    {"type": "text", "text": "Three?"},
                    {"type": "image_url", "image_url": {"url": "https://a.test/i.png", "x_own": 1}},
                ],
            },
        ],
    ),
    "responses": (
        "input",
        [
            {"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "sealed"},
            {
                "type": "message",
                "id": "msg_1",
                "status": "completed",
                "role": "assistant",
                "content": [{"type": "output_text", "text": "Two", "annotations": []}],
            },
            {"role": "user", "content": "Three?"},
        ],
    ),
    "anthropic": (
        "messages",
        [
            {
                "role": "user",
                "content": [
                    {
                        "type": "document",
                        "source": {"type": "text", "media_type": "text/plain", "data": "all"},
                        "context": "a book",
                        "citations": {"enabled": True},
                    },
                    {"type": "text", "text": "One"},
                ],
            },
            {
                "role": "assistant",
                "content": [
                    {"type": "text", "text": "Two", "citations": [{"type": "char_location", "cited_text": "all"}]}
                ],
            },
            {
                "role": "user",
                "content": [
                    {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "AA"}},
                    {"type": "text", "text": "Three?", "cache_control": {"type": "ephemeral"}},
                ],
            },
        ],
    ),
    "gemini": (
        "contents",
        [
            {
                "role": "user",
                "parts": [
                    {"text": "One"},
                    {"fileData": {"fileUri": "https://youtu.be/x"}, "videoMetadata": {"fps": 1}},
                ],
            },
            {"role": "model", "parts": [{"text": "Hm", "thought": True, "thoughtSignature": "QUJD"}, {"text": "Two"}]},
            {"role": "user", "parts": [{"text": "Three?"}]},
        ],
    ),
    "ollama": (
        "messages",
        [
            {"role": "user", "content": "One", "images": ["AA"]},
            {"role": "assistant", "content": "", "tool_calls": [{"function": {"name": "f", "arguments": {"a": 1}}}]},
            {"role": "tool", "content": "2", "tool_name": "f"},
            {"role": "user", "content": "Three?", "images": ["BB"]},
        ],
    ),
}


def call_of(dialect: str, payload: dict[str, Any]) -> Call:
    return replace(make_call(payload), payload=payload, dialect=dialect, name="m")


def say_more(call: Call, text: str, role: Role = "user") -> Call:
    request = read_chat(call)
    assert request is not None
    return with_message(call, request, text, role)


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


@pytest.mark.parametrize("dialect", RICH)
def test_turns_stay_as_their_client_wrote_them(dialect: str) -> None:
    key, turns = RICH[dialect]
    call = call_of(dialect, {"model": "m", "max_tokens": 9, key: turns})

    changed = say_more(call, "<found/>").payload[key]

    assert isinstance(changed, list)
    assert changed[: len(turns) - 1] == turns[:-1]
    *more, last = changed[len(turns) - 1 :]
    if more:
        assert (len(more), last) == (1, turns[-1])
        assert "<found/>" in str(more[0])
    else:  # turns of one role are one: it is the first part there
        (name,) = (name for name, value in last.items() if isinstance(value, list))
        assert last == {**turns[-1], name: [last[name][0], *turns[-1][name]]}
        assert last[name][0]["text"] == "<found/>"


def test_results_of_tools_stay_the_first_parts_of_their_turn() -> None:
    turns = [
        {"role": "user", "content": "One"},
        {"role": "assistant", "content": [{"type": "tool_use", "id": "t1", "name": "f", "input": {}}]},
        {
            "role": "user",
            "content": [
                {"type": "tool_result", "tool_use_id": "t1", "content": "2"},
                {"type": "text", "text": "Three?"},
            ],
        },
    ]

    changed = say_more(call_of("anthropic", {"max_tokens": 9, "messages": turns}), "<found/>").payload["messages"]

    assert isinstance(changed, list)
    last: Any = changed[-1]
    assert [part["type"] for part in last["content"]] == ["tool_result", "text", "text"]
    assert [part["text"] for part in last["content"][1:]] == ["<found/>", "Three?"]


def test_words_that_are_one_string_get_a_part_before_them() -> None:
    changed = say_more(call_of("anthropic", TURNS["anthropic"]), "<found/>").payload["messages"]

    assert isinstance(changed, list)
    assert changed[-1] == {
        "role": "user",
        "content": [{"type": "text", "text": "<found/>"}, {"type": "text", "text": "Three?"}],
    }


def test_every_dialect_of_chats_is_looked_at_here() -> None:
    assert set(TURNS) == set(DIALECTS)
