"""Families by the names of real models."""

import pytest

from app.core.family import infer_family


@pytest.mark.parametrize(
    ("model", "family"),
    [
        ("gpt-4.1-mini", "gpt"),
        ("chatgpt-4o-latest", "gpt"),
        ("openai/gpt-oss-120b", "gpt-oss"),
        ("o3-mini", "o-series"),
        ("claude-opus-4-20250514", "claude"),
        ("meta-llama/Meta-Llama-3.1-8B", "llama"),
        ("Qwen/Qwen3-32B", "qwen"),
        ("llama3.2:1b", "llama"),
        ("mistralai/Mixtral-8x7B-Instruct-v0.1", "mixtral"),
        ("deepseek-r1-distill-llama-70b", "deepseek"),
        ("text-embedding-3-small", "text-embedding"),
        ("phi4", "phi"),
        ("phind-v2", None),
        ("lo3", None),
        ("o3.5", None),
        ("llama/house-model", None),
        ("", None),
    ],
)
def test_family_is_the_first_that_the_name_tells(model: str, family: str | None) -> None:
    assert infer_family(model) == family
