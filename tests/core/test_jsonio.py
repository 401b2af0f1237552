"""JSON in and out, with the texts that the fast parser refuses."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.core.jsonio import InvalidJson, dumps, loads

SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text()
    | st.sampled_from(["\ud800", "\udfff", "a\ude00b", "\u2028", "\x00"])
)
VALUES = st.recursive(SCALARS, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=20)


@given(VALUES)
def test_whatever_is_written_is_read_back_the_same(value: Any) -> None:
    assert loads(dumps(value)) == value


@given(VALUES)
def test_what_the_standard_library_writes_is_read(value: Any) -> None:
    assert loads(json.dumps(value)) == value


@given(st.binary() | st.text())
def test_garbage_is_invalid_json_and_nothing_else(garbage: bytes | str) -> None:
    try:
        value = loads(garbage)
    except InvalidJson:
        return

    assert loads(dumps(value)) == value


def test_lone_surrogate_is_read_and_written_as_an_escape() -> None:
    value = loads(b'{"a":"\\ud83d!"}')

    assert value == {"a": "\ud83d!"}
    assert dumps(value) == b'{"a":"\\ud83d!"}'


def test_raw_surrogate_bytes_are_read() -> None:
    assert loads(b'"\xed\xa0\xbd"') == "\ud83d"


def test_byte_order_mark_is_skipped() -> None:
    assert loads(b"\xef\xbb\xbf[1]") == [1]


@pytest.mark.parametrize("broken", [b'"\xff"', b'"\xc3"', b"\xfe\xff\x00["])
def test_broken_utf8_is_invalid_json(broken: bytes) -> None:
    with pytest.raises(InvalidJson):
        loads(broken)


@pytest.mark.parametrize("text", ["NaN", "Infinity", "-Infinity", '["\\ud800",NaN]'])
def test_numbers_that_json_does_not_have_are_refused(text: str) -> None:
    with pytest.raises(InvalidJson):
        loads(text)


@pytest.mark.parametrize("text", ["1e999", "-1e999", '["\\ud800",1e999]', "9" * 5000])
def test_numbers_that_cannot_be_held_are_refused_and_never_become_null(text: str) -> None:
    with pytest.raises(InvalidJson):
        loads(text)


def test_integer_beyond_64_bits_is_written() -> None:
    assert dumps({"seed": 2**80}) == b'{"seed":1208925819614629174706176}'


def test_infinity_of_our_own_making_is_not_written_beside_what_needs_the_slow_way() -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        dumps([2**80, float("inf")])


def test_error_says_where() -> None:
    with pytest.raises(InvalidJson, match=r"line 2 column 3"):
        loads("{\n  oops: 1}")


@pytest.mark.parametrize("depth", [2_000, 1_000_000])
@pytest.mark.parametrize(("opening", "closing"), [("[", "]"), ('{"a":', "}")])
def test_nesting_without_end_is_invalid_json(depth: int, opening: str, closing: str) -> None:
    text = opening * depth + "1" + closing * depth

    with pytest.raises(InvalidJson):
        loads(text)


def test_nesting_without_end_beside_a_surrogate_is_invalid_json() -> None:
    with pytest.raises(InvalidJson):
        loads('["\\ud800",' + "[" * 100_000 + "]" * 100_000 + "]")


@pytest.mark.parametrize("depth", [200, 300, 800])
def test_nesting_that_is_read_is_written(depth: int) -> None:
    text = b"[" * depth + b"]" * depth

    assert dumps(loads(text)) == text


def test_nesting_that_is_read_but_cannot_be_written_is_invalid_json() -> None:
    value: list[Any] = []
    for _ in range(100_000):
        value = [value]

    with pytest.raises(InvalidJson, match="too deeply"):
        dumps(value)
