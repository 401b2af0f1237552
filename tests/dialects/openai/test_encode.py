"""Canonical requests as chat requests, for providers."""

from typing import Any

import pytest

from app.core.chat import (
    Audio,
    ChatRequest,
    Document,
    Encoded,
    Foreign,
    ForeignTool,
    Image,
    Message,
    Part,
    Reasoning,
    ReasoningWish,
    Refusal,
    ResponseFormat,
    Role,
    Signature,
    Text,
    Tool,
    ToolCall,
    ToolChoice,
    ToolResult,
    WebSearch,
)
from app.dialects.openai.encode import write_request

HI = Message("user", (Text("Hi"),))
PICTURE = Image(data="aGk=", media_type="image/png")
PICTURE_PART = {"type": "image_url", "image_url": {"url": "data:image/png;base64,aGk="}}
TOOL = Tool("f", "d", {"type": "object"}, strict=True)
TOOL_PART = {
    "type": "function",
    "function": {"name": "f", "description": "d", "parameters": {"type": "object"}, "strict": True},
}


def write(*messages: Message, model: str = "m", streamed: bool = False, **fields: Any) -> Encoded:
    return write_request(ChatRequest(messages or (HI,), **fields), model, streamed)


def written(*messages: Message, model: str = "m") -> Any:
    encoded = write(*messages, model=model)
    assert encoded.unsupported == ()
    return encoded.payload["messages"]


def said(role: Role, *parts: Part) -> Message:
    return Message(role, parts)


def test_smallest_request_is_model_and_messages() -> None:
    assert write() == Encoded({"model": "m", "messages": [{"role": "user", "content": "Hi"}]}, ())


def test_stream_is_asked_for_with_usage() -> None:
    payload = write(streamed=True).payload

    assert (payload["stream"], payload["stream_options"]) == (True, {"include_usage": True})


def test_messages_keep_their_roles_and_names() -> None:
    messages = written(
        said("system", Text("Be brief.")),
        Message("user", (Text("Hi"),), "Ada"),
        Message("assistant", (Text("Hi"),), "Bo"),
    )

    assert messages == [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "Hi", "name": "Ada"},
        {"role": "assistant", "content": "Hi", "name": "Bo"},
    ]


@pytest.mark.parametrize(
    ("part", "wanted"),
    [
        (PICTURE, PICTURE_PART),
        (
            Image(url="https://a/b.png", detail="low"),
            {"type": "image_url", "image_url": {"url": "https://a/b.png", "detail": "low"}},
        ),
        (Audio("aGk=", "audio/wav"), {"type": "input_audio", "input_audio": {"data": "aGk=", "format": "wav"}}),
        (Audio("aGk=", "audio/mpeg"), {"type": "input_audio", "input_audio": {"data": "aGk=", "format": "mp3"}}),
        (
            Audio("aGk=", "audio/ogg;codecs=opus"),
            {"type": "input_audio", "input_audio": {"data": "aGk=", "format": "ogg"}},
        ),
        (
            Document(data="aGk=", media_type="application/pdf", name="a.pdf"),
            {"type": "file", "file": {"filename": "a.pdf", "file_data": "data:application/pdf;base64,aGk="}},
        ),
        (
            Document(data="aGk="),
            {"type": "file", "file": {"filename": "document.pdf", "file_data": "data:application/pdf;base64,aGk="}},
        ),
        (Document(file_id="file-1"), {"type": "file", "file": {"file_id": "file-1"}}),
        (Document(text="Words.", name="a.txt"), {"type": "text", "text": "a.txt:\nWords."}),
        (Document(data="aGk=", media_type="text/plain"), {"type": "text", "text": "hi"}),
        (
            Document(data="/w==", media_type="text/plain"),  # of another encoding
            {"type": "file", "file": {"filename": "document.plain", "file_data": "data:text/plain;base64,/w=="}},
        ),
        (Foreign("openai", {"type": "video_url", "video_url": {}}), {"type": "video_url", "video_url": {}}),
    ],
)
def test_part_is_written(part: Part, wanted: dict[str, Any]) -> None:
    (message,) = written(said("user", PICTURE, part))

    assert message["content"] == [PICTURE_PART, wanted]


def test_text_alone_is_one_string() -> None:
    assert written(said("user", Text("One."), Text("Two.", cache={"type": "ephemeral"}))) == [
        {"role": "user", "content": "One.\n\nTwo."}
    ]
    assert written(said("assistant", Text("One."), Text(" Two."))) == [{"role": "assistant", "content": "One. Two."}]
    assert written(said("user")) == [{"role": "user", "content": ""}]


def test_cache_marks_go_to_anthropics_models_at_openrouter() -> None:
    mark = {"type": "ephemeral"}
    message = said("user", Text("One.", cache=mark))

    payload = write(message, model="anthropic/claude-sonnet-4.5", tools=(Tool("f", cache=mark),)).payload

    assert payload["messages"][0]["content"] == [{"type": "text", "text": "One.", "cache_control": mark}]
    assert payload["tools"][0]["cache_control"] == mark


@pytest.mark.parametrize(
    ("part", "name"),
    [
        (Document(url="https://a/b.pdf"), "documents"),
        (Image(), "images"),
        (Foreign("anthropic", {"type": "server_tool_use"}), "server_tool_use"),
        (Foreign("gemini", {}), "gemini part"),
        (Foreign("gemini", None), "gemini part"),
    ],
)
@pytest.mark.parametrize("role", ["user", "assistant"])
def test_part_that_cannot_be_said_is_named(part: Part, name: str, role: Role) -> None:
    encoded = write(said(role, Text("Hi"), part, part))

    assert encoded.unsupported == (name,)
    assert encoded.payload["messages"] == [{"role": role, "content": "Hi"}]


@pytest.mark.parametrize(
    ("message", "name"),
    [
        (said("assistant", Audio("aGk=", "audio/wav")), "audio"),
        (said("assistant", Foreign("openai", {"type": "video_url", "video_url": {}})), "video_url"),
        (said("user", Reasoning("Hm.")), "reasoning"),
    ],
)
def test_part_in_the_wrong_mouth_is_named(message: Message, name: str) -> None:
    assert write(message).unsupported == (name,)


def test_results_of_tools_are_messages_of_their_own() -> None:
    messages = written(
        said("assistant", ToolCall("a", "f", '{"x":1}'), ToolCall("b", "g", "{}")),
        said("user", Text("And?"), ToolResult("a", (Text("one"), Text("two"))), ToolResult("b", ())),
    )

    assert messages == [
        {
            "role": "assistant",
            "content": None,
            "tool_calls": [
                {"id": "a", "type": "function", "function": {"name": "f", "arguments": '{"x":1}'}},
                {"id": "b", "type": "function", "function": {"name": "g", "arguments": "{}"}},
            ],
        },
        {"role": "tool", "tool_call_id": "a", "content": "one\n\ntwo"},
        {"role": "tool", "tool_call_id": "b", "content": ""},
        {"role": "user", "content": "And?"},
    ]


@pytest.mark.parametrize(
    ("result", "content"),
    [
        (ToolResult("a", (Text("no such file"),), is_error=True), "Error: no such file"),
        (ToolResult("a", (Text("Error 5"),), is_error=True), "Error 5"),
        (ToolResult("a", (), is_error=True), "Error"),
        (ToolResult("a", (Document(text="Words."),)), "Words."),
    ],
)
def test_result_is_told_in_words(result: ToolResult, content: str) -> None:
    assert written(said("user", result)) == [{"role": "tool", "tool_call_id": "a", "content": content}]


def test_picture_in_a_result_is_shown_by_the_user_after_all_results() -> None:
    messages = written(
        said("assistant", ToolCall("a", "f", "{}"), ToolCall("b", "g", "{}")),
        said("user", ToolResult("a", (PICTURE,))),
        said("user", ToolResult("b", (Text("two"), Document(file_id="file-1")))),
        said("user", Text("And?")),
    )

    assert messages[1:] == [
        {"role": "tool", "tool_call_id": "a", "content": "What it gave follows in the next message of the user."},
        {"role": "tool", "tool_call_id": "b", "content": "two"},
        {
            "role": "user",
            "content": [
                *({"type": "text", "text": "Image from tool f:"}, PICTURE_PART),
                *({"type": "text", "text": "File from tool g:"}, {"type": "file", "file": {"file_id": "file-1"}}),
                {"type": "text", "text": "And?"},
            ],
        },
    ]


@pytest.mark.parametrize("following", [(), (said("assistant", Text("I see.")),)])
def test_picture_in_a_result_is_shown_also_where_the_user_says_nothing(following: tuple[Message, ...]) -> None:
    messages = written(said("user", ToolResult("a", (PICTURE,), "f")), *following)

    assert [message["role"] for message in messages] == ["tool", "user", *(message.role for message in following)]
    assert messages[1]["content"] == [{"type": "text", "text": "Image from tool f:"}, PICTURE_PART]


def test_picture_that_the_model_made_is_shown_again_by_the_user() -> None:
    messages = written(said("assistant", Text("Here:"), PICTURE), said("user", Text("Larger.")))

    assert messages == [
        {"role": "assistant", "content": "Here:"},
        {
            "role": "user",
            "content": [
                {"type": "text", "text": "Image that you made:"},
                PICTURE_PART,
                {"type": "text", "text": "Larger."},
            ],
        },
    ]


def test_refusal_and_custom_calls_are_written_as_they_came() -> None:
    call = {"id": "c", "type": "custom", "custom": {"name": "f", "input": "x"}}
    result = {"role": "tool", "tool_call_id": "c", "content": "y"}

    messages = written(
        said(
            "assistant",
            Refusal("No."),
            Foreign("openai", call),
            Foreign("openai", {"type": "audio", "audio": {"id": "au"}}),
        ),
        said("user", Foreign("openai", result)),
    )

    assert messages == [
        {"role": "assistant", "content": None, "refusal": "No.", "tool_calls": [call], "audio": {"id": "au"}},
        result,
    ]


def test_reasoning_of_earlier_turns_stays_out() -> None:
    message = said("assistant", Reasoning("Hm.", Signature("s", "anthropic")), Text("Hi"))

    assert written(message) == [{"role": "assistant", "content": "Hi"}]


@pytest.mark.parametrize(
    ("model", "origin", "kept"),
    [
        ("gemini-3-pro", "gemini", True),
        ("google/gemini-3-pro", "gemini", True),
        ("gpt-5", "gemini", False),
        ("gemini-3-pro", "anthropic", False),
    ],
)
def test_proof_of_a_call_goes_back_to_gemini_only(model: str, origin: str, *, kept: bool) -> None:
    (message,) = written(said("assistant", ToolCall("a", "f", "{}", Signature("proof", origin))), model=model)

    extra = message["tool_calls"][0].get("extra_content")
    assert extra == ({"google": {"thought_signature": "proof"}} if kept else None)


@pytest.mark.parametrize(
    ("model", "name"),
    [
        ("gpt-4o", "max_tokens"),
        ("sonar", "max_tokens"),
        ("gpt-oss-120b", "max_tokens"),
        ("o3d", "max_tokens"),
        ("o1", "max_completion_tokens"),
        ("o3-mini", "max_completion_tokens"),
        ("O4-mini", "max_completion_tokens"),
        ("gpt-5", "max_completion_tokens"),
        ("openai/gpt-5.2-pro", "max_completion_tokens"),
    ],
)
def test_limit_is_named_as_the_model_knows_it(model: str, name: str) -> None:
    payload = write(model=model, max_tokens=5).payload

    assert {key: payload[key] for key in payload if key.startswith("max")} == {name: 5}


@pytest.mark.parametrize(
    ("fields", "wanted"),
    [
        ({"temperature": 0}, {"temperature": 0}),
        ({"top_p": 0.5}, {"top_p": 0.5}),
        ({"stop": ("a",)}, {"stop": ["a"]}),
        ({"seed": 0}, {"seed": 0}),
        ({"presence_penalty": 1, "frequency_penalty": 2}, {"presence_penalty": 1, "frequency_penalty": 2}),
        ({"user": "u"}, {"user": "u"}),
        ({"reasoning": ReasoningWish(effort="xhigh")}, {"reasoning_effort": "xhigh"}),
        ({"reasoning": ReasoningWish(budget=9000)}, {"reasoning_effort": "medium"}),
        ({"reasoning": ReasoningWish(effort="low", budget=9000)}, {"reasoning_effort": "low"}),
        ({"reasoning": ReasoningWish(budget=0)}, {"reasoning_effort": "none"}),
        ({"response_format": ResponseFormat("text")}, {}),
        ({"response_format": ResponseFormat("json")}, {"response_format": {"type": "json_object"}}),
        (
            {"response_format": ResponseFormat("schema", {"a": 1}, "n", "d", strict=True)},
            {
                "response_format": {
                    "type": "json_schema",
                    "json_schema": {"name": "n", "description": "d", "schema": {"a": 1}, "strict": True},
                }
            },
        ),
        (
            {"response_format": ResponseFormat("schema", {"a": 1})},
            {"response_format": {"type": "json_schema", "json_schema": {"name": "answer", "schema": {"a": 1}}}},
        ),
        ({"tools": (TOOL,), "parallel_tool_calls": False}, {"tools": [TOOL_PART], "parallel_tool_calls": False}),
        ({"tools": (TOOL,), "tool_choice": ToolChoice("required")}, {"tools": [TOOL_PART], "tool_choice": "required"}),
        (
            {"tools": (TOOL,), "tool_choice": ToolChoice("tool", "f")},
            {"tools": [TOOL_PART], "tool_choice": {"type": "function", "function": {"name": "f"}}},
        ),
        (
            {"tools": (ForeignTool("openai", "c", {"type": "custom"}),), "tool_choice": ToolChoice("tool", "c")},
            {"tools": [{"type": "custom"}], "tool_choice": {"type": "custom", "custom": {"name": "c"}}},
        ),
        ({"tool_choice": ToolChoice("auto"), "parallel_tool_calls": True}, {}),
        ({"tools": (WebSearch("openai", {"a": 1}),)}, {"web_search_options": {"a": 1}}),
        (
            {"extras": {"prompt_cache_key": "k", "service_tier": "flex", "verbosity": "low"}},
            {"prompt_cache_key": "k", "service_tier": "flex", "verbosity": "low"},
        ),
    ],
)
def test_field_is_written(fields: dict[str, Any], wanted: dict[str, Any]) -> None:
    encoded = write(**fields)

    assert {key: value for key, value in encoded.payload.items() if key not in ("model", "messages")} == wanted
    assert encoded.unsupported == ()


@pytest.mark.parametrize(
    ("fields", "names"),
    [
        ({"top_k": 5}, ("top_k",)),
        ({"reasoning": ReasoningWish(effort="low", summary="auto")}, ()),
        ({"reasoning": ReasoningWish(effort="low", summary="detailed")}, ("reasoning.summary",)),
        ({"tools": (ForeignTool("anthropic", "bash", {}),)}, ("tools.bash",)),
        (
            {"tools": (TOOL, ForeignTool("anthropic", "bash", {})), "tool_choice": ToolChoice("tool", "bash")},
            ("tools.bash", "tool_choice"),
        ),
        ({"extras": {"service_tier": "standard_only", "thinking": 1}}, ("service_tier", "thinking")),
    ],
)
def test_what_cannot_be_said_is_named(fields: dict[str, Any], names: tuple[str, ...]) -> None:
    assert write(**fields).unsupported == names
