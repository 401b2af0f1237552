"""Requests: what a client's says in canonical values, and what of canonical values a provider is told."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.core.chat import (
    Audio,
    ChatRequest,
    Document,
    Encoded,
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
from app.dialects.ollama.dialect import OLLAMA, OLLAMA_GENERATE
from app.dialects.ollama.request import read_asked, read_asked_generate
from tests.dialects.ollama.playing import ARGUMENTS, IMAGES, OPAQUE, UNHURRIED, WORDS

HI = {"role": "user", "content": "Hi"}
ASKED = Message("user", (Text("Hi"),))
PNG = "iVBORw0KGgoAAAA"
SCHEMA = {"type": "object", "properties": {"a": {"type": "integer"}}}


def read(**fields: Any) -> ChatRequest:
    return OLLAMA.read_request({"model": "m", "messages": [HI], **fields})


def read_messages(*messages: Any) -> tuple[Message, ...]:
    return OLLAMA.read_request({"model": "m", "messages": list(messages)}).messages


def write(*messages: Message, model: str = "m", **fields: Any) -> Encoded:
    return OLLAMA.write_request(ChatRequest(messages or (ASKED,), **fields), model, True)


def write_messages(*messages: Message) -> list[Any]:
    written: list[Any] = write(*messages).payload["messages"]
    return written


@pytest.mark.parametrize(
    ("message", "wanted"),
    [
        (HI, ASKED),
        ({"role": "system", "content": "Be brief."}, Message("system", (Text("Be brief."),))),
        ({"role": "Assistant", "content": "Hi"}, Message("assistant", (Text("Hi"),))),
        ({"role": "user"}, Message("user", ())),
        ({"role": "user", "content": None}, Message("user", ())),
        (
            {"role": "user", "content": "What?", "images": [PNG, "/9j/4AAQ", "R0lGODlh", "UklGRiQA", "Qk0="]},
            Message(
                "user",
                (
                    Image(data=PNG, media_type="image/png"),
                    Image(data="/9j/4AAQ", media_type="image/jpeg"),
                    Image(data="R0lGODlh", media_type="image/gif"),
                    Image(data="UklGRiQA", media_type="image/webp"),
                    Image(data="Qk0=", media_type="image/jpeg"),
                    Text("What?"),
                ),
            ),
        ),
        (
            {"role": "assistant", "content": "Hi", "thinking": "Hm.", "thinking_signature": "lr.anthropic.c2ln"},
            Message("assistant", (Reasoning("Hm.", Signature("c2ln", "anthropic")), Text("Hi"))),
        ),
        (
            {"role": "assistant", "content": "Hi", "thinking_redacted": ["lr.anthropic.eA", "b3du"]},
            Message(
                "assistant",
                (
                    Reasoning(redacted=Signature("eA", "anthropic")),
                    Reasoning(redacted=Signature("b3du", "ollama")),
                    Text("Hi"),
                ),
            ),
        ),
        (
            {
                "role": "assistant",
                "tool_calls": [
                    {"id": "a", "function": {"name": "f", "arguments": {"x": 1}}, "signature": "lr.gemini.s"},
                    {"id": "b", "function": {"name": "g"}},
                ],
            },
            Message(
                "assistant",
                (ToolCall("a", "f", '{"x":1}', signature=Signature("s", "gemini")), ToolCall("b", "g", "{}")),
            ),
        ),
        ({"role": "user", "content": "Hi", "thinking": "a model's only"}, ASKED),
    ],
)
def test_message_is_read(message: dict[str, Any], wanted: Message) -> None:
    assert read_messages(message) == (wanted,)


def calls_of(*names: str, **ids: str) -> dict[str, Any]:
    calls = [{**({"id": ids[name]} if name in ids else {}), "function": {"name": name}} for name in names]
    return {"role": "assistant", "tool_calls": calls}


def test_results_with_ids_answer_their_calls() -> None:
    _, results = read_messages(
        calls_of("f", "g", f="a", g="b"),
        {"role": "tool", "content": "2", "tool_call_id": "b"},
        {"role": "tool", "content": "1", "tool_call_id": "a"},
    )

    assert results == Message("user", (ToolResult("b", (Text("2"),), "g"), ToolResult("a", (Text("1"),), "f")))


@pytest.mark.parametrize("key", ["tool_name", "name"])
def test_results_without_ids_answer_by_name_and_order(key: str) -> None:
    calls, results = read_messages(
        calls_of("f", "g", "f"),
        {"role": "tool", "content": "2", key: "g"},
        {"role": "tool", "content": "1", key: "f"},
        {"role": "tool", "content": "3", key: "f"},
    )

    first, second, third = [part.id for part in calls.parts if isinstance(part, ToolCall)]
    assert len({first, second, third}) == 3
    assert results.parts == (
        ToolResult(second, (Text("2"),), "g"),
        ToolResult(first, (Text("1"),), "f"),
        ToolResult(third, (Text("3"),), "f"),
    )


def test_results_without_ids_or_names_answer_in_order() -> None:
    calls, results = read_messages(
        calls_of("f"), calls_of("g"), {"role": "tool", "content": "1"}, {"role": "tool", "content": "2"}
    )[1:]

    assert [part.name for part in results.parts if isinstance(part, ToolResult)] == ["f", "g"]
    assert calls.role == "assistant"


def test_call_that_was_never_answered_gets_no_later_result() -> None:
    *_, calls, results = read_messages(calls_of("f"), HI, calls_of("f"), {"role": "tool", "content": "1"})

    (call,), (result,) = calls.parts, results.parts
    assert isinstance(call, ToolCall)
    assert isinstance(result, ToolResult)
    assert result.call_id == call.id


def test_result_without_a_call_is_kept() -> None:
    (message,) = read_messages({"role": "tool", "content": "1", "tool_name": "f"})

    (result,) = message.parts
    assert isinstance(result, ToolResult)
    assert (result.name, result.parts) == ("f", (Text("1"),))
    assert result.call_id


def test_result_with_a_picture_keeps_it() -> None:
    (message,) = read_messages({"role": "tool", "content": "1", "tool_call_id": "a", "images": [PNG]})

    assert message.parts == (ToolResult("a", (Image(data=PNG, media_type="image/png"), Text("1"))),)


def test_text_after_results_is_a_message_of_its_own() -> None:
    messages = read_messages(calls_of("f"), {"role": "tool", "content": "1"}, HI)

    assert messages[2] == ASKED


def test_same_conversation_gets_the_same_ids() -> None:
    conversation = [HI, calls_of("f", "g"), {"role": "tool", "content": "1"}]

    assert read_messages(*conversation) == read_messages(*conversation)[: len(conversation)]


@pytest.mark.parametrize(
    ("fields", "wanted"),
    [
        ({"options": {"num_predict": 5}}, {"max_tokens": 5}),
        ({"options": {"num_predict": -1}}, {"max_tokens": None}),
        ({"options": {"num_predict": -2}}, {"max_tokens": None}),
        ({"options": {"temperature": 0, "top_p": 0.5, "top_k": 40.0}}, {"temperature": 0, "top_p": 0.5, "top_k": 40}),
        ({"options": {"seed": 7, "stop": "END"}}, {"seed": 7, "stop": ("END",)}),
        ({"options": {"stop": ["a", "b"], "temperature": None}}, {"stop": ("a", "b"), "temperature": None}),
        (
            {"options": {"presence_penalty": 1, "frequency_penalty": -1}},
            {"presence_penalty": 1, "frequency_penalty": -1},
        ),
        ({"options": {"num_ctx": 4096, "mirostat": 0}}, {"extras": {"options.num_ctx": 4096, "options.mirostat": 0}}),
        ({"keep_alive": 0, "truncate": False}, {"extras": {"keep_alive": 0, "truncate": False}}),
        ({"logprobs": True, "top_logprobs": 3}, {"extras": {"logprobs": True, "top_logprobs": 3}}),
        ({"logprobs": False, "top_logprobs": 0, "options": {}, "keep_alive": None}, {"extras": None}),
        ({"format": "json"}, {"response_format": ResponseFormat("json")}),
        ({"format": SCHEMA}, {"response_format": ResponseFormat("schema", schema=SCHEMA)}),
        ({"format": ""}, {"response_format": None}),
        ({"think": True}, {"reasoning": ReasoningWish("medium")}),
        ({"think": False}, {"reasoning": ReasoningWish("none")}),
        ({"think": "max"}, {"reasoning": ReasoningWish("max")}),
        ({"think": None}, {"reasoning": None}),
        (
            {"tools": [{"type": "function", "function": {"name": "f", "description": "F", "parameters": SCHEMA}}]},
            {"tools": (Tool("f", "F", SCHEMA),)},
        ),
        ({"tools": [{"function": {"name": "f"}}]}, {"tools": (Tool("f"),)}),
        ({"tools": [{"type": "new"}]}, {"tools": (ForeignTool("ollama", "new", {"type": "new"}),)}),
    ],
)
def test_field_is_read(fields: dict[str, Any], wanted: dict[str, Any]) -> None:
    request = read(**fields)

    assert {name: getattr(request, name) for name in wanted} == wanted


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"messages": "Hi"}, "messages"),
        ({"messages": ["Hi"]}, "messages[0]"),
        ({"messages": [{"content": "Hi"}]}, "messages[0].role"),
        ({"messages": [{"role": "developer", "content": "Hi"}]}, "messages[0].role"),
        ({"messages": [{"role": "user", "content": [HI]}]}, "messages[0].content"),
        ({"messages": [HI, {"role": "user", "images": "x"}]}, "messages[1].images"),
        ({"messages": [HI, {"role": "user", "images": [5]}]}, "messages[1].images[0]"),
        ({"messages": [{"role": "assistant", "thinking": 5}]}, "messages[0].thinking"),
        ({"messages": [{"role": "assistant", "tool_calls": {}}]}, "messages[0].tool_calls"),
        ({"messages": [{"role": "assistant", "tool_calls": ["f"]}]}, "messages[0].tool_calls[0]"),
        ({"messages": [{"role": "assistant", "tool_calls": [{}]}]}, "messages[0].tool_calls[0].function.name"),
        (
            {"messages": [{"role": "assistant", "tool_calls": [{"function": {"name": "f", "arguments": "{}"}}]}]},
            "messages[0].tool_calls[0].function.arguments",
        ),
        ({"messages": [{"role": "tool", "tool_name": 5}]}, "messages[0].tool_name"),
        ({"options": []}, "options"),
        ({"options": {"temperature": "hot"}}, "options.temperature"),
        ({"options": {"top_k": 1.5}}, "options.top_k"),
        ({"options": {"seed": True}}, "options.seed"),
        ({"options": {"num_predict": 10**30}}, "options.num_predict"),
        ({"options": {"stop": [5]}}, "options.stop"),
        ({"format": "xml"}, "format"),
        ({"think": "hard"}, "think"),
        ({"think": 1}, "think"),
        ({"tools": {}}, "tools"),
        ({"tools": ["f"]}, "tools[0]"),
        ({"tools": [{"function": {}}]}, "tools[0].function.name"),
        ({"tools": [{"function": {"name": "f", "parameters": []}}]}, "tools[0].function.parameters"),
    ],
)
def test_field_of_a_wrong_type_is_named(fields: dict[str, Any], param: str) -> None:
    with pytest.raises(InvalidRequest) as raised:
        read(**fields)

    assert raised.value.param == param
    assert raised.value.message.startswith(f"{param} must be ")


def test_arguments_that_nest_too_deeply_are_refused() -> None:
    deep: Any = {}
    for _ in range(2000):
        deep = {"a": deep}

    with pytest.raises(InvalidRequest):
        read_messages({"role": "assistant", "tool_calls": [{"function": {"name": "f", "arguments": deep}}]})


def test_generate_request_is_a_system_message_and_a_prompt() -> None:
    request = OLLAMA_GENERATE.read_request(
        {
            "model": "m",
            "prompt": "Hi",
            "system": "Be brief.",
            "images": [PNG],
            "raw": True,
            "suffix": "",
            "context": [1],
        }
    )

    assert request.messages == (
        Message("system", (Text("Be brief."),)),
        Message("user", (Image(data=PNG, media_type="image/png"), Text("Hi"))),
    )
    assert request.extras == {"raw": True, "context": [1]}
    assert OLLAMA_GENERATE.write_request(request, "m", True).unsupported == ("raw", "context")


@pytest.mark.parametrize(
    ("message", "wanted"),
    [
        (ASKED, [HI]),
        (Message("user", ()), [{"role": "user", "content": ""}]),
        (Message("system", (Text("a"), Text("b"))), [{"role": "system", "content": "a\n\nb"}]),
        (Message("assistant", (Text("a"), Refusal("b"))), [{"role": "assistant", "content": "ab"}]),
        (
            Message("user", (Text("What?"), Image(data=PNG, media_type="image/png"))),
            [{"role": "user", "content": "What?", "images": [PNG]}],
        ),
        (Message("user", (Document(text="A page."),)), [{"role": "user", "content": "A page."}]),
        (
            Message("assistant", (Reasoning("Hm.", Signature("s", "ollama")), Text("Hi"))),
            [{"role": "assistant", "content": "Hi", "thinking": "Hm.", "thinking_signature": "s"}],
        ),
        (
            Message("assistant", (Reasoning("Hm.", Signature("s", "anthropic")), Text("Hi"))),
            [{"role": "assistant", "content": "Hi", "thinking": "Hm."}],
        ),
        (
            Message("assistant", (Reasoning(redacted=Signature("s", "anthropic")), Text("Hi"))),
            [{"role": "assistant", "content": "Hi"}],
        ),
        (
            Message("assistant", (ToolCall("a", "f", '{"x": 1}'), ToolCall("b", "g", "", Signature("s", "gemini")))),
            [
                {
                    "role": "assistant",
                    "content": "",
                    "tool_calls": [
                        {"id": "a", "function": {"index": 0, "name": "f", "arguments": {"x": 1}}},
                        {"id": "b", "function": {"index": 1, "name": "g", "arguments": {}}},
                    ],
                }
            ],
        ),
        (
            Message(
                "user",
                (
                    ToolResult("a", (Text("1"), Image(data=PNG)), "f"),
                    ToolResult("b", ()),
                    Text("And?"),
                ),
            ),
            [
                {"role": "tool", "content": "1", "images": [PNG], "tool_call_id": "a", "tool_name": "f"},
                {"role": "tool", "content": "", "tool_call_id": "b"},
                {"role": "user", "content": "And?"},
            ],
        ),
    ],
)
def test_message_is_written(message: Message, wanted: list[Any]) -> None:
    assert write_messages(message) == wanted


def test_result_is_written_with_the_name_of_its_call() -> None:
    written = write_messages(
        Message("assistant", (ToolCall("a", "f", "{}"),)), Message("user", (ToolResult("a", (Text("1"),)),))
    )

    assert written[1]["tool_name"] == "f"


@pytest.mark.parametrize(
    ("fields", "wanted"),
    [
        ({"max_tokens": 5, "temperature": 0.0}, {"options": {"num_predict": 5, "temperature": 0.0}}),
        ({"stop": ("a",), "top_k": 1, "top_p": 0.1}, {"options": {"stop": ["a"], "top_k": 1, "top_p": 0.1}}),
        (
            {"seed": 0, "presence_penalty": 1.0, "frequency_penalty": 2.0},
            {"options": {"seed": 0, "presence_penalty": 1.0, "frequency_penalty": 2.0}},
        ),
        ({"extras": {"options.num_ctx": 4096}}, {"options": {"num_ctx": 4096}}),
        ({"extras": {"keep_alive": "5m", "truncate": False}}, {"keep_alive": "5m", "truncate": False}),
        ({"response_format": ResponseFormat("text")}, {}),
        ({"response_format": ResponseFormat("json")}, {"format": "json"}),
        ({"response_format": ResponseFormat("schema", schema=SCHEMA, name="x", strict=True)}, {"format": SCHEMA}),
        ({"response_format": ResponseFormat("schema")}, {"format": "json"}),
        (
            {"tools": (Tool("f", "F", SCHEMA),), "tool_choice": ToolChoice("auto")},
            {"tools": [{"type": "function", "function": {"name": "f", "description": "F", "parameters": SCHEMA}}]},
        ),
        (
            {"tools": (Tool("f"),), "parallel_tool_calls": True},
            {
                "tools": [
                    {"type": "function", "function": {"name": "f", "parameters": {"type": "object", "properties": {}}}}
                ]
            },
        ),
        ({"tools": (Tool("f"),), "tool_choice": ToolChoice("none")}, {}),
        ({"tools": (ForeignTool("ollama", "new", {"type": "new"}),)}, {"tools": [{"type": "new"}]}),
    ],
)
def test_field_is_written(fields: dict[str, Any], wanted: dict[str, Any]) -> None:
    encoded = write(**fields)

    assert encoded.payload == {"model": "m", "messages": [HI], **wanted, "stream": True}
    assert not encoded.unsupported


@pytest.mark.parametrize(
    ("wish", "usual", "gpt_oss"),
    [
        (ReasoningWish("none"), False, "low"),
        (ReasoningWish("minimal"), True, "low"),
        (ReasoningWish("low"), True, "low"),
        (ReasoningWish("medium"), True, "medium"),
        (ReasoningWish("high"), True, "high"),
        (ReasoningWish("xhigh"), True, "high"),
        (ReasoningWish("max"), True, "high"),
        (ReasoningWish(budget=0), False, "low"),
        (ReasoningWish(budget=10_000), True, "medium"),
        (ReasoningWish(summary="auto"), None, None),
        (None, None, None),
    ],
)
def test_thinking_is_asked_for_in_the_models_words(wish: ReasoningWish | None, usual: Any, gpt_oss: Any) -> None:
    thinks = [write(model=model, reasoning=wish).payload.get("think") for model in ("qwen3:8b", "hf.co/x/GPT-OSS-20b")]

    assert thinks == [usual, gpt_oss]


def in_a_message(*parts: Any) -> ChatRequest:
    return ChatRequest((Message("user", parts),))


@pytest.mark.parametrize(
    ("request_", "unsupported"),
    [
        (in_a_message(Image(url="https://a.test")), ("image_url",)),
        (in_a_message(Image(data=PNG, detail="high"), Image(data=PNG, detail="auto")), ("detail",)),
        (in_a_message(Document(data="x"), Document(file_id="y")), ("documents",)),
        (in_a_message(Audio("x", "audio/wav")), ("audio",)),
        (in_a_message(Foreign("anthropic", {"type": "server_tool_use"})), ("server_tool_use",)),
        (in_a_message(Foreign("anthropic", 5)), ("content",)),
        (in_a_message(Text("x", cache={"type": "ephemeral"})), ("cache_control",)),
        (in_a_message(ToolResult("a", (Audio("x", "audio/wav"),), is_error=True)), ("audio",)),
        (ChatRequest((Message("user", (Text("x"),), name="bob"),)), ("name",)),
        (ChatRequest((ASKED,), tool_choice=ToolChoice("required")), ("tool_choice",)),
        (ChatRequest((ASKED,), tool_choice=ToolChoice("tool", "f")), ("tool_choice",)),
        (ChatRequest((ASKED,), parallel_tool_calls=False), ("parallel_tool_calls",)),
        (ChatRequest((ASKED,), user="bob"), ("user",)),
        (ChatRequest((ASKED,), extras={"logit_bias": {}, "logprobs": True}), ("logit_bias", "logprobs")),
        (ChatRequest((ASKED,), tools=(ForeignTool("anthropic", "bash", {}),)), ("tools.bash",)),
        (ChatRequest((ASKED,), tools=(WebSearch("openai", {}),)), ("tools.web_search",)),
        (ChatRequest((ASKED,), tools=(Tool("f", strict=True, cache={}),)), ("cache_control", "strict")),
    ],
)
def test_what_cannot_be_said_is_named(request_: ChatRequest, unsupported: tuple[str, ...]) -> None:
    encoded = OLLAMA.write_request(request_, "m", False)

    assert encoded.unsupported == unsupported
    assert json.loads(json.dumps(encoded.payload))["stream"] is False


@pytest.mark.parametrize(
    ("parts", "content"),
    [
        ((Text("No such city."),), "Error: No such city."),
        ((Text("error: none"),), "error: none"),
        ((), "Error"),
    ],
)
def test_result_that_is_an_error_says_so(parts: Any, content: str) -> None:
    [result] = write_messages(Message("user", (ToolResult("a", parts, "f", is_error=True),)))

    assert result["content"] == content


@pytest.mark.parametrize("arguments", ["[]", '{"a":', "x"])
def test_arguments_that_are_no_object_are_refused(arguments: str) -> None:
    with pytest.raises(InvalidRequest):
        write(Message("assistant", (ToolCall("a", "f", arguments),)))


def spoken_parts() -> st.SearchStrategy[list[Any]]:
    return st.tuples(st.lists(IMAGES, max_size=2), st.lists(st.builds(Text, WORDS), max_size=1)).map(
        lambda drawn: [*drawn[0], *drawn[1]]
    )


@st.composite
def conversations(draw: st.DrawFn) -> tuple[Message, ...]:
    """Conversations of all that the dialect can tell, in which each call is answered."""
    messages = [Message("system", (Text(draw(WORDS)),))]
    for turn in range(draw(st.integers(0, 3))):
        messages.append(Message("user", tuple(draw(spoken_parts()))))
        parts: list[Any] = draw(
            st.lists(
                st.builds(Reasoning, WORDS, st.none() | OPAQUE.map(lambda text: Signature(text, "ollama"))), max_size=1
            )
        )
        parts += draw(st.lists(st.builds(Text, WORDS), max_size=1))
        calls = [
            ToolCall(f"call_{turn}_{index}", draw(WORDS), draw(ARGUMENTS)) for index in range(draw(st.integers(0, 2)))
        ]
        messages.append(Message("assistant", (*parts, *calls)))
        if calls:
            results = [ToolResult(call.id, tuple(draw(spoken_parts())), call.name) for call in calls]
            messages.append(Message("user", tuple(results)))
    return tuple(messages)


@UNHURRIED
@given(conversations(), st.booleans())
def test_conversation_is_read_as_it_was_written(messages: tuple[Message, ...], streamed: bool) -> None:
    encoded = OLLAMA.write_request(ChatRequest(messages), "m", streamed)

    payload = json.loads(json.dumps(encoded.payload))

    assert OLLAMA.read_request(payload).messages == messages
    assert not encoded.unsupported
    assert payload["stream"] is streamed


def test_stream_is_asked_for_by_default() -> None:
    asked = read_asked(b'\xef\xbb\xbf{"model":"m","messages":[{"role":"user","content":"Hi"}]}')

    assert (asked.name, asked.streamed, asked.wants_usage) == ("m", True, True)
    assert asked.body.startswith(b"{")
    assert asked.payload["messages"] == [HI]


@pytest.mark.parametrize(("stream", "streamed"), [("true", True), ("null", True), ("false", False)])
@pytest.mark.parametrize("read_it", [read_asked, read_asked_generate])
def test_stream_is_as_asked_for(read_it: Any, stream: str, streamed: bool) -> None:
    assert read_it(f'{{"name":"m","stream":{stream}}}'.encode()).streamed is streamed


@pytest.mark.parametrize("read_it", [read_asked, read_asked_generate])
@pytest.mark.parametrize(
    ("body", "param"),
    [
        (b"", None),
        (b"[]", None),
        (b"{}", "model"),
        (b'{"model":" "}', "model"),
        (b'{"model":5}', "model"),
        (b'{"model":"%s"}' % (b"m" * 513), "model"),
        (b'{"model":"m","stream":"yes"}', "stream"),
    ],
)
def test_request_without_what_must_be_there_is_refused(read_it: Any, body: bytes, param: str | None) -> None:
    with pytest.raises(InvalidRequest) as raised:
        read_it(body)

    assert raised.value.param == param


@pytest.mark.parametrize(
    ("read_it", "body", "param"),
    [
        (read_asked, b'{"model":"m","messages":{}}', "messages"),
        (read_asked, b'{"model":"m","messages":[5]}', "messages[0]"),
        (read_asked, b'{"model":"m","messages":[{"role":5}]}', "messages[0]"),
        (read_asked_generate, b'{"model":"m","prompt":5}', "prompt"),
    ],
)
def test_request_whose_words_are_of_a_wrong_type_is_refused(read_it: Any, body: bytes, param: str) -> None:
    with pytest.raises(InvalidRequest) as raised:
        read_it(body)

    assert raised.value.param == param
