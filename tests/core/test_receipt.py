"""What a client is told of its bill."""

from decimal import Decimal

import pytest

from app.core.receipt import Bill, write_usage
from app.core.usage import NO_USAGE, Usage


@pytest.mark.parametrize(
    ("usage", "text"),
    [
        (
            Usage(input=10, cache_read=5, output=7, reasoning=3, requests=1),
            "input=10, cache_read=5, output=7, reasoning=3",
        ),
        (Usage(3, tier="flex", estimated=True, searches=2), "input=3, searches=2, tier=flex, estimated"),
        (Usage(requests=1, tier="flex", estimated=True), ""),
        (NO_USAGE, ""),
    ],
)
def test_usage_is_told_by_its_classes(usage: Usage, text: str) -> None:
    assert write_usage(usage) == text


def test_headers_leave_out_what_is_not_known() -> None:
    used, price = Usage(3, output=4), Decimal("0.5")

    assert Bill(used, price).headers() == [(b"x-relay-cost", b"0.5"), (b"x-relay-usage", b"input=3, output=4")]
    assert Bill(used, None).headers() == [(b"x-relay-usage", b"input=3, output=4")]
    assert Bill(NO_USAGE, price).headers() == [(b"x-relay-cost", b"0.5")]
    assert Bill(NO_USAGE, None).headers() == []
    assert Bill(used, price).line() == "x-relay-cost 0.5; x-relay-usage input=3, output=4"
