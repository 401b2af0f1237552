"""What lists of models tell beside the names, in the shapes of their documentation."""

import pytest

from app.core.jsonio import Json
from app.providers.told import Told, told_by_gemini, told_by_ollama, told_by_openai

OPENROUTER = {
    "id": "anthropic/claude-sonnet-4.5",
    "name": "Anthropic: Claude Sonnet 4.5",
    "context_length": 1000000,
    "top_provider": {"context_length": 1000000, "max_completion_tokens": 64000, "is_moderated": True},
    "description": "A model  for\ncoding.",
    "architecture": {"input_modalities": ["image", "text", "file"], "output_modalities": ["text"]},
    "supported_parameters": ["max_tokens", "tools", "reasoning"],
}


def test_openrouter_tells_the_length_the_abilities_and_a_description() -> None:
    assert told_by_openai(OPENROUTER) == Told(
        "anthropic/claude-sonnet-4.5",
        1000000,
        ("completion", "tools", "vision", "reasoning", "pdf"),
        description="A model for coding.",
        max_output_tokens=64000,
    )


@pytest.mark.parametrize(
    "key", ["context_length", "context_window", "max_context_length", "max_model_len", "max_input_tokens"]
)
def test_length_has_many_names(key: str) -> None:
    assert told_by_openai({"id": "m", key: 4096}) == Told("m", 4096)


@pytest.mark.parametrize("key", ["max_completion_tokens", "max_tokens"])
def test_bound_of_a_reply_has_many_names(key: str) -> None:
    assert told_by_openai({"id": "m", key: 4096}) == Told("m", max_output_tokens=4096)


def test_mistral_tells_abilities_by_name() -> None:
    said = {"completion_chat": True, "completion_fim": True, "function_calling": True, "vision": False}

    told = told_by_openai({"id": "codestral", "capabilities": said})

    assert told == Told("codestral", capabilities=("completion", "tools", "insert"))


def test_gemini_tells_the_length_a_description_and_what_only_embeds() -> None:
    chats = told_by_gemini(
        {
            "name": "models/gemini-x",
            "inputTokenLimit": 1048576,
            "outputTokenLimit": 65536,
            "description": "Fast.",
            "supportedGenerationMethods": ["generateContent", "countTokens"],
        }
    )
    embeds = told_by_gemini({"name": "models/e", "supportedGenerationMethods": ["embedContent"]})

    assert chats == Told("gemini-x", 1048576, description="Fast.", max_output_tokens=65536)
    assert embeds == Told("e", capabilities=("embedding",))


def test_ollama_tells_the_family() -> None:
    assert told_by_ollama({"name": "qwen3:8b", "details": {"family": "qwen3"}}) == Told("qwen3:8b", family="qwen3")


@pytest.mark.parametrize(
    "entry",
    [
        {"id": "m", "context_length": "big", "description": 7, "architecture": [], "capabilities": "all"},
        {"id": "m", "context_length": -1, "architecture": {"input_modalities": [7]}, "supported_parameters": 7},
        {"id": "m", "context_length": True, "description": "  ", "max_tokens": 0, "top_provider": 7},
    ],
)
def test_nonsense_is_not_believed(entry: dict[str, Json]) -> None:
    assert told_by_openai(entry) == Told("m")


def test_entry_without_a_name_is_none() -> None:
    assert told_by_openai({"object": "model"}) is None
    assert told_by_gemini({"id": 7}) is None
    assert told_by_ollama({}) is None
