"""Reads the address of a page that a stranger wrote: strictly, so that nobody after us can read it in another way."""

import re
import unicodedata
from ipaddress import AddressValueError, IPv4Address, IPv6Address

import httpx

from app.core.places import HOST, NUMBER
from app.providers.http1.dial import Refused

MOST_CHARACTERS = 4096

_PARTS = re.compile(r"(?P<scheme>[A-Za-z][A-Za-z0-9+.-]*)://(?P<authority>[^/?#]*)(?P<rest>[^#]*)(?:#.*)?", re.DOTALL)
_AUTHORITY = re.compile(r"(?P<host>\[[0-9A-Fa-f:.]+\]|[^\[\]:]+)(?::(?P<port>[0-9]{1,5}))?")
_FORBIDDEN = re.compile(r"[\x00-\x20\x7f-\xa0\\\u2028\u2029\ufeff]")


def read_url(text: str) -> httpx.URL:
    """The address of a page, without its fragment; its host is in ASCII.

    Raises:
        Refused: it is none that can be read in one way only: no http(s), a user, a host that is a number in disguise, an
            empty label or a dot at the end, characters that some programs drop or take for others.
    """
    parts = _PARTS.fullmatch(text) if len(text) <= MOST_CHARACTERS and not _FORBIDDEN.search(text) else None
    if parts is None or parts["scheme"].lower() not in ("http", "https"):
        raise Refused("an address", "is not of http:// or https://, or has characters that no address has")
    if "@" in parts["authority"]:
        raise Refused("an address", "has a user in it")
    authority = _AUTHORITY.fullmatch(parts["authority"])
    if authority is None:
        raise Refused("an address", "has no host, or no port that is one")
    host, port = _read_host(authority["host"]), int(authority["port"] or 0) or None
    if authority["port"] and (port is None or port > 65535):
        raise Refused("an address", "has no port that is one")
    try:
        url = httpx.URL(f"{parts['scheme'].lower()}://{host}{f':{port}' if port else ''}{parts['rest']}")
    except (httpx.InvalidURL, ValueError):
        raise Refused("an address", "cannot be read") from None
    if url.raw_host.decode() != host.strip("[]") or url.userinfo:
        raise Refused("an address", "can be read in two ways")
    return url


def _read_host(text: str) -> str:
    """In lower case and ASCII."""
    if text.startswith("["):
        try:
            return f"[{IPv6Address(text[1:-1])}]"
        except AddressValueError:
            raise Refused("an address", "has an IPv6 address that is none") from None
    host = text.lower() if text.isascii() else _ascii(text)
    if NUMBER.fullmatch(host):
        try:
            return str(IPv4Address(host))
        except AddressValueError:
            raise Refused(
                "an address", "has a number for its host that is no IPv4 address as usually written"
            ) from None
    if not HOST.fullmatch(host):
        raise Refused("an address", "has a host that cannot be one")
    return host


def _ascii(host: str) -> str:
    """An international name as the DNS has it (IDNA 2008). What only looks like letters, digits or dots is refused."""
    import idna  # httpx brings it

    lowered = host.lower()
    try:
        if unicodedata.normalize("NFKC", lowered) != lowered:
            raise idna.IDNAError("not normal")
        return idna.encode(lowered, strict=True).decode()
    except (idna.IDNAError, UnicodeError):
        raise Refused("an address", "has a host whose characters stand for others") from None
