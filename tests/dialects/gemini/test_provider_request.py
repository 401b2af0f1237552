"""A request for a provider: what is said how, and what is named because it cannot be said."""

from dataclasses import replace
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

HELLO = Message("user", (Text("Hello"),))
PLAIN = ChatRequest((HELLO,))
FUNCTION = Tool("f", "F", {"type": "object"})
DECLARED = {"functionDeclarations": [{"name": "f", "description": "F", "parametersJsonSchema": {"type": "object"}}]}
OWN = Signature("c2ln", "gemini")
OTHER = Signature("abc", "anthropic")


def write(*messages: Message, model: str = "gemini-2.5-flash", **fields: Any) -> Encoded:
    return GEMINI.write_request(replace(PLAIN, messages=messages or PLAIN.messages, **fields), model, False)


def contents_of(*messages: Message, model: str = "gemini-2.5-flash") -> Any:
    return write(*messages, model=model).payload["contents"]


def user(*parts: Part) -> Message:
    return Message("user", parts)


def model(*parts: Part) -> Message:
    return Message("assistant", parts)


def test_conversation_is_written_by_turns() -> None:
    encoded = write(
        Message("system", (Text("Be"), Text("brief."))),
        HELLO,
        user(Text("World")),
        Message("system", (Text("Now."),)),
        model(Refusal("No.")),
        model(Text("")),
        user(Text("")),
        model(Text("Well.")),
    )

    assert encoded.payload == {
        "systemInstruction": {"parts": [{"text": "Be"}, {"text": "brief."}, {"text": "Now."}]},
        "contents": [
            {"role": "user", "parts": [{"text": "Hello"}, {"text": "World"}]},
            {"role": "model", "parts": [{"text": "No."}, {"text": "Well."}]},
        ],
    }
    assert encoded.unsupported == ()


def test_instructions_alone_are_what_the_user_says() -> None:
    assert write(Message("system", (Text("Go."),))).payload == {
        "contents": [{"role": "user", "parts": [{"text": "Go."}]}]
    }


@pytest.mark.parametrize(
    ("part", "written"),
    [
        (Image("aGk=", "image/webp"), {"inlineData": {"mimeType": "image/webp", "data": "aGk="}}),
        (Image("iVBORw0KGgoAAA"), {"inlineData": {"mimeType": "image/png", "data": "iVBORw0KGgoAAA"}}),
        (Image("aGk="), {"inlineData": {"mimeType": "image/jpeg", "data": "aGk="}}),
        (
            Image(url="https://e.com/a.PNG?b=c.d"),
            {"fileData": {"mimeType": "image/png", "fileUri": "https://e.com/a.PNG?b=c.d"}},
        ),
        (Image(url="https://e.com/a"), {"fileData": {"mimeType": "image/jpeg", "fileUri": "https://e.com/a"}}),
        (Audio("aGk=", "audio/wav"), {"inlineData": {"mimeType": "audio/wav", "data": "aGk="}}),
        (
            Document("aGk=", "application/pdf", name="a.pdf"),
            {"inlineData": {"mimeType": "application/pdf", "data": "aGk="}},
        ),
        (Document(url="https://e.com/a"), {"fileData": {"mimeType": "application/pdf", "fileUri": "https://e.com/a"}}),
        (Document(text="words"), {"text": "words"}),
        (Image("aGk=", "image/png", detail="auto"), {"inlineData": {"mimeType": "image/png", "data": "aGk="}}),
        (Foreign("gemini", {"executableCode": {}}), {"executableCode": {}}),
    ],
)
def test_part_is_written(part: Part, written: dict[str, Any]) -> None:
    encoded = write(user(part))

    assert encoded.payload["contents"] == [{"role": "user", "parts": [written]}]
    assert encoded.unsupported == ()


@pytest.mark.parametrize(
    ("parts", "written"),
    [
        (
            [Reasoning("so", OWN), Text("x")],
            [{"text": "so", "thought": True}, {"text": "x", "thoughtSignature": "c2ln"}],
        ),
        (
            [Reasoning("so", OWN), ToolCall("1", "f", "{}")],
            [
                {"text": "so", "thought": True, "thoughtSignature": "c2ln"},
                {"functionCall": {"id": "1", "name": "f", "args": {}}},
            ],
        ),
        ([Reasoning("so", OWN)], [{"text": "so", "thought": True, "thoughtSignature": "c2ln"}]),
        ([Text("x"), Reasoning(signature=OWN)], [{"text": "x"}, {"text": "", "thoughtSignature": "c2ln"}]),
        (
            [Reasoning(signature=OWN), Reasoning(signature=OWN), Image("aGk=", "image/png")],
            [
                {"text": "", "thoughtSignature": "c2ln"},
                {"inlineData": {"mimeType": "image/png", "data": "aGk="}, "thoughtSignature": "c2ln"},
            ],
        ),
        ([Reasoning("so", OTHER), Text("x")], [{"text": "so", "thought": True}, {"text": "x"}]),
        ([Reasoning(redacted=OTHER), Text("x")], [{"text": "x"}]),
        (
            [ToolCall("1", "f", '{"a": 1}', OWN)],
            [{"functionCall": {"id": "1", "name": "f", "args": {"a": 1}}, "thoughtSignature": "c2ln"}],
        ),
        ([ToolCall("1", "f", "", OTHER)], [{"functionCall": {"id": "1", "name": "f", "args": {}}}]),
    ],
)
def test_parts_of_the_model_are_written(parts: list[Part], written: list[dict[str, Any]]) -> None:
    assert contents_of(model(*parts)) == [{"role": "model", "parts": written}]


@pytest.mark.parametrize("arguments", ["{", "[]", "5", "nothing"])
def test_arguments_that_are_no_object_are_refused(arguments: str) -> None:
    with pytest.raises(InvalidRequest, match="'f' must be a JSON object"):
        write(model(ToolCall("1", "f", arguments)))


@pytest.mark.parametrize(
    ("result", "response"),
    [
        (ToolResult("1", (Text("5"),)), {"result": "5"}),
        (ToolResult("1", (Text("a"), Text("b"))), {"result": "a\nb"}),
        (ToolResult("1", (Text(' {"a": 1}'),)), {"a": 1}),
        (ToolResult("1", (Text("[1]"),)), {"result": "[1]"}),
        (ToolResult("1", (Text("{no"),)), {"result": "{no"}),
        (ToolResult("1", (Text("No"),), is_error=True), {"error": "No"}),
        (ToolResult("1", (Document(text="words"),)), {"result": "words"}),
        (ToolResult("1", ()), {"result": ""}),
    ],
)
def test_result_is_an_object_under_the_name_of_its_call(result: ToolResult, response: dict[str, Any]) -> None:
    [*_, last] = contents_of(model(ToolCall("1", "f", "{}")), user(result))

    assert last == {
        "role": "user",
        "parts": [{"functionResponse": {"id": "1", "name": "f", "response": response}}],
    }


def test_results_come_first_and_pictures_stand_beside_them() -> None:
    picture = Image("aGk=", "image/png")

    [content] = contents_of(
        user(Text("Look:"), ToolResult("1", (Text("a"), picture), "f")), user(ToolResult("2", (Text("b"),), "g"))
    )

    assert [next(iter(part)) for part in content["parts"]] == [
        "functionResponse",
        "functionResponse",
        "text",
        "inlineData",
    ]


@pytest.mark.parametrize(
    ("picture", "inside"),
    [
        (Image("aGk=", "image/png"), True),
        (Document("aGk=", "application/pdf"), True),
        (Image("aGk=", "image/heic"), False),
        (Image(url="https://e.com/a.png"), False),
        (Audio("aGk=", "audio/wav"), False),
    ],
)
def test_newer_models_take_pictures_within_results(picture: Image | Document | Audio, *, inside: bool) -> None:
    [content] = contents_of(user(ToolResult("1", (Text("a"), picture), "f")), model="gemini-3-flash-preview")

    [first, *beside] = content["parts"]
    assert ("parts" in first["functionResponse"]) is inside
    assert bool(beside) is not inside


@pytest.mark.parametrize(
    ("name", "signed"),
    [
        ("gemini-3-pro-preview", True),
        ("models/gemini-3.1-flash", True),
        ("gemini-4-argon", True),
        ("gemini-flash-latest", True),
        ("gemini-2.5-pro", False),
        ("gemini-2.0-flash", False),
        ("gemma-3-27b-it", False),
    ],
)
def test_call_from_elsewhere_gets_the_escape_that_newer_models_need(name: str, *, signed: bool) -> None:
    [_, content] = contents_of(HELLO, model_step("1"), model=name)

    assert ("thoughtSignature" in content["parts"][0]) is signed


def model_step(*ids: str, signature: Signature | None = None) -> Message:
    return model(*[ToolCall(each, "f", "{}", signature if each == ids[0] else None) for each in ids])


def test_escape_stands_on_the_first_call_of_each_step_of_the_current_turn() -> None:
    contents = contents_of(
        HELLO,
        model_step("0"),
        user(ToolResult("0", (Text("a"),))),
        model(Text("Done.")),
        user(Text("Again.")),
        model_step("1", "2"),
        user(ToolResult("1", (Text("a"),)), ToolResult("2", (Text("b"),))),
        model_step("3", "4", signature=OWN),
        user(ToolResult("3", (Text("a"),)), ToolResult("4", (Text("b"),))),
        model="gemini-3-pro-preview",
    )

    calls = [part for content in contents for part in content["parts"] if "functionCall" in part]
    assert [part.get("thoughtSignature") for part in calls] == [
        None,
        "skip_thought_signature_validator",
        None,
        "c2ln",
        None,
    ]


def test_sampling_is_written() -> None:
    encoded = write(
        max_tokens=10,
        temperature=0.5,
        top_p=0.9,
        top_k=40,
        stop=("a",),
        seed=7,
        presence_penalty=0.1,
        frequency_penalty=0.2,
    )

    assert encoded.payload["generationConfig"] == {
        "maxOutputTokens": 10,
        "temperature": 0.5,
        "topP": 0.9,
        "topK": 40,
        "stopSequences": ["a"],
        "seed": 7,
        "presencePenalty": 0.1,
        "frequencyPenalty": 0.2,
    }
    assert encoded.unsupported == ()


@pytest.mark.parametrize(("seed", "written"), [(-1, -1), (2**31 - 1, 2**31 - 1), (2**31, 0), (2**40 + 5, 5)])
def test_seed_has_32_bits(seed: int, written: int) -> None:
    assert write(seed=seed).payload["generationConfig"] == {"seed": written}


@pytest.mark.parametrize(
    ("wanted", "written"),
    [
        (ResponseFormat("text"), None),
        (ResponseFormat("json"), {"responseMimeType": "application/json"}),
        (
            ResponseFormat("schema", {"type": "object", "$schema": "x"}, "n", "What it is.", strict=True),
            {
                "responseMimeType": "application/json",
                "responseJsonSchema": {"description": "What it is.", "type": "object", "$schema": "x"},
            },
        ),
    ],
)
def test_response_format_is_written(wanted: ResponseFormat, written: dict[str, Any] | None) -> None:
    encoded = write(response_format=wanted)

    assert encoded.payload.get("generationConfig") == written
    assert encoded.unsupported == ()


@pytest.mark.parametrize(
    ("name", "wish", "written"),
    [
        ("gemini-2.5-flash", ReasoningWish("high"), {"thinkingBudget": 16384, "includeThoughts": True}),
        ("gemini-2.5-flash", ReasoningWish("max"), {"thinkingBudget": 24576, "includeThoughts": True}),
        ("gemini-2.5-flash", ReasoningWish("none"), {"thinkingBudget": 0}),
        ("gemini-2.5-flash", ReasoningWish(budget=0), {"thinkingBudget": 0}),
        ("gemini-2.5-flash", ReasoningWish(budget=100), {"thinkingBudget": 100, "includeThoughts": True}),
        ("gemini-2.5-flash-lite", ReasoningWish(budget=100), {"thinkingBudget": 512, "includeThoughts": True}),
        ("gemini-2.5-pro", ReasoningWish("none"), {"thinkingBudget": 128}),
        ("gemini-2.5-pro", ReasoningWish("max"), {"thinkingBudget": 32768, "includeThoughts": True}),
        ("gemini-2.5-pro", ReasoningWish(summary="auto"), {"includeThoughts": True}),
        ("gemini-3-flash-preview", ReasoningWish("none"), {"thinkingLevel": "MINIMAL"}),
        ("gemini-3-flash-preview", ReasoningWish("minimal"), {"thinkingLevel": "MINIMAL", "includeThoughts": True}),
        ("gemini-3-flash-preview", ReasoningWish("medium"), {"thinkingLevel": "MEDIUM", "includeThoughts": True}),
        ("gemini-3-flash-preview", ReasoningWish("max"), {"thinkingLevel": "HIGH", "includeThoughts": True}),
        ("gemini-3-flash-preview", ReasoningWish(budget=2500), {"thinkingLevel": "LOW", "includeThoughts": True}),
        ("gemini-3-pro-preview", ReasoningWish("none"), {"thinkingLevel": "LOW"}),
        ("gemini-3-pro-preview", ReasoningWish("minimal"), {"thinkingLevel": "LOW", "includeThoughts": True}),
        ("gemini-2.0-flash", ReasoningWish("none"), None),
    ],
)
def test_wish_to_think_is_written_as_the_model_takes_it(
    name: str, wish: ReasoningWish, written: dict[str, Any] | None
) -> None:
    encoded = write(model=name, reasoning=wish)

    assert encoded.payload.get("generationConfig", {}).get("thinkingConfig") == written
    assert encoded.unsupported == ()


@pytest.mark.parametrize("name", ["gemini-2.0-flash", "gemma-3-27b-it", "gemini-2.5-flash-image"])
def test_wish_to_think_is_named_where_the_model_cannot(name: str) -> None:
    encoded = write(model=name, reasoning=ReasoningWish("high"))

    assert (encoded.payload.get("generationConfig"), encoded.unsupported) == (None, ("reasoning_effort",))


@pytest.mark.parametrize(
    ("choice", "written"),
    [
        (None, None),
        (ToolChoice("auto"), {"mode": "AUTO"}),
        (ToolChoice("none"), {"mode": "NONE"}),
        (ToolChoice("required"), {"mode": "ANY"}),
        (ToolChoice("tool", "f"), {"mode": "ANY", "allowedFunctionNames": ["f"]}),
    ],
)
def test_choice_of_tools_is_written(choice: ToolChoice | None, written: dict[str, Any] | None) -> None:
    payload = write(tools=(FUNCTION,), tool_choice=choice).payload

    assert payload["tools"] == [DECLARED]
    assert payload.get("toolConfig", {}).get("functionCallingConfig") == written


@pytest.mark.parametrize(
    ("name", "choice", "mode", "unsupported"),
    [
        ("gemini-2.5-flash", None, "VALIDATED", ()),
        ("gemini-2.5-flash", ToolChoice("auto"), "VALIDATED", ()),
        ("gemini-2.5-flash", ToolChoice("required"), "ANY", ()),
        ("gemini-2.0-flash", ToolChoice("auto"), "AUTO", ("tools.strict",)),
    ],
)
def test_strict_function_is_validated(
    name: str, choice: ToolChoice | None, mode: str, unsupported: tuple[str, ...]
) -> None:
    encoded = write(model=name, tools=(replace(FUNCTION, strict=True),), tool_choice=choice)

    assert encoded.payload["toolConfig"]["functionCallingConfig"]["mode"] == mode
    assert encoded.unsupported == unsupported


def test_search_of_another_dialect_is_googles() -> None:
    search = WebSearch("openai", {}, "high", ("a.com",), ("b.com",), 3, {"country": "DE"})

    encoded = write(tools=(search,))

    assert encoded.payload["tools"] == [{"googleSearch": {}}]
    assert encoded.unsupported == tuple(
        f"tools.web_search.{key}"
        for key in ("search_context_size", "allowed_domains", "blocked_domains", "max_uses", "user_location")
    )


def test_own_tools_are_written_as_they_came() -> None:
    search = {"googleSearch": {"excludeDomains": ["e.com"]}}

    encoded = write(
        tools=(
            WebSearch("gemini", search, blocked_domains=("e.com",)),
            ForeignTool("gemini", "urlContext", {"urlContext": {}}),
            FUNCTION,
        )
    )

    assert encoded.payload["tools"] == [DECLARED, search, {"urlContext": {}}]
    assert encoded.unsupported == ()


def test_newer_models_are_told_of_functions_beside_built_in_tools() -> None:
    search = WebSearch("openai", {})

    encoded = write(model="gemini-3-flash-preview", tools=(FUNCTION, search), tool_choice=ToolChoice("auto"))

    assert encoded.payload["toolConfig"] == {
        "functionCallingConfig": {"mode": "VALIDATED"},
        "includeServerSideToolInvocations": True,
    }


def test_older_models_are_not_told_of_what_they_do_not_know() -> None:
    assert "toolConfig" not in write(model="gemini-2.5-flash", tools=(FUNCTION, WebSearch("openai", {}))).payload


def test_what_is_of_this_api_goes_back_to_its_path() -> None:
    encoded = write(
        tools=(FUNCTION,),
        tool_choice=ToolChoice("auto"),
        temperature=1.0,
        extras={
            "safetySettings": [],
            "generationConfig.candidateCount": 2,
            "toolConfig.functionCallingConfig.mode": "VALIDATED",
            "toolConfig.retrievalConfig": {"languageCode": "de"},
        },
    )

    assert encoded.payload["safetySettings"] == []
    assert encoded.payload["generationConfig"] == {"temperature": 1.0, "candidateCount": 2}
    assert encoded.payload["toolConfig"] == {
        "functionCallingConfig": {"mode": "VALIDATED"},
        "retrievalConfig": {"languageCode": "de"},
    }
    assert encoded.unsupported == ()


@pytest.mark.parametrize(
    ("fields", "unsupported"),
    [
        ({"user": "me"}, "user"),
        ({"parallel_tool_calls": False}, "parallel_tool_calls"),
        ({"tool_choice": ToolChoice("required")}, "tool_choice"),
        ({"extras": {"logit_bias": {}}}, "logit_bias"),
        ({"extras": {"store": True}}, "store"),
        ({"extras": {"contents.videoMetadata": {}}}, "contents.videoMetadata"),
        ({"tools": (ForeignTool("openai", "computer", {}),)}, "tools.computer"),
        ({"tools": (replace(FUNCTION, cache={"type": "ephemeral"}),)}, "cache_control"),
    ],
)
def test_what_cannot_be_said_is_named(fields: dict[str, Any], unsupported: str) -> None:
    assert write(**fields).unsupported == (unsupported,)


@pytest.mark.parametrize(
    ("message", "unsupported"),
    [
        (Message("user", (Text("Hi"),), name="ann"), "messages.name"),
        (user(Text("Hi", cache={}), Text("Ho", cache={})), "cache_control"),
        (user(Image("aGk=", "image/png", detail="low")), "detail"),
        (user(Document(file_id="file-1")), "file_id"),
        (user(Foreign("anthropic", {"type": "server_tool_use"})), "server_tool_use"),
        (user(Foreign("openai", 5)), "openai content"),
        (user(ToolResult("1", (Foreign("anthropic", {"type": "x"}),), "f")), "x"),
        (Message("system", (Text("Hi"), Image("aGk="))), "system.image"),
    ],
)
def test_part_that_cannot_be_said_is_named(message: Message, unsupported: str) -> None:
    assert write(HELLO, message).unsupported == (unsupported,)
