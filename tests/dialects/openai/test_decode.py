"""Chat requests of clients as canonical ones."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.core.chat import (
    Audio,
    ChatRequest,
    Document,
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
from app.core.jsonio import loads
from app.dialects.openai.decode import read_request

USER = {"role": "user", "content": "Hi"}
CALL = {"id": "a", "type": "function", "function": {"name": "f", "arguments": '{"x":1}'}}
TOOL = {"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}


def read(**fields: Any) -> ChatRequest:
    return read_request({"model": "m", "messages": [USER], **fields})


def messages(*values: dict[str, Any]) -> tuple[Message, ...]:
    return read(messages=list(values)).messages


def parts(message: dict[str, Any]) -> tuple[Part, ...]:
    (read_message,) = messages(message)
    return read_message.parts


def answer(**fields: Any) -> dict[str, Any]:
    return {"role": "assistant", "content": None, **fields}


@pytest.mark.parametrize(
    ("role", "canonical"), [("system", "system"), ("developer", "system"), ("user", "user"), ("assistant", "assistant")]
)
def test_message_is_read_with_its_role_and_name(role: str, canonical: Any) -> None:
    assert messages({"role": role, "content": "Hi", "name": "Ada"}) == (Message(canonical, (Text("Hi"),), "Ada"),)


@pytest.mark.parametrize(
    ("part", "read_part"),
    [
        ({"type": "text", "text": "Hi"}, Text("Hi")),
        (
            {"type": "text", "text": "Hi", "cache_control": {"type": "ephemeral", "ttl": "1h"}},
            Text("Hi", cache={"type": "ephemeral", "ttl": "1h"}),
        ),
        (
            {"type": "text", "text": "Hi", "prompt_cache_breakpoint": {"mode": "explicit"}},
            Text("Hi", cache={"type": "ephemeral"}),
        ),
        ({"type": "image_url", "image_url": {"url": "https://a/b.png"}}, Image(url="https://a/b.png")),
        ({"type": "image_url", "image_url": "https://a/b.png"}, Image(url="https://a/b.png")),
        (
            {"type": "image_url", "image_url": {"url": "data:image/png;base64,aGk=", "detail": "low"}},
            Image(data="aGk=", media_type="image/png", detail="low"),
        ),
        (
            {"type": "image_url", "image_url": {"url": "data:image/svg+xml,%3Csvg/%3E"}},
            Image(url="data:image/svg+xml,%3Csvg/%3E"),
        ),
        ({"type": "input_audio", "input_audio": {"data": "aGk=", "format": "mp3"}}, Audio("aGk=", "audio/mp3")),
        (
            {"type": "file", "file": {"file_data": "data:application/pdf;base64,aGk=", "filename": "a.pdf"}},
            Document(data="aGk=", media_type="application/pdf", name="a.pdf"),
        ),
        ({"type": "file", "file": {"file_data": "aGk="}}, Document(data="aGk=", media_type="application/pdf")),
        ({"type": "file", "file": {"file_data": "https://a/b.pdf"}}, Document(url="https://a/b.pdf")),
        ({"type": "file", "file": {"file_id": "file-1"}}, Document(file_id="file-1")),
        (
            {"type": "video_url", "video_url": {"url": "https://a"}},
            Foreign("openai", {"type": "video_url", "video_url": {"url": "https://a"}}),
        ),
    ],
)
def test_part_is_read(part: dict[str, Any], read_part: Part) -> None:
    assert parts({"role": "user", "content": [part]}) == (read_part,)


def test_empty_text_says_nothing() -> None:
    assert parts({"role": "user", "content": ""}) == ()
    assert parts({"role": "user", "content": [{"type": "text", "text": ""}]}) == ()
    assert parts(answer(content=[{"type": "text", "text": ""}])) == ()


def test_answer_is_reasoning_then_text_then_calls() -> None:
    message = answer(content="Hi", refusal="No.", reasoning_content="Hm.", tool_calls=[CALL])

    assert parts(message) == (Reasoning("Hm."), Text("Hi"), Refusal("No."), ToolCall("a", "f", '{"x":1}'))


def test_answer_may_be_parts() -> None:
    content = [{"type": "text", "text": "Hi"}, {"type": "refusal", "refusal": "No."}]

    assert parts(answer(content=content)) == (Text("Hi"), Refusal("No."))


def test_pictures_of_an_answer_are_read() -> None:
    message = answer(images=[{"type": "image_url", "image_url": {"url": "data:image/png;base64,aGk="}}])

    assert parts(message) == (Image(data="aGk=", media_type="image/png"),)


def test_sound_of_an_answer_is_of_this_dialect_only() -> None:
    assert parts(answer(audio={"id": "audio_1"})) == (Foreign("openai", {"type": "audio", "audio": {"id": "audio_1"}}),)


@pytest.mark.parametrize(
    ("fields", "reasoning"),
    [
        ({"reasoning_content": "Hm."}, [Reasoning("Hm.")]),
        ({"reasoning": "Hm."}, [Reasoning("Hm.")]),
        ({"reasoning_content": "Hm.", "reasoning": "no"}, [Reasoning("Hm.")]),
        (
            {
                "reasoning": "no",
                "reasoning_details": [
                    {"type": "reasoning.text", "text": "Hm.", "signature": "s", "format": "anthropic-claude-v1"},
                    {"type": "reasoning.encrypted", "data": "r", "format": "anthropic-claude-v1"},
                ],
            },
            [Reasoning("Hm.", Signature("s", "anthropic")), Reasoning(redacted=Signature("r", "anthropic"))],
        ),
        (
            {
                "reasoning_details": [
                    {"type": "reasoning.text", "text": "H", "format": "lr:gemini"},
                    {"type": "reasoning.text", "text": "m.", "format": "lr:gemini"},
                    {"type": "reasoning.text", "signature": "s", "format": "lr:gemini", "id": "r1"},
                ]
            },
            [Reasoning("Hm.", Signature("s", "gemini"), id="r1")],
        ),
        (
            {
                "reasoning_content": "Hm.",
                "reasoning_details": [{"type": "reasoning.text", "signature": "s", "format": "lr:anthropic"}],
            },
            [Reasoning("Hm.", Signature("s", "anthropic"))],
        ),
        (
            {
                "reasoning": "Hm.",
                "reasoning_details": [{"type": "reasoning.encrypted", "data": "r", "format": "lr:anthropic"}],
            },
            [Reasoning("Hm."), Reasoning(redacted=Signature("r", "anthropic"))],
        ),
        (
            {
                "reasoning": "Hm.",
                "reasoning_details": [
                    {"type": "reasoning.summary", "summary": "Hm.", "format": "xai-responses-v1"},
                    {"type": "reasoning.encrypted", "data": "r", "format": "xai-responses-v1", "id": "rs_1"},
                ],
            },
            [Reasoning("Hm.", Signature("r", "responses"), id="rs_1")],
        ),
        (
            {"reasoning_details": [{"type": "reasoning.text", "text": "Hm.", "signature": "s", "format": "unknown"}]},
            [Reasoning("Hm.")],
        ),
        ({"reasoning_details": [{"type": "reasoning.text", "signature": "s"}, 5]}, []),
    ],
)
def test_reasoning_of_earlier_turns_is_read(fields: dict[str, Any], reasoning: list[Reasoning]) -> None:
    assert parts(answer(content="Hi", **fields)) == (*reasoning, Text("Hi"))


@pytest.mark.parametrize(
    ("value", "signature"),
    [("proof", Signature("proof", "gemini")), ("lr.responses.proof", Signature("proof", "responses"))],
)
def test_proof_of_a_call_is_read(value: str, signature: Signature) -> None:
    call = {**CALL, "extra_content": {"google": {"thought_signature": value}}}

    assert parts(answer(tool_calls=[call])) == (ToolCall("a", "f", '{"x":1}', signature),)


def test_openrouters_proof_of_a_call_belongs_to_the_call() -> None:
    details = [{"type": "reasoning.encrypted", "data": "proof", "format": "google-gemini-v1", "id": "a"}]

    message = answer(content="Hi", tool_calls=[CALL], reasoning_details=details)

    assert parts(message) == (Text("Hi"), ToolCall("a", "f", '{"x":1}', Signature("proof", "gemini")))


@pytest.mark.parametrize("arguments", ["", None])
def test_call_without_arguments_has_an_empty_object(arguments: str | None) -> None:
    (call,) = parts(answer(tool_calls=[{**CALL, "function": {"name": "f", "arguments": arguments}}]))

    assert call == ToolCall("a", "f", "{}")


def test_results_that_follow_each_other_are_one_message() -> None:
    read_messages = messages(
        answer(tool_calls=[CALL, {**CALL, "id": "b", "function": {"name": "g"}}]),
        {"role": "tool", "tool_call_id": "a", "content": "one"},
        {"role": "tool", "tool_call_id": "b", "content": [{"type": "text", "text": "two"}]},
        USER,
    )

    assert read_messages[1:] == (
        Message("user", (ToolResult("a", (Text("one"),), "f"), ToolResult("b", (Text("two"),), "g"))),
        Message("user", (Text("Hi"),)),
    )


def test_call_of_a_custom_tool_and_its_result_are_of_this_dialect_only() -> None:
    call = {"id": "c", "type": "custom", "custom": {"name": "f", "input": "x"}}
    result = {"role": "tool", "tool_call_id": "c", "content": "y"}

    first, second = messages(answer(tool_calls=[call]), result)

    assert (first.parts, second.parts) == ((Foreign("openai", call),), (Foreign("openai", result),))


def test_functions_of_the_old_api_are_read() -> None:
    first, second = messages(
        answer(function_call={"name": "f", "arguments": "{}"}), {"role": "function", "name": "f", "content": "one"}
    )

    (call,) = first.parts
    assert isinstance(call, ToolCall)
    assert call.id.startswith("call_")
    assert second.parts == (ToolResult(call.id, (Text("one"),), "f"),)


def test_result_without_an_id_finds_the_call_of_its_name() -> None:
    calls = [{"function": {"name": name}} for name in "fg"]

    first, second = messages(answer(tool_calls=calls), {"role": "function", "name": "g", "content": "two"})

    (result,) = second.parts
    assert isinstance(result, ToolResult)
    assert [call.name for call in first.parts if isinstance(call, ToolCall) and call.id == result.call_id] == ["g"]


def test_results_find_calls_that_were_given_no_id() -> None:
    calls = [{**CALL, "id": ""}, {**CALL, "id": "", "function": {"name": "g", "arguments": "{}"}}]

    first, second = messages(
        answer(tool_calls=calls),
        {"role": "tool", "tool_call_id": "", "content": "one"},
        {"role": "tool", "tool_call_id": "", "content": "two"},
    )

    ids = [call.id for call in first.parts if isinstance(call, ToolCall)]
    assert len(set(ids)) == 2
    assert second.parts == (ToolResult(ids[0], (Text("one"),), "f"), ToolResult(ids[1], (Text("two"),), "g"))


@pytest.mark.parametrize(
    ("fields", "tools"),
    [
        (
            {"tools": [{**TOOL, "cache_control": {"type": "ephemeral"}}]},
            (Tool("f", parameters={"type": "object"}, cache={"type": "ephemeral"}),),
        ),
        (
            {"tools": [{"type": "function", "function": {"name": "f", "description": "d", "strict": True}}]},
            (Tool("f", "d", None, True),),
        ),
        ({"functions": [{"name": "f", "parameters": {}}]}, (Tool("f", parameters={}),)),
        (
            {"tools": [{"type": "custom", "custom": {"name": "f"}}]},
            (ForeignTool("openai", "f", {"type": "custom", "custom": {"name": "f"}}),),
        ),
        (
            {"tools": [{"type": "openrouter:web_search"}]},
            (ForeignTool("openai", "openrouter:web_search", {"type": "openrouter:web_search"}),),
        ),
        ({"web_search_options": {}}, (WebSearch("openai", {}),)),
        (
            {
                "web_search_options": {
                    "search_context_size": "low",
                    "user_location": {"type": "approximate", "approximate": {"city": "Bonn"}},
                }
            },
            (
                WebSearch(
                    "openai",
                    {
                        "search_context_size": "low",
                        "user_location": {"type": "approximate", "approximate": {"city": "Bonn"}},
                    },
                    context_size="low",
                    user_location={"city": "Bonn"},
                ),
            ),
        ),
    ],
)
def test_tools_are_read(fields: dict[str, Any], tools: tuple[Any, ...]) -> None:
    assert read(**fields).tools == tools


@pytest.mark.parametrize(
    ("fields", "choice"),
    [
        ({"tool_choice": "auto"}, ToolChoice("auto")),
        ({"tool_choice": "none"}, ToolChoice("none")),
        ({"tool_choice": "required"}, ToolChoice("required")),
        ({"tool_choice": {"type": "function", "function": {"name": "f"}}}, ToolChoice("tool", "f")),
        ({"function_call": "none"}, ToolChoice("none")),
        ({"function_call": {"name": "f"}}, ToolChoice("tool", "f")),
        ({"tool_choice": None}, None),
    ],
)
def test_choice_is_read(fields: dict[str, Any], choice: ToolChoice | None) -> None:
    request = read(tools=[TOOL], **fields)

    assert (request.tool_choice, request.extras) == (choice, None)


def test_choice_of_some_tools_leaves_the_others_out() -> None:
    other = {"type": "function", "function": {"name": "g"}}
    custom = [{"type": "custom", "custom": {"name": name}} for name in "hi"]
    allowed = {"mode": "required", "tools": [other, custom[0]]}

    request = read(tools=[TOOL, other, *custom], tool_choice={"type": "allowed_tools", "allowed_tools": allowed})

    assert request.tools == (Tool("g"), ForeignTool("openai", "h", custom[0]))
    assert request.tool_choice == ToolChoice("required")


def test_choice_of_a_custom_tool_is_an_extra() -> None:
    choice = {"type": "custom", "custom": {"name": "f"}}

    request = read(tools=[TOOL], tool_choice=choice)

    assert (request.tool_choice, request.extras) == (None, {"tool_choice": choice})


def test_functions_of_the_old_api_are_called_one_at_a_time() -> None:
    assert read(functions=[{"name": "f"}]).parallel_tool_calls is False
    assert read(tools=[TOOL]).parallel_tool_calls is None
    assert read(tools=[TOOL], parallel_tool_calls=True).parallel_tool_calls is True


@pytest.mark.parametrize(
    ("value", "wanted"),
    [
        ({"type": "text"}, ResponseFormat("text")),
        ({"type": "json_object"}, ResponseFormat("json")),
        ({"type": "json_object", "schema": {"a": 1}}, ResponseFormat("schema", schema={"a": 1})),
        (
            {
                "type": "json_schema",
                "json_schema": {"name": "n", "description": "d", "schema": {"a": 1}, "strict": True},
            },
            ResponseFormat("schema", {"a": 1}, "n", "d", True),
        ),
        (None, None),
    ],
)
def test_response_format_is_read(value: Any, wanted: ResponseFormat | None) -> None:
    assert read(response_format=value).response_format == wanted


def test_response_format_of_unknown_type_is_an_extra() -> None:
    assert read(response_format={"type": "grammar"}).extras == {"response_format": {"type": "grammar"}}


@pytest.mark.parametrize(
    ("fields", "name", "value"),
    [
        ({"max_tokens": 5}, "max_tokens", 5),
        ({"max_tokens": 5, "max_completion_tokens": 7}, "max_tokens", 7),
        ({"max_tokens": 5.0}, "max_tokens", 5),
        ({"temperature": 0}, "temperature", 0),
        ({"top_p": 0.5}, "top_p", 0.5),
        ({"top_k": 3}, "top_k", 3),
        ({"stop": "a"}, "stop", ("a",)),
        ({"stop": ["a", "b"]}, "stop", ("a", "b")),
        ({"stop": None}, "stop", ()),
        ({"seed": 4}, "seed", 4),
        ({"presence_penalty": 1}, "presence_penalty", 1),
        ({"frequency_penalty": -1}, "frequency_penalty", -1),
        ({"user": "u"}, "user", "u"),
        ({"safety_identifier": "s"}, "user", "s"),
    ],
)
def test_parameter_is_read(fields: dict[str, Any], name: str, value: Any) -> None:
    request = read(**fields)

    assert getattr(request, name) == value
    assert request.extras is None


@pytest.mark.parametrize(
    ("fields", "wish"),
    [
        ({"reasoning_effort": "low"}, ReasoningWish(effort="low")),
        ({"reasoning": {"effort": "high"}, "reasoning_effort": "low"}, ReasoningWish(effort="high")),
        ({"reasoning": {"max_tokens": 2000}}, ReasoningWish(budget=2000)),
        ({"reasoning": {"enabled": True}}, ReasoningWish(effort="medium")),
        ({"reasoning": {"enabled": True, "max_tokens": 2000}}, ReasoningWish(budget=2000)),
        ({"reasoning": {"enabled": False}}, ReasoningWish(effort="none")),
        ({"reasoning": {"summary": "auto"}}, ReasoningWish(summary="auto")),
        ({"reasoning": {}}, None),
        ({"reasoning_effort": None}, None),
    ],
)
def test_wish_for_reasoning_is_read(fields: dict[str, Any], wish: ReasoningWish | None) -> None:
    request = read(**fields)

    assert (request.reasoning, request.extras) == (wish, None)


def test_what_only_this_dialect_has_is_an_extra() -> None:
    extras = {"logit_bias": {"5": 1}, "n": 2, "provider": {"order": ["a"]}, "metadata": {"a": "b"}}

    request = read(**extras, user="u", safety_identifier="s", reasoning={"exclude": True})

    assert request.extras == {**extras, "safety_identifier": "s", "reasoning.exclude": True}


def test_what_asks_for_nothing_is_no_extra() -> None:
    request = read(
        stream=True,
        stream_options={"include_usage": True},
        n=1,
        logprobs=False,
        store=False,
        modalities=["text"],
        audio=None,
    )

    assert request.extras is None


@pytest.mark.parametrize(
    ("fields", "param", "message"),
    [
        ({"messages": None}, "messages", "messages must be a list of at least one message."),
        ({"messages": []}, "messages", "messages must be a list of at least one message."),
        ({"messages": [5]}, "messages[0]", "messages[0] must be an object."),
        ({"messages": [{"content": "Hi"}]}, "messages[0].role", "messages[0].role must be one of"),
        (
            {"messages": [{"role": "user", "content": 5}]},
            "messages[0].content",
            "messages[0].content must be a string or a list of parts.",
        ),
        ({"messages": [{"role": "user"}]}, "messages[0].content", "messages[0].content must be a string"),
        ({"messages": [{"role": "user", "content": ["Hi"]}]}, "messages[0].content[0]", "must be an object."),
        ({"messages": [{"role": "user", "content": [{}]}]}, "messages[0].content[0].type", "such as 'text'"),
        ({"messages": [{"role": "user", "content": [{"type": "text"}]}]}, "messages[0].content[0].text", "a string."),
        (
            {"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {}}]}]},
            "messages[0].content[0].image_url.url",
            "must be a string that is not empty.",
        ),
        (
            {"messages": [{"role": "user", "content": [{"type": "file", "file": {}}]}]},
            "messages[0].content[0].file",
            "'file_data' or 'file_id'",
        ),
        (
            {"messages": [{"role": "tool", "content": "Hi"}]},
            "messages[0].tool_call_id",
            "messages[0].tool_call_id must be the id of a tool call.",
        ),
        ({"messages": [answer(tool_calls={})]}, "messages[0].tool_calls", "must be a list."),
        ({"messages": [answer(tool_calls=[{"id": "a"}])]}, "messages[0].tool_calls[0].function", "must be an object."),
        (
            {"messages": [answer(tool_calls=[{"id": "a", "function": {"name": "f", "arguments": {}}}])]},
            "messages[0].tool_calls[0].function.arguments",
            "must be a string.",
        ),
        ({"tools": {}}, "tools", "tools must be a list."),
        ({"tools": [{"type": "function"}]}, "tools[0].function", "tools[0].function must be an object."),
        ({"tools": [{"type": "function", "function": {}}]}, "tools[0].function.name", "not empty."),
        ({"tool_choice": "some"}, "tool_choice", "tool_choice must be one of 'auto', 'none' and 'required'"),
        ({"tool_choice": {"function": {"name": "f"}}}, "tool_choice.type", "not empty."),
        (
            {"tool_choice": {"type": "allowed_tools", "allowed_tools": {"mode": "none"}}},
            "tool_choice.allowed_tools.mode",
            "must be 'auto' or 'required'.",
        ),
        ({"response_format": "json"}, "response_format", "response_format must be an object."),
        ({"response_format": {"type": "json_schema"}}, "response_format.json_schema", "must be an object."),
        ({"max_tokens": "5"}, "max_tokens", "max_tokens must be a whole number."),
        ({"max_tokens": True}, "max_tokens", "max_tokens must be a whole number."),
        ({"max_tokens": 5.5}, "max_tokens", "max_tokens must be a whole number."),
        ({"temperature": "hot"}, "temperature", "temperature must be a number."),
        ({"stop": 5}, "stop", "stop must be a string or a list of strings."),
        ({"stop": [5]}, "stop", "stop must be a string or a list of strings."),
        ({"parallel_tool_calls": 1}, "parallel_tool_calls", "parallel_tool_calls must be true or false."),
        ({"reasoning_effort": "much"}, "reasoning_effort", "reasoning_effort must be one of"),
        ({"reasoning": {"effort": "much"}}, "reasoning.effort", "reasoning.effort must be one of"),
        ({"user": 5}, "user", "user must be a string."),
    ],
)
def test_wrong_field_is_named(fields: dict[str, Any], param: str, message: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        read(**fields)

    assert caught.value.param == param
    assert message in caught.value.message


KEYS = st.sampled_from(
    [
        *(
            "messages",
            "role",
            "content",
            "type",
            "text",
            "image_url",
            "url",
            "detail",
            "input_audio",
            "data",
            "format",
            "file",
        ),
        *(
            "file_data",
            "file_id",
            "filename",
            "tool_calls",
            "id",
            "function",
            "name",
            "arguments",
            "tool_call_id",
            "refusal",
        ),
        *(
            "reasoning",
            "reasoning_content",
            "reasoning_details",
            "function_call",
            "images",
            "audio",
            "custom",
            "extra_content",
        ),
        *(
            "tools",
            "functions",
            "parameters",
            "strict",
            "tool_choice",
            "allowed_tools",
            "mode",
            "response_format",
            "schema",
        ),
        *(
            "json_schema",
            "max_tokens",
            "temperature",
            "stop",
            "seed",
            "effort",
            "enabled",
            "web_search_options",
            "user",
        ),
        *("user_location", "approximate", "cache_control", "summary", "google", "thought_signature"),
    ]
)
WORDS = st.sampled_from(
    [
        *(
            "system",
            "user",
            "assistant",
            "tool",
            "function",
            "text",
            "image_url",
            "file",
            "input_audio",
            "custom",
            "auto",
        ),
        *(
            "json_schema",
            "json_object",
            "low",
            "allowed_tools",
            "reasoning.text",
            "reasoning.encrypted",
            "required",
            "",
            "x",
        ),
    ]
)
VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | WORDS
    | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=5),
    max_leaves=15,
)


@settings(deadline=None, max_examples=60)
@given(
    st.dictionaries(KEYS, VALUES, max_size=5),
    st.lists(st.fixed_dictionaries({"role": WORDS, "content": VALUES}, optional={"tool_calls": VALUES}), max_size=3),
)
def test_any_payload_is_a_request_or_a_bad_one(payload: dict[str, Any], some: list[dict[str, Any]]) -> None:
    for candidate in (payload, {**payload, "messages": some}, {"messages": [USER], **payload}):
        try:
            found: Any = read_request(loads(json.dumps(candidate))).messages
        except InvalidRequest as exc:
            found = exc.param
        assert found
