"""What is behind a name: all smart models that a call may come through, and an end to it."""

from app.core.book import Book, Entry
from app.core.smart import Kind
from tests.smart import make_smart


def entry(kind: Kind, name: str, **fields: object) -> Entry:
    return Entry(f"id of {name}", make_smart(kind, name, **fields))


def names_behind(book: Book, name: str) -> list[str]:
    return sorted(model.name for model in book.behind(name))


def test_all_ways_are_followed() -> None:
    book = Book([
        entry("alias", "a", target="auto"),
        entry("router", "auto", strategy="cheapest", candidates=[{"model": "b"}, {"model": "acme/x"}], fallback_model="c"),
        entry("alias", "b", target="acme/x"),
        entry("cache", "c", target_model="acme/x"),
        entry("alias", "beside", target="acme/x"),
    ])  # fmt: skip

    assert names_behind(book, "A:latest") == ["a", "auto", "b", "c"]
    assert names_behind(book, "acme/x") == []


def test_circles_and_patterns_that_lead_on_come_to_an_end() -> None:
    book = Book([entry("alias", "a", target="b"), entry("alias", "b", target="a")])
    growing = Book([entry("redirect", "x*", target="xx*")])

    assert names_behind(book, "a") == ["a", "b"]
    assert set(names_behind(growing, "x")) == {"x*"}


def test_all_names_that_a_call_may_be_led_to_are_known() -> None:
    book = Book([
        entry("alias", "a", target="auto"),
        entry("router", "auto", strategy="cheapest", candidates=[{"model": "b1"}, {"model": "acme/z"}], fallback_model="C"),
        entry("redirect", "b*", target="acme/x*"),
    ])  # fmt: skip

    assert book.reach("A") == {"A", "auto", "b1", "acme/z", "C", "acme/x1"}
    assert book.reach("acme/y") == {"acme/y"}
