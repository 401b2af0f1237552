"""What every recorded answer cost, by our arithmetic, by that of genai-prices, and by the provider's own account.

One equals the other to the hundredth of a cent, or stands in a table with the reason why not.
"""

import json
import re
from datetime import UTC, datetime
from decimal import Decimal
from functools import cache
from typing import Any

import genai_prices
import pytest

from app.config import load_config
from app.core.errors import RelayError
from app.core.jsonio import dumps
from app.core.usage import Usage
from app.dialects.convert import incoming
from app.metering.bundled import load_bundled
from app.metering.prices import FREE, sources_of
from app.metering.rates import Rates
from tests.calls import make_call
from tests.contract.crossing import ASKED, dialect_of
from tests.recordings import FOLDER, Recording
from tests.test_layers import ROOT

AT = datetime(2026, 11, 22, tzinfo=UTC)
HUNDREDTH_OF_A_CENT = Decimal("0.0001")
# Keys of our configuration, where the recordings' folders have another name.
KEYS = {"gemini": "google"}

# What neither list has: models that are no longer sold. Their calls have no cost, and an operator is told.
UNKNOWN = {
    "grok-beta": "xAI has withdrawn it",
    "deepseek-ai/DeepSeek-R1": "Together has withdrawn it",
    "x-ai/grok-4.1-fast": "OpenRouter has withdrawn it; its own account of the cost counts",
    "minimax/minimax-m2:free": "free at OpenRouter, which no list has; its own account of the cost counts",
}

# Their lists have no fee for a search, and a part of a cost is none: what the provider said itself is the cost of the call.
SEARCHED = {"openrouter/chat.web-search", "openrouter/chat.web-search-stream", "xai/responses.web-search"}

# How much more the provider charged than the list says for the tokens, and why.
EXPLAINED: dict[str, tuple[str, str]] = {
    "openrouter/chat.citations": ("0.004997", "Perplexity's fee for a request, which is in no list of OpenRouter's"),
    "perplexity/chat.citations-4": (
        "-0.007354",
        "as those below, and its account has the tokens rounded to nothing",
    ),
    **dict.fromkeys(
        (
            "perplexity/chat.citations",
            "perplexity/chat.citations-2",
            "perplexity/chat.citations-stream",
            "perplexity/chat.structured-output",
        ),
        ("-0.007", "recorded with little search at 5 USD a thousand; the list has the fee for much, 12 USD"),
    ),
}


@cache
def answers() -> tuple[tuple[Recording, str, Usage], ...]:
    """Every recorded answer of a provider with a list of prices, with its model and what it used."""
    found = []
    for path in sorted(FOLDER.glob("*/*.json")):
        recording = Recording(path)
        if dialect_of(recording) and recording.status == 200 and list_of(recording) and (usage := usage_of(recording)):
            found.append((recording, model_of(recording), usage))
    return tuple(found)


def list_of(recording: Recording) -> str | None:
    """The id of the list of its provider's prices, as the shipped configuration leads to it."""
    source = sources_of(load_config(ROOT / "config.json").providers).get(
        KEYS.get(recording.provider, recording.provider)
    )
    if source is None or source.list_id == FREE:
        return None
    return load_bundled().list_at(source.base_url)


def usage_of(recording: Recording) -> Usage | None:
    """What the gateway counts of it; None where it ends in an error."""
    dialect = dialect_of(recording) or ""
    streamed = recording.streamed
    payload = ASKED[dialect] | ({"stream": True} if streamed and dialect != "gemini" else {})
    call = make_call(
        dialect=dialect, body=dumps(payload), payload=payload, streamed=streamed, wants_usage=True, name="m"
    )
    reading = incoming(call, provider="Acme", model="m", dialect=dialect)
    try:
        reading.feed(recording.body)
        reading.close(certain=True)
    except RelayError:
        return None
    return reading.read_usage()._replace(requests=1)


def model_of(recording: Recording) -> str:
    """The model that was asked."""
    request: dict[str, Any] = recording.document["request"] or {}
    body = request.get("body") or {}
    if isinstance(body, dict) and "model" in body:
        return str(body["model"])
    in_path = re.search(r"models/([^:/?]+)", request.get("path", ""))
    answered = re.search(r'"(?:model|modelVersion)"\s*:\s*"([^"]+)"', recording.body.decode())
    found = in_path or answered
    assert found, f"{recording} names no model"
    return found.group(1)


def rates_of(recording: Recording, model: str) -> Rates | None:
    dated = load_bundled().rates(list_of(recording) or "", model, AT.timestamp())
    return dated.rates if dated else None


def by_the_package(recording: Recording, model: str, usage: Usage) -> Decimal | None:
    """The cost by the calculator of genai-prices, whose classes overlap where ours do not."""
    classes = {
        "input_tokens": usage.prompt,
        "cache_read_tokens": usage.cache_read,
        "cache_write_tokens": usage.cache_write + usage.cache_write_1h,
        "cache_write_1h_tokens": usage.cache_write_1h,
        "input_audio_tokens": usage.input_audio,
        "input_image_tokens": usage.input_image,
        "output_tokens": usage.completion,
        "output_reasoning_tokens": usage.reasoning,
        "output_audio_tokens": usage.output_audio,
        "output_image_tokens": usage.output_image,
        "web_searches": usage.searches,
    }
    try:
        return genai_prices.calc_price(
            genai_prices.Usage(**{name: count for name, count in classes.items() if count}),
            model,
            provider_id=list_of(recording),
            genai_request_timestamp=AT,
            price_context={"service_tier": usage.tier} if usage.tier else None,
        ).total_price
    except LookupError:
        return None


needs_recordings = pytest.mark.skipif(not FOLDER.exists(), reason=f"no recordings in {FOLDER}")


@needs_recordings
def test_every_answer_costs_what_the_package_itself_makes_of_the_same_usage() -> None:
    costs = {
        str(recording): (rates.cost(usage), by_the_package(recording, model, usage))
        for recording, model, usage in answers()
        if (rates := rates_of(recording, model))
    }

    assert len(costs) > 200
    assert {name for name, (ours, _) in costs.items() if ours is None} == SEARCHED
    assert {name: pair for name, pair in costs.items() if name not in SEARCHED and pair[0] != pair[1]} == {}
    assert sum(ours > 0 for ours, _ in costs.values() if ours is not None) > 190


@needs_recordings
def test_a_model_without_a_price_has_none_by_the_package_too() -> None:
    without = {
        model: by_the_package(recording, model, usage)
        for recording, model, usage in answers()
        if rates_of(recording, model) is None
    }

    assert without == dict.fromkeys(UNKNOWN)


@needs_recordings
def test_cost_is_what_the_provider_says_or_the_difference_is_explained() -> None:
    compared, wrong = 0, {}
    for recording, model, usage in answers():
        rates = rates_of(recording, model)
        if usage.cost is None or rates is None or str(recording) in SEARCHED:
            continue
        compared += 1
        cost = rates.cost(usage)
        assert cost is not None, recording
        more, _why = EXPLAINED.get(str(recording), ("0", ""))
        if abs(usage.cost - cost - Decimal(more)) > HUNDREDTH_OF_A_CENT:
            wrong[str(recording)] = (usage.cost, cost)

    assert wrong == {}
    assert compared > 40


@needs_recordings
def test_every_explanation_is_needed() -> None:
    names = {str(recording): usage for recording, _, usage in answers()}

    assert EXPLAINED.keys() <= names.keys()
    assert all(abs(Decimal(more)) > HUNDREDTH_OF_A_CENT for more, _ in EXPLAINED.values())


@needs_recordings
def test_where_a_search_has_no_fee_in_the_list_the_provider_told_the_cost_itself() -> None:
    told = {str(recording): usage for recording, _, usage in answers() if str(recording) in SEARCHED}

    assert told.keys() == SEARCHED
    assert all(usage.searches and usage.cost for usage in told.values())


@needs_recordings
def test_what_perplexity_says_of_its_parts_is_why_it_differs() -> None:
    body = json.loads((FOLDER / "perplexity/chat.citations-2.json").read_text())["response"]["body"]
    cost = body["usage"]["cost"]

    assert body["usage"]["search_context_size"] == "low"
    assert (cost["request_cost"], cost["total_cost"]) == (0.005, 0.00504)
