"""Whose address a request comes from: what nobody but a proxy of ours can say."""

from ipaddress import ip_network
from typing import Any

import pytest

from app.api.client_address import address_reader

TRUSTED = ("10.0.0.0/8", "2001:db8::/32")


def read(peer: str | None, *forwarded: str, trusted: tuple[str, ...] = TRUSTED) -> str:
    headers = [(b"x-forwarded-for", line.encode("latin-1")) for line in forwarded]
    scope: dict[str, Any] = {"client": (peer, 4711) if peer is not None else None, "headers": headers}
    return address_reader([ip_network(network) for network in trusted])(scope)


def test_several_header_lines_are_one_list() -> None:
    assert read("10.0.0.1", "203.0.113.9", "192.0.2.7, 10.0.0.2") == "192.0.2.7"


def test_peer_counts_where_no_proxy_is_trusted() -> None:
    assert read("10.0.0.1", "192.0.2.7", trusted=()) == "10.0.0.1"


@pytest.mark.parametrize("trusted", [(), TRUSTED])
@pytest.mark.parametrize(
    ("peer", "address"),
    [("::ffff:192.0.2.7", "192.0.2.7"), ("::ffff:c000:207", "::ffff:c000:207"), ("2001:db9::7", "2001:db9::7")],
)
def test_peer_of_a_socket_for_both_families_has_its_own_address(
    peer: str, address: str, trusted: tuple[str, ...]
) -> None:
    assert read(peer, trusted=trusted) == address


@pytest.mark.parametrize("name", [b"forwarded", b"x-real-ip", b"cf-connecting-ip"])
def test_other_headers_are_not_believed_even_of_a_proxy(name: bytes) -> None:
    scope: dict[str, Any] = {"client": ("10.0.0.1", 4711), "headers": [(name, b"192.0.2.7"), (name, b"for=192.0.2.7")]}

    assert address_reader([ip_network(network) for network in TRUSTED])(scope) == "10.0.0.1"


def test_stranger_cannot_say_who_it_is() -> None:
    assert read("198.51.100.1", "192.0.2.7") == "198.51.100.1"


@pytest.mark.parametrize(
    ("peer", "forwarded", "address"),
    [
        ("10.0.0.1", "192.0.2.7", "192.0.2.7"),
        ("10.0.0.1", "192.0.2.7, 10.0.0.2", "192.0.2.7"),
        ("10.0.0.1", "203.0.113.9, 192.0.2.7, 10.0.0.2", "192.0.2.7"),
        ("10.0.0.1", "10.0.0.3,10.0.0.2", "10.0.0.3"),
        ("10.0.0.1", " 192.0.2.7 ", "192.0.2.7"),
        ("2001:db8::1", "2001:db9::7", "2001:db9::7"),
        ("::ffff:10.0.0.1", "192.0.2.7", "192.0.2.7"),
        ("10.0.0.1", "192.0.2.7:4711", "192.0.2.7"),
        ("10.0.0.1", "[2001:db9::7]:4711", "2001:db9::7"),
        ("10.0.0.1", "[2001:db9::7]", "2001:db9::7"),
        ("10.0.0.1", "2001:DB9:0:0::7", "2001:db9::7"),
        ("10.0.0.1", "[::ffff:192.0.2.7]:4711", "192.0.2.7"),
        ("10.0.0.1", "192.0.2.7, ::ffff:10.0.0.2", "192.0.2.7"),
        ("10.0.0.1", "fe80::7%<b>", "fe80::7"),
        ("10.0.0.1", "203.0.113.9, 192.0.2.7, 10.0.0.4, 10.0.0.3, 2001:db8::2", "192.0.2.7"),
    ],
)
def test_proxy_is_believed_as_far_as_the_hops_are_trusted(peer: str, forwarded: str, address: str) -> None:
    assert read(peer, forwarded) == address


@pytest.mark.parametrize(
    "forwarded",
    ["", " ", ",", "unknown", "192.0.2.7, ", "192.0.2.7, unknown", "'; DROP TABLE", "1.2.3.4:", "\xff"],
)
def test_proxy_that_says_nothing_of_use_stands_for_its_client(forwarded: str) -> None:
    address = read("10.0.0.1", forwarded)

    assert address in ("10.0.0.1", "1.2.3.4")


def test_what_stands_before_a_hop_that_is_none_is_not_believed() -> None:
    assert read("10.0.0.1", "192.0.2.7, evil, 10.0.0.2") == "10.0.0.2"


@pytest.mark.parametrize("peer", [None, "", "unix:", "testclient"])
def test_peer_without_address_is_taken_as_it_is(peer: str | None) -> None:
    assert read(peer, "192.0.2.7") == (peer or "")
