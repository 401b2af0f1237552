"""Which names a token may use."""

from dataclasses import replace

import pytest

from tests.calls import PRINCIPAL


def test_token_without_patterns_may_use_all() -> None:
    assert replace(PRINCIPAL, models=()).may_use("openai/gpt-x", "gpt-x")


@pytest.mark.parametrize(
    ("pattern", "allowed"),
    [
        ("gpt-x", True),
        ("openai/gpt-x", True),
        ("openai/*", True),
        ("gpt-?", True),
        ("*", True),
        ("gpt-", False),
        ("openai", False),
        ("xai/*", False),
        ("pt-x", False),
        ("gpt-x?", False),
    ],
)
def test_pattern_has_to_match_one_of_the_names_whole(pattern: str, *, allowed: bool) -> None:
    principal = replace(PRINCIPAL, models=(pattern,))

    assert principal.may_use("openai/gpt-x", "gpt-x") is allowed


def test_one_pattern_of_several_is_enough() -> None:
    principal = replace(PRINCIPAL, models=("sonar*", "gpt-x"))

    assert principal.may_use("openai/gpt-x", "gpt-x")


def test_star_goes_over_slashes() -> None:
    principal = replace(PRINCIPAL, models=("openrouter/*",))

    assert principal.may_use("openrouter/meta/llama-4:free")


def test_pattern_without_latest_is_for_the_latest_too() -> None:
    principal = replace(PRINCIPAL, models=("llama3",))

    assert principal.may_use("ollama/llama3:latest", "llama3:latest")
    assert not principal.may_use("ollama/llama3:70b", "llama3:70b")
