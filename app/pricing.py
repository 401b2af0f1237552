"""Where the prices of a configuration's models are found."""

from app.config import Config
from app.metering.prices import FREE, PriceSource, sources_of
from app.providers.demo import Demo


def price_sources(config: Config) -> dict[str, PriceSource]:
    """By the provider's key; the built-in one costs nothing."""
    return {Demo.key: PriceSource("", FREE)} | sources_of(config.providers)
