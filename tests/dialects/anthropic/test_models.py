"""What a model takes is told from its name, however a provider spells it."""

import pytest

from app.dialects.anthropic.models import Traits, traits_of


@pytest.mark.parametrize(
    ("name", "thinking", "sampling"),
    [
        ("claude-3-opus-20240229", "never", "free"),
        ("claude-3-5-sonnet-20240620", "never", "free"),
        ("claude-3-7-sonnet-latest", "budget", "free"),
        ("claude-sonnet-4-20250514", "budget", "free"),
        ("claude-opus-4@20250514", "budget", "free"),
        ("anthropic.claude-opus-4-1-20250805-v1:0", "budget", "one"),
        ("claude-haiku-4-5-20251001", "budget", "one"),
        ("anthropic/claude-4.5-sonnet", "budget", "one"),
        ("Claude-Opus-4.6", "adaptive", "one"),
        ("anthropic/claude-opus-4.7", "adaptive", "fixed"),
        ("claude-opus-4-8", "adaptive", "fixed"),
        ("claude-sonnet-5", "adaptive", "fixed"),
        ("claude-fable-5-2", "adaptive", "fixed"),
        ("claude-haiku-5-5-20260901", "adaptive", "fixed"),
    ],
)
def test_version_decides(name: str, thinking: str, sampling: str) -> None:
    traits = traits_of(name)

    assert (traits.thinking, traits.sampling) == (thinking, sampling)


@pytest.mark.parametrize("name", ["kimi-k2", "claude-2.1", "claude-mythos-preview", "claude", ""])
def test_name_without_a_version_is_taken_for_one_that_takes_all(name: str) -> None:
    assert traits_of(name) == Traits()
