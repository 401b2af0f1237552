"""The JSON form of rates: what it takes, what it says where it does not, and that nothing is lost on the way."""

import json
from typing import Any

import pytest
from hypothesis import given

from app.metering.rates import Rates
from app.metering.rates_form import InvalidRates, read_rates, write_rates
from tests.metering.prices import full_rates


@given(full_rates(tiered=True))
def test_rates_come_back_as_they_were(rates: Rates) -> None:
    assert read_rates(json.loads(json.dumps(write_rates(rates)))) == rates


def test_rate_may_be_a_number_or_a_string() -> None:
    assert read_rates({"input": 0.1, "output": 2}) == read_rates({"input": "0.10", "output": {"base": "2.0"}})


def test_numbers_are_written_plainly() -> None:
    written = write_rates(
        read_rates({"input": "1E-7", "output": "1e3", "search": {"base": "0.0", "above": {"128000": 1.50}}})
    )

    assert written == {"input": "0.0000001", "output": "1000", "search": {"base": "0", "above": {"128000": "1.5"}}}


@pytest.mark.parametrize(
    ("document", "words"),
    [
        ({}, "says no price"),
        ({"variants": {"batch": {"input": 1}}}, "says no price"),
        ({"inputs": 1}, "inputs: unknown key; did you mean 'input'?"),
        ({"input": -1}, "input: must be at least 0"),
        ({"output": True}, "output: must be a number"),
        ({"output": "cheap"}, "output: must be a number"),
        ({"output": "NaN"}, "output: "),
        ({"cache_read": [1]}, "cache_read: must be an object, not a list"),
        ({"search": 1e7}, "search: must be at most 1000000"),
        ({"search": "0.0000000000001"}, "search: "),
        ({"input": {"base": "x"}}, "input.base: must be a number"),
        ({"input": {"base": [1]}}, "input.base: "),
        ({"input": {"above": {"5": 1}}}, "input.base: is missing"),
        ({"input": 1, "variants": {"batch": {"input": "x"}}}, "variants.batch.input: must be a number"),
        ({"input": {"base": 1, "abvoe": {}}}, "input.abvoe: unknown key; did you mean 'above'?"),
        ({"input": {"base": 1, "above": {"many": 2}}}, "input.above.many: "),
        ({"input": {"base": 1, "above": {"0": 2}}}, "input.above.0: must be more than 0"),
        (
            {"input": 1, "variants": {"batch": {"ouput": 1}}},
            "variants.batch.ouput: unknown key; did you mean 'output'?",
        ),
        ([1], "must be an object"),
    ],
)
def test_fault_names_its_field(document: Any, words: str) -> None:
    with pytest.raises(InvalidRates) as caught:
        read_rates(document)

    assert str(caught.value).startswith(words)
    assert caught.value.param == (words.partition(":")[0] if ":" in words else None)
