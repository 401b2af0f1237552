"""Whose address a request comes from."""

from collections.abc import Callable, Mapping, Sequence
from ipaddress import ip_address
from typing import Any

from app.core.networks import Network, membership

ReadAddress = Callable[[Mapping[str, Any]], str]


def address_reader(trusted: Sequence[Network]) -> ReadAddress:
    """Gives the function that reads an address from an ASGI scope.

    `X-Forwarded-For` is believed from the right, as far as the hops are trusted: whoever is no proxy of ours could have
    written the rest.
    """

    def peer_address(scope: Mapping[str, Any]) -> str:
        peer = scope.get("client")
        return peer[0] if peer else ""

    is_trusted = membership(trusted)

    def forwarded_address(scope: Mapping[str, Any]) -> str:
        address = peer_address(scope)
        lines = [value for name, value in scope["headers"] if name == b"x-forwarded-for"]
        hops = b",".join(lines).decode("latin-1").split(",")
        while hops and is_trusted(address):
            hop = _without_port(hops.pop().strip())
            if not _is_address(hop):
                break
            address = hop
        return address

    return forwarded_address if trusted else peer_address


def _without_port(hop: str) -> str:
    """Some proxies, such as Azure's, write the port too: `192.0.2.7:4711`, `[2001:db8::7]:4711`."""
    if hop.startswith("["):
        return hop[1:].partition("]")[0]
    return hop.partition(":")[0] if hop.count(":") == 1 else hop


def _is_address(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True
