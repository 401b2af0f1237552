"""Where the prices of a configuration's models are found."""

from app.config import Config
from app.metering.prices import FREE, PriceSource, sources_of
from app.providers.demo import Demo


def price_sources(config: Config) -> dict[str, PriceSource]:
    """By the provider's key; the built-in one costs nothing, and nor do searches by a SearXNG of the operator's own."""
    free = PriceSource("", FREE)
    return {Demo.key: free, "searxng": free} | sources_of(config.providers)
