"""A canonical request becomes one that Anthropic accepts, and what it cannot say is named."""

from typing import Any

import pytest

from app.core.chat import (
    Audio,
    ChatRequest,
    Document,
    Effort,
    Foreign,
    ForeignTool,
    Image,
    Message,
    Part,
    Reasoning,
    ReasoningWish,
    Refusal,
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
from app.dialects.anthropic.request import write_request
from app.dialects.efforts import budget_of

OLD, NEW = "claude-sonnet-4-20250514", "claude-opus-4-8"
MARK = {"type": "ephemeral"}
HI = Message("user", (Text("Hi"),))
TOOL = Tool("f")
THINK = ReasoningWish(effort="low")


def write(*messages: Message, model: str = OLD, streamed: bool = False, **fields: Any) -> tuple[dict[str, Any], Any]:
    encoded = write_request(ChatRequest(messages or (HI,), **fields), model, streamed)
    return encoded.payload, encoded.unsupported


def turns(*messages: Message) -> list[Any]:
    payload, _ = write(*messages)
    found: list[Any] = payload["messages"]
    return found


def said(text: str) -> dict[str, Any]:
    return {"type": "text", "text": text}


def test_the_least_request_has_what_the_api_demands() -> None:
    payload, unsupported = write(streamed=True)

    assert payload == {
        "model": OLD,
        "max_tokens": 4096,
        "messages": [{"role": "user", "content": [said("Hi")]}],
        "stream": True,
    }
    assert unsupported == ()


@pytest.mark.parametrize(
    ("messages", "system"),
    [
        ((Message("system", (Text("A"),)), HI), "A"),
        ((Message("system", (Text("A", cache=MARK),)), HI), [{**said("A"), "cache_control": MARK}]),
        ((Message("system", (Text("A"),)), HI, Message("system", (Text("B"),))), [said("A"), said("B")]),
        ((Message("system", (Text(" "),)), HI), None),
    ],
)
def test_system_messages_stand_at_the_top_in_their_order(messages: tuple[Message, ...], system: Any) -> None:
    payload, _ = write(*messages)

    assert payload.get("system") == system
    assert payload["messages"] == [{"role": "user", "content": [said("Hi")]}]


@pytest.mark.parametrize(
    ("messages", "expected"),
    [
        # neighbours of one role are one turn
        (
            (HI, Message("user", (Text("there"),)), Message("assistant", (Text("Yes"),))),
            [("user", ["Hi", "there"]), ("assistant", ["Yes"])],
        ),
        # a message without words leaves its neighbours neighbours
        ((HI, Message("assistant", (Text(" \n"),)), Message("user", (Text("there"),))), [("user", ["Hi", "there"])]),
        # the first one is the user's
        ((Message("assistant", (Text("Yes"),)), HI), [("user", ["."]), ("assistant", ["Yes"]), ("user", ["Hi"])]),
        # there is one
        ((Message("system", (Text("Write."),)),), [("user", ["Write."])]),
        ((Message("user", (Text(""),)),), [("user", ["."])]),
        # what the model is to go on with has no white space at its end
        ((HI, Message("assistant", (Text("Yes, \n"),))), [("user", ["Hi"]), ("assistant", ["Yes,"])]),
        ((HI, Message("assistant", (Refusal("No"),)), HI), [("user", ["Hi"]), ("assistant", ["No"]), ("user", ["Hi"])]),
    ],
)
def test_turns_are_by_turns(messages: tuple[Message, ...], expected: list[Any]) -> None:
    found = [(turn["role"], [block["text"] for block in turn["content"]]) for turn in turns(*messages)]

    assert found == expected


def test_results_of_tools_come_before_words() -> None:
    call = Message("assistant", (ToolCall("t1", "f", "{}"),))

    found = turns(HI, call, HI, Message("user", (ToolResult("t1", (Text("5"),)),)))

    assert [block["type"] for block in found[-1]["content"]] == ["tool_result", "text"]


@pytest.mark.parametrize(
    ("part", "block"),
    [
        (Text("Hi", cache=MARK), {**said("Hi"), "cache_control": MARK}),
        (
            Image(data="AA==", media_type="image/png", cache=MARK),
            {
                "type": "image",
                "source": {"type": "base64", "media_type": "image/png", "data": "AA=="},
                "cache_control": MARK,
            },
        ),
        (Image(url="https://a/b", detail="auto"), {"type": "image", "source": {"type": "url", "url": "https://a/b"}}),
        (
            Image(url="data:image/gif;base64,R0lG"),
            {"type": "image", "source": {"type": "base64", "media_type": "image/gif", "data": "R0lG"}},
        ),
        (
            Image(url="data:image/jpg;charset=x;base64,/9j/"),
            {"type": "image", "source": {"type": "base64", "media_type": "image/jpeg", "data": "/9j/"}},
        ),
        (
            Image(data="iVBORw0KGgo="),
            {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "iVBORw0KGgo="}},
        ),
        (
            Document(data="AA==", media_type="application/pdf", name="T", cache=MARK),
            {
                "type": "document",
                "source": {"type": "base64", "media_type": "application/pdf", "data": "AA=="},
                "title": "T",
                "cache_control": MARK,
            },
        ),
        (
            Document(url="data:application/pdf;base64,AA=="),
            {"type": "document", "source": {"type": "base64", "media_type": "application/pdf", "data": "AA=="}},
        ),
        (
            Document(data="w6k=", media_type="text/markdown"),
            {"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "é"}},
        ),
        (
            Document(text="words"),
            {"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "words"}},
        ),
        (Document(url="https://a"), {"type": "document", "source": {"type": "url", "url": "https://a"}}),
        (Document(file_id="file_1"), {"type": "document", "source": {"type": "file", "file_id": "file_1"}}),
        (
            ToolResult("t1", (Text("5"), Text("")), name="f", is_error=True, cache=MARK),
            {
                "type": "tool_result",
                "tool_use_id": "t1",
                "content": [said("5")],
                "is_error": True,
                "cache_control": MARK,
            },
        ),
        (ToolResult("t1", ()), {"type": "tool_result", "tool_use_id": "t1"}),
        (Foreign("anthropic", {"type": "search_result"}), {"type": "search_result"}),
    ],
)
def test_part_of_a_user_is_written(part: Part, block: dict[str, Any]) -> None:
    payload, unsupported = write(Message("user", (part,)))

    assert payload["messages"][0]["content"] == [block]
    assert unsupported == ()


@pytest.mark.parametrize(
    ("parts", "blocks"),
    [
        (
            (ToolCall("t1", "f", '{"a":1}'), ToolCall("t2", "f", " ")),
            [
                {"type": "tool_use", "id": "t1", "name": "f", "input": {"a": 1}},
                {"type": "tool_use", "id": "t2", "name": "f", "input": {}},
            ],
        ),
        (
            (Reasoning("Hm", signature=Signature("s", "anthropic")), Text("so")),
            [{"type": "thinking", "thinking": "Hm", "signature": "s"}, said("so")],
        ),
        (
            (Reasoning(redacted=Signature("x", "anthropic")), Text("so")),
            [{"type": "redacted_thinking", "data": "x"}, said("so")],
        ),
        # signatures of others are never sent
        (
            (
                Reasoning(signature=Signature("s", "gemini")),
                Reasoning(redacted=Signature("x", "responses")),
                ToolCall("t1", "f", "{}", signature=Signature("s", "gemini")),
            ),
            [{"type": "tool_use", "id": "t1", "name": "f", "input": {}}],
        ),
        ((Foreign("anthropic", {"type": "server_tool_use"}),), [{"type": "server_tool_use"}]),
    ],
)
def test_part_of_the_model_is_written(parts: tuple[Part, ...], blocks: list[Any]) -> None:
    payload, unsupported = write(HI, Message("assistant", parts))

    assert payload["messages"][1]["content"] == blocks
    assert unsupported == ()


@pytest.mark.parametrize(
    ("message", "name"),
    [
        (Message("user", (Audio("AA==", "audio/wav"),)), "audio"),
        (Message("user", (ToolResult("t", (Audio("AA==", "audio/wav"),)),)), "audio"),
        (Message("user", (Image(),)), "images"),
        (Message("user", (Image(url="https://a", detail="low"),)), "detail"),
        (Message("assistant", (Image(url="https://a"),)), "images"),
        (Message("system", (Image(url="https://a"),)), "images"),
        (Message("user", (Document(data="AA==", media_type="application/zip"),)), "documents"),
        (Message("user", (Document(data="!", media_type="text/plain"),)), "documents"),
        (Message("user", (Document(file_id="file-1"),)), "documents"),
        (Message("assistant", (Reasoning("Hm"),)), "reasoning"),
        (Message("assistant", (Reasoning("Hm", signature=Signature("s", "gemini")),)), "reasoning"),
        (Message("user", (Foreign("responses", {"type": "mcp_call"}),)), "mcp_call"),
        (Message("user", (Foreign("gemini", 5),)), "gemini part"),
        (Message("user", (Text("Hi"),), name="Ann"), "name"),
    ],
)
def test_part_that_cannot_be_said_is_named_once(message: Message, name: str) -> None:
    _, unsupported = write(HI, message, message)

    assert unsupported == (name,)


def test_ids_that_the_api_refuses_are_replaced_alike_on_both_sides() -> None:
    strange = "call:1 ü"
    found = turns(
        HI, Message("assistant", (ToolCall(strange, "f", "{}"),)), Message("user", (ToolResult(strange, ()),))
    )

    given = found[1]["content"][0]["id"]
    assert given == found[2]["content"][0]["tool_use_id"]
    assert given.startswith("toolu_")
    assert given.replace("_", "").isalnum()
    assert given.isascii()
    assert given != turns(HI, Message("assistant", (ToolCall("call:2", "f", "{}"),)))[1]["content"][0]["id"]


@pytest.mark.parametrize("arguments", ["[]", "5", '{"a"', "null"])
def test_arguments_that_are_no_object_are_refused(arguments: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        write(HI, Message("assistant", (ToolCall("t1", "f", arguments),)))

    assert caught.value.param == "messages"
    assert "'t1' of 'f' must be a JSON object" in caught.value.message


@pytest.mark.parametrize(
    ("tool", "written", "unsupported"),
    [
        (TOOL, {"name": "f", "input_schema": {"type": "object"}}, ()),
        (
            Tool("f", "d", {"properties": {}}, strict=True, cache=MARK),
            {
                "name": "f",
                "description": "d",
                "input_schema": {"type": "object", "properties": {}},
                "strict": True,
                "cache_control": MARK,
            },
            (),
        ),
        (Tool("f", strict=False), {"name": "f", "input_schema": {"type": "object"}}, ()),
        (ForeignTool("anthropic", "bash", {"type": "bash_20250124"}), {"type": "bash_20250124"}, ()),
        (WebSearch("anthropic", {"type": "web_search_20260318"}), {"type": "web_search_20260318"}, ()),
        (
            WebSearch(
                "openai",
                {},
                context_size="low",
                allowed_domains=("a.org",),
                max_uses=2,
                user_location={"type": "approximate", "approximate": {"city": "Rome", "x": 1}},
            ),
            {
                "type": "web_search_20250305",
                "name": "web_search",
                "allowed_domains": ["a.org"],
                "max_uses": 2,
                "user_location": {"type": "approximate", "city": "Rome"},
            },
            ("search_context_size",),
        ),
        (
            WebSearch("gemini", {}, blocked_domains=("b.org",)),
            {"type": "web_search_20250305", "name": "web_search", "blocked_domains": ["b.org"]},
            (),
        ),
        (
            WebSearch("gemini", {}, allowed_domains=("a.org",), blocked_domains=("b.org",)),
            {"type": "web_search_20250305", "name": "web_search", "allowed_domains": ["a.org"]},
            ("blocked_domains",),
        ),
    ],
)
def test_tool_is_written(tool: Any, written: dict[str, Any], unsupported: tuple[str, ...]) -> None:
    payload, missed = write(tools=(tool,))

    assert payload["tools"] == [written]
    assert missed == unsupported


def test_tool_of_another_dialect_is_named() -> None:
    payload, unsupported = write(
        tools=(ForeignTool("responses", "file_search", {}),), tool_choice=ToolChoice("required")
    )

    assert "tools" not in payload
    assert "tool_choice" not in payload
    assert unsupported == ("tools.file_search", "tool_choice")


@pytest.mark.parametrize(
    ("choice", "parallel", "written"),
    [
        (None, None, None),
        (ToolChoice("auto"), None, {"type": "auto"}),
        (ToolChoice("required"), None, {"type": "any"}),
        (ToolChoice("tool", "f"), False, {"type": "tool", "name": "f", "disable_parallel_tool_use": True}),
        (ToolChoice("none"), False, {"type": "none"}),
        (None, False, {"type": "auto", "disable_parallel_tool_use": True}),
    ],
)
def test_tool_choice_is_written(choice: ToolChoice | None, parallel: bool | None, written: Any) -> None:
    payload, unsupported = write(tools=(TOOL,), tool_choice=choice, parallel_tool_calls=parallel)

    assert payload.get("tool_choice") == written
    assert unsupported == ()


@pytest.mark.parametrize(
    ("model", "wish", "thinking", "effort", "max_tokens"),
    [
        (OLD, ReasoningWish(effort="none"), {"type": "disabled"}, None, 4096),
        (OLD, ReasoningWish(budget=0), {"type": "disabled"}, None, 4096),
        (OLD, ReasoningWish(effort="minimal"), {"type": "enabled", "budget_tokens": 1024}, None, 5120),
        (OLD, ReasoningWish(effort="medium"), {"type": "enabled", "budget_tokens": 8192}, None, 12288),
        (OLD, ReasoningWish(effort="xhigh"), {"type": "enabled", "budget_tokens": 32768}, None, 36864),
        # 64,000 is all that the model writes
        (OLD, ReasoningWish(effort="max"), {"type": "enabled", "budget_tokens": 59904}, None, 64000),
        ("claude-opus-4-1", ReasoningWish(effort="max"), {"type": "enabled", "budget_tokens": 27904}, None, 32000),
        (OLD, ReasoningWish(budget=500), {"type": "enabled", "budget_tokens": 1024}, None, 5120),
        (OLD, ReasoningWish(effort="low", budget=9000), {"type": "enabled", "budget_tokens": 9000}, None, 13096),
        (OLD, ReasoningWish(), {"type": "enabled", "budget_tokens": 8192}, None, 12288),
        (NEW, None, None, None, 4096),
        (NEW, ReasoningWish(), {"type": "adaptive"}, None, 20480),
        (NEW, ReasoningWish(effort="none"), {"type": "disabled"}, None, 4096),
        (NEW, ReasoningWish(effort="minimal"), {"type": "adaptive"}, "low", 5120),
        (NEW, ReasoningWish(effort="xhigh"), {"type": "adaptive"}, "xhigh", 36864),
        (NEW, ReasoningWish(budget=9000), {"type": "adaptive"}, "medium", 12288),
        (NEW, ReasoningWish(summary="auto"), {"type": "adaptive", "display": "summarized"}, None, 20480),
        ("claude-opus-4-6", ReasoningWish(effort="xhigh"), {"type": "adaptive"}, "high", 36864),
        ("claude-opus-5", None, None, None, 20480),
        ("claude-fable-5", ReasoningWish(effort="none"), None, "low", 4096),
        ("claude-3-5-haiku-20241022", ReasoningWish(effort="none"), None, None, 4096),
        ("some-other", ReasoningWish(effort="low"), {"type": "enabled", "budget_tokens": 2048}, None, 6144),
    ],
)
def test_wish_to_think_is_said_as_the_model_takes_it(
    model: str, wish: ReasoningWish | None, thinking: Any, effort: str | None, max_tokens: int
) -> None:
    payload, unsupported = write(model=model, reasoning=wish)

    assert payload.get("thinking") == thinking
    assert payload.get("output_config", {}).get("effort") == effort
    assert payload["max_tokens"] == max_tokens
    assert unsupported == ()


def test_model_that_cannot_think_is_not_told_to() -> None:
    payload, unsupported = write(model="claude-3-5-haiku-20241022", reasoning=THINK, temperature=0.5)

    assert "thinking" not in payload
    assert payload["temperature"] == 0.5
    assert unsupported == ("reasoning_effort",)


@pytest.mark.parametrize(("given", "written"), [(1, 6144), (2048, 6144), (2049, 2049), (9000, 9000)])
def test_max_tokens_is_above_what_is_thought(given: int, written: int) -> None:
    payload, unsupported = write(max_tokens=given, reasoning=THINK)

    assert payload["max_tokens"] == written
    assert unsupported == (() if given == written else ("max_tokens",))


def test_thinking_that_a_client_says_in_anthropics_words_is_passed_on() -> None:
    payload, unsupported = write(
        extras={"thinking": {"type": "enabled", "budget_tokens": 5000}}, max_tokens=100, temperature=0.3
    )

    assert payload["thinking"] == {"type": "enabled", "budget_tokens": 5000}
    assert payload["max_tokens"] == 9096
    assert unsupported == ("max_tokens", "temperature")


@pytest.mark.parametrize(
    ("messages", "thinks"),
    [
        ((HI,), True),
        ((HI, Message("assistant", (Text("Yes"),)), HI), True),
        # a turn that goes on must begin with what was thought in it
        ((HI, Message("assistant", (ToolCall("t", "f", "{}"),)), Message("user", (ToolResult("t", ()),))), False),
        ((HI, Message("assistant", (Text("Yes,"),))), False),
        (
            (
                HI,
                Message("assistant", (Reasoning("Hm", Signature("s", "anthropic")), ToolCall("t", "f", "{}"))),
                Message("user", (ToolResult("t", ()),)),
            ),
            True,
        ),
    ],
)
def test_model_with_a_budget_does_not_think_on_where_its_thoughts_are_lost(
    messages: tuple[Message, ...], thinks: bool
) -> None:
    payload, unsupported = write(*messages, reasoning=THINK)

    assert ("thinking" in payload) is thinks
    assert unsupported == (() if thinks else ("reasoning_effort",))
    assert "thinking" in write(*messages, reasoning=THINK, model=NEW)[0]


@pytest.mark.parametrize(
    ("model", "fields", "written", "unsupported"),
    [
        (OLD, {"temperature": 0.5, "top_p": 0.9, "top_k": 3}, {"temperature": 0.5, "top_p": 0.9, "top_k": 3}, ()),
        (OLD, {"temperature": 1.7}, {"temperature": 1}, ("temperature",)),
        (OLD, {"temperature": 1.7, "reasoning": THINK}, {}, ("temperature",)),
        (OLD, {"temperature": -1}, {"temperature": 0}, ("temperature",)),
        (
            OLD,
            {"temperature": 0.5, "top_p": 0.5, "top_k": 3, "reasoning": THINK},
            {},
            ("temperature", "top_p", "top_k"),
        ),
        (OLD, {"temperature": 1, "top_p": 0.97, "reasoning": THINK}, {"top_p": 0.97}, ()),
        ("claude-sonnet-4-5", {"temperature": 0.5, "top_p": 0.9}, {"temperature": 0.5}, ("top_p",)),
        ("claude-sonnet-4-5", {"temperature": 0.5, "top_p": 1}, {"temperature": 0.5}, ()),
        ("claude-sonnet-4-5", {"top_p": 0.9}, {"top_p": 0.9}, ()),
        (NEW, {"temperature": 0.5, "top_p": 0.9, "top_k": 3}, {}, ("temperature", "top_p", "top_k")),
        (NEW, {"temperature": 1, "top_p": 1}, {}, ()),
        (OLD, {"stop": ("a", "\n", "b")}, {"stop_sequences": ["a", "b"]}, ("stop",)),
        (OLD, {"stop": (" ",)}, {}, ("stop",)),
    ],
)
def test_sampling_is_what_model_and_thinking_permit(
    model: str, fields: dict[str, Any], written: dict[str, Any], unsupported: tuple[str, ...]
) -> None:
    payload, missed = write(model=model, **fields)

    keys = ("temperature", "top_p", "top_k", "stop_sequences")
    assert {key: payload[key] for key in keys if key in payload} == written
    assert missed == unsupported


@pytest.mark.parametrize("choice", [ToolChoice("required"), ToolChoice("tool", "f")])
def test_thinking_model_is_not_forced_to_call_a_tool(choice: ToolChoice) -> None:
    payload, unsupported = write(tools=(TOOL,), tool_choice=choice, parallel_tool_calls=False, reasoning=THINK)

    assert payload["tool_choice"] == {"type": "auto", "disable_parallel_tool_use": True}
    assert unsupported == ("tool_choice",)


@pytest.mark.parametrize(
    ("wanted", "written", "unsupported"),
    [
        (ResponseFormat("text"), None, ()),
        (ResponseFormat("json"), None, ("response_format",)),
        (ResponseFormat("schema"), None, ("response_format",)),
        (
            ResponseFormat("schema", {"type": "object"}, name="n", strict=True),
            {"format": {"type": "json_schema", "schema": {"type": "object"}}},
            (),
        ),
    ],
)
def test_form_of_the_answer_is_written(wanted: ResponseFormat, written: Any, unsupported: tuple[str, ...]) -> None:
    payload, missed = write(response_format=wanted)

    assert payload.get("output_config") == written
    assert missed == unsupported


def test_effort_and_form_share_their_place() -> None:
    payload, _ = write(model=NEW, reasoning=THINK, response_format=ResponseFormat("schema", {}))

    assert payload["output_config"] == {"effort": "low", "format": {"type": "json_schema", "schema": {}}}


def test_parameters_that_the_api_does_not_have_are_named() -> None:
    payload, unsupported = write(
        seed=1,
        presence_penalty=0.1,
        frequency_penalty=0.1,
        user="u",
        extras={"logprobs": True, "service_tier": "flex", "thinking": "much", "metadata": {}},
    )

    assert payload["metadata"] == {"user_id": "u"}
    assert payload.keys() == {"model", "max_tokens", "messages", "metadata"}
    assert set(unsupported) == {
        *("seed", "presence_penalty", "frequency_penalty", "logprobs", "service_tier", "thinking", "metadata"),
    }


def test_extras_of_its_own_are_written() -> None:
    extras = {
        "cache_control": MARK,
        "container": "c",
        "context_management": {"edits": []},
        "inference_geo": "us",
        "mcp_servers": [],
        "service_tier": "standard_only",
    }

    payload, unsupported = write(extras=extras)

    assert {key: payload[key] for key in extras} == extras
    assert unsupported == ()


@pytest.mark.parametrize("effort", ["low", "medium", "high", "xhigh", "max"])
def test_effort_survives_the_way_through_a_budget(effort: Effort) -> None:
    payload, _ = write(model=NEW, reasoning=ReasoningWish(budget=budget_of(effort)))

    assert payload["output_config"]["effort"] == effort
