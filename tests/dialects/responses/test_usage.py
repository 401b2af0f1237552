"""Usage of responses, in classes that do not overlap."""

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.core.usage import Usage
from app.dialects.responses.usage import read_usage, write_usage
from tests.usages import usages_of

COUNTS = st.integers(0, 10_000)


def report(given: int, made: int, total: int | None = None, **more: Any) -> dict[str, Any]:
    return {
        "input_tokens": given,
        "output_tokens": made,
        "total_tokens": given + made if total is None else total,
        **more,
    }


@pytest.mark.parametrize(
    ("reported", "usage"),
    [
        (report(10, 5), Usage(10, output=5)),
        (report(10, 5, input_tokens_details={"cached_tokens": 4}), Usage(6, cache_read=4, output=5)),
        (
            report(10, 5, input_tokens_details={"cached_tokens": 4, "cache_write_tokens": 3}),
            Usage(3, cache_read=4, cache_write=3, output=5),
        ),
        (report(10, 5, output_tokens_details={"reasoning_tokens": 3}), Usage(10, output=2, reasoning=3)),
        (report(10, 5, 18, output_tokens_details={"reasoning_tokens": 3}), Usage(10, output=5, reasoning=3)),
        (report(10, 5, cost_in_usd_ticks=5956000), Usage(10, output=5, cost=Decimal("0.0005956"))),
        (report(10, 5, cost=0.25), Usage(10, output=5, cost=Decimal("0.25"))),
        (report(0, 0), None),
        (report(-1, 5), None),
        ({"input_tokens": 5}, None),
        ({"prompt_tokens": 5, "completion_tokens": 5}, None),
        (None, None),
        ([], None),
    ],
)
def test_report_is_read(reported: Any, usage: Usage | None) -> None:
    assert read_usage(reported) == usage


@given(usages_of(input=st.integers(1, 1000), cache_read=COUNTS, cache_write=COUNTS, output=COUNTS, reasoning=COUNTS))
def test_what_is_written_is_read(usage: Usage) -> None:
    assert read_usage(write_usage(usage)) == usage
