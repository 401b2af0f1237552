"""Places that operators name."""

import pytest

from app.core.places import read_place


@pytest.mark.parametrize(
    ("text", "host", "network", "port"),
    [
        ("Intranet.example", "intranet.example", "None", None),
        ("wiki:8080", "wiki", "None", 8080),
        ("10.0.0.7", "", "10.0.0.7/32", None),
        ("10.0.0.7:8080", "", "10.0.0.7/32", 8080),
        ("10.0.0.0/8", "", "10.0.0.0/8", None),
        ("10.0.0.0/8:8080", "", "10.0.0.0/8", 8080),
        ("fd00::/8", "", "fd00::/8", None),
        ("::ffff:10.0.0.0/104", "", "10.0.0.0/8", None),
        ("[::ffff:10.0.0.7]:8080", "", "10.0.0.7/32", 8080),
        ("[fd00::7]", "", "fd00::7/128", None),
        ("[fd00::7]:443", "", "fd00::7/128", 443),
    ],
)
def test_place_is_read(text: str, host: str, network: str, port: int | None) -> None:
    place = read_place(text)

    assert (place.host, str(place.network), place.port) == (host, network, port)


@pytest.mark.parametrize(
    "text",
    ["", "http://a.example", "a.example/path", "a.example:", "a:0", "a:99999", "10.0.0", "10.0.0.0/40", "*", "a b"],
)
def test_what_is_no_place_is_refused_with_words(text: str) -> None:
    with pytest.raises(ValueError, match=r"has no port|is no host"):
        read_place(text)


@pytest.mark.parametrize(
    "text", ["10.0.0.7/8", "10.0.0.7/8:8080", "fd00::7/8", "[fd00::7/8]:443", "::ffff:10.0.0.7/104"]
)
def test_address_with_a_mask_that_opens_more_than_it_seems_to_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is an address within"):
        read_place(text)
