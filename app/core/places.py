"""Places of a network as operators name them: a host, an address or a block of addresses, with a port or without."""

import re
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_interface, ip_network

from app.core.frozen import frozen

Network = IPv4Network | IPv6Network
Address = IPv4Address | IPv6Address

HOST = re.compile(
    r"(?=.{1,253}\Z)[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?(?:\.[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?)*"
)
"""A host's name in lower case, as it is asked for (RFC 1123, and the underscores that the DNS has)."""
# https://url.spec.whatwg.org/#ends-in-a-number-checker: browsers and resolvers take such a host for an address.
NUMBER = re.compile(r"(?:.*\.)?(?:[0-9]+|0x[0-9a-f]*)", re.DOTALL)

_MAPPED = IPv6Network("::ffff:0:0/96")
_PORT = re.compile(r"[0-9]{1,5}")


@frozen
class Place:
    """One place.

    Attributes:
        host: its name, "" where `network` says what is meant.
        network: one address, too, is a network.
        port: None for the usual ones.
    """

    host: str
    network: Network | None
    port: int | None

    def has(self, host: str, address: Address) -> bool:
        """Whether an address that was found for `host` is there."""
        return host == self.host if self.network is None else address in self.network


def read_place(text: str) -> Place:
    """Read `intranet.example`, `intranet.example:8080`, `10.0.0.7:8080`, `10.0.0.0/8`, `fd00::/8` or `[fd00::7]:8080`.

    Raises:
        ValueError: it is none of these.
    """
    whole = text.strip().lower()
    if (network := _read_network(whole)) is not None:
        return Place("", network, None)
    host, colon, port = whole.rpartition(":")
    if not colon:
        host = whole
    elif not _PORT.fullmatch(port) or not 0 < int(port) < 65536:
        raise ValueError(f"{text!r} has no port from 1 to 65535 behind its colon")
    network = _read_network(host)
    if network is None and (not HOST.fullmatch(host) or NUMBER.fullmatch(host)):
        raise ValueError(f"{text!r} is no host, address or CIDR, such as intranet.example:8080 or 10.0.0.0/8")
    return Place("" if network else host, network, int(port) if colon else None)


def _read_network(text: str) -> Network | None:
    bare = text[1:-1] if text.startswith("[") and text.endswith("]") else text
    try:
        network = ip_network(bare, strict=False)
    except ValueError:
        return None
    if "/" in bare and ip_interface(bare).ip != network.network_address:
        raise ValueError(
            f"{bare!r} is an address within {network}: write that for all of these, or {bare.partition('/')[0]}"
        )
    return _plain(network)


def _plain(network: Network) -> Network:
    """The IPv4 network that `network` is only another spelling of (`::ffff:10.0.0.0/104`): found addresses are IPv4 then."""
    if isinstance(network, IPv6Network) and network.subnet_of(_MAPPED):
        return IPv4Network((int(network.network_address) & 0xFFFFFFFF, network.prefixlen - _MAPPED.prefixlen))
    return network
