"""Where the prices of a configuration's models are found."""

from app.config import Config
from app.metering.prices import FREE, PriceSource, sources_of
from app.providers.registry import BUILT_IN_KEYS


def price_sources(config: Config) -> dict[str, PriceSource]:
    """By the provider's key; those built in cost nothing, and nor do searches by a SearXNG of the operator's own."""
    free = PriceSource("", FREE)
    return dict.fromkeys((*BUILT_IN_KEYS, "searxng"), free) | sources_of(config.providers)
