"""Usages and rates for the tests of prices."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from hypothesis import strategies as st

from app.core.usage import COUNTS, Usage
from app.metering.rates import NAMES, TOKENS, Price, Rates
from app.metering.rates_form import read_rates

# Classes that every list can count by tokens.
TOKEN_CLASSES = TOKENS
INPUT_CLASSES = ("input", "cache_read", "cache_write", "cache_write_1h", "input_audio", "input_image")
OUTPUT_CLASSES = ("output", "reasoning", "output_audio", "output_image")

usd = st.decimals(0, 1000, places=6)
counts = st.integers(0, 10_000_000)
tiers = st.sampled_from(["", "batch", "flex", "priority", "standard"])


def rates(**prices: Any) -> Rates:
    """From their JSON form."""
    return read_rates(prices)


def used(**classes: Any) -> Usage:
    """A usage of the classes named."""
    return Usage(**classes)


@st.composite
def usages(draw: st.DrawFn, names: tuple[str, ...] = COUNTS) -> Usage:
    """Of those classes."""
    values: Mapping[str, int] = draw(st.fixed_dictionaries(dict.fromkeys(names, counts)))
    return used(**values, tier=draw(tiers))


@st.composite
def prices(draw: st.DrawFn, *, tiered: bool) -> Price:
    """One rate; a tiered one is dearer for longer prompts."""
    base = draw(usd)
    starts = sorted(draw(st.sets(st.integers(1, 1_000_000), max_size=2))) if tiered else []
    return Price(base, tuple((start, base * (index + 2)) for index, start in enumerate(starts)))


@st.composite
def full_rates(draw: st.DrawFn, *, tiered: bool = False) -> Rates:
    """Rates for everything that can be used; some classes have their own, the others fall back."""
    optional = {name: prices(tiered=tiered) for name in NAMES if name not in ("input", "output")}
    certain = {name: prices(tiered=tiered) for name in ("input", "output", "search", "image", "audio_hour")}
    said = draw(st.fixed_dictionaries(certain, optional={k: v for k, v in optional.items() if k not in certain}))
    variants = draw(
        st.dictionaries(
            st.sampled_from(["batch", "flex", "priority"]),
            st.dictionaries(st.sampled_from(NAMES), prices(tiered=tiered), max_size=3),
            max_size=2,
        )
    )
    return Rates(said, variants)


def cost(rates: Rates, usage: Usage) -> Decimal:
    """What is known to have a cost."""
    found = rates.cost(usage)
    assert found is not None
    return found
