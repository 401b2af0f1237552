"""The prices that come with the package genai-prices, as they are found and dated. Those asserted are of the past, and stay."""

from datetime import UTC, date, datetime, time
from decimal import Decimal
from itertools import pairwise

import pytest
from genai_prices.types import (
    ClauseEquals,
    ConditionalPrice,
    ModelInfo,
    ModelPrice,
    PriceVariant,
    Provider,
    StartDateConstraint,
    Tier,
    TieredPrices,
    TimeOfDateConstraint,
)

from app.config import load_config
from app.core.abilities import Abilities, Known
from app.metering.bundled import Bundled, Dated, load_bundled, spellings
from app.metering.rates import Price, Rates
from tests.test_layers import ROOT


def moment(text: str) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()


NOW = moment("2026-11-22")


def made(**model: object) -> Bundled:
    """A list `acme` with one model of that name."""
    info = ModelInfo(id="m", match=ClauseEquals("m"), **model)  # type: ignore[arg-type]
    return Bundled([Provider(id="acme", name="Acme", api_pattern="https://acme", models=[info])], "made 1")


def rates_of(bundled: Bundled, text: str) -> Dated:
    found = bundled.rates("acme", "m", moment(text))
    assert found
    return found


def test_provider_has_its_list_by_its_address() -> None:
    lists = {
        key: load_bundled().list_at(entry.base_url)
        for key, entry in load_config(ROOT / "config.json").providers.items()
    }

    without = [key for key, found in lists.items() if found is None]
    assert without == ["sambanova", "parallelai", "deepinfra", "ollama"]
    assert (lists["openai"], lists["google"], lists["xai"]) == ("openai", "google", "x-ai")
    assert lists["perplexity-agent"] == "perplexity"


@pytest.mark.parametrize(
    ("list_id", "model", "same"),
    [
        ("openai", "gpt-4.1-mini-2025-04-14", "gpt-4.1-mini"),
        ("openai", "GPT-4o:latest", "gpt-4o"),
        ("openai", "gpt-4o-latest", "gpt-4o"),
        ("openai", "gpt-4.1-20250414", "gpt-4.1"),
        ("google", "models/gemini-2.5-pro", "gemini-2.5-pro"),
        ("anthropic", "claude-sonnet-4-5-20250929", "claude-sonnet-4-5"),
        ("openrouter", "openai/gpt-4o-mini", "openai/gpt-4o-mini"),
        ("OpenAI", "gpt-4o", "gpt-4o"),
    ],
)
def test_model_is_found_by_the_name_that_calls_have(list_id: str, model: str, same: str) -> None:
    found = load_bundled().rates(list_id, model, NOW)

    assert found is not None
    assert found == load_bundled().rates(list_id, same, NOW)


@pytest.mark.parametrize(("list_id", "model"), [("openai", "acme-1"), ("acme", "gpt-4o"), ("openai", "")])
def test_what_no_list_has_has_no_price(list_id: str, model: str) -> None:
    assert load_bundled().rates(list_id, model, NOW) is None


def test_the_nearest_spelling_is_tried_first() -> None:
    assert list(spellings("Meta/Llama-3-20250101:latest")) == [
        "meta/llama-3-20250101:latest",
        "meta/llama-3-20250101",
        "meta/llama-3",
        "llama-3-20250101:latest",
        "llama-3-20250101",
        "llama-3",
    ]


def test_prices_are_in_our_words_and_units() -> None:
    tiered = TieredPrices(Decimal(2), [Tier(200_000, Decimal(4))])
    bundled = made(
        prices=ModelPrice(
            input_mtok=tiered,
            cache_write_mtok=Decimal(3),
            web_searches_kcount=Decimal(10),
            requests_kcount=Decimal(5),
            input_audio_hours=Decimal("0.1"),
            input_gpixels=Decimal(7),
        )
    )

    assert rates_of(bundled, "2026-01-01").rates.prices == {
        "input": Price(Decimal(2), ((200_000, Decimal(4)),)),
        "cache_write": Price(Decimal(3)),
        "search": Price(Decimal("0.01")),
        "request": Price(Decimal("0.005")),
        "audio_hour": Price(Decimal("0.1")),
    }


def test_model_that_is_charged_by_what_we_cannot_count_has_no_price() -> None:
    assert made(prices=ModelPrice(input_gpixels=Decimal(7))).rates("acme", "m", NOW) is None


def test_price_is_that_of_the_day() -> None:
    bundled = made(
        prices=[
            ConditionalPrice(prices=ModelPrice(input_mtok=Decimal(1))),
            ConditionalPrice(StartDateConstraint(date(2026, 3, 1)), prices=ModelPrice(input_mtok=Decimal(2))),
        ]
    )

    before, after = rates_of(bundled, "2026-02-28T23:59:59"), rates_of(bundled, "2026-03-01T00:00:00")

    assert [each.rates.prices["input"].base for each in (before, after)] == [1, 2]
    assert (before.since, before.until) == (float("-inf"), moment("2026-03-01"))
    assert (after.since, after.until) == (moment("2026-03-01"), float("inf"))


def test_price_is_that_of_the_hour() -> None:
    night = TimeOfDateConstraint(time(16, 30, tzinfo=UTC), time(0, 30, tzinfo=UTC))
    bundled = made(
        prices=[
            ConditionalPrice(prices=ModelPrice(input_mtok=Decimal(2))),
            ConditionalPrice(night, prices=ModelPrice(input_mtok=Decimal(1))),
        ]
    )
    times = ["2026-05-01T00:00:00", "2026-05-01T00:30:00", "2026-05-01T16:30:00", "2026-05-02T00:30:00"]

    found = [rates_of(bundled, each) for each in times]

    assert [each.rates.prices["input"].base for each in found] == [1, 2, 1, 2]
    assert all(
        one.until == next_one.since == moment(text)
        for (one, next_one), text in zip(pairwise(found), times[1:], strict=True)
    )


def test_service_tiers_are_variants_while_they_are_in_force() -> None:
    start = StartDateConstraint(date(2026, 3, 1))
    bundled = made(
        prices=ModelPrice(input_mtok=Decimal(2)),
        price_variants=[
            PriceVariant({"processing": "batch"}, ModelPrice(input_mtok=Decimal(1)), start),
            PriceVariant({"service_tier": "priority"}, ModelPrice(input_mtok=Decimal(4))),
            PriceVariant({"service_tier": "priority"}, ModelPrice(input_mtok=Decimal(5), output_mtok=Decimal(6))),
            PriceVariant({"search_type": "fast"}, ModelPrice(input_mtok=Decimal(9))),
        ],
    )

    before, after = rates_of(bundled, "2026-02-28"), rates_of(bundled, "2026-03-01")

    assert set(before.rates.variants) == {"priority"}
    assert after.rates.variants == {
        "batch": {"input": Price(Decimal(1))},
        "priority": {"input": Price(Decimal(4)), "output": Price(Decimal(6))},
    }
    assert before.until == moment("2026-03-01")


def test_borrowed_model_has_the_standard_price_only() -> None:
    info = ModelInfo(
        id="m",
        match=ClauseEquals("m"),
        prices=ModelPrice(input_mtok=Decimal(2)),
        price_variants=[PriceVariant({"service_tier": "flex"}, ModelPrice(input_mtok=Decimal(1)))],
    )
    owner = Provider(id="acme", name="Acme", api_pattern="https://acme", models=[info])
    borrower = Provider(id="cloud", name="Cloud", api_pattern="https://cloud", fallback_model_providers=["acme"])

    found = Bundled([borrower, owner], "made 1").rates("cloud", "m", NOW)

    assert found
    assert found.rates == Rates({"input": Price(Decimal(2))})


def test_list_tells_the_context_window_and_a_description_too() -> None:
    bundled = made(context_window=4096, description="Small.", prices=ModelPrice(input_mtok=Decimal(1)))

    assert bundled.known("ACME", "M-2025-01-01") == Known(Abilities(context_length=4096), description="Small.")
    assert bundled.known("acme", "n") == bundled.known("nobody", "m") == Known()
