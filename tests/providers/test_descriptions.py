"""Which description a model gets."""

from collections.abc import Sequence

import httpx
import pytest

from app.core.call import Target
from app.core.errors import UpstreamInvalid
from app.providers.descriptions import Found, find_descriptions, is_telling, parse_openrouter, read_openrouter
from app.providers.told import Told

LONG = "A large model for coding and long tasks."
LONGER = "A large model for coding, agents and long tasks that take days."


def found(own: Told, *openrouter: Told, provider: str = "acme", described: str | None = None) -> Sequence[Found]:
    return list(find_descriptions({provider: [own]}, openrouter, lambda _: described))


def test_longer_text_wins() -> None:
    ours, theirs = Told("m", description=LONG), Told("acme/m", description=LONGER)

    assert found(ours, theirs) == [Found(Target("acme", "m"), LONGER, "openrouter")]
    assert found(Told("m", description=LONGER), Told("acme/m", description=LONG))[0].origin == "provider"


@pytest.mark.parametrize(
    ("provider", "model", "theirs"),
    [
        ("acme", "M", "acme/m"),
        ("acme", "m", "other/m"),
        ("together", "meta-llama/Llama-3", "meta-llama/llama-3"),
        ("xai", "grok-4", "x-ai/grok-4"),
        ("google", "gemini-2.5-pro", "google/gemini-2.5-pro"),
        ("anthropic", "claude-sonnet-4-5", "anthropic/claude-sonnet-4.5"),
        ("anthropic", "claude-sonnet-4-5-20250929", "anthropic/claude-sonnet-4.5"),
        ("openai", "gpt-4o", "openai/gpt-4o-2024-08-06"),
        ("openai", "gpt-4o-latest", "openai/gpt-4o"),
        ("google", "gemini-2.5-pro-preview-05-06", "google/gemini-2.5-pro"),
        ("deepseek", "deepseek-r1", "deepseek/deepseek-r1:free"),
    ],
)
def test_same_model_is_found_under_the_names_that_it_has_elsewhere(provider: str, model: str, theirs: str) -> None:
    (one,) = found(Told(model), Told(theirs, description=LONG), provider=provider)

    assert one == Found(Target(provider, model), LONG, "openrouter")


@pytest.mark.parametrize("theirs", ["openai/gpt-4o-mini", "openai/gpt-4", "openai/gpt-4.1"])
def test_other_model_of_a_similar_name_is_not_it(theirs: str) -> None:
    assert found(Told("gpt-4o"), Told(theirs, description=LONG)) == []


def test_more_exact_name_counts_more() -> None:
    dated, plain = Told("openai/gpt-4o-2024-08-06", description=LONGER), Told("openai/gpt-4o", description=LONG)

    assert found(Told("gpt-4o"), dated, plain)[0].text == LONG


def test_text_that_says_no_more_than_the_name_is_none() -> None:
    assert not is_telling("m", "Too short.")
    assert not is_telling("a-model-with-a-very-long-name", "A-Model-With-A-Very-Long-Name")
    assert not is_telling("m", None)
    assert found(Told("m", description="Too short."), Told("acme/m", description="m")) == []


def test_model_that_is_described_is_left_alone() -> None:
    assert found(Told("m", description=LONG), described="Ours.") == []


async def test_openrouters_list_is_read_and_what_is_none_is_told() -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        if request.url.path == "/gone":
            return httpx.Response(503)
        return httpx.Response(200, json={"data": [{"id": "acme/m", "description": LONG}]})

    assert await read_openrouter(httpx.MockTransport(answer), "http://there/models") == [
        Told("acme/m", description=LONG)
    ]
    with pytest.raises(UpstreamInvalid, match="503"):
        await read_openrouter(httpx.MockTransport(answer), "http://there/gone")
    with pytest.raises(UpstreamInvalid):
        parse_openrouter(b"<html>")
