"""Results of searches: each page once, the fitting ones first."""

import pytest

from app.core.web import SearchResult
from app.web.ranking import ranked, same_page


@pytest.mark.parametrize(
    "url",
    [
        "http://www.Example.com/a",
        "https://example.com:443/a/",
        "https://example.com/a#part",
        "https://example.com/a?utm_source=x&gclid=y",
    ],
)
def test_addresses_of_one_page_are_the_same(url: str) -> None:
    assert same_page(url) == same_page("https://example.com/a")


@pytest.mark.parametrize(
    "url",
    ["https://example.com/A", "https://example.com/a?id=1", "https://example.com:8443/a", "https://m.example.com/a"],
)
def test_addresses_of_other_pages_are_not(url: str) -> None:
    assert same_page(url) != same_page("https://example.com/a")


def test_what_is_no_address_is_only_itself() -> None:
    assert same_page("http://[") == "http://["


def test_results_are_there_once_the_fitting_ones_first() -> None:
    results = [
        SearchResult("https://a.example/", "Cooking", "how to cook"),
        SearchResult("https://b.example/", "The bridge of Ulm", "built in 1867"),
        SearchResult("https://c.example/", "Ulm", "a town with a bridge"),
        SearchResult("https://www.b.example/?utm_source=x", "The bridge", "again"),
    ]

    urls = [each.url for each in ranked("When was the bridge of Ulm built?", results, 3)]

    assert urls == ["https://b.example/", "https://c.example/", "https://a.example/"]
    assert len(ranked("bridge", results, 1)) == 1


def test_among_equals_the_order_of_the_search_stays() -> None:
    results = [SearchResult(f"https://{name}.example/", "same", "same") for name in "cab"]

    assert ranked("other", results, 9) == results
