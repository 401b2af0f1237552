"""Values of settings: what each kind of them looks like, and what is told of one that cannot be used."""

import re
from collections.abc import Mapping, Sequence
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from urllib.parse import urlsplit

from app.core.places import Place, read_place

# https://fetch.spec.whatwg.org/#origin-header: no path, no user; browsers write it in lower case.
_ORIGIN = re.compile(r"[a-z][a-z0-9+.-]*://[^\s/?#@*\\]+")
_KEY = re.compile(r"[0-9A-Fa-f]{64}")

Network = IPv4Network | IPv6Network


class InvalidSettings(ValueError):
    """A setting cannot be used; the message names it and says what would help."""


def read_secret(env: Mapping[str, str], name: str) -> str | None:
    """Itself, or what stands in the file that `<NAME>_FILE` names; None where neither is set."""
    if value := env.get(name, "").strip():
        return value
    path = env.get(f"{name}_FILE")
    if not path:
        return None
    try:
        return Path(path).read_text().strip()
    except (OSError, UnicodeDecodeError) as exc:
        raise InvalidSettings(f"{name}_FILE names {path!r}, which cannot be read: {reason_of(exc)}.") from exc


def read_key(env: Mapping[str, str], name: str) -> str | None:
    """64 hexadecimal digits, or None."""
    key = read_secret(env, name)
    if key and not _KEY.fullmatch(key):
        raise InvalidSettings(f"{name} is no key: give 64 hexadecimal digits, as 'openssl rand -hex 32' prints them.")
    return key or None


def read_path(env: Mapping[str, str], name: str) -> Path | None:
    """Absolute, also of one in somebody's home; None where it is not set."""
    if not env.get(name):
        return None
    try:
        return Path(env[name]).expanduser().absolute()
    except RuntimeError as exc:  # the home directory of nobody
        raise InvalidSettings(f"{name} is {env[name]!r}: {exc}") from exc


def read_file_path(env: Mapping[str, str], name: str) -> Path | None:
    """The path of a file that can be read."""
    path = read_path(env, name)
    if path is None:
        return None
    try:
        with path.open("rb"):
            return path
    except OSError as exc:
        raise InvalidSettings(f"{name} names {str(path)!r}, which cannot be read: {reason_of(exc)}.") from exc


def read_integer(env: Mapping[str, str], name: str, default: int, least: int, most: int) -> int:
    """A whole number from `least` to `most`."""
    text = env.get(name, "").strip()
    if not text:
        return default
    if not (text.isascii() and text.isdigit() and len(text) < 20) or not least <= int(text) <= most:
        raise InvalidSettings(f"{name} is {text!r}; use a whole number from {least} to {most}.")
    return int(text)


def read_choice(env: Mapping[str, str], name: str, choices: Sequence[str], default: str) -> str:
    """One of `choices`, as it is written there, whatever its capitals."""
    text = env.get(name, "").strip()
    if not text:
        return default
    by_lower = {choice.lower(): choice for choice in choices}
    if text.lower() not in by_lower:
        raise InvalidSettings(f"{name} is {text!r}; use one of {', '.join(choices)}.")
    return by_lower[text.lower()]


def read_switch(env: Mapping[str, str], name: str, default: bool) -> bool:
    """`on` or `off`; `true` and `false` are the same."""
    text = read_choice(env, name, ("on", "off", "true", "false"), "on" if default else "off")
    return text in ("on", "true")


def read_networks(env: Mapping[str, str], name: str) -> tuple[Network, ...]:
    """Addresses and CIDRs, with commas between."""
    networks: list[Network] = []
    for text in filter(None, (part.strip() for part in env.get(name, "").split(","))):
        try:
            networks.append(ip_network(text, strict=False))
        except ValueError as exc:
            raise InvalidSettings(f"{name} holds {text!r}, which is no address or CIDR such as 10.0.0.0/8.") from exc
    return tuple(networks)


def read_anonymous(env: Mapping[str, str]) -> tuple[str | None, tuple[Network, ...]]:
    """As whom calls without a token run, and where they may come from: both, or neither."""
    user, networks = env.get("ANONYMOUS_USER", "").strip() or None, read_networks(env, "ANONYMOUS_CIDRS")
    if (user is None) != (not networks):
        there, missing = ("ANONYMOUS_USER", "ANONYMOUS_CIDRS") if user else ("ANONYMOUS_CIDRS", "ANONYMOUS_USER")
        raise InvalidSettings(
            f"{there} is set but {missing} is not: calls without a token need both, the user whose token counts and the"
            " addresses that they may come from."
        )
    return user, networks


def read_places(env: Mapping[str, str], name: str) -> tuple[Place, ...]:
    """Hosts and networks, perhaps with a port, with commas between."""
    try:
        return tuple(read_place(part) for part in env.get(name, "").split(",") if part.strip())
    except ValueError as exc:
        raise InvalidSettings(f"{name}: {exc}.") from exc


def read_origins(env: Mapping[str, str], name: str) -> tuple[str, ...]:
    """Origins of web pages, with commas between; `*` is all."""
    origins = tuple(filter(None, (part.strip().lower() for part in env.get(name, "").split(","))))
    for origin in origins:
        if origin != "*" and not _ORIGIN.fullmatch(origin):
            raise InvalidSettings(
                f"{name} holds {origin!r}, which is no origin: write SCHEME://HOST or SCHEME://HOST:PORT without a path, or * for all."
            )
    return origins


def is_address(url: str) -> bool:
    """It names a server to send to, without a user."""
    if not url.isprintable() or " " in url:
        return False
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
        return (
            parts.scheme in ("http", "https")
            and all(host.removesuffix(".").split("."))
            and "@" not in parts.netloc
            and parts.port != 0
        )
    except ValueError:
        return False


def reason_of(exc: Exception) -> str:
    """Why, without the path that is told already."""
    return (exc.strerror if isinstance(exc, OSError) else str(exc)) or type(exc).__name__
