"""A member that nobody knows, anywhere in a request, is told; what all dialects say in their own words is not."""

import copy
from collections.abc import Iterator
from typing import Any

import pytest

from app.dialects.repeatable import read_repeatable
from app.dialects.unread import unread
from tests.calls import make_call

IMG = "data:image/png;base64,iVBORw0KGgo="
REQUESTS: dict[str, dict[str, Any]] = {
    "openai": {
        "messages": [
            {"role": "system", "content": "S"},
            {"role": "user", "content": "A"},
            {"role": "assistant", "content": "B"},
            {
                "role": "user",
                "content": [
                    {"type": "text", "text": "hi"},
                    {"type": "image_url", "image_url": {"url": IMG}},
                    {"type": "file", "file": {"file_id": "f1"}},
                    {"type": "input_audio", "input_audio": {"data": "aa", "format": "wav"}},
                ],
            },
        ],
        "tools": [{"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}],
        "response_format": {"type": "json_schema", "json_schema": {"name": "x", "schema": {"type": "object"}}},
        "tool_choice": {"type": "function", "function": {"name": "f"}},
        "reasoning": {"effort": "low"},
    },
    "responses": {
        "input": [
            {
                "role": "user",
                "content": [
                    {"type": "input_text", "text": "hi"},
                    {"type": "input_image", "image_url": IMG},
                    {"type": "input_file", "file_id": "f"},
                ],
            }
        ],
        "tools": [{"type": "function", "name": "f", "parameters": {"type": "object"}}],
        "text": {"format": {"type": "json_schema", "name": "x", "schema": {"type": "object"}}},
        "reasoning": {"effort": "low"},
    },
    "anthropic": {
        "max_tokens": 9,
        "system": [{"type": "text", "text": "S"}],
        "messages": [
            {
                "role": "user",
                "content": [
                    {"type": "text", "text": "hi"},
                    {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "iVBORw0KGgo="}},
                    {"type": "document", "source": {"type": "base64", "media_type": "application/pdf", "data": "aaaa"}},
                ],
            }
        ],
        "tools": [{"name": "f", "input_schema": {"type": "object"}}],
        "tool_choice": {"type": "auto"},
        "thinking": {"type": "enabled", "budget_tokens": 1024},
        "output_config": {"effort": "low"},
    },
    "gemini": {
        "contents": [
            {
                "role": "user",
                "parts": [
                    {"text": "hi"},
                    {"inlineData": {"mimeType": "image/png", "data": "iVBORw0KGgo="}},
                    {"fileData": {"mimeType": "video/mp4", "fileUri": "https://x.test/v"}},
                ],
            }
        ],
        "systemInstruction": {"parts": [{"text": "S"}]},
        "generationConfig": {"thinkingConfig": {"thinkingBudget": 5}},
        "tools": [{"functionDeclarations": [{"name": "f"}]}],
        "toolConfig": {"functionCallingConfig": {"mode": "AUTO"}},
        "safetySettings": [{"category": "X", "threshold": "Y"}],
    },
    "ollama": {
        "messages": [{"role": "system", "content": "S"}, {"role": "user", "content": "hi", "images": ["iVBORw0KGgo="]}],
        "options": {"num_ctx": 5},
        "tools": [{"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}],
    },
    "ollama-generate": {"prompt": "hi", "options": {"x": 1}},
    "openai-completions": {"prompt": "hi"},
}


def objects(value: Any) -> Iterator[dict[str, Any]]:
    if isinstance(value, dict):
        yield value
    for each in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from objects(each)


def said(dialect: str, payload: dict[str, Any]) -> tuple[Any, ...]:
    return (read_repeatable(make_call(payload, dialect=dialect)), unread(payload))


@pytest.mark.parametrize("dialect", REQUESTS)
def test_member_that_nobody_knows_makes_a_difference_wherever_it_is(dialect: str) -> None:
    plain = said(dialect, REQUESTS[dialect])
    assert plain[0] is not None

    for number in range(len(list(objects(REQUESTS[dialect])))):
        payload = copy.deepcopy(REQUESTS[dialect])
        list(objects(payload))[number]["x_unknown"] = "changes it"
        assert said(dialect, payload) != plain


@pytest.mark.parametrize(
    "payload",
    [
        {"messages": [{"role": "user", "content": [{"type": "text", "text": "Hi"}]}]},
        {"contents": [{"role": "user", "parts": [{"text": "Hi"}]}], "generationConfig": {"temperature": 1}},
        {"input": [{"role": "user", "content": [{"type": "input_text", "text": "Hi"}]}]},
        {
            "tools": [
                {"name": "f", "input_schema": {"properties": {"x_own": {}}}, "cache_control": {"type": "ephemeral"}}
            ]
        },
    ],
)
def test_what_is_read_is_not_told_again(payload: dict[str, Any]) -> None:
    assert unread(payload) == []


def test_what_was_said_before_the_last_message_can_be_left_out() -> None:
    payload = {"messages": [{"role": "user", "x": 1}, {"role": "user", "y": 2}]}

    assert unread(payload) == [["messages", 0, "x", 1], ["messages", 1, "y", 2]]
    assert unread(payload, last_only=True) == [["messages", 0, "y", 2]]
