"""Addresses of pages, read strictly; those that are refused are in test_guard."""

import pytest

from app.web.url import read_url


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("https://example.com", "https://example.com"),
        ("HTTPS://Example.COM/Path?Q=A#part", "https://example.com/Path?Q=A"),
        ("http://example.com:80/a", "http://example.com/a"),
        ("http://example.com:8080/a", "http://example.com:8080/a"),
        ("https://bücher.example/größe", "https://xn--bcher-kva.example/gr%C3%B6%C3%9Fe"),
        ("https://xn--bcher-kva.example/", "https://xn--bcher-kva.example/"),
        ("http://93.184.215.14/", "http://93.184.215.14/"),
        ("http://[2606:2800:21F::1]/", "http://[2606:2800:21f::1]/"),
        ("https://example.com/a@b?c=@d\u00fc", "https://example.com/a@b?c=@d%C3%BC"),
        ("https://1.example.7up.com/", "https://1.example.7up.com/"),
    ],
)
def test_address_of_a_page_is_read(text: str, read: str) -> None:
    assert str(read_url(text)) == read
