"""Which addresses are of which networks."""

from collections.abc import Callable, Sequence
from functools import lru_cache
from ipaddress import IPv4Network, IPv6Network, ip_address

Network = IPv4Network | IPv6Network


def membership(networks: Sequence[Network]) -> Callable[[str], bool]:
    """Gives the function that tells whether an address is in one of `networks`; what is no address is in none."""

    @lru_cache(maxsize=4096)
    def is_member(address: str) -> bool:
        try:
            parsed = ip_address(address)
        except ValueError:
            return False
        if parsed.version == 6 and parsed.ipv4_mapped:  # what a socket for both families calls an IPv4 peer
            parsed = parsed.ipv4_mapped
        return any(parsed in network for network in networks)

    return is_member
