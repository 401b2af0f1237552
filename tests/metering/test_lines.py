"""A record survives as a line of JSON, also from one version of the gateway to the next."""

import json
from collections.abc import Callable
from decimal import Decimal

import pytest

from app.core.jsonio import dumps, loads
from app.core.record import CallRecord, Failure, Hold
from app.core.reply import Outcome
from app.core.usage import Usage
from app.metering.lines import NAMES, named, read_record, write_record, write_values
from tests.calls import make_record

# As the first version with a journal wrote it. It stays as it is: a gateway that is updated finds such lines.
FIRST_VERSION = (
    '{"id":"req_1","received_at":1767225600.25,"token_id":"Ab3dEf9h","username":"alice","name":"gpt-x","provider":"openai",'
    '"model":"gpt-x","surface":"chat","streamed":false,"status":200,"outcome":"ok","first_byte_ms":120,"total_ms":340,'
    '"client":"192.0.2.7","charged":true,"attempts":1,"rescued":false,"error":null,"usage":{"input":10,"cache_read":5,'
    '"cache_write":0,"output":7,"reasoning":3,"estimated":false,"cost":"0.00123"}}'
)


def by_names(record: CallRecord) -> CallRecord:
    return read_record(loads(dumps(write_record(record))))


def as_list(record: CallRecord) -> CallRecord:
    return read_record(named(loads(write_values(record)), loads(dumps(NAMES))))


@pytest.mark.parametrize(
    "record",
    [
        pytest.param(make_record(), id="usual"),
        pytest.param(make_record(provider=None, model=None, first_byte_ms=None, error="It broke off."), id="failed"),
        pytest.param(make_record(outcome=Outcome.CLIENT_GONE, status=499, charged=False, rescued=True), id="left"),
        pytest.param(make_record(name='\ud800\x00\n\u2028"', error="é\U0001f600"), id="strange-text"),
        pytest.param(
            make_record(usage=Usage(1, 2, 3, output=4, reasoning=5, cost=Decimal("0.000000000001230"), estimated=True)),
            id="all-usage",
        ),
        pytest.param(
            make_record(
                tags=("a", "b"),
                warnings=("top_k",),
                cost=Decimal("0.10"),
                failures=(Failure("rate_limit", "openai", "gpt-x", 429, "Slow down."),),
                holds=(Hold("token:Ab3dEf9h", "tokens_per_day", 20454, 512), Hold("user:ann", "max_concurrent", 0, 1)),
            ),
            id="lists",
        ),
        pytest.param(make_record(usage=Usage(output=2**63, cost=Decimal("1E-30"))), id="extreme-numbers"),
    ],
)
@pytest.mark.parametrize("again", [by_names, as_list])
def test_record_is_read_as_it_was_written(record: CallRecord, again: Callable[[CallRecord], CallRecord]) -> None:
    found = again(record)

    assert found == record
    assert type(found.outcome) is Outcome
    assert str(found.usage.cost) == str(record.usage.cost)


def test_line_of_the_first_version_is_read() -> None:
    usage = Usage(10, 5, 0, output=7, reasoning=3, cost=Decimal("0.00123"))

    found = read_record(json.loads(FIRST_VERSION))

    assert found._replace(usage=usage) == make_record(id="req_1", name="gpt-x", usage=usage)
    assert found.usage == usage


def test_fields_that_an_older_version_did_not_know_have_their_defaults() -> None:
    written = write_record(make_record(attempts=3, rescued=True, error="x"))
    for name in ("attempts", "rescued", "error"):
        del written[name]
    written["usage"] = {"input": 10}

    assert read_record(written) == make_record(attempts=0, rescued=False, error=None, usage=Usage(input=10))


def test_fields_that_only_a_newer_version_knows_are_left_out() -> None:
    written = write_record(make_record())
    written["mood"] = "sunny"
    written["usage"] = {**written["usage"], "smiles": 7}

    assert read_record(written) == make_record()


def test_list_without_a_name_for_each_value_is_an_error() -> None:
    values = loads(write_values(make_record()))

    for names in ({}, {**NAMES, "record": NAMES["record"][1:]}, {**NAMES, "usage": [*NAMES["usage"], "smiles"]}):
        with pytest.raises((KeyError, ValueError)):
            named(values, names)


@pytest.mark.parametrize(
    "change",
    [
        pytest.param({"outcome": "vanished"}, id="unknown-outcome"),
        pytest.param({"usage": None}, id="no-usage"),
        pytest.param({"usage": {"cost": "a lot"}}, id="cost-that-is-no-number"),
        pytest.param({"id": ...}, id="no-id"),
    ],
)
def test_what_is_no_record_is_an_error(change: dict[str, object]) -> None:
    written = {name: value for name, value in {**write_record(make_record()), **change}.items() if value is not ...}

    with pytest.raises((KeyError, TypeError, ValueError, ArithmeticError)):
        read_record(written)
