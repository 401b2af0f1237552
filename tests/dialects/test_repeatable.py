"""Which requests an answer that was kept can be given to, in each dialect."""

from typing import Any

import pytest

from app.dialects.repeatable import read_repeatable
from tests.calls import make_call

ASKED: dict[str, dict[str, Any]] = {
    "openai": {"messages": [{"role": "user", "content": "Hi"}]},
    "openai-completions": {"prompt": "Hi"},
    "responses": {"input": "Hi"},
    "anthropic": {"messages": [{"role": "user", "content": "Hi"}], "max_tokens": 9},
    "gemini": {"contents": [{"role": "user", "parts": [{"text": "Hi"}]}]},
    "ollama": {"messages": [{"role": "user", "content": "Hi"}]},
    "ollama-generate": {"prompt": "Hi"},
}
FUNCTION = {"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}


@pytest.mark.parametrize(
    ("dialect", "more"),
    [
        ("openai", {"n": 2}),
        ("openai", {"logprobs": True, "top_logprobs": 2}),
        ("openai", {"modalities": ["text", "audio"], "audio": {"voice": "ash", "format": "mp3"}}),
        ("openai", {"web_search_options": {}}),
        ("openai-completions", {"echo": True}),
        ("openai-completions", {"logprobs": 2}),
        ("openai-completions", {"n": 3}),
        ("responses", {"previous_response_id": "resp_1"}),
        ("responses", {"conversation": "conv_1"}),
        ("responses", {"prompt": {"id": "pmpt_1"}}),
        ("responses", {"background": True}),
        ("responses", {"include": ["message.output_text.logprobs"]}),
        ("responses", {"tools": [{"type": "web_search"}]}),
        ("responses", {"tools": [{"type": "code_interpreter", "container": {"type": "auto"}}]}),
        ("responses", {"tools": [{"type": "mcp", "server_label": "a", "server_url": "https://a.test"}]}),
        ("anthropic", {"container": "c_1"}),
        ("anthropic", {"mcp_servers": [{"type": "url", "url": "https://a.test", "name": "a"}]}),
        ("anthropic", {"tools": [{"type": "web_search_20250305", "name": "web_search"}]}),
        ("anthropic", {"tools": [{"type": "code_execution_20250825", "name": "code_execution"}]}),
        ("gemini", {"generationConfig": {"candidateCount": 2}}),
        ("gemini", {"generationConfig": {"responseLogprobs": True}}),
        ("gemini", {"generationConfig": {"responseModalities": ["AUDIO"]}}),
        ("gemini", {"tools": [{"google_search": {}}]}),
        ("gemini", {"tools": [{"codeExecution": {}}]}),
        ("ollama", {"logprobs": True}),
        ("ollama-generate", {"context": [1, 2]}),
    ],
)
def test_what_a_kept_answer_cannot_say_or_do_is_asked(dialect: str, more: dict[str, Any]) -> None:
    assert read_repeatable(make_call({**ASKED[dialect]}, dialect=dialect)) is not None
    assert read_repeatable(make_call({**ASKED[dialect], **more}, dialect=dialect)) is None


@pytest.mark.parametrize(
    ("dialect", "more"),
    [
        ("openai", {"n": 1, "logprobs": False, "modalities": ["text"], "tools": [FUNCTION], "seed": 1}),
        ("responses", {"store": True, "include": ["reasoning.encrypted_content"], "background": False}),
        ("gemini", {"generationConfig": {"candidateCount": 1, "responseModalities": ["TEXT", "IMAGE"]}}),
        ("anthropic", {"thinking": {"type": "enabled", "budget_tokens": 2000}, "max_tokens": 9000}),
        ("ollama", {"options": {"num_ctx": 4096}, "keep_alive": 0}),
    ],
)
def test_all_else_can_be_given_again(dialect: str, more: dict[str, Any]) -> None:
    assert read_repeatable(make_call({**ASKED[dialect], **more}, dialect=dialect)) is not None


def test_no_chat_is_none() -> None:
    assert read_repeatable(make_call({"input": "Hi"}, dialect="openai-embeddings")) is None
