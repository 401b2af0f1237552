"""Amounts between USD, pico-USD and text."""

from decimal import Decimal

import pytest

from app.core.money import ceil_pico_usd, from_pico_usd, to_pico_usd, write_usd


def test_cost_of_one_cheap_cached_token_is_exact() -> None:
    cost = Decimal("0.000000003751")

    assert from_pico_usd(to_pico_usd(cost)) == cost


@pytest.mark.parametrize(
    ("amount", "nearest", "or_more"),
    [("1", 10**12, 10**12), ("1.2E-12", 1, 2), ("1.5E-12", 2, 2), ("2.5E-12", 2, 3), ("1E-15", 0, 1)],
)
def test_stored_amount_is_the_nearest_and_a_reserved_one_no_less(amount: str, nearest: int, or_more: int) -> None:
    assert to_pico_usd(Decimal(amount)) == nearest
    assert ceil_pico_usd(Decimal(amount)) == or_more


@pytest.mark.parametrize(
    ("amount", "stored"), [("1E+99", 2**63 - 1), ("-1E+99", -(2**63) + 1), ("NaN", 0), ("Infinity", 0)]
)
def test_stored_amount_has_room_in_its_column(amount: str, stored: int) -> None:
    assert to_pico_usd(Decimal(amount)) == stored


@pytest.mark.parametrize(
    ("amount", "text"),
    [
        ("0", "0"),
        ("0E-10", "0"),
        ("0.000123", "0.000123"),
        ("0.000000003751", "0.000000003751"),
        ("1.5E-9", "0.0000000015"),
        ("1E+3", "1000"),
        ("100", "100"),
        ("2.50", "2.5"),
        ("12345.678900", "12345.6789"),
    ],
)
def test_amount_is_written_as_a_plain_number(amount: str, text: str) -> None:
    assert write_usd(Decimal(amount)) == text
