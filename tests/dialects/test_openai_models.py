"""What OpenAI's APIs refuse of one model, and take of another."""

import pytest

from app.core.chat import (
    ChatRequest,
    Effort,
    Message,
    Reasoning,
    ReasoningWish,
    Text,
    Tool,
    ToolCall,
    ToolChoice,
    ToolResult,
    WebSearch,
)
from app.dialects.dialect import Dialect
from app.dialects.openai.dialect import OPENAI
from app.dialects.openai_models import word_of
from app.dialects.responses.dialect import RESPONSES

ASKED = Message("user", (Text("Hi"),))
BOTH = pytest.mark.parametrize("dialect", [OPENAI, RESPONSES], ids=["openai", "responses"])


@pytest.mark.parametrize(
    ("model", "effort", "word"),
    [
        ("gpt-4.1", "high", None),
        ("openai/gpt-4o-mini", "none", None),
        ("meta-llama/Llama-3.3-70B-Instruct", "low", None),
        ("o3-mini", "none", "low"),
        ("o3-mini", "medium", "medium"),
        ("gpt-5", "none", "minimal"),
        ("gpt-5-mini-2025-08-07", "minimal", "minimal"),
        ("gpt-5", "max", "high"),
        ("gpt-5.1", "none", "none"),
        ("gpt-5.1", "minimal", "low"),
        ("gpt-5.1-codex-max", "max", "xhigh"),
        ("gpt-5.2", "xhigh", "xhigh"),
        ("gpt-oss-120b", "low", "low"),
        ("deepseek-reasoner", "max", "max"),
        ("mine", "none", "none"),
    ],
)
def test_effort_is_said_in_a_word_that_the_model_knows(model: str, effort: Effort, word: Effort | None) -> None:
    assert word_of(effort, model) == word


@pytest.mark.parametrize(
    ("model", "options", "unsupported"),
    [("gpt-4o-search-preview", {}, ()), ("sonar-pro", {}, ()), ("gpt-5.1", None, ("tools.web_search", "tool_choice"))],
)
def test_search_is_asked_only_of_models_that_search(model: str, options: object, unsupported: tuple[str, ...]) -> None:
    search = WebSearch("anthropic", {"type": "web_search_20250305", "name": "web_search"})
    choice = None if options is not None else ToolChoice("tool", "web_search")

    encoded = OPENAI.write_request(ChatRequest((ASKED,), tools=(search,), tool_choice=choice), model, True)

    assert encoded.payload.get("web_search_options") == options
    assert encoded.unsupported == unsupported


def test_search_is_told_in_chats_words() -> None:
    place = {"type": "approximate", "city": "Bonn"}
    search = WebSearch("anthropic", {}, "low", allowed_domains=("a.org",), max_uses=3, user_location=place)

    encoded = OPENAI.write_request(ChatRequest((ASKED,), tools=(search,)), "gpt-5-search-api", True)

    assert encoded.payload["web_search_options"] == {
        "search_context_size": "low",
        "user_location": {"type": "approximate", "approximate": {"city": "Bonn"}},
    }
    assert encoded.unsupported == ("tools.web_search.allowed_domains", "tools.web_search.max_uses")


@BOTH
def test_user_that_is_too_long_is_told_by_what_stands_for_it(dialect: Dialect) -> None:
    write = dialect.write_request

    users = [
        write(ChatRequest((ASKED,), user=user), "gpt-5.1", False).payload["user"]
        for user in ("bob", "x" * 150, "x" * 150, "x" * 151)
    ]

    assert users[0] == "bob"
    assert users[1] == users[2] != users[3]
    assert {len(user) for user in users[1:]} == {64}


@BOTH
def test_ids_that_are_too_long_still_find_each_other(dialect: Dialect) -> None:
    call_id = "call_" + "x" * 80
    messages = (
        ASKED,
        Message("assistant", (ToolCall(call_id, "f", "{}"),)),
        Message("user", (ToolResult(call_id, (Text("1"),)),)),
    )

    payload = dialect.write_request(ChatRequest(messages, tools=(Tool("f"),)), "gpt-5.1", False).payload

    if dialect is OPENAI:
        called, given = payload["messages"][1]["tool_calls"][0]["id"], payload["messages"][2]["tool_call_id"]
    else:
        called, given = payload["input"][1]["call_id"], payload["input"][2]["call_id"]
    assert called == given
    assert len(called) <= 40


def test_model_that_never_thinks_is_not_asked_for_its_reasoning() -> None:
    request = ChatRequest(
        (ASKED, Message("assistant", (Reasoning("Hm"), Text("Yes"))), ASKED), reasoning=ReasoningWish(budget=4096)
    )

    encoded = RESPONSES.write_request(request, "gpt-4.1", False)

    assert not {"reasoning", "include"} & encoded.payload.keys()
    assert encoded.unsupported == ("reasoning_effort",)
