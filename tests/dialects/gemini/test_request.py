"""A client's request: checked, and read into what no dialect says."""

import base64
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
from app.dialects.gemini.dialect import GEMINI
from app.dialects.gemini.request import read_asked
from app.dialects.gemini.tokens import write_count

HELLO = [{"role": "user", "parts": [{"text": "Hello"}]}]


def read(**fields: Any) -> ChatRequest:
    return GEMINI.read_request({"contents": HELLO, **fields})


def parts_of(*parts: Any, role: str = "user") -> tuple[Part, ...]:
    [message] = read(contents=[{"role": role, "parts": list(parts)}]).messages
    return message.parts


def config(**fields: Any) -> ChatRequest:
    return read(generationConfig=fields)


def wrapped(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def test_facts_of_a_request_are_read_from_its_body_and_its_url() -> None:
    body = b"\xef\xbb\xbf" + json.dumps({"contents": HELLO}).encode()

    asked = read_asked(body, "demo", True)

    assert (asked.body, asked.payload) == (body[3:], {"contents": HELLO})
    assert (asked.name, asked.streamed, asked.wants_usage) == ("demo", True, True)


@pytest.mark.parametrize("contents", ["Hello", {"parts": [{"text": "Hello"}]}, HELLO, ["Hello"]])
def test_conversation_may_be_said_in_several_ways(contents: Any) -> None:
    assert read_asked(json.dumps({"contents": contents}).encode(), "demo", False)
    assert read(contents=contents).messages == (Message("user", (Text("Hello"),)),)


@pytest.mark.parametrize(
    ("body", "name", "param", "code"),
    [
        (b"{", "demo", None, "invalid_json"),
        (b"[]", "demo", None, "invalid_json"),
        (b"{}", "demo", "contents", None),
        (b'{"contents":[]}', "demo", "contents", None),
        (b'{"contents":""}', "demo", "contents", None),
        (b'{"contents":5}', "demo", "contents", None),
        (b'{"contents":["x"]}', " ", "model", None),
        (b'{"contents":["x"]}', "m" * 513, "model", None),
    ],
)
def test_what_is_no_request_is_refused(body: bytes, name: str, param: str | None, code: str | None) -> None:
    with pytest.raises(InvalidRequest) as raised:
        read_asked(body, name, False)

    assert (raised.value.param, raised.value.code) == (param, code)


@pytest.mark.parametrize(
    ("part", "expected"),
    [
        ({"text": "Hi"}, Text("Hi")),
        ("Hi", Text("Hi")),
        ({"text": "Hi", "thought": True}, Text("Hi")),
        ({"inlineData": {"mimeType": "image/png", "data": "aGk="}}, Image("aGk=", "image/png")),
        ({"inline_data": {"mime_type": "image/png", "data": "-_8"}}, Image("+/8=", "image/png")),
        ({"inlineData": {"mimeType": "audio/wav", "data": "aGk="}}, Audio("aGk=", "audio/wav")),
        (
            {"inlineData": {"mimeType": "application/pdf", "data": "aGk=", "displayName": "a.pdf"}},
            Document("aGk=", "application/pdf", name="a.pdf"),
        ),
        ({"inlineData": {"mimeType": "video/mp4", "data": "aGk="}}, Document("aGk=", "video/mp4")),
        (
            {"fileData": {"mimeType": "image/png", "fileUri": "https://e.com/a"}},
            Image(media_type="image/png", url="https://e.com/a"),
        ),
        (
            {"file_data": {"mime_type": "video/mp4", "file_uri": "https://e.com/a"}},
            Document(media_type="video/mp4", url="https://e.com/a"),
        ),
        ({"fileData": {"fileUri": "https://e.com/a"}}, Document(url="https://e.com/a")),
        ({"executableCode": {"code": "1"}}, Foreign("gemini", {"executableCode": {"code": "1"}})),
    ],
)
def test_part_of_the_user_is_read(part: Any, expected: Part) -> None:
    assert parts_of(part) == (expected,)


@pytest.mark.parametrize(
    ("parts", "expected"),
    [
        ([{"text": "a"}, {"text": "b"}], (Text("ab"),)),
        ([{"text": "so", "thought": True}, {"text": "x"}], (Reasoning("so"), Text("x"))),
        ([{"text": "s", "thought": True}, {"text": "o", "thought": True}], (Reasoning("so"),)),
        (
            [{"text": "so", "thought": True, "thoughtSignature": "c2ln"}, {"text": "x"}],
            (Reasoning("so", Signature("c2ln", "gemini")), Text("x")),
        ),
        (
            [{"text": "so", "thought": True}, {"text": "x", "thought_signature": "c2ln"}],
            (Reasoning("so", Signature("c2ln", "gemini")), Text("x")),
        ),
        (
            [{"text": "x"}, {"text": "", "thoughtSignature": "c2ln"}],
            (Text("x"), Reasoning(signature=Signature("c2ln", "gemini"))),
        ),
        ([{"thoughtSignature": "c2ln"}], (Reasoning(signature=Signature("c2ln", "gemini")),)),
        (
            [{"text": "so", "thought": True, "thoughtSignature": wrapped("lr.anthropic.abc")}],
            (Reasoning("so", Signature("abc", "anthropic")),),
        ),
        (
            [{"text": "x", "thoughtSignature": wrapped("redacted.lr.anthropic.abc")}],
            (Reasoning(redacted=Signature("abc", "anthropic")), Text("x")),
        ),
        (
            [{"functionCall": {"id": "1", "name": "f", "args": {"a": 1}}, "thoughtSignature": "c2ln"}],
            (ToolCall("1", "f", '{"a":1}', Signature("c2ln", "gemini")),),
        ),
        ([{"function_call": {"id": "1", "name": "f"}}], (ToolCall("1", "f", "{}"),)),
        (
            [{"toolCall": {"id": "1"}, "thoughtSignature": "c2ln"}],
            (Foreign("gemini", {"toolCall": {"id": "1"}, "thoughtSignature": "c2ln"}),),
        ),
        ([{"inlineData": {"mimeType": "image/png", "data": "aGk="}}], (Image("aGk=", "image/png"),)),
    ],
)
def test_parts_of_the_model_are_read(parts: list[Any], expected: tuple[Part, ...]) -> None:
    assert parts_of(*parts, role="model") == expected


def test_signature_in_the_other_alphabet_of_base64_is_ours_too() -> None:
    encoded = base64.urlsafe_b64encode("lr.anthropic.~~~~ÿÿ".encode()).decode().rstrip("=")

    [part] = parts_of({"text": "", "thoughtSignature": encoded}, role="model")

    assert part == Reasoning(signature=Signature("~~~~ÿÿ", "anthropic"))


def test_contents_of_a_streamed_chat_are_one_message() -> None:
    pieces: list[dict[str, Any]] = [
        {"text": "s", "thought": True},
        {"text": "o", "thought": True, "thoughtSignature": "c2ln"},
        {"text": "Hel"},
        {"text": "lo"},
        {"text": ""},
    ]

    messages = read(contents=[*HELLO, *({"role": "model", "parts": [piece]} for piece in pieces)]).messages

    assert messages[1:] == (Message("assistant", (Reasoning("so", Signature("c2ln", "gemini")), Text("Hello"))),)


def test_results_without_ids_are_of_the_calls_by_name_and_order() -> None:
    contents = [
        {"role": "model", "parts": [{"functionCall": {"name": name, "args": {}}} for name in ("f", "g", "f")]},
        {
            "role": "function",
            "parts": [
                {"functionResponse": {"name": name, "response": {"result": text}}}
                for name, text in (("g", "2"), ("f", "1"), ("f", "3"))
            ],
        },
    ]

    calls, results = read(contents=contents).messages

    ids = [part.id for part in calls.parts if isinstance(part, ToolCall)]
    assert len(set(ids)) == 3
    assert results.parts == (
        ToolResult(ids[1], (Text("2"),), "g"),
        ToolResult(ids[0], (Text("1"),), "f"),
        ToolResult(ids[2], (Text("3"),), "f"),
    )


def test_result_with_an_id_is_of_that_call() -> None:
    contents = [
        {"role": "model", "parts": [{"functionCall": {"id": each, "name": "f", "args": {}}} for each in ("1", "2")]},
        {"role": "user", "parts": [{"functionResponse": {"id": each, "response": {}}} for each in ("2", "1")]},
    ]

    [_, results] = read(contents=contents).messages

    assert [(part.call_id, part.name) for part in results.parts if isinstance(part, ToolResult)] == [
        ("2", "f"),
        ("1", "f"),
    ]


@pytest.mark.parametrize(
    ("call", "is_paired"), [({"name": "f"}, True), ({"name": "f", "id": "1"}, False), ({"name": "g"}, False)]
)
def test_result_with_an_id_that_no_call_has_is_of_one_without(call: dict[str, Any], *, is_paired: bool) -> None:
    contents = [
        {"role": "model", "parts": [{"functionCall": call}]},
        {"role": "user", "parts": [{"functionResponse": {"id": "other", "name": "f", "response": {}}}]},
    ]

    [[called], [result]] = [message.parts for message in read(contents=contents).messages]

    assert isinstance(called, ToolCall)
    assert isinstance(result, ToolResult)
    assert result.call_id == (called.id if is_paired else "other")


def test_result_of_no_call_gets_an_id_of_its_own() -> None:
    [part] = parts_of({"functionResponse": {"name": "f", "response": {"result": "x"}}})

    assert isinstance(part, ToolResult)
    assert part.call_id.startswith("call_")


@pytest.mark.parametrize(
    ("response", "text", "is_error"),
    [
        ({"result": "5"}, "5", False),
        ({"output": "5"}, "5", False),
        ({"result": {"a": 1}}, '{"result":{"a":1}}', False),
        ({"result": "5", "b": 1}, '{"result":"5","b":1}', False),
        ({"error": "No"}, "No", True),
        ({"error": {"a": 1}}, '{"error":{"a":1}}', True),
        ({"temperature": 5}, '{"temperature":5}', False),
        ({}, "{}", False),
    ],
)
def test_what_a_function_gave_is_text(response: dict[str, Any], text: str, *, is_error: bool) -> None:
    [part] = parts_of({"functionResponse": {"id": "1", "name": "f", "response": response}})

    assert part == ToolResult("1", (Text(text),), "f", is_error)


def test_pictures_of_a_result_are_read() -> None:
    picture = {"inlineData": {"mimeType": "image/png", "data": "aGk="}}

    [part] = parts_of({"functionResponse": {"id": "1", "name": "f", "response": {}, "parts": [picture]}})

    assert part == ToolResult("1", (Text("{}"), Image("aGk=", "image/png")), "f")


@pytest.mark.parametrize("key", ["systemInstruction", "system_instruction"])
@pytest.mark.parametrize(
    "said",
    [
        "Be brief.",
        {"parts": [{"text": "Be brief."}]},
        {"role": "user", "parts": {"text": "Be brief."}},
        [{"text": "Be brief."}],
    ],
)
def test_system_instruction_is_the_first_message(key: str, said: Any) -> None:
    assert read(**{key: said}).messages[0] == Message("system", (Text("Be brief."),))


def test_sampling_is_read_in_both_spellings() -> None:
    camel = config(
        temperature=0.5,
        topP=0.9,
        topK=40.0,
        maxOutputTokens=10,
        stopSequences=["a"],
        seed=7,
        presencePenalty=0.1,
        frequencyPenalty=0.2,
    )
    snake = read(
        generation_config={
            "temperature": 0.5,
            "top_p": 0.9,
            "top_k": 40,
            "max_output_tokens": 10,
            "stop_sequences": ["a"],
            "seed": 7,
            "presence_penalty": 0.1,
            "frequency_penalty": 0.2,
        }
    )

    assert camel == snake
    assert camel == ChatRequest(
        messages=(Message("user", (Text("Hello"),)),),
        temperature=0.5,
        top_p=0.9,
        top_k=40,
        max_tokens=10,
        stop=("a",),
        seed=7,
        presence_penalty=0.1,
        frequency_penalty=0.2,
    )


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ({"responseMimeType": "application/json"}, ResponseFormat("json")),
        ({"responseMimeType": "text/plain"}, ResponseFormat("text")),
        (
            {"responseMimeType": "application/json", "responseSchema": {"type": "STRING"}},
            ResponseFormat("schema", {"type": "string"}),
        ),
        (
            {"response_mime_type": "application/json", "response_json_schema": {"type": "string"}},
            ResponseFormat("schema", {"type": "string"}),
        ),
        ({}, None),
    ],
)
def test_response_format_is_read(said: dict[str, Any], expected: ResponseFormat | None) -> None:
    request = config(**said)

    assert request.response_format == expected
    assert request.extras is None


def test_format_that_others_have_not_is_an_extra() -> None:
    request = config(responseMimeType="text/x.enum", responseSchema={"type": "STRING", "enum": ["a"]})

    assert request.response_format is None
    assert request.extras == {
        "generationConfig.responseMimeType": "text/x.enum",
        "generationConfig.responseSchema": {"type": "STRING", "enum": ["a"]},
    }


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ({"thinkingBudget": 1024}, ReasoningWish(budget=1024)),
        ({"thinkingBudget": 0}, ReasoningWish(budget=0)),
        ({"thinkingBudget": -1, "includeThoughts": True}, ReasoningWish("medium", summary="auto")),
        ({"thinkingLevel": "HIGH"}, ReasoningWish("high")),
        ({"thinking_level": "low", "include_thoughts": True}, ReasoningWish("low", summary="auto")),
        ({"thinkingLevel": "THINKING_LEVEL_UNSPECIFIED"}, None),
        ({"includeThoughts": True}, ReasoningWish(summary="auto")),
        ({"includeThoughts": False}, None),
        ({}, None),
    ],
)
def test_wish_to_think_is_read(said: dict[str, Any], expected: ReasoningWish | None) -> None:
    assert config(thinkingConfig=said).reasoning == expected


def test_tools_are_read_one_by_one() -> None:
    request = read(
        tools=[
            {
                "functionDeclarations": [
                    {
                        "name": "f",
                        "description": "F",
                        "parameters": {"type": "OBJECT", "properties": {"a": {"type": "STRING"}}},
                    },
                    {"name": "g", "parameters_json_schema": {"type": "object"}},
                    {"name": "h", "description": None},
                ],
                "codeExecution": {},
            },
            {"google_search": {"excludeDomains": ["e.com"]}},
            {"urlContext": {}},
        ]
    )

    assert request.tools == (
        Tool("f", "F", {"type": "object", "properties": {"a": {"type": "string"}}}),
        Tool("g", None, {"type": "object"}),
        Tool("h"),
        ForeignTool("gemini", "codeExecution", {"codeExecution": {}}),
        WebSearch("gemini", {"googleSearch": {"excludeDomains": ["e.com"]}}, blocked_domains=("e.com",)),
        ForeignTool("gemini", "urlContext", {"urlContext": {}}),
    )


@pytest.mark.parametrize(
    ("said", "choice", "extras"),
    [
        ({"mode": "AUTO"}, ToolChoice("auto"), None),
        ({"mode": "none"}, ToolChoice("none"), None),
        ({"mode": "ANY"}, ToolChoice("required"), None),
        ({"mode": "ANY", "allowedFunctionNames": ["f"]}, ToolChoice("tool", "f"), None),
        (
            {"mode": "ANY", "allowed_function_names": ["f", "g"]},
            ToolChoice("required"),
            {"toolConfig.functionCallingConfig.allowedFunctionNames": ["f", "g"]},
        ),
        ({"mode": "VALIDATED"}, ToolChoice("auto"), {"toolConfig.functionCallingConfig.mode": "VALIDATED"}),
        ({"mode": "MODE_UNSPECIFIED"}, None, None),
        ({}, None, None),
    ],
)
def test_choice_of_tools_is_read(
    said: dict[str, Any], choice: ToolChoice | None, extras: dict[str, Any] | None
) -> None:
    request = read(toolConfig={"functionCallingConfig": said})

    assert (request.tool_choice, request.extras) == (choice, extras)


def test_what_only_this_api_has_is_kept_by_its_path() -> None:
    request = read(
        contents=[{"parts": [{"inlineData": {"mimeType": "video/mp4", "data": "aGk="}, "videoMetadata": {"fps": 1}}]}],
        model="models/other",
        safetySettings=[{"category": "X"}],
        cached_content="cachedContents/1",
        labels={"a_b": "c"},
        generationConfig={"candidateCount": 2, "response_modalities": ["TEXT"], "thinkingConfig": {"other": 1}},
        toolConfig={"includeServerSideToolInvocations": True},
        tools=[{"functionDeclarations": {"name": "f", "behavior": "BLOCKING"}}],
    )

    assert request.extras == {
        "contents.videoMetadata": {"fps": 1},
        "safetySettings": [{"category": "X"}],
        "cachedContent": "cachedContents/1",
        "labels": {"a_b": "c"},
        "generationConfig.candidateCount": 2,
        "generationConfig.responseModalities": ["TEXT"],
        "generationConfig.thinkingConfig.other": 1,
        "toolConfig.includeServerSideToolInvocations": True,
        "tools.f.behavior": "BLOCKING",
    }


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"contents": [5]}, "contents[0]"),
        ({"contents": [{"role": "system", "parts": []}]}, "contents[0].role"),
        ({"contents": [{"role": 5}]}, "contents[0].role"),
        ({"contents": [{"parts": 5}]}, "contents[0].parts"),
        ({"contents": [{"parts": [5]}]}, "contents[0].parts[0]"),
        ({"contents": [{"parts": [{}]}]}, "contents[0].parts[0]"),
        ({"contents": [{"parts": [{"text": 5}]}]}, "contents[0].parts[0].text"),
        ({"contents": [{"parts": []}]}, "contents"),
        ({"contents": [{"parts": [{"inlineData": {"data": "x"}}]}]}, "contents[0].parts[0].inlineData.mimeType"),
        ({"contents": [{"parts": [{"inlineData": {"mimeType": "a/b"}}]}]}, "contents[0].parts[0].inlineData.data"),
        ({"contents": [{"parts": [{"fileData": {}}]}]}, "contents[0].parts[0].fileData.fileUri"),
        ({"contents": [{"parts": [{"functionCall": {"name": "f"}}]}]}, "contents[0].parts[0]"),
        (
            {"contents": [{"role": "model", "parts": [{"functionResponse": {"name": "f"}}]}]},
            "contents[0].parts[0]",
        ),
        (
            {"contents": [{"role": "model", "parts": [{"functionCall": {"name": "f", "args": []}}]}]},
            "contents[0].parts[0].functionCall.args",
        ),
        ({"contents": [{"role": "model", "parts": [{"functionCall": {}}]}]}, "contents[0].parts[0].functionCall.name"),
        ({"contents": [{"parts": [{"functionResponse": {}}]}]}, "contents[0].parts[0].functionResponse.name"),
        (
            {"contents": [{"parts": [{"functionResponse": {"name": "f", "response": "x"}}]}]},
            "contents[0].parts[0].functionResponse.response",
        ),
        (
            {"contents": [{"role": "model", "parts": [{"text": "x", "thoughtSignature": 5}]}]},
            "contents[0].parts[0].thoughtSignature",
        ),
        ({"systemInstruction": 5}, "systemInstruction"),
        ({"systemInstruction": {"parts": [{"inlineData": {}}]}}, "systemInstruction.parts[0].text"),
        ({"tools": 5}, "tools"),
        ({"tools": [5]}, "tools[0]"),
        ({"tools": [{"functionDeclarations": [{}]}]}, "tools[0].functionDeclarations[0].name"),
        (
            {"tools": [{"functionDeclarations": [{"name": "f", "parameters": 5}]}]},
            "tools[0].functionDeclarations[0].parameters",
        ),
        ({"tools": [{"googleSearch": 5}]}, "tools[0].googleSearch"),
        ({"toolConfig": 5}, "toolConfig"),
        ({"toolConfig": {"functionCallingConfig": {"mode": "SOME"}}}, "toolConfig.functionCallingConfig.mode"),
        ({"generationConfig": 5}, "generationConfig"),
        ({"generationConfig": {"temperature": "warm"}}, "generationConfig.temperature"),
        ({"generationConfig": {"maxOutputTokens": 1.5}}, "generationConfig.maxOutputTokens"),
        ({"generationConfig": {"topK": True}}, "generationConfig.topK"),
        ({"generationConfig": {"stopSequences": [5]}}, "generationConfig.stopSequences"),
        ({"generationConfig": {"responseMimeType": 5}}, "generationConfig.responseMimeType"),
        ({"generationConfig": {"responseSchema": 5}}, "generationConfig.responseSchema"),
        (
            {"generationConfig": {"thinkingConfig": {"thinkingLevel": "LOTS"}}},
            "generationConfig.thinkingConfig.thinkingLevel",
        ),
        (
            {"generationConfig": {"thinkingConfig": {"includeThoughts": "yes"}}},
            "generationConfig.thinkingConfig.includeThoughts",
        ),
    ],
)
def test_field_that_is_wrong_is_named(fields: dict[str, Any], param: str) -> None:
    with pytest.raises(InvalidRequest) as raised:
        read(**fields)

    assert raised.value.param == param
    assert raised.value.message.startswith(f"{param} must be")


def test_count_of_tokens_is_written() -> None:
    assert write_count(31) == b'{"totalTokens":31}'
