"""What two usages are together."""

from decimal import Decimal

import pytest

from app.core.usage import NO_USAGE, Usage

TOLD = Usage(input=1, cost=Decimal("0.5"))


@pytest.mark.parametrize(
    ("other", "cost"),
    [
        (Usage(output=2, cost=Decimal("0.25")), Decimal("0.75")),
        (NO_USAGE, Decimal("0.5")),
        (Usage(output=2), None),
        (Usage(searches=1), None),
    ],
)
def test_sum_has_a_cost_where_each_part_that_used_anything_has_one(other: Usage, cost: Decimal | None) -> None:
    assert TOLD.plus(other).cost == other.plus(TOLD).cost == cost
