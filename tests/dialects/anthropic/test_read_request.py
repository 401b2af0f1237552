"""A client's request becomes a canonical one, or is refused in plain words."""

import json
from typing import Any

import pytest

from app.core.chat import (
    ChatRequest,
    Document,
    Foreign,
    ForeignTool,
    Image,
    Message,
    Part,
    Reasoning,
    ReasoningWish,
    ResponseFormat,
    Signature,
    Text,
    Tool,
    ToolCall,
    ToolChoice,
    ToolResult,
    WebSearch,
)
from app.core.errors import InvalidRequest
from app.dialects.anthropic.request import read_asked, read_request

MARK = {"type": "ephemeral"}
CALL = {"type": "tool_use", "id": "t1", "name": "f", "input": {"a": 1}}
SEARCHED = {"type": "web_search_tool_result", "tool_use_id": "s1", "content": []}


def request_with(**fields: Any) -> ChatRequest:
    return read_request({"model": "m", "max_tokens": 5, "messages": [{"role": "user", "content": "Hi"}], **fields})


def parts_of(*blocks: dict[str, Any], role: str = "user") -> tuple[Part, ...]:
    request = request_with(messages=[{"role": role, "content": list(blocks)}])
    return request.messages[0].parts


def extras_of(**fields: Any) -> dict[str, Any]:
    return dict(request_with(**fields).extras or {})


@pytest.mark.parametrize(
    ("block", "part"),
    [
        ({"type": "text", "text": "Hi", "cache_control": MARK}, Text("Hi", cache=MARK)),
        (
            {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "AA=="}},
            Image(data="AA==", media_type="image/png"),
        ),
        (
            {"type": "image", "source": {"type": "url", "url": "https://a/b"}, "cache_control": MARK},
            Image(url="https://a/b", cache=MARK),
        ),
        (
            {"type": "image", "source": {"type": "file", "file_id": "file_1"}},
            Foreign("anthropic", {"type": "image", "source": {"type": "file", "file_id": "file_1"}}),
        ),
        (
            {
                "type": "document",
                "source": {"type": "base64", "media_type": "application/pdf", "data": "AA=="},
                "title": "T",
                "cache_control": MARK,
            },
            Document(data="AA==", media_type="application/pdf", name="T", cache=MARK),
        ),
        (
            {"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "words"}},
            Document(text="words"),
        ),
        ({"type": "document", "source": {"type": "url", "url": "https://a/b.pdf"}}, Document(url="https://a/b.pdf")),
        ({"type": "document", "source": {"type": "file", "file_id": "file_1"}}, Document(file_id="file_1")),
        ({"type": "document", "source": {"type": "content", "content": "words"}}, Document(text="words")),
        (
            {
                "type": "document",
                "source": {
                    "type": "content",
                    "content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}],
                },
            },
            Document(text="a\n\nb"),
        ),
        (
            {"type": "container_upload", "file_id": "f"},
            Foreign("anthropic", {"type": "container_upload", "file_id": "f"}),
        ),
        (
            {"type": "tool_result", "tool_use_id": "t1", "content": "5", "is_error": True, "cache_control": MARK},
            ToolResult("t1", (Text("5"),), is_error=True, cache=MARK),
        ),
        ({"type": "tool_result", "tool_use_id": "t1"}, ToolResult("t1", ())),
        (
            {
                "type": "tool_result",
                "tool_use_id": "t1",
                "content": [
                    {"type": "text", "text": "5"},
                    {"type": "image", "source": {"type": "url", "url": "https://a/b"}},
                    {"type": "tool_reference", "tool_name": "g"},
                ],
            },
            ToolResult(
                "t1",
                (
                    Text("5"),
                    Image(url="https://a/b"),
                    Foreign("anthropic", {"type": "tool_reference", "tool_name": "g"}),
                ),
            ),
        ),
    ],
)
def test_block_of_a_user_becomes_a_part(block: dict[str, Any], part: Part) -> None:
    assert parts_of(block) == (part,)


@pytest.mark.parametrize(
    ("block", "part"),
    [
        (CALL, ToolCall("t1", "f", '{"a":1}')),
        ({**CALL, "input": {}}, ToolCall("t1", "f", "{}")),
        (
            {"type": "thinking", "thinking": "Hm", "signature": "sig"},
            Reasoning("Hm", signature=Signature("sig", "anthropic")),
        ),
        ({"type": "thinking", "thinking": "Hm", "signature": ""}, Reasoning("Hm")),
        (
            {"type": "thinking", "thinking": "Hm", "signature": "lr.responses.s.1"},
            Reasoning("Hm", signature=Signature("s.1", "responses")),
        ),
        ({"type": "redacted_thinking", "data": "x"}, Reasoning(redacted=Signature("x", "anthropic"))),
        ({"type": "redacted_thinking", "data": "lr.gemini.x"}, Reasoning(redacted=Signature("x", "gemini"))),
        (SEARCHED, Foreign("anthropic", SEARCHED)),
    ],
)
def test_block_of_the_model_becomes_a_part(block: dict[str, Any], part: Part) -> None:
    assert parts_of(block, role="assistant") == (part,)


def test_signature_of_another_provider_goes_to_the_call_that_follows() -> None:
    mark = {"type": "redacted_thinking", "data": "lr.call.gemini.a.b"}

    parts = parts_of(mark, {"type": "text", "text": "so"}, CALL, {**CALL, "id": "t2"}, role="assistant")

    assert parts == (
        Text("so"),
        ToolCall("t1", "f", '{"a":1}', signature=Signature("a.b", "gemini")),
        ToolCall("t2", "f", '{"a":1}'),
    )


def test_system_stands_first_and_wherever_else_it_is_said() -> None:
    request = request_with(
        system=[{"type": "text", "text": "A", "cache_control": MARK}],
        messages=[{"role": "user", "content": "Hi"}, {"role": "system", "content": "B"}],
    )

    assert request.messages == (
        Message("system", (Text("A", cache=MARK),)),
        Message("user", (Text("Hi"),)),
        Message("system", (Text("B"),)),
    )


def test_tools_are_told_apart() -> None:
    search = {
        "type": "web_search_20250305",
        "name": "web_search",
        "allowed_domains": ["a.org"],
        "blocked_domains": None,
        "max_uses": 3,
        "user_location": {"type": "approximate", "city": "Rome"},
    }
    shell = {"type": "bash_20250124", "name": "bash"}

    request = request_with(
        tools=[
            {
                "name": "f",
                "description": "d",
                "input_schema": {"type": "object"},
                "strict": True,
                "cache_control": MARK,
            },
            {"type": "custom", "name": "g", "input_schema": {}},
            search,
            shell,
        ]
    )

    assert request.tools == (
        Tool("f", "d", {"type": "object"}, strict=True, cache=MARK),
        Tool("g", parameters={}),
        WebSearch(
            "anthropic",
            search,
            allowed_domains=("a.org",),
            max_uses=3,
            user_location={"type": "approximate", "city": "Rome"},
        ),
        ForeignTool("anthropic", "bash", shell),
    )


@pytest.mark.parametrize(
    ("choice", "expected"),
    [
        ({"type": "auto"}, (ToolChoice("auto"), None)),
        ({"type": "any", "disable_parallel_tool_use": True}, (ToolChoice("required"), False)),
        ({"type": "none"}, (ToolChoice("none"), None)),
        ({"type": "tool", "name": "f", "disable_parallel_tool_use": False}, (ToolChoice("tool", "f"), True)),
    ],
)
def test_tool_choice_is_read(choice: dict[str, Any], expected: tuple[ToolChoice, bool | None]) -> None:
    request = request_with(tool_choice=choice)

    assert (request.tool_choice, request.parallel_tool_calls) == expected


@pytest.mark.parametrize(
    ("fields", "wish"),
    [
        ({}, None),
        ({"thinking": {"type": "disabled"}}, ReasoningWish(effort="none")),
        ({"thinking": {"type": "enabled", "budget_tokens": 3000}}, ReasoningWish(budget=3000, summary="auto")),
        (
            {"thinking": {"type": "enabled", "budget_tokens": 3000, "display": "omitted"}},
            ReasoningWish(budget=3000),
        ),
        ({"thinking": {"type": "adaptive"}}, ReasoningWish()),
        (
            {"thinking": {"type": "adaptive", "display": "summarized"}, "output_config": {"effort": "low"}},
            ReasoningWish(effort="low", summary="auto"),
        ),
        ({"output_config": {"effort": "max"}}, ReasoningWish(effort="max")),
    ],
)
def test_thinking_is_read(fields: dict[str, Any], wish: ReasoningWish | None) -> None:
    assert request_with(**fields).reasoning == wish


@pytest.mark.parametrize(
    "fields",
    [
        {"output_config": {"format": {"type": "json_schema", "schema": {"type": "object"}}}},
        {"output_format": {"type": "json_schema", "schema": {"type": "object"}}},
    ],
)
def test_form_of_the_answer_is_read(fields: dict[str, Any]) -> None:
    assert request_with(**fields).response_format == ResponseFormat("schema", {"type": "object"})


def test_sampling_and_the_rest_are_read() -> None:
    request = request_with(
        temperature=0.5, top_p=0.9, top_k=4, stop_sequences=["a", "b"], metadata={"user_id": "u"}, stream=True
    )

    assert request == ChatRequest(
        messages=(Message("user", (Text("Hi"),)),),
        max_tokens=5,
        temperature=0.5,
        top_p=0.9,
        top_k=4,
        stop=("a", "b"),
        user="u",
    )


@pytest.mark.parametrize(
    ("fields", "extras"),
    [
        ({"service_tier": "auto", "container": None}, {"service_tier": "auto"}),
        ({"metadata": {"user_id": "u", "team": "x"}}, {"metadata.team": "x"}),
        ({"output_config": {"task_budget": {"total": 1}}}, {"output_config.task_budget": {"total": 1}}),
        ({"output_format": {"type": "regex"}}, {"output_format": {"type": "regex"}}),
        ({"thinking": {"type": "between_tools"}}, {"thinking": {"type": "between_tools"}}),
        (
            {"thinking": {"type": "disabled"}, "output_config": {"effort": "low"}},
            {"output_config.effort": "low"},
        ),
        ({"tools": [{"name": "f", "input_schema": {}, "defer_loading": True}]}, {"tools.defer_loading": True}),
        (
            {
                "messages": [
                    {"role": "assistant", "content": [{**CALL, "cache_control": MARK, "caller": {"type": "x"}}]}
                ]
            },
            {"tool_use.cache_control": MARK, "tool_use.caller": {"type": "x"}},
        ),
        ({"messages": [{"role": "assistant", "content": [{**CALL, "caller": {"type": "direct"}}]}]}, {}),
        (
            {
                "messages": [
                    {
                        "role": "user",
                        "content": [
                            {
                                "type": "document",
                                "source": {"type": "url", "url": "https://a"},
                                "citations": {"enabled": True},
                                "context": "c",
                            }
                        ],
                    }
                ]
            },
            {"document.citations": {"enabled": True}, "document.context": "c"},
        ),
        ({"messages": [{"role": "user", "content": [{"type": "text", "text": "a", "citations": []}]}]}, {}),
    ],
)
def test_what_no_other_dialect_has_is_kept_by_its_name(fields: dict[str, Any], extras: dict[str, Any]) -> None:
    assert extras_of(**fields) == extras


@pytest.mark.parametrize(
    ("fields", "param", "words"),
    [
        ({"messages": None}, "messages", "messages must be a list."),
        ({"messages": ["Hi"]}, "messages[0]", "messages[0] must be an object."),
        ({"messages": [{"role": "bot", "content": "x"}]}, "messages[0].role", "'user', 'assistant' or 'system'"),
        ({"messages": [{"role": "user"}]}, "messages[0].content", "must be a string or a list of blocks."),
        ({"messages": [{"role": "user", "content": [5]}]}, "messages[0].content[0]", "must be an object."),
        ({"messages": [{"role": "user", "content": [{}]}]}, "messages[0].content[0].type", "must be a string."),
        (
            {"messages": [{"role": "user", "content": [{"type": "text", "text": 5}]}]},
            "messages[0].content[0].text",
            "must be a string.",
        ),
        (
            {"messages": [{"role": "user", "content": [CALL]}]},
            "messages[0].content[0]",
            "no place in a message of the user",
        ),
        (
            {"messages": [{"role": "assistant", "content": [{"type": "tool_result", "tool_use_id": "t"}]}]},
            "messages[0].content[0]",
            "no place in a message of the assistant",
        ),
        (
            {"messages": [{"role": "assistant", "content": [{**CALL, "input": "{}"}]}]},
            "messages[0].content[0].input",
            "must be an object.",
        ),
        (
            {"messages": [{"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t", "content": 5}]}]},
            "messages[0].content[0].content",
            "must be a string or a list of blocks.",
        ),
        (
            {"messages": [{"role": "user", "content": [{"type": "image"}]}]},
            "messages[0].content[0].source",
            "an object",
        ),
        ({"system": 5}, "system", "must be a string or a list of blocks."),
        ({"system": [{"type": "thinking", "thinking": "x"}]}, "system[0]", "no place in a message of the system"),
        ({"max_tokens": "5"}, "max_tokens", "must be a whole number."),
        ({"max_tokens": True}, "max_tokens", "must be a whole number."),
        ({"temperature": "hot"}, "temperature", "must be a number."),
        ({"top_k": 1.5}, "top_k", "must be a whole number."),
        ({"stop_sequences": "x"}, "stop_sequences", "must be a list of strings."),
        ({"stop_sequences": [1]}, "stop_sequences", "must be a list of strings."),
        ({"metadata": []}, "metadata", "must be an object."),
        ({"metadata": {"user_id": 5}}, "metadata.user_id", "must be a string."),
        ({"tools": {}}, "tools", "must be a list."),
        ({"tools": [{"name": 5}]}, "tools[0].name", "must be a string."),
        ({"tools": [{"type": 5}]}, "tools[0].type", "must be a string."),
        ({"tools": [{"name": "f", "input_schema": []}]}, "tools[0].input_schema", "must be an object."),
        ({"tools": [{"name": "f", "strict": 1}]}, "tools[0].strict", "must be true or false."),
        (
            {"tools": [{"type": "web_search_20250305", "allowed_domains": "a"}]},
            "tools[0].allowed_domains",
            "must be a list of strings.",
        ),
        ({"tool_choice": {"type": "some"}}, "tool_choice.type", "must be one of auto, any, tool, none."),
        ({"tool_choice": {"type": "tool"}}, "tool_choice.name", "must be a string."),
        ({"thinking": {"type": "enabled"}}, "thinking.budget_tokens", "must be a whole number."),
        ({"thinking": "on"}, "thinking", "must be an object."),
        ({"output_config": {"effort": "huge"}}, "output_config.effort", "one of low, medium, high, xhigh, max"),
        ({"output_config": {"effort": []}}, "output_config.effort", "one of low"),
        ({"output_config": {"format": {"type": "json_schema"}}}, "output_config.format.schema", "must be an object."),
        ({"output_format": 5}, "output_format", "must be an object."),
    ],
)
def test_field_of_the_wrong_type_is_named(fields: dict[str, Any], param: str, words: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        request_with(**fields)

    assert caught.value.param == param
    assert words in caught.value.message


@pytest.mark.parametrize(
    ("body", "param"),
    [
        (b"{", None),
        (b"[]", None),
        (b'{"messages":[{"role":"user"}],"max_tokens":1}', "model"),
        (b'{"model":" ","messages":[{"role":"user"}],"max_tokens":1}', "model"),
        (b'{"model":"m","messages":[],"max_tokens":1}', "messages"),
        (b'{"model":"m","messages":["x"],"max_tokens":1}', "messages[0]"),
        (b'{"model":"m","messages":[{"role":"user"}],"max_tokens":1,"stream":"yes"}', "stream"),
        (b'{"model":"m","messages":[{"role":"user"}]}', "max_tokens"),
        (b'{"model":"m","messages":[{"role":"user"}],"max_tokens":true}', "max_tokens"),
        (b'{"model":"m","messages":[{"role":"user"}],"max_tokens":-1}', "max_tokens"),
    ],
)
def test_request_that_lacks_what_must_be_there_is_refused_at_the_door(body: bytes, param: str | None) -> None:
    with pytest.raises(InvalidRequest) as caught:
        read_asked(body)

    assert caught.value.param == param


def test_facts_of_a_request_are_read_at_the_door() -> None:
    payload = {"model": "m", "messages": [{"role": "user", "content": "Hi"}], "max_tokens": 0, "stream": True}
    body = json.dumps(payload).encode()

    asked = read_asked(b"\xef\xbb\xbf" + body)

    assert (asked.body, asked.payload, asked.name, asked.streamed, asked.wants_usage) == (
        body,
        payload,
        "m",
        True,
        True,
    )
