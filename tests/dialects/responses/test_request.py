"""What is decided between a request of this API and a canonical one, in both directions."""

import json
from typing import Any

import pytest

from app.core.chat import (
    Audio,
    ChatRequest,
    Document,
    Foreign,
    ForeignTool,
    Image,
    Message,
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
from app.dialects.responses.payload import write_request
from app.dialects.responses.request import needs_state, read_asked, read_request

OWN = Signature("seal", "responses")
OTHER = Signature("seal", "anthropic")
USER = Message("user", (Text("Hi"),))
CACHE = {"type": "ephemeral"}
FUNCTION = {"type": "function", "name": "f", "parameters": {"type": "object"}, "strict": False}
SEARCH = {"type": "web_search", "search_context_size": "low"}


def read(*items: Any) -> tuple[Message, ...]:
    return read_request({"input": list(items)}).messages


def read_parts(*parts: Any) -> tuple[Any, ...]:
    (message,) = read({"role": "user", "content": list(parts)})
    return message.parts


def written(*messages: Message, **fields: Any) -> dict[str, Any]:
    encoded = write_request(ChatRequest(messages or (USER,), **fields), "m", False)
    assert not encoded.unsupported
    return encoded.payload


def unsupported(*messages: Message, **fields: Any) -> list[str]:
    return list(write_request(ChatRequest(messages or (USER,), **fields), "m", False).unsupported)


@pytest.mark.parametrize(
    ("part", "expected"),
    [
        ({"type": "input_text", "text": "a"}, Text("a")),
        ({"type": "text", "text": "a"}, Text("a")),
        ({"type": "input_text", "text": "a", "prompt_cache_breakpoint": {"mode": "explicit"}}, Text("a", CACHE)),
        ({"type": "refusal", "refusal": "No"}, Refusal("No")),
        ({"type": "input_image", "image_url": "https://a.example/b.png"}, Image(url="https://a.example/b.png")),
        (
            {"type": "input_image", "image_url": "data:image/webp;base64,aGk=", "detail": "low"},
            Image(data="aGk=", media_type="image/webp", detail="low"),
        ),
        ({"type": "input_image", "image_url": "data:,hello"}, Image(url="data:,hello")),
        (
            {"type": "input_image", "file_id": "file-1"},
            Foreign("responses", {"type": "input_image", "file_id": "file-1"}),
        ),
        (
            {"type": "input_file", "file_data": "data:application/pdf;base64,aGk=", "filename": "a.pdf"},
            Document(data="aGk=", media_type="application/pdf", name="a.pdf"),
        ),
        ({"type": "input_file", "file_data": "aGk="}, Document(data="aGk=")),
        ({"type": "input_file", "file_url": "https://a.example/b.pdf"}, Document(url="https://a.example/b.pdf")),
        ({"type": "input_file", "file_id": "file-1"}, Document(file_id="file-1")),
        ({"type": "input_audio", "input_audio": {"data": "aGk=", "format": "wav"}}, Audio("aGk=", "audio/wav")),
        ({"type": "input_video", "x": 1}, Foreign("responses", {"type": "input_video", "x": 1})),
    ],
)
def test_part_is_read(part: Any, expected: Any) -> None:
    assert read_parts(part) == (expected,)


@pytest.mark.parametrize(
    ("part", "expected"),
    [
        (
            Image(url="https://a.example/b.png", detail="high"),
            {"image_url": "https://a.example/b.png", "detail": "high"},
        ),
        (Image(data="aGk=", media_type="image/gif"), {"image_url": "data:image/gif;base64,aGk="}),
        (Image(data="aGk="), {"image_url": "data:image/png;base64,aGk="}),
        (Document(file_id="f", name="a.pdf"), {"file_id": "f"}),
        (Document(url="https://a.example/"), {"file_url": "https://a.example/"}),
        (Document(data="aGk="), {"filename": "document.pdf", "file_data": "data:application/pdf;base64,aGk="}),
        (
            Document(data="aGk=", media_type="text/plain", name="a.txt"),
            {"filename": "a.txt", "file_data": "data:text/plain;base64,aGk="},
        ),
        (Document(data="aGk=", media_type="text/plain"), {"filename": "document.txt"}),
        (Document(text="Hello", name="a.txt"), {"type": "input_text", "text": "a.txt\n\nHello"}),
        (Foreign("responses", {"type": "input_video", "x": 1}), {"type": "input_video", "x": 1}),
    ],
)
def test_part_is_written(part: Any, expected: dict[str, Any]) -> None:
    (item,) = written(Message("user", (Text("Look:"), part)))["input"]

    assert expected.items() <= item["content"][1].items()


def test_input_may_be_a_text() -> None:
    assert read_request({"input": "Hi"}).messages == (USER,)


def test_instructions_are_the_first_system_message() -> None:
    request = read_request({"input": [{"role": "developer", "content": "B"}], "instructions": "A"})

    assert request.messages == (Message("system", (Text("A"),)), Message("system", (Text("B"),)))


@pytest.mark.parametrize(
    ("messages", "instructions", "roles"),
    [
        ((Message("system", (Text("A"),)), USER), "A", ["user"]),
        ((Message("system", (Text("A"),)), Message("system", (Text("B"),)), USER), "A", ["system", "user"]),
        ((Message("system", (Text("A"), Text("B"))), USER), None, ["system", "user"]),
        ((Message("system", (Text("A", CACHE),)), USER), None, ["system", "user"]),
        ((Message("system", (Text("A"),)),), None, ["system"]),
        ((USER, Message("system", (Text("A"),))), None, ["user", "system"]),
    ],
)
def test_plain_system_message_at_the_beginning_is_the_instructions(
    messages: Any, instructions: str | None, roles: list[str]
) -> None:
    payload = written(*messages)

    assert payload.get("instructions") == instructions
    assert [item["role"] for item in payload["input"]] == roles


def test_items_of_the_model_are_one_message_and_results_another() -> None:
    call = {"type": "function_call", "call_id": "1", "name": "f", "arguments": ""}
    result = {"type": "function_call_output", "call_id": "1", "output": "x"}
    search = {"type": "web_search_call", "id": "ws_1"}
    approval = {"type": "mcp_approval_response", "approve": True}

    messages = read(
        {"role": "user", "content": "Hi"},
        {"type": "reasoning", "summary": [{"text": "a"}, {"text": "b"}], "content": [{"text": "c"}]},
        {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "t"}]},
        search,
        call,
        {**call, "call_id": "2", "arguments": "{}"},
        result,
        {**result, "call_id": "3", "name": "h", "output": [{"type": "input_text", "text": "y"}]},
        approval,
        {"role": "user", "content": "Go on"},
    )

    assert messages == (
        USER,
        Message(
            "assistant",
            (
                Reasoning("a\n\nb\n\nc"),
                Text("t"),
                Foreign("responses", search),
                ToolCall("1", "f", "{}"),
                ToolCall("2", "f", "{}"),
            ),
        ),
        Message(
            "user",
            (
                ToolResult("1", (Text("x"),), name="f"),
                ToolResult("3", (Text("y"),), name="h"),
                Foreign("responses", approval),
            ),
        ),
        Message("user", (Text("Go on"),)),
    )


def test_messages_become_items_in_their_order() -> None:
    search = {"type": "web_search_call", "id": "ws_1"}

    payload = written(
        USER,
        Message(
            "assistant",
            (
                Reasoning("Hm", OWN, id="rs_1"),
                Text("a"),
                Text("b"),
                Refusal("No"),
                Foreign("responses", search),
                Text("c"),
                ToolCall("1", "f", "{}"),
            ),
        ),
        Message("user", (ToolResult("1", (Text("x"),)), ToolResult("2", ()), Text("Go on"))),
    )

    assert payload["input"] == [
        {"type": "message", "role": "user", "content": "Hi"},
        {
            "type": "reasoning",
            "id": "rs_1",
            "summary": [{"type": "summary_text", "text": "Hm"}],
            "encrypted_content": "seal",
        },
        {
            "type": "message",
            "role": "assistant",
            "content": [
                {"type": "output_text", "text": "a"},
                {"type": "output_text", "text": "b"},
                {"type": "refusal", "refusal": "No"},
            ],
        },
        search,
        {"type": "message", "role": "assistant", "content": "c"},
        {"type": "function_call", "call_id": "1", "name": "f", "arguments": "{}"},
        {"type": "function_call_output", "call_id": "1", "output": "x"},
        {"type": "function_call_output", "call_id": "2", "output": ""},
        {"type": "message", "role": "user", "content": "Go on"},
    ]


@pytest.mark.parametrize(
    ("reasoning", "items"),
    [
        (Reasoning("Hm"), []),
        (Reasoning("Hm", OTHER), []),
        (Reasoning(redacted=OTHER), []),
        (Reasoning("", OWN, id="msg_1"), [{"type": "reasoning", "summary": [], "encrypted_content": "seal"}]),
        (Reasoning(redacted=OWN), [{"type": "reasoning", "summary": [], "encrypted_content": "seal"}]),
    ],
)
def test_only_reasoning_of_this_api_goes_back_to_it(reasoning: Reasoning, items: Any) -> None:
    assert written(Message("assistant", (reasoning,)))["input"] == items


def test_empty_text_of_the_model_is_no_message() -> None:
    payload = written(Message("assistant", (Text(""), ToolCall("1", "f", "{}"))))

    assert [item["type"] for item in payload["input"]] == ["function_call"]


def test_pictures_and_files_may_be_results() -> None:
    payload = written(Message("user", (ToolResult("1", (Text("a"), Image(url="u"), Document(file_id="f"))),)))

    assert [part["type"] for part in payload["input"][0]["output"]] == ["input_text", "input_image", "input_file"]


@pytest.mark.parametrize(
    ("parts", "output"),
    [
        ((Text("no such file"),), "Error: no such file"),
        ((Text("error 5"),), "error 5"),
        ((), "Error"),
        ((Image(url="u"),), [{"type": "input_text", "text": "Error"}, {"type": "input_image", "image_url": "u"}]),
    ],
)
def test_result_that_is_an_error_says_so(parts: Any, output: Any) -> None:
    payload = written(Message("user", (ToolResult("1", parts, is_error=True),)))

    assert payload["input"][0]["output"] == output


def test_cache_marks_are_written_where_the_client_speaks_of_them() -> None:
    message = Message("user", (Text("a", CACHE), Text("b")))

    plain, marked = written(message), written(message, extras={"prompt_cache_options": {"mode": "explicit"}})

    assert "prompt_cache_breakpoint" not in json.dumps(plain)
    assert [part.get("prompt_cache_breakpoint") for part in marked["input"][0]["content"]] == [
        {"mode": "explicit"},
        None,
    ]


@pytest.mark.parametrize(
    ("tool", "expected"),
    [
        (FUNCTION, Tool("f", None, {"type": "object"}, strict=False)),
        ({"type": "function", "name": "f", "description": "d"}, Tool("f", "d")),
        (SEARCH, WebSearch("responses", SEARCH, "low")),
        (
            {"type": "web_search_preview", "user_location": {"type": "approximate", "city": "Bern"}},
            WebSearch(
                "responses",
                {"type": "web_search_preview", "user_location": {"type": "approximate", "city": "Bern"}},
                user_location={"type": "approximate", "city": "Bern"},
            ),
        ),
        (
            {"type": "web_search", "filters": {"allowed_domains": ["a.example"]}},
            WebSearch(
                "responses",
                {"type": "web_search", "filters": {"allowed_domains": ["a.example"]}},
                allowed_domains=("a.example",),
            ),
        ),
        ({"type": "x_search"}, ForeignTool("responses", "x_search", {"type": "x_search"})),
        (
            {"type": "custom", "name": "patch"},
            ForeignTool("responses", "patch", {"type": "custom", "name": "patch"}),
        ),
    ],
)
def test_tool_is_read_and_written_as_it_was(tool: Any, expected: Any) -> None:
    request = read_request({"input": "Hi", "tools": [tool]})

    assert request.tools == (expected,)
    assert tool.items() <= written(tools=request.tools)["tools"][0].items()


def test_function_is_not_strict_unless_it_says_so() -> None:
    tools = written(tools=(Tool("f"), Tool("g", strict=True)))["tools"]

    assert [tool["strict"] for tool in tools] == [False, True]
    assert tools[0]["parameters"] == {"type": "object", "properties": {}}


def test_search_of_another_api_becomes_this_ones() -> None:
    place = {"type": "approximate", "approximate": {"city": "Bern"}}
    search = WebSearch("anthropic", {}, "low", ("a.example",), ("b.example",), 3, place)

    encoded = write_request(ChatRequest((USER,), tools=(search,)), "m", False)

    assert encoded.payload["tools"] == [
        {
            "type": "web_search",
            "search_context_size": "low",
            "filters": {"allowed_domains": ["a.example"]},
            "user_location": {"type": "approximate", "city": "Bern"},
        }
    ]
    assert encoded.unsupported == ("blocked_domains", "max_uses")


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        (None, None),
        ("auto", ToolChoice("auto")),
        ("none", ToolChoice("none")),
        ("required", ToolChoice("required")),
        ({"type": "function", "name": "f"}, ToolChoice("tool", "f")),
    ],
)
def test_tool_choice_is_read_and_written_as_it_was(asked: Any, expected: Any) -> None:
    request = read_request({"input": "Hi", "tools": [FUNCTION], "tool_choice": asked})

    assert request.tool_choice == expected
    assert written(tools=request.tools, tool_choice=expected).get("tool_choice") == asked


def test_choice_among_some_tools_leaves_only_those() -> None:
    allowed = [{"type": "function", "name": "g"}, {"type": "web_search"}]
    request = read_request(
        {
            "input": "Hi",
            "tools": [FUNCTION, {**FUNCTION, "name": "g"}, SEARCH],
            "tool_choice": {"type": "allowed_tools", "mode": "required", "tools": allowed},
        }
    )

    assert request.tool_choice == ToolChoice("required")
    assert [getattr(tool, "name", "search") for tool in request.tools] == ["g", "search"]


def test_choice_of_a_built_in_tool_is_an_extra() -> None:
    choice = {"type": "mcp", "server_label": "s"}
    request = read_request({"input": "Hi", "tool_choice": choice})

    assert (request.tool_choice, request.extras) == (None, {"tool_choice": choice})
    assert written(extras=request.extras)["tool_choice"] == choice


SCHEMA = {"type": "object"}


@pytest.mark.parametrize(
    ("form", "expected"),
    [
        ({"type": "json_object"}, ResponseFormat("json")),
        ({"type": "json_schema", "name": "n", "schema": SCHEMA}, ResponseFormat("schema", SCHEMA, "n")),
        (
            {"type": "json_schema", "name": "n", "schema": SCHEMA, "description": "d", "strict": True},
            ResponseFormat("schema", SCHEMA, "n", "d", strict=True),
        ),
    ],
)
def test_format_is_read_and_written_as_it_was(form: Any, expected: ResponseFormat) -> None:
    assert read_request({"input": "Hi", "text": {"format": form}}).response_format == expected
    assert written(response_format=expected)["text"] == {"format": form}


def test_text_is_the_format_that_needs_no_words() -> None:
    assert read_request({"input": "Hi", "text": {"format": {"type": "text"}}}).response_format is None
    assert written(response_format=ResponseFormat("text"))["text"] == {"format": {"type": "text"}}
    assert written(response_format=ResponseFormat("schema", SCHEMA))["text"]["format"]["name"] == "response"


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ({}, None),
        ({"effort": None, "summary": None}, None),
        ({"effort": "low"}, ReasoningWish("low")),
        ({"summary": "auto"}, ReasoningWish(summary="auto")),
        ({"generate_summary": "detailed"}, ReasoningWish(summary="detailed")),
        ({"max_tokens": 4000}, ReasoningWish(budget=4000)),
        ({"enabled": True}, ReasoningWish("medium")),
        ({"enabled": False}, ReasoningWish("none")),
        ({"enabled": True, "effort": "high"}, ReasoningWish("high")),
    ],
)
def test_reasoning_is_read(asked: Any, expected: ReasoningWish | None) -> None:
    assert read_request({"input": "Hi", "reasoning": asked}).reasoning == expected


@pytest.mark.parametrize(
    ("wish", "expected"),
    [
        (ReasoningWish("low", summary="auto"), {"effort": "low", "summary": "auto"}),
        (ReasoningWish(budget=10_000), {"effort": "medium"}),
        (ReasoningWish(budget=0), {"effort": "none"}),
        (ReasoningWish(summary="auto"), {"summary": "auto"}),
    ],
)
def test_reasoning_is_written(wish: ReasoningWish, expected: Any) -> None:
    payload = written(reasoning=wish)

    assert payload["reasoning"] == expected
    assert ("include" in payload) is (expected.get("effort") != "none")


def test_client_that_wants_its_reasoning_kept_is_not_contradicted() -> None:
    extras = {"store": True, "include": ["reasoning.encrypted_content", "file_search_call.results"]}

    payload = written(reasoning=ReasoningWish("low"), extras=extras)

    assert (payload["store"], payload["include"]) == (True, extras["include"])


def test_answer_that_is_to_be_fetched_later_has_to_be_stored() -> None:
    assert "store" not in written(reasoning=ReasoningWish("low"), extras={"background": True})


def test_parameters_are_read_and_written_as_they_were() -> None:
    asked = {
        "max_output_tokens": 50,
        "temperature": 0.5,
        "top_p": 0.9,
        "parallel_tool_calls": False,
        "user": "u",
        "stream": True,
    }
    extras = {
        "safety_identifier": "s",
        "metadata": {"a": "b"},
        "store": True,
        "service_tier": "flex",
        "truncation": "auto",
        "top_logprobs": 3,
        "max_tool_calls": 2,
        "prompt_cache_key": "k",
        "previous_response_id": "resp_0",
        "conversation": {"id": "conv_1"},
        "background": True,
        "context_management": [{"type": "compaction"}],
        "stream_options": {"include_obfuscation": False},
    }
    payload = {"model": "m", "input": [{"type": "message", "role": "user", "content": "Hi"}], **asked, **extras}

    request = read_request(payload)
    encoded = write_request(request, "m", True)

    assert request.extras == extras
    assert (request.max_tokens, request.temperature, request.top_p, request.user) == (50, 0.5, 0.9, "u")
    assert request.parallel_tool_calls is False
    assert encoded.payload == payload
    assert not encoded.unsupported


def test_parameters_within_objects_are_extras_by_their_path() -> None:
    payload = {"input": "Hi", "text": {"verbosity": "low", "new": 1}, "reasoning": {"mode": "pro"}}

    request = read_request(payload)
    again = written(extras=request.extras)

    assert request.extras == {"verbosity": "low", "text.new": 1, "reasoning.mode": "pro"}
    assert (again["text"], again["reasoning"]) == (payload["text"], payload["reasoning"])


@pytest.mark.parametrize(
    ("asked", "user", "extras"),
    [
        ({"user": "u"}, "u", None),
        ({"safety_identifier": "s"}, "s", None),
        ({"user": "u", "safety_identifier": "s"}, "u", {"safety_identifier": "s"}),
    ],
)
def test_user_is_named_by_either_parameter(asked: Any, user: str, extras: Any) -> None:
    request = read_request({"input": "Hi", **asked})

    assert (request.user, request.extras) == (user, extras)


def test_parameters_of_openrouter_have_their_place() -> None:
    request = read_request({"input": "Hi", "top_k": 5, "presence_penalty": 0.5, "frequency_penalty": 1})

    assert (request.top_k, request.presence_penalty, request.frequency_penalty) == (5, 0.5, 1)
    assert request.extras is None


def test_fewer_tokens_than_openai_takes_are_its_least() -> None:
    encoded = write_request(ChatRequest((USER,), max_tokens=1), "m", False)

    assert encoded.payload["max_output_tokens"] == 16
    assert encoded.unsupported == ("max_tokens",)


@pytest.mark.parametrize(
    ("fields", "names"),
    [
        ({"top_k": 5}, ["top_k"]),
        ({"max_tokens": 15}, ["max_tokens"]),
        ({"max_tokens": 16}, []),
        ({"stop": ("a",)}, ["stop"]),
        ({"seed": 0}, ["seed"]),
        ({"presence_penalty": 0.0, "frequency_penalty": 1.0}, ["presence_penalty", "frequency_penalty"]),
        ({"extras": {"logit_bias": {}, "n": 2}}, ["logit_bias", "n"]),
        ({"extras": {"service_tier": "standard_only"}}, ["service_tier"]),
        ({"extras": {"context_management": {"edits": []}}}, ["context_management"]),
        ({"extras": {"stream_options": {"include_usage": True, "x": 1}}}, ["stream_options"]),
        ({"extras": {"top_logprobs": True, "store": 1}}, ["top_logprobs", "store"]),
        ({"tools": (ForeignTool("gemini", "code_execution", {}),)}, ["tools.code_execution"]),
        ({"tool_choice": ToolChoice("required")}, ["tool_choice"]),
    ],
)
def test_parameter_that_cannot_be_said_is_named(fields: dict[str, Any], names: list[str]) -> None:
    assert unsupported(**fields) == names


def test_wish_for_usage_needs_no_words() -> None:
    assert "stream_options" not in written(extras={"stream_options": {"include_usage": True}})


@pytest.mark.parametrize(
    ("message", "names"),
    [
        (Message("user", (Text("a"), Audio("aGk=", "audio/wav"), Audio("aGk=", "audio/wav"))), ["audio"]),
        (Message("assistant", (Image(data="aGk="), Document(text="a"))), ["images", "documents"]),
        (Message("user", (Foreign("anthropic", {"type": "search_result"}),)), ["search_result"]),
        (Message("user", (ToolResult("1", (Foreign("gemini", 5),)),)), ["gemini"]),
        (Message("user", (Text("a"),), name="Bob"), ["name"]),
    ],
)
def test_part_that_cannot_be_said_is_named_once(message: Message, names: list[str]) -> None:
    assert unsupported(message) == names


@pytest.mark.parametrize(
    ("payload", "param"),
    [
        ({}, "input"),
        ({"input": 5}, "input"),
        ({"input": [5]}, "input[0]"),
        ({"input": [{}]}, "input[0].role"),
        ({"input": [{"type": 5}]}, "input[0].type"),
        ({"input": [{"role": "tool", "content": "a"}]}, "input[0].role"),
        ({"input": [{"role": "user"}]}, "input[0].content"),
        ({"input": [{"role": "user", "content": [5]}]}, "input[0].content[0]"),
        ({"input": [{"role": "user", "content": [{}]}]}, "input[0].content[0].type"),
        ({"input": [{"role": "user", "content": [{"type": "tool_use"}]}]}, "input[0].content[0].type"),
        ({"input": [{"role": "user", "content": [{"type": "input_text"}]}]}, "input[0].content[0].text"),
        ({"input": [{"role": "user", "content": [{"type": "input_image"}]}]}, "input[0].content[0].image_url"),
        ({"input": [{"role": "user", "content": [{"type": "input_file"}]}]}, "input[0].content[0]"),
        ({"input": [{"type": "function_call", "call_id": 5}]}, "input[0].call_id"),
        ({"input": [{"type": "function_call_output", "call_id": "1"}]}, "input[0].output"),
        (
            {
                "input": [
                    {"type": "function_call_output", "call_id": "1", "output": [{"type": "refusal", "refusal": ""}]}
                ]
            },
            "input[0].output[0].type",
        ),
        ({"input": [{"type": "reasoning", "summary": "a"}]}, "input[0].summary"),
        ({"input": [{"type": "reasoning", "summary": [{}]}]}, "input[0].summary[0].text"),
        ({"input": [{"type": "reasoning", "encrypted_content": 5}]}, "input[0].encrypted_content"),
        ({"input": "a", "instructions": []}, "instructions"),
        ({"input": "a", "tools": {}}, "tools"),
        ({"input": "a", "tools": [{"type": "function"}]}, "tools[0].name"),
        (
            {"input": "a", "tools": [{"type": "web_search", "filters": {"allowed_domains": [1]}}]},
            "tools[0].filters.allowed_domains[0]",
        ),
        ({"input": "a", "tool_choice": "some"}, "tool_choice"),
        ({"input": "a", "tool_choice": {"type": "function"}}, "tool_choice.name"),
        ({"input": "a", "tool_choice": {"type": "allowed_tools", "mode": "none"}}, "tool_choice.mode"),
        ({"input": "a", "parallel_tool_calls": 1}, "parallel_tool_calls"),
        ({"input": "a", "max_output_tokens": 1.5}, "max_output_tokens"),
        ({"input": "a", "temperature": True}, "temperature"),
        ({"input": "a", "top_p": "1"}, "top_p"),
        ({"input": "a", "text": []}, "text"),
        ({"input": "a", "text": {"format": {"type": "xml"}}}, "text.format.type"),
        ({"input": "a", "text": {"format": {"type": "json_schema", "schema": []}}}, "text.format.schema"),
        ({"input": "a", "reasoning": {"effort": "some"}}, "reasoning.effort"),
        ({"input": "a", "user": 5}, "user"),
    ],
)
def test_wrong_field_is_named(payload: dict[str, Any], param: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        read_request(payload)

    assert caught.value.param == param
    assert caught.value.message.startswith(f"{param} must be ")


@pytest.mark.parametrize(
    ("payload", "needed"),
    [
        ({"input": "a"}, None),
        ({"input": "a", "previous_response_id": None, "background": False, "store": True}, None),
        ({"input": "a", "previous_response_id": "resp_1"}, "previous_response_id"),
        ({"input": "a", "conversation": "conv_1"}, "conversation"),
        ({"input": "a", "prompt": {"id": "pmpt_1"}}, "prompt"),
        ({"input": "a", "background": True}, "background"),
        ({"input": [{"role": "user", "content": "a"}, {"type": "item_reference", "id": "msg_1"}]}, "input[1]"),
        ({"input": [{"id": "msg_1"}]}, "input[0]"),
    ],
)
def test_what_the_provider_must_remember_is_named(payload: Any, needed: str | None) -> None:
    assert needs_state(payload) == needed


def test_reference_to_an_item_is_read_all_the_same() -> None:
    (message,) = read({"id": "msg_1"})

    assert message.parts == (Foreign("responses", {"type": "item_reference", "id": "msg_1"}),)


def test_facts_of_a_request_are_read() -> None:
    asked = read_asked(b'\xef\xbb\xbf{"model":"m","input":"Hi","stream":true}')

    assert (asked.name, asked.streamed, asked.wants_usage) == ("m", True, True)
    assert asked.body == b'{"model":"m","input":"Hi","stream":true}'
    assert asked.payload == {"model": "m", "input": "Hi", "stream": True}


@pytest.mark.parametrize(
    "body",
    [
        {"model": "m", "input": []},
        {"model": "m", "previous_response_id": "resp_1"},
        {"model": "m", "prompt": {"id": "p"}},
    ],
)
def test_conversation_that_the_provider_has_needs_no_input(body: Any) -> None:
    assert read_asked(json.dumps(body).encode()).streamed is False


@pytest.mark.parametrize(
    ("body", "param"),
    [
        (b"{", None),
        (b"[]", None),
        (b'{"input":"a"}', "model"),
        (b'{"model":" ","input":"a"}', "model"),
        (b'{"model":5,"input":"a"}', "model"),
        (json.dumps({"model": "m" * 513, "input": "a"}).encode(), "model"),
        (b'{"model":"m"}', "input"),
        (b'{"model":"m","input":{}}', "input"),
        (b'{"model":"m","input":5,"previous_response_id":"x"}', "input"),
        (b'{"model":"m","input":["a"]}', "input[0]"),
        (b'{"model":"m","input":"a","stream":1}', "stream"),
    ],
)
def test_request_without_what_must_be_there_is_refused(body: bytes, param: str | None) -> None:
    with pytest.raises(InvalidRequest) as caught:
        read_asked(body)

    assert caught.value.param == param
