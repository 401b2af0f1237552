"""What coding agents send crosses to every dialect: nothing is refused, and what cannot be said is named."""

import json
from dataclasses import replace
from typing import Any

import pytest

from app.dialects.convert import outgoing
from app.dialects.splice import Additions
from tests.calls import make_call
from tests.dialects.agents import CLAUDE_CODE, CLAUDE_CODE_SEARCH, CODEX, GEMINI_CLI

MODELS = {
    "openai": "gpt-5.1",
    "responses": "gpt-5.1",
    "anthropic": "claude-opus-4-8",
    "gemini": "gemini-3-pro-preview",
    "ollama": "qwen3",
}


KEPT = {
    id(CLAUDE_CODE): (
        *("You help with software.", "Today is Friday.", "Available agent types", "I look.", "/w/pic.png"),
        *("cat note.txt", "iVBORw0KGgo", "No such file", "absolute path"),
    ),
    id(CLAUDE_CODE_SEARCH): ("You are an agent.", "Perform a web search"),
    id(CODEX): ("You are a coding agent.", "Be safe.", "Read note.txt", "exec_command", "cat note.txt", "the word"),
    id(GEMINI_CLI): ("You are an agent.", "This is a session.", "Read note.txt", "/w/note.txt", "the word", "Reads"),
}
"""What must be there in any dialect."""


def sent(payload: dict[str, Any], dialect: str, goal: str) -> tuple[Any, set[str]]:
    body = json.dumps(payload).encode()
    call = replace(make_call(dialect=dialect, body=body, name="m", streamed=True), payload=payload)
    out = outgoing(call, MODELS[goal], Additions(), dialect=goal)
    return json.loads(out.body), set(out.unsupported)


@pytest.mark.parametrize(
    ("payload", "dialect", "goal", "unsupported"),
    [
        (CLAUDE_CODE, "anthropic", "openai", {"context_management"}),
        (CLAUDE_CODE, "anthropic", "responses", {"context_management"}),
        (CLAUDE_CODE, "anthropic", "gemini", {"cache_control", "context_management", "metadata.user_id"}),
        (CLAUDE_CODE, "anthropic", "ollama", {"cache_control", "context_management", "metadata.user_id"}),
        (CLAUDE_CODE_SEARCH, "anthropic", "openai", {"tool_choice", "tools.web_search"}),
        (CLAUDE_CODE_SEARCH, "anthropic", "responses", {"max_uses"}),
        (
            CLAUDE_CODE_SEARCH,
            "anthropic",
            "gemini",
            {"cache_control", "tool_choice", "tools.web_search.max_uses", "metadata.user_id"},
        ),
        (
            CLAUDE_CODE_SEARCH,
            "anthropic",
            "ollama",
            {"cache_control", "tool_choice", "tools.web_search", "metadata.user_id"},
        ),
        (
            CODEX,
            "responses",
            "openai",
            {"client_metadata", "tools.namespace", "tools.web_search"},
        ),
        (
            CODEX,
            "responses",
            "anthropic",
            {"client_metadata", "prompt_cache_key", "tools.namespace"},
        ),
        (CODEX, "responses", "gemini", {"client_metadata", "prompt_cache_key", "tools.namespace"}),
        (
            CODEX,
            "responses",
            "ollama",
            {"client_metadata", "prompt_cache_key", "tools.namespace", "tools.web_search"},
        ),
        (GEMINI_CLI, "gemini", "openai", {"generationConfig.topK"}),
        (GEMINI_CLI, "gemini", "responses", {"generationConfig.topK"}),
        (GEMINI_CLI, "gemini", "anthropic", {"generationConfig.topK", "generationConfig.topP"}),
        (GEMINI_CLI, "gemini", "ollama", set()),
    ],
)
def test_request_of_an_agent_crosses(payload: dict[str, Any], dialect: str, goal: str, unsupported: set[str]) -> None:
    body, named = sent(payload, dialect, goal)

    assert named == unsupported
    told = json.dumps(body)
    for words in KEPT[id(payload)]:
        assert words in told


@pytest.mark.parametrize(
    ("payload", "dialect"),
    [(CLAUDE_CODE, "anthropic"), (CLAUDE_CODE_SEARCH, "anthropic"), (CODEX, "responses"), (GEMINI_CLI, "gemini")],
)
def test_request_of_an_agent_passes_untouched(payload: dict[str, Any], dialect: str) -> None:
    named_there = {"model": MODELS[dialect]} if "model" in payload else {}

    body, named = sent(payload, dialect, dialect)

    assert body == {**payload, **named_there}
    assert named == set()


def test_search_of_claude_code_is_that_of_responses() -> None:
    body, _ = sent(CLAUDE_CODE_SEARCH, "anthropic", "responses")

    assert (body["tools"], body["tool_choice"]) == ([{"type": "web_search"}], {"type": "web_search"})
