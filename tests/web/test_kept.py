"""What is kept for a while, within a bound."""

import pytest

from app.web.kept import Kept


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def kept(most: int = 1000, *, clock: Clock | None = None, ttl_s: float = 60.0) -> Kept[str]:
    return Kept(ttl_s, len, clock or Clock(), most)


def test_value_is_kept_until_its_time_is_over() -> None:
    clock = Clock()
    values = kept(clock=clock)
    values.put("a", "words")

    clock.now += 59
    assert values.get("a") == "words"
    clock.now += 1
    assert values.get("a") is None


def test_values_that_were_used_last_stay_where_there_is_no_room_for_all() -> None:
    values = kept(33)
    for name in "abc":
        values.put(name, "x" * 10)

    values.get("a")
    values.put("d", "x" * 10)

    assert [name for name in "abcd" if values.get(name)] == ["a", "c", "d"]


def test_value_that_is_put_again_counts_once() -> None:
    values = kept(33)
    for _ in range(9):
        values.put("a", "x" * 10)
    values.put("b", "x" * 10)

    assert values.get("a") is not None


def test_names_of_values_without_a_size_take_room_too() -> None:
    values = kept(30)
    for number in range(100):
        values.put(f"name {number}", "")

    assert [number for number in range(100) if values.get(f"name {number}") is not None] == [96, 97, 98, 99]


@pytest.mark.parametrize(("most", "ttl_s"), [(30, 60.0), (1000, 0.0)])
def test_what_has_no_room_or_no_time_is_not_kept(most: int, ttl_s: float) -> None:
    values = kept(most, ttl_s=ttl_s)
    values.put("a", "x" * 31)

    assert values.get("a") is None
