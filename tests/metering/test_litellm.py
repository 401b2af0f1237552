"""LiteLLM's price file, by its documented format."""

import json
from typing import Any

import pytest

from app.metering.bundled import load_bundled
from app.metering.litellm import InvalidPriceFile, PriceFile, litellm_names, read_price_file
from app.metering.prices import FREE, PriceSource
from app.metering.rates import Rates
from tests.metering.prices import rates

NAMES = {"openai": ("openai",), "google": ("gemini",), "together": ("together_ai",), "also-openai": ("openai",)}


def read(**models: Any) -> PriceFile:
    return read_price_file(json.dumps(models), NAMES)


def one(**entry: Any) -> Rates:
    return read(m={"litellm_provider": "openai", "mode": "chat"} | entry).prices["openai", "m"]


def test_prices_for_one_are_told_for_a_million() -> None:
    found = one(
        input_cost_per_token=1.5e-07,
        output_cost_per_token=6e-07,
        cache_read_input_token_cost=7.5e-08,
        cache_creation_input_token_cost=3.75e-06,
        cache_creation_input_token_cost_above_1hr=6e-06,
        output_cost_per_reasoning_token=3e-06,
        input_cost_per_audio_token=0.00001,
        output_cost_per_audio_token=2e-05,
        input_cost_per_image_token=8e-06,
        output_cost_per_image_token=3e-05,
        input_cost_per_request=0.005,
        search_context_cost_per_query={
            "search_context_size_low": 0.03,
            "search_context_size_medium": 0.035,
            "search_context_size_high": 0.05,
        },
    )

    assert found == rates(
        input="0.15",
        output="0.6",
        cache_read="0.075",
        cache_write="3.75",
        cache_write_1h=6,
        reasoning=3,
        input_audio=10,
        output_audio=20,
        input_image=8,
        output_image=30,
        request="0.005",
        search="0.035",
    )


def test_rounding_of_the_file_is_mended() -> None:
    assert one(input_cost_per_token=2.9999999999999997e-07) == rates(input="0.3")


def test_zero_is_a_price_and_null_is_none() -> None:
    assert one(input_cost_per_token=0, output_cost_per_token=0.0, cache_read_input_token_cost=None) == rates(
        input=0, output=0
    )


def test_long_prompts_and_service_tiers_have_their_own() -> None:
    found = one(
        input_cost_per_token=1e-06,
        input_cost_per_token_above_128k_tokens=2e-06,
        input_cost_per_token_above_200k_tokens=3e-06,
        cache_creation_input_token_cost_above_1hr=2e-06,
        cache_creation_input_token_cost_above_1hr_above_200k_tokens=4e-06,
        input_cost_per_token_batches=5e-07,
        input_cost_per_token_above_200k_tokens_batches=1.5e-06,
        output_cost_per_token_flex=7e-06,
        output_cost_per_token_priority=9e-06,
        output_cost_per_token_ultrafast=99,
    )

    assert found == rates(
        input={"base": 1, "above": {"128000": 2, "200000": 3}},
        cache_write_1h={"base": 2, "above": {"200000": 4}},
        variants={
            "batch": {"input": {"base": "0.5", "above": {"200000": "1.5"}}},
            "flex": {"output": 7},
            "priority": {"output": 9},
        },
    )


@pytest.mark.parametrize(
    ("entry", "expected"),
    [
        ({"mode": "image_generation", "output_cost_per_image": 0.04}, {"image": "0.04"}),
        (
            {"mode": "image_generation", "output_cost_per_image": 0.04, "output_cost_per_image_token": 4e-05},
            {"output_image": 40},
        ),
        ({"mode": "audio_transcription", "input_cost_per_second": 0.0001}, {"audio_hour": "0.36"}),
        (
            {"mode": "audio_transcription", "input_cost_per_second": 0.0001, "input_cost_per_token": 6e-06},
            {"input": 6},
        ),
    ],
)
def test_pictures_and_sound_are_charged_once(entry: dict[str, Any], expected: dict[str, Any]) -> None:
    assert one(**entry) == rates(**expected)


def test_models_are_named_as_their_provider_names_them() -> None:
    price = {"input_cost_per_token": 1e-06}

    found = read(
        **{
            "sample_spec": {"litellm_provider": "openai", **price},
            "gemini/gemini-2.5-pro": {"litellm_provider": "gemini", **price},
            "together_ai/meta-llama/Llama-3.3-70B": {"litellm_provider": "together_ai", **price},
            "gpt-4o": {"litellm_provider": "openai", **price},
            "openai/gpt-4o": {"litellm_provider": "openai", "input_cost_per_token": 9},
            "vendor/model": {"litellm_provider": "openai", **price},
            "azure/gpt-4o": {"litellm_provider": "azure", **price},
            "gpt-nothing": {"litellm_provider": "openai", "max_input_tokens": 5},
            "a-video": {"litellm_provider": "openai", "mode": "video_generation", "input_cost_per_second": 1},
        }
    )

    assert set(found.prices) == {
        ("google", "gemini-2.5-pro"),
        ("together", "meta-llama/Llama-3.3-70B"),
        *((key, model) for key in ("openai", "also-openai") for model in ("gpt-4o", "vendor/model")),
    }
    assert found.prices["openai", "gpt-4o"] == rates(input=1)


@pytest.mark.parametrize("value", ["free", True, -1, [1]])
def test_model_with_a_price_that_is_none_is_left_out_and_named(value: Any) -> None:
    found = read(
        odd={"litellm_provider": "openai", "input_cost_per_token": value},
        good={"litellm_provider": "openai", "input_cost_per_token": 1e-06},
    )

    assert set(found.prices) == {("openai", "good"), ("also-openai", "good")}
    assert [fault.partition(":")[0] for fault in found.faults] == ["odd"]


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"a": 1}', "<html>", '{"m": {"litellm_provider": 1}}'])
def test_other_file_is_refused(text: str) -> None:
    with pytest.raises(InvalidPriceFile):
        read_price_file(text, NAMES)


@pytest.mark.parametrize(
    ("source", "names"),
    [
        (PriceSource("https://api.openai.com/v1"), ("openai", "text-completion-openai")),
        (PriceSource("https://generativelanguage.googleapis.com"), ("gemini",)),
        (PriceSource("https://api.deepseek.com/v1"), ("deepseek",)),
        (PriceSource("https://api.deepinfra.com/v1/openai"), ("deepinfra",)),
        (PriceSource("https://mirror.example", "x-ai"), ("xai",)),
        (PriceSource("http://127.0.0.1:11434", FREE), ()),
        (PriceSource("https://acme.example"), ()),
    ],
)
def test_provider_is_known_by_its_address_or_its_list(source: PriceSource, names: tuple[str, ...]) -> None:
    assert litellm_names(source, load_bundled()) == names
