"""Servers that the gateway may lean on: where they are, and how it is let in."""

import re
from base64 import b64decode
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit

from app.settings.values import InvalidSettings, is_address, read_secret

# Chroma's names of collections begin with a letter or a digit; some servers take no more than 63 characters in all.
_PREFIX = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,29}")


def read_database_url(url: str | None, data_dir: Path) -> str:
    """Of SQLite or PostgreSQL; without one, of a file in `data_dir`."""
    if not url:
        return f"sqlite:///{data_dir / 'relay.db'}"
    if url.startswith(("sqlite:///", "postgresql://", "postgres://")):
        return url
    scheme = url.split(":", 1)[0]
    raise InvalidSettings(f"DATABASE_URL begins with {scheme!r}; use sqlite:///PATH or postgresql://USER@HOST/NAME.")


def read_storage_url(url: str | None) -> str:
    """Where failed authentications are counted."""
    if not url or url == "memory://":
        return "memory://"
    scheme = url.split(":", 1)[0]
    if not url.startswith(("redis://", "rediss://", "redis+unix://")):
        raise InvalidSettings(
            f"RATE_LIMIT_STORAGE_URL begins with {scheme!r}; use redis://HOST:6379/0, rediss://… (TLS) or redis+unix:///PATH."
        )
    try:
        parts = urlsplit(url)
        misplaced = parts.port == 0 or parts.fragment or "@" in parts.path
    except ValueError:
        misplaced = True
    if misplaced:
        raise InvalidSettings(
            "RATE_LIMIT_STORAGE_URL is no URL; write / @ : ? # and % in its password as %2F %40 %3A %3F %23 and %25."
        )
    return url


def read_chroma_url(url: str | None) -> str | None:
    """Not quoted in errors: it may hold a password."""
    if not url:
        return None
    try:
        parts = urlsplit(url)
        usable = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
    except ValueError:
        usable = False
    if not usable or parts.query or parts.fragment:
        raise InvalidSettings("CHROMA_URL is no address of a server: write http://HOST:8000 or https://HOST.")
    return url


def read_chroma_name(env: Mapping[str, str], name: str, default: str) -> str:
    """Of a tenant or a database on a Chroma server."""
    text = env.get(name, "").strip() or default
    if "/" in text:  # it becomes a part of a path
        raise InvalidSettings(f"{name} is {text!r}; a name on a Chroma server has no slash.")
    return text


def read_chroma_prefix(env: Mapping[str, str], name: str, default: str) -> str:
    """How the names of our collections begin."""
    text = env.get(name, "").strip() or default
    if not _PREFIX.fullmatch(text):
        raise InvalidSettings(
            f"{name} is {text!r}; use at most 30 letters, digits, dots, dashes and underscores, the first a letter or a digit."
        )
    return text


def read_searxng_url(env: Mapping[str, str]) -> str | None:
    """None where there is no SearXNG."""
    url = env.get("SEARXNG_URL", "").strip() or None
    if url and (not is_address(url) or not {"?", "#"}.isdisjoint(url)):
        raise InvalidSettings(f"SEARXNG_URL is {url!r}, which is no address: write http://HOST:PORT, without a user.")
    return url


def read_alert_webhook(env: Mapping[str, str]) -> tuple[str | None, str | None]:
    """Its address and its secret: both, or neither."""
    url, secret = read_secret(env, "ALERT_WEBHOOK_URL"), read_secret(env, "ALERT_WEBHOOK_SECRET")
    if (url is None) != (secret is None):
        there, missing = ("URL", "SECRET") if url else ("SECRET", "URL")
        raise InvalidSettings(
            f"ALERT_WEBHOOK_{there} is set but ALERT_WEBHOOK_{missing} is not: a webhook needs both, its address and what"
            " its messages are signed with."
        )
    if url and not is_address(url):  # not quoted: many such addresses are secrets
        raise InvalidSettings("ALERT_WEBHOOK_URL is no address to send to: write https://HOST/PATH, without a user.")
    if secret and not _is_webhook_secret(secret):
        raise InvalidSettings(
            "ALERT_WEBHOOK_SECRET is no secret of Standard Webhooks: 'whsec_' and 24 to 64 random bytes in base64, as of"
            " 'openssl rand -base64 32'."
        )
    return url, secret


def _is_webhook_secret(secret: str) -> bool:
    prefix, _, key = secret.partition("_")
    try:
        return prefix == "whsec" and 24 <= len(b64decode(key, validate=True)) <= 64
    except ValueError:
        return False


def has_collector(env: Mapping[str, str]) -> bool:
    """Whether there is one, and it can be told of calls."""
    endpoint = env.get("OTEL_EXPORTER_OTLP_ENDPOINT", "").strip()
    if not endpoint or env.get("OTEL_SDK_DISABLED", "").strip().lower() == "true":
        return False
    if not endpoint.startswith(("http://", "https://")):
        raise InvalidSettings("OTEL_EXPORTER_OTLP_ENDPOINT is no address: write http://HOST:4318.")
    protocol = env.get("OTEL_EXPORTER_OTLP_PROTOCOL", "").strip() or "http/protobuf"
    if protocol != "http/protobuf":
        raise InvalidSettings(
            f"OTEL_EXPORTER_OTLP_PROTOCOL is {protocol!r}; the gateway speaks http/protobuf, which collectors take at port 4318."
        )
    if not _is_installed("opentelemetry-sdk") or not _is_installed("opentelemetry-exporter-otlp-proto-http"):
        raise InvalidSettings(
            "OTEL_EXPORTER_OTLP_ENDPOINT is set, but the packages for it are not installed: pip install 'llm-relay[otel]'."
        )
    return True


def _is_installed(distribution: str) -> bool:
    from importlib.metadata import PackageNotFoundError, version

    try:
        version(distribution)
    except PackageNotFoundError:
        return False
    return True


def check_proxies(env: Mapping[str, str]) -> None:
    """What httpx would read of them can be used."""
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        text = env.get(name.lower()) or env.get(name) or ""
        url = text if "://" in text or not text else f"http://{text}"
        try:
            parts = urlsplit(url)
            usable = not url or (parts.scheme in ("http", "https") and parts.hostname and parts.port != 0)
        except ValueError:
            usable = False
        if not usable:
            raise InvalidSettings(f"{name} cannot be used as a proxy: give it as http://HOST:PORT.")
