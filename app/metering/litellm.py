"""LiteLLM's price file, `model_prices_and_context_window.json`, read into rates and what else it says of models.

Its keys are models, mostly with their provider and a `/` before them; what each costs is in USD for one token, second or picture
(https://docs.litellm.ai/docs/provider_registration/add_model_pricing).
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any
from urllib.parse import urlsplit

from app.core.jsonio import Json
from app.metering.bundled import Bundled
from app.metering.litellm_facts import Facts, read_facts
from app.metering.prices import FREE, PriceSource
from app.metering.rates import Rates
from app.metering.rates_form import PLACES, InvalidRates, read_rates
from app.store.catalog import StoredModel

URL = "https://raw.githubusercontent.com/BerriAI/litellm/main/model_prices_and_context_window.json"

# Our list's id by host, where genai-prices has none.
_LISTS_BY_HOST = {"api.deepinfra.com": "deepinfra", "api.sambanova.ai": "sambanova"}
# What LiteLLM calls providers, by the ids of lists, where that is another word.
_NAMES = {
    "openai": ("openai", "text-completion-openai"),
    "google": ("gemini",),
    "x-ai": ("xai",),
    "fireworks": ("fireworks_ai", "fireworks_ai-embedding-models"),
    "together": ("together_ai",),
    "cohere": ("cohere", "cohere_chat"),
    "mistral": ("mistral", "codestral"),
    "novita": ("novita",),
    "moonshotai": ("moonshot",),
}
_MILLION = 1_000_000
# A field, the rate that it is, and for how many of LiteLLM's units ours is.
_RATES = {
    "input_cost_per_token": ("input", _MILLION),
    "output_cost_per_token": ("output", _MILLION),
    "cache_read_input_token_cost": ("cache_read", _MILLION),
    "cache_creation_input_token_cost": ("cache_write", _MILLION),
    "cache_creation_input_token_cost_above_1hr": ("cache_write_1h", _MILLION),
    "input_cost_per_audio_token": ("input_audio", _MILLION),
    "output_cost_per_audio_token": ("output_audio", _MILLION),
    "input_cost_per_image_token": ("input_image", _MILLION),
    "output_cost_per_image_token": ("output_image", _MILLION),
    "output_cost_per_reasoning_token": ("reasoning", _MILLION),
    "input_cost_per_request": ("request", 1),
    "input_cost_per_query": ("request", 1),
    "output_cost_per_image": ("image", 1),
    "input_cost_per_second": ("audio_hour", 3600),
}
_FIELD = re.compile(
    rf"({'|'.join(sorted(_RATES, key=len, reverse=True))})(?:_above_(\d+)k_tokens)?(?:_(batches|flex|priority))?"
)
_TIERS = {"batches": "batch"}
_SOUND = ("audio_transcription", "audio_speech")
_SEARCH = "search_context_cost_per_query"
# What OpenAI searches with where nothing is said.
_SEARCH_SIZES = ("search_context_size_medium", "search_context_size_low", "search_context_size_high")
_SAMPLE = "sample_spec"


class InvalidPriceFile(ValueError):
    """It is not LiteLLM's; the message says why."""


@dataclass(frozen=True)
class PriceFile:
    """What the file says of configured providers.

    Attributes:
        prices: by the key of a provider in the configuration, and its name for a model.
        faults: a sentence for each model whose prices cannot be used.
        facts: what it says of models beside their prices, by the same.
    """

    prices: Mapping[tuple[str, str], Rates]
    faults: list[str] = field(default_factory=list)
    facts: Facts = field(default_factory=dict)


def litellm_names(source: PriceSource, bundled: Bundled | None) -> tuple[str, ...]:
    """What LiteLLM calls a provider; nothing where it has no prices of it."""
    if source.list_id == FREE:
        return ()
    list_id = source.list_id or (bundled and bundled.list_at(source.base_url))
    list_id = list_id or _LISTS_BY_HOST.get(urlsplit(source.base_url).hostname or "")
    return _NAMES.get(list_id, (list_id,)) if list_id else ()


def read_price_file(text: str | bytes, names: Mapping[str, tuple[str, ...]]) -> PriceFile:
    """What it says of the models of configured providers.

    Of models that stand there twice, with and without the provider before them, the first counts.

    Args:
        names: what LiteLLM calls them, by their keys.

    Raises:
        InvalidPriceFile: it is no JSON object of models.
    """
    try:
        document = json.loads(text, parse_float=Decimal)
    except (ValueError, RecursionError) as exc:
        raise InvalidPriceFile(f"The price file is no JSON: {exc}.") from exc
    if not isinstance(document, dict) or not any(_provider_of(entry) for entry in document.values()):
        raise InvalidPriceFile("The price file is none of LiteLLM's: it has no model with a 'litellm_provider'.")
    keys: dict[str, list[str]] = {}
    for key, called in names.items():
        for name in called:
            keys.setdefault(name, []).append(key)
    prices: dict[tuple[str, str], Rates] = {}
    faults: list[str] = []
    facts: dict[tuple[str, str], StoredModel] = {}
    for name, entry in document.items():
        provider = _provider_of(entry)
        if name == _SAMPLE or provider not in keys:
            continue
        model = _without_prefix(name, provider)
        for key in keys[provider]:
            if (key, model) not in facts and (said := read_facts(key, model, entry)) is not None:
                facts[key, model] = said
        try:
            rates = _rates_of(entry)
        except InvalidRates as exc:
            faults.append(f"{name}: {exc}")
            continue
        if rates is not None:
            for key in keys[provider]:
                prices.setdefault((key, model), rates)
    return PriceFile(prices, faults, facts)


def _provider_of(entry: Json) -> str:
    name = entry.get("litellm_provider") if isinstance(entry, dict) else None
    return name if isinstance(name, str) else ""


def _without_prefix(name: str, provider: str) -> str:
    prefix, _, model = name.partition("/")
    return model if model and prefix in (provider, provider.partition("-")[0], provider.partition("_")[0]) else name


def _rates_of(entry: Mapping[str, Json]) -> Rates | None:
    """Checked by way of their JSON form, which has the limits; None where it says no price that we can count."""
    sheets: dict[str, dict[str, dict[str, Any]]] = {"": {}}
    for name, value in entry.items():
        if (found := _FIELD.fullmatch(name)) and value is not None:
            field_name, thousands, tier = found.groups()
            rate, units = _RATES[field_name]
            price = sheets.setdefault(_TIERS.get(tier, tier or ""), {}).setdefault(rate, {})
            if thousands:
                price.setdefault("above", {})[str(int(thousands) * 1000)] = _usd(name, value, units)
            else:
                price["base"] = _usd(name, value, units)
    standard = sheets.pop("")
    if isinstance(search := entry.get(_SEARCH), dict):
        sizes = [search[size] for size in _SEARCH_SIZES if search.get(size) is not None]
        standard |= {"search": {"base": _usd(_SEARCH, sizes[0], 1)}} if sizes else {}
    # What is charged by the token is told once more by the second and the picture; and seconds may be those of video.
    if entry.get("mode") not in _SOUND or _charges(standard, "input", "input_audio"):
        standard.pop("audio_hour", None)
    if _charges(standard, "output", "output_image"):
        standard.pop("image", None)
    standard = {name: price for name, price in standard.items() if "base" in price}
    variants = {
        tier: {name: price for name, price in sheet.items() if "base" in price} for tier, sheet in sheets.items()
    }
    return read_rates(standard | {"variants": {k: v for k, v in variants.items() if v}}) if standard else None


def _charges(sheet: Mapping[str, Mapping[str, Any]], *names: str) -> bool:
    return any(sheet.get(name, {}).get("base") for name in names)


def _usd(name: str, value: Json, units: int) -> Decimal:
    if not isinstance(value, Decimal | int) or isinstance(value, bool):
        raise InvalidRates(f"{name}: must be a number")
    return round(value * Decimal(units), PLACES)
