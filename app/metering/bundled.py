"""The prices of the package `genai-prices`, as they came with it: nothing here goes to the network.

Its import takes some 0.3 s and 9 MB, so that it is imported here, when `load_bundled` is called, and nowhere else.
"""

import gc
import re
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from functools import cache, lru_cache
from typing import TYPE_CHECKING

from app.core.abilities import UNKNOWN, Abilities, Known
from app.core.frozen import frozen
from app.metering.rates import Price, Rates

if TYPE_CHECKING:
    from genai_prices.types import ModelInfo, ModelPrice, Provider, StartDateConstraint, TimeOfDateConstraint

ALWAYS = (float("-inf"), float("inf"))

# The package's names of prices and ours, with the number of units that its price is for where ours is for one. What is not here
# (characters, pages, video, what is cached of audio and images) has no class of usage.
_RATES = {
    "input_mtok": ("input", 1),
    "cache_read_mtok": ("cache_read", 1),
    "cache_write_mtok": ("cache_write", 1),
    "cache_write_5m_mtok": ("cache_write", 1),
    "cache_write_1h_mtok": ("cache_write_1h", 1),
    "input_audio_mtok": ("input_audio", 1),
    "input_image_mtok": ("input_image", 1),
    "output_mtok": ("output", 1),
    "output_reasoning_mtok": ("reasoning", 1),
    "output_audio_mtok": ("output_audio", 1),
    "output_image_mtok": ("output_image", 1),
    "requests_kcount": ("request", 1000),
    "web_searches_kcount": ("search", 1000),
    "audio_hours": ("audio_hour", 1),
    "input_audio_hours": ("audio_hour", 1),
    "output_audio_hours": ("audio_hour", 1),
}
# Whatever of a call's circumstances comes to us as its service tier.
_TIER_KEYS = {"service_tier", "processing", "speed"}
_MOST_REMEMBERED = 8192
_DATE = re.compile(r"-20\d\d-?[01]\d-?[0-3]\d$")


@frozen
class Dated:
    """Rates, and from when until when they hold, in seconds since the epoch."""

    rates: Rates
    since: float
    until: float


class Bundled:
    """All lists of the package, one for each provider that it knows."""

    def __init__(self, lists: "list[Provider]", version: str) -> None:
        self._lists = {each.id: each for each in lists}
        self.version = version
        self.list_at: Callable[[str], str | None] = lru_cache(self._list_at)
        """The id of the list for a provider that is reached at an address."""
        self.known: Callable[[str, str], Known] = lru_cache(maxsize=_MOST_REMEMBERED)(self._known)
        """What the list of an id tells of a model beside its price."""

    @property
    def ids(self) -> list[str]:
        """Of all lists."""
        return sorted(self._lists)

    def rates(self, list_id: str, model: str, at: float) -> Dated | None:
        """What a model costs at a moment; None where its list does not have it, or says nothing that we can count."""
        provider = self._lists.get(list_id.lower())
        found = provider and self._find(provider, model)
        if not provider or not found:
            return None
        moment = datetime.fromtimestamp(at, UTC)
        # The package itself leaves the tiers of borrowed models out: they are their own provider's.
        own = any(found is each for each in provider.models)
        rates = Rates(_prices(found.get_prices(moment)), _variants(found, moment) if own else {})
        return Dated(rates, *_period(found, moment)) if rates.prices else None

    def _list_at(self, base_url: str) -> str | None:
        return next((each.id for each in self._lists.values() if re.match(each.api_pattern, base_url)), None)

    def _known(self, list_id: str, model: str) -> Known:
        provider = self._lists.get(list_id.lower())
        found = provider and self._find(provider, model)
        if not found:
            return UNKNOWN
        return Known(Abilities(found.context_window), description=found.description)

    def _find(self, provider: "Provider", model: str) -> "ModelInfo | None":
        every = list(self._lists.values())
        found = (provider.find_model(spelling, all_providers=every) for spelling in spellings(model))
        return next(filter(None, found), None)


@cache
def load_bundled() -> Bundled:
    """Import the package. It blocks for some 0.3 s the first time."""
    import genai_prices
    from genai_prices.data import providers

    gc.freeze()  # they stay for as long as the process, and need not be looked at in each collection
    return Bundled(providers, f"genai-prices {genai_prices.__version__}")


def spellings(model: str) -> Iterator[str]:
    """Names by which a list may have a model, the nearest first: as it is, and without tag, date and vendor."""
    seen = set()
    for name in (model.lower(), model.lower().rpartition("/")[2]):
        for form in (name, current := name.removesuffix(":latest").removesuffix("-latest"), _DATE.sub("", current)):
            if form not in seen:
                seen.add(form)
                yield form


def _prices(prices: "ModelPrice") -> dict[str, Price]:
    said = ((_RATES[key], value) for key, value in vars(prices).items() if key in _RATES and value is not None)
    return {name: _price(value, units) for (name, units), value in said}


def _price(value: object, units: int) -> Price:
    if isinstance(value, Decimal):
        return Price(value / units)
    base, tiers = value.base, value.tiers  # type: ignore[attr-defined] # the package's TieredPrices
    return Price(base / units, tuple((tier.start, tier.price / units) for tier in tiers))


def _variants(model: "ModelInfo", moment: datetime) -> dict[str, Mapping[str, Price]]:
    variants: dict[str, Mapping[str, Price]] = {}
    for variant in model.price_variants or ():
        (key, tier), *further = variant.when.items()
        active = variant.constraint is None or variant.constraint.active(moment)
        if active and key in _TIER_KEYS and not further:
            variants[tier] = {**_prices(variant.prices), **variants.get(tier, {})}  # the first that says a price wins
    return variants


def _period(model: "ModelInfo", moment: datetime) -> tuple[float, float]:
    """From the last moment at which anything of it changed to the next."""
    priced = model.prices if isinstance(model.prices, list) else ()
    constraints = [each.constraint for each in (*priced, *(model.price_variants or ())) if each.constraint]
    changes = [change for each in constraints for change in _changes(each, moment)]
    at = moment.timestamp()
    return (
        max((change for change in changes if change <= at), default=ALWAYS[0]),
        min((change for change in changes if change > at), default=ALWAYS[1]),
    )


def _changes(constraint: "StartDateConstraint | TimeOfDateConstraint", moment: datetime) -> Iterator[float]:
    start = getattr(constraint, "start_date", None)
    if start is not None:
        yield _at(start, time())
        return
    for days in (-1, 0, 1):
        day = moment.date() + timedelta(days)
        yield from (_at(day, clock) for clock in (constraint.start_time, constraint.end_time))  # type: ignore[union-attr]


def _at(day: date, clock: time) -> float:
    moment = datetime.combine(day, clock)
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
