"""Pages that are kept for a while, within a bound."""

from app.core.web import Page
from app.web.cache import PageCache


def page(name: str, characters: int = 10) -> Page:
    return Page(name, name, "", "x" * characters)


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def test_page_is_kept_until_its_time_is_over() -> None:
    clock = Clock()
    cache = PageCache(60.0, clock)
    cache.put("a", page("a"))

    clock.now += 59
    assert cache.get("a") == page("a")
    clock.now += 1
    assert cache.get("a") is None


def test_pages_that_were_used_last_stay_where_there_is_no_room_for_all() -> None:
    cache = PageCache(60.0, Clock(), most_characters=30)
    for name in "abc":
        cache.put(name, page(name))

    cache.get("a")
    cache.put("d", page("d"))

    assert [name for name in "abcd" if cache.get(name)] == ["a", "c", "d"]


def test_page_that_is_put_again_counts_once() -> None:
    cache = PageCache(60.0, Clock(), most_characters=30)
    for _ in range(9):
        cache.put("a", page("a"))
    cache.put("b", page("b"))

    assert cache.get("a") is not None


def test_page_larger_than_all_room_is_not_kept() -> None:
    cache = PageCache(60.0, Clock(), most_characters=30)
    cache.put("a", page("a", 31))

    assert cache.get("a") is None


def test_nothing_is_kept_for_no_time() -> None:
    cache = PageCache(0.0, Clock())
    cache.put("a", page("a"))

    assert cache.get("a") is None
