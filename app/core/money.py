"""Money: USD as decimals, pico-USD as whole numbers where it is stored or counted, and text where it is told."""

from decimal import ROUND_CEILING, ROUND_HALF_EVEN, Decimal

PICO_USD = 10**12
"""The unit in which costs and budgets are stored and counted, as parts of a USD."""

_MAX_BIGINT = 2**63 - 1


def to_pico_usd(amount: Decimal) -> int:
    """An amount in USD, to the nearest pico-USD and within what a column can hold; 0 for what is no number."""
    if not amount.is_finite():
        return 0
    return max(-_MAX_BIGINT, min(_MAX_BIGINT, int((amount * PICO_USD).to_integral_value(ROUND_HALF_EVEN))))


def ceil_pico_usd(amount: Decimal) -> int:
    """An amount in USD, rounded up: whoever reserves it has at least that."""
    return int((amount * PICO_USD).to_integral_value(ROUND_CEILING))


def from_pico_usd(amount: int) -> Decimal:
    """An amount in pico-USD, in USD."""
    return Decimal(amount) / PICO_USD


def write_usd(amount: Decimal) -> str:
    """An amount or a rate as text, without an exponent and without zeros at its end: exact, where whoever reads JSON makes a number a float."""
    text = format(amount, "f")
    return text.rstrip("0").rstrip(".") if "." in text else text
