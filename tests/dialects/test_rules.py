"""Requests that keep to the rules of their model, each by itself."""

from typing import Any

import pytest

from app.core.abilities import Rules
from app.core.chat import ChatRequest, Image, Message, Text, Tool, ToolCall, ToolResult, WebSearch
from app.dialects.registry import DIALECTS
from app.dialects.rules import find, fit_chat, keep_chat, keep_generate, keep_request, said_as, without_unsupported

OPENAI = DIALECTS["openai"].words
GEMINI = DIALECTS["gemini"].words
LATER = Rules(max_completion_tokens=True)
EARLIER = Rules(max_completion_tokens=False)
NO_SYSTEM = Rules(system_prompt=False)


def user(content: Any) -> dict[str, Any]:
    return {"role": "user", "content": content}


def system(content: Any, role: str = "system") -> dict[str, Any]:
    return {"role": role, "content": content}


def test_what_the_model_does_not_take_is_left_out_and_named() -> None:
    payload = {"model": "m", "temperature": 0.5, "reasoning": {"effort": "low"}, "logprobs": True, "own": 1}

    kept = without_unsupported(
        payload, Rules(unsupported=("temperature", "reasoning_effort", "logprobs", "stop")), OPENAI
    )

    assert kept.payload == {"model": "m", "own": 1}
    assert kept.left_out == ("temperature", "reasoning", "logprobs")
    assert "temperature" in payload


def test_request_that_needs_no_change_comes_back_as_it_is() -> None:
    payload = {"model": "m", "messages": [user("Hi")], "max_tokens": 5, "temperature": None}
    rules = Rules(max_completion_tokens=False, system_prompt=False, unsupported=("temperature", "stop"))

    assert without_unsupported(payload, rules, OPENAI).payload is payload
    assert keep_chat(payload, rules) is payload
    request = DIALECTS["openai"].read_request(payload)
    assert keep_request(request, rules)[0] is request


@pytest.mark.parametrize(
    "config",
    [
        {"generationConfig": {"topP": 0.5, "topK": 3}},
        {"generation_config": {"top_p": 0.5, "topK": 3}},
    ],
)
def test_nested_parameter_is_left_out_however_it_is_spelled(config: dict[str, Any]) -> None:
    kept = without_unsupported(config, Rules(unsupported=("top_p",)), GEMINI)

    (outer,) = config
    assert kept.payload == {outer: {"topK": 3}}
    assert kept.left_out == (f"{outer}.{'topP' if outer == 'generationConfig' else 'top_p'}",)


def test_object_that_is_empty_then_goes_too() -> None:
    kept = without_unsupported({"generationConfig": {"topP": 0.5}}, Rules(unsupported=("top_p",)), GEMINI)

    assert kept.payload == {}


def test_object_of_the_wrong_type_is_left_to_who_reads_it() -> None:
    payload = {"generationConfig": "topP"}

    assert without_unsupported(payload, Rules(unsupported=("top_p",)), GEMINI).payload is payload


def test_parameter_is_named_as_the_client_said_it() -> None:
    assert said_as("max_tokens", {"max_tokens": 1}, OPENAI) == "max_tokens"
    assert said_as("top_k", {"generation_config": {"top_k": 1}}, GEMINI) == "generation_config.top_k"
    assert said_as("seed", {}, OPENAI) == "seed"
    assert said_as("tools.web_search", {}, OPENAI) == "tools.web_search"


def test_what_is_at_a_path_is_found() -> None:
    assert find({"a": {"b": 0}}, "a.b") == 0
    assert find({"a": 1}, "a.b") is None
    assert find({}, "a") is None


@pytest.mark.parametrize(
    ("said", "rules", "expected"),
    [
        ({"max_tokens": 5}, LATER, {"max_completion_tokens": 5}),
        ({"max_completion_tokens": 5}, EARLIER, {"max_tokens": 5}),
        ({"max_completion_tokens": 5}, LATER, {"max_completion_tokens": 5}),
        ({"max_tokens": 5, "max_completion_tokens": 6}, LATER, {"max_completion_tokens": 6}),
        ({"max_tokens": 5, "max_completion_tokens": 6}, EARLIER, {"max_tokens": 5}),
        ({"max_tokens": 5, "max_completion_tokens": None}, LATER, {"max_completion_tokens": 5}),
        ({"max_tokens": 5}, Rules(unsupported=("stop",)), {"max_tokens": 5}),
        ({"max_tokens": None}, LATER, {"max_tokens": None}),
    ],
)
def test_limit_has_the_name_that_the_model_knows(said: dict[str, Any], rules: Rules, expected: dict[str, Any]) -> None:
    assert fit_chat(said, rules) == expected


IMAGE = {"type": "image_url", "image_url": {"url": "https://a/b.png"}}


@pytest.mark.parametrize(
    ("messages", "expected"),
    [
        ([system("Be brief."), user("Hi")], [user("Be brief.\n\nHi")]),
        ([system("A."), system("B.", "developer"), user("Hi"), user("Ho")], [user("A.\n\nB.\n\nHi"), user("Ho")]),
        ([user("Hi"), system("Late.")], [user("Late.\n\nHi")]),
        (
            [system("A."), user([IMAGE])],
            [user([{"type": "text", "text": "A."}, IMAGE])],
        ),
        (
            [system([{"type": "text", "text": "A."}]), user("Hi")],
            [user([{"type": "text", "text": "A."}, {"type": "text", "text": "Hi"}])],
        ),
        ([system("A."), {"role": "assistant", "content": "Yo"}], [user("A."), {"role": "assistant", "content": "Yo"}]),
        ([system("A.")], [user("A.")]),
        ([system(""), user("Hi")], [user("Hi")]),
    ],
)
def test_system_messages_become_a_part_of_the_first_message_of_the_user(messages: Any, expected: Any) -> None:
    before = [dict(message) for message in messages]

    assert keep_chat({"messages": messages}, NO_SYSTEM) == {"messages": expected}
    assert messages == before


def test_rest_of_the_users_message_stays() -> None:
    named = {**user("Hi"), "name": "Ann", "own": 1}

    assert keep_chat({"messages": [system("A."), named]}, NO_SYSTEM) == {"messages": [{**named, "content": "A.\n\nHi"}]}


def test_canonical_system_messages_are_folded_with_all_their_parts() -> None:
    picture = Image(url="https://a/b.png")
    messages = (
        Message("system", (Text("A."),)),
        Message("assistant", (ToolCall("1", "f", "{}"),)),
        Message("user", (ToolResult("1", (Text("ok"),)),)),
        Message("user", (picture,), "Ann"),
        Message("system", (Text("B."),)),
    )

    request, left_out = keep_request(ChatRequest(messages), NO_SYSTEM)

    assert request.messages == (*messages[1:3], Message("user", (Text("A."), Text("B."), picture), "Ann"))
    assert left_out == ()


def test_canonical_system_messages_without_a_user_become_one() -> None:
    request, _ = keep_request(ChatRequest((Message("system", (Text("A."),)),)), NO_SYSTEM)

    assert request.messages == (Message("user", (Text("A."),)),)


SEARCH, FUNCTION = WebSearch("anthropic", {}), Tool("f")


@pytest.mark.parametrize(
    ("unsupported", "kept"),
    [
        (("web_search_options",), (FUNCTION,)),
        (("tools",), (SEARCH,)),
        (("tools", "web_search_options"), ()),
        (("stop",), (SEARCH, FUNCTION)),
    ],
)
def test_functions_and_the_search_of_the_web_are_left_out_each_by_itself(
    unsupported: tuple[str, ...], kept: tuple[Tool | WebSearch, ...]
) -> None:
    asked = ChatRequest((Message("user", (Text("Hi"),)),), tools=(SEARCH, FUNCTION))

    request, left_out = keep_request(asked, Rules(unsupported=unsupported))

    assert request.tools == kept
    assert set(left_out) == {name for name in unsupported if name != "stop"}


def test_tools_among_which_may_be_a_search_are_not_left_out_together() -> None:
    payload: dict[str, Any] = {"tools": [{"googleSearch": {}}]}

    assert without_unsupported(payload, Rules(unsupported=("tools",)), GEMINI).payload is payload


def test_system_of_generate_stands_before_the_prompt_where_the_model_takes_none() -> None:
    payload = {"model": "m", "system": "Be brief.", "prompt": "Hi", "suffix": "end"}

    assert keep_generate(payload, NO_SYSTEM) == {"model": "m", "prompt": "Be brief.\n\nHi", "suffix": "end"}
    assert keep_generate(payload, Rules()) is payload
    assert keep_generate({"prompt": "Hi"}, NO_SYSTEM) == {"prompt": "Hi"}
