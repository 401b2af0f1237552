"""Which addresses are of the public internet: those that a stranger may send us to.

By IANA's registries of special-purpose addresses (RFC 6890 and its updates), written out here since `is_global` differs
between versions of Python, and takes addresses that carry an IPv4 address inside for public.
"""

from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network

from app.core.places import Address

_IPV4 = {
    IPv4Network(block): kind
    for block, kind in {
        "0.0.0.0/8": "this host's",
        "10.0.0.0/8": "a private",
        "100.64.0.0/10": "a carrier's own",
        "127.0.0.0/8": "a loopback",
        "168.63.129.16/32": "a cloud's own",  # Azure's, within every virtual machine; publicly registered all the same
        "169.254.0.0/16": "a link-local",  # clouds tell their machines' secrets there
        "172.16.0.0/12": "a private",
        "192.0.0.0/24": "a reserved",
        "192.0.2.0/24": "documentation's",
        "192.52.193.0/24": "a reserved",
        "192.88.99.0/24": "a reserved",
        "192.168.0.0/16": "a private",
        "198.18.0.0/15": "a benchmark's",
        "198.51.100.0/24": "documentation's",
        "203.0.113.0/24": "documentation's",
        "224.0.0.0/4": "a multicast",
        "240.0.0.0/4": "a reserved",
    }.items()
}
_GLOBAL_UNICAST = IPv6Network("2000::/3")
_NAT64 = IPv6Network("64:ff9b::/96")
# RFC 5214, 6.1: what stands before the IPv4 address in the second half of an ISATAP address; 2 is the universal bit.
_ISATAP = frozenset({0x0000_5EFE, 0x0200_5EFE})
_IPV6 = {
    IPv6Network(block): kind
    for block, kind in {
        "::1/128": "a loopback",
        "fc00::/7": "a private",
        "fe80::/10": "a link-local",
        "ff00::/8": "a multicast",
        "2001::/23": "a reserved",  # Teredo, ORCHID and a benchmark's among them
        "2001:db8::/32": "documentation's",
        "2002::/16": "6to4's",
        "3ffe::/16": "a reserved",  # the 6bone's, given back in 2006 (RFC 3701)
        "3fff::/20": "documentation's",
    }.items()
}


def plain(address: Address) -> Address:
    """`address`, or the IPv4 one that it is only another spelling of for a socket (`::ffff:10.0.0.7`)."""
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return mapped or address


def why_not_public(address: Address) -> str | None:
    """What kind of address it is that nobody but the operator may send us to; None where it is public.

    An IPv4 address behind NAT64 is judged by itself: in networks without IPv4 every page has one. So is what an ISATAP
    router would send on to an IPv4 address, beside the IPv6 one. 6to4, Teredo and IPv4-compatible addresses are refused
    whatever they carry: no page is served there any more.
    """
    address = plain(address)
    if isinstance(address, IPv4Address):
        return _why_not_public_v4(address)
    within = IPv4Address(int(address) & 0xFFFFFFFF)
    if address in _NAT64:
        return _why_not_public_v4(within)
    if (int(address) >> 32) & 0xFFFFFFFF in _ISATAP and (kind := _why_not_public_v4(within)) is not None:
        return kind
    special = next((kind for block, kind in _IPV6.items() if address in block), None)
    return special or (None if address in _GLOBAL_UNICAST else "a reserved")


def _why_not_public_v4(address: IPv4Address) -> str | None:
    return next((kind for block, kind in _IPV4.items() if address in block), None)
