"""Whose address a request comes from."""

from collections.abc import Callable, Mapping, Sequence
from ipaddress import ip_address
from typing import Any

from app.core.networks import Network, membership

_MAPPED = "::ffff:"

ReadAddress = Callable[[Mapping[str, Any]], str]


def address_reader(trusted: Sequence[Network]) -> ReadAddress:
    """Gives the function that reads an address from an ASGI scope.

    `X-Forwarded-For` is believed from the right, as far as the hops are trusted: whoever is no proxy of ours could have
    written the rest. Headers that say the same (`Forwarded`, `X-Real-IP`) are never believed: a proxy that writes one of
    the three lets the others of its clients pass.

    One machine has one address: an IPv4 one within IPv6 is given as IPv4, and what a proxy wrote as it is usually written.
    """

    def peer_address(scope: Mapping[str, Any]) -> str:
        peer = scope.get("client")
        address: str = peer[0] if peer else ""
        # What a socket for both families calls an IPv4 peer.
        return address[len(_MAPPED) :] if address.startswith(_MAPPED) and "." in address else address

    is_trusted = membership(trusted)

    def forwarded_address(scope: Mapping[str, Any]) -> str:
        address = peer_address(scope)
        lines = [value for name, value in scope["headers"] if name == b"x-forwarded-for"]
        hops = b",".join(lines).decode("latin-1").split(",")
        while hops and is_trusted(address):
            hop = _read_address(_without_port(hops.pop().strip()))
            if hop is None:
                break
            address = hop
        return address

    return forwarded_address if trusted else peer_address


def _without_port(hop: str) -> str:
    """Some proxies, such as Azure's, write the port too: `192.0.2.7:4711`, `[2001:db8::7]:4711`."""
    if hop.startswith("["):
        return hop[1:].partition("]")[0]
    return hop.partition(":")[0] if hop.count(":") == 1 else hop


def _read_address(text: str) -> str | None:
    """An address as it is usually written; None where it is none. A zone (RFC 4007) means something only to who wrote it."""
    try:
        parsed = ip_address(text.partition("%")[0])
    except ValueError:
        return None
    if parsed.version == 6 and parsed.ipv4_mapped:
        parsed = parsed.ipv4_mapped
    return str(parsed)
