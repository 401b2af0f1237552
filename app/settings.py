"""The environment and `.env`, read once into one frozen `Settings`."""

import os
import re
import ssl
from base64 import b64decode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from urllib.parse import urlsplit

from dotenv import dotenv_values

from app.core.places import Place, read_place

LOG_LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR")
LOG_FORMATS = ("auto", "json", "console")
SWITCH = ("on", "off")
MOST_DAYS = 36_500

# https://fetch.spec.whatwg.org/#origin-header: no path, no user; browsers write it in lower case.
_ORIGIN = re.compile(r"[a-z][a-z0-9+.-]*://[^\s/?#@*\\]+")

# Chroma's names of collections begin with a letter or a digit; some servers take no more than 63 characters in all.
_PREFIX = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,29}")

_KEY = re.compile(r"[0-9A-Fa-f]{64}")

Network = IPv4Network | IPv6Network


class InvalidSettings(ValueError):
    """A setting cannot be used; the message names it and says what would help."""


@dataclass(frozen=True)
class Settings:
    """What the operator set, checked.

    Attributes:
        config_path: the file of providers.
        overrides_path: the operator's own file of what is known of models; None where there is none.
        database_url: `sqlite:////absolute/path` or `postgresql://…`.
        rate_limit_storage_url: where failed authentications are counted: `memory://` or `redis://…`.
        trusted_proxies: networks whose `X-Forwarded-For` is believed.
        anonymous_user, anonymous_cidrs: as whom calls without a token run, and from where; None and empty where all need one.
        cors_origins: of web pages that may call from a browser; `*` is all.
        journal_max_bytes: of call records that the database does not have yet; beyond, calls are refused.
        default_model: what answers where a name stands for nothing; None where that is an error.
        output_ceiling: tokens that are reserved of limits for a reply whose length the client did not limit.
        call_timeout_s: how long a call may wait for its first byte, over all attempts; None for no limit.
        alert_webhook_url, alert_webhook_secret: who is told of critical alerts, and what that is signed with; both, or neither.
        searxng_url: of the operator's SearXNG, for augmentors that search by it.
        web_allow: what else than the public internet's usual ports may be reached for others than the operator.
        web_page_ttl_s: how long a page that was fetched is kept; 0 keeps none.
        metrics_cidrs: networks that may read `/metrics` without a token.
        dns_resolution: names of clients' addresses are looked up.
        retention_days, bodies_retention_days: how long calls, and what they said, are kept; 0 for ever.
        bodies_key: by which bodies are encrypted; None for one that is made.
        metrics_dir: where the workers of one gateway leave what they counted, as `serve` says; None where there is but one.
        local_embedder_dir: a folder with the model that makes vectors here; None for the installed one.
        chroma_url, chroma_token: the Chroma server that semantic caches keep their entries on, and the token for it; None for a
            file in `data_dir`.
        chroma_tenant, chroma_database, chroma_collection_prefix: where they lie there, and how the names of their collections begin.
        has_collector: OTEL_EXPORTER_OTLP_ENDPOINT names an OpenTelemetry collector.
        ca_file: a certificate authority to trust beside the system's, for calls to providers.
        environ: the environment with `.env` behind it; provider keys are read from here by `secret`.
    """

    host: str = "127.0.0.1"
    port: int = 8080
    ssl_certfile: Path | None = None
    ssl_keyfile: Path | None = None
    database_url: str = field(default="", repr=False)
    rate_limit_storage_url: str = field(default="memory://", repr=False)
    config_path: Path = Path("config.json")
    overrides_path: Path | None = None
    data_dir: Path = Path("data")
    log_level: str = "INFO"
    log_format: str = "auto"
    log_file: Path | None = None
    trusted_proxies: tuple[Network, ...] = ()
    anonymous_user: str | None = None
    anonymous_cidrs: tuple[Network, ...] = ()
    cors_origins: tuple[str, ...] = ()
    max_body_bytes: int = 32 * 1024 * 1024
    journal_max_bytes: int = 1 << 30
    default_model: str | None = None
    output_ceiling: int = 4096
    call_timeout_s: float | None = None
    alert_webhook_url: str | None = field(default=None, repr=False)
    alert_webhook_secret: str | None = field(default=None, repr=False)
    searxng_url: str | None = None
    web_allow: tuple[Place, ...] = ()
    web_page_ttl_s: int = 900
    metrics_cidrs: tuple[Network, ...] = ()
    dns_resolution: bool = False
    retention_days: int = 90
    bodies_retention_days: int = 7
    bodies_key: str | None = field(default=None, repr=False)
    metrics_dir: Path | None = None
    local_embedder_dir: Path | None = None
    chroma_url: str | None = field(default=None, repr=False)
    chroma_token: str | None = field(default=None, repr=False)
    chroma_tenant: str = "default_tenant"
    chroma_database: str = "default_database"
    chroma_collection_prefix: str = "llmrelay_"
    has_collector: bool = False
    ca_file: Path | None = None
    environ: Mapping[str, str] = field(default_factory=dict, repr=False)

    def secret(self, names: Sequence[str]) -> str | None:
        """The first of `names` that is set, itself or as a file named by `<NAME>_FILE`; None where none is.

        Raises:
            InvalidSettings: a `<NAME>_FILE` cannot be read.
        """
        for name in names:
            value = _read_secret(self.environ, name)
            if value:
                return value
        return None


def load_settings(env_file: Path | None = None, environ: Mapping[str, str] | None = None) -> Settings:
    """Read the settings: `environ` first, then the file `env_file` (default: `.env` in the working directory).

    Raises:
        InvalidSettings: a value cannot be used, or `env_file` was named and is not there.
    """
    env = _with_env_file(os.environ if environ is None else environ, env_file)
    _check_proxies(env)
    data_dir = _path(env, "RELAY_DATA_DIR") or Path("data").absolute()
    certfile, keyfile = _tls_files(env)
    anonymous_user, anonymous_cidrs = _anonymous(env)
    webhook_url, webhook_secret = _alert_webhook(env)
    return Settings(
        host=env.get("SERVER_HOST") or "127.0.0.1",
        port=_integer(env, "SERVER_PORT", 8080, 0, 65535),
        ssl_certfile=certfile,
        ssl_keyfile=keyfile,
        database_url=_database_url(_read_secret(env, "DATABASE_URL"), data_dir),
        rate_limit_storage_url=_storage_url(_read_secret(env, "RATE_LIMIT_STORAGE_URL")),
        config_path=_config_path(env),
        overrides_path=_overrides_path(env),
        data_dir=data_dir,
        log_level=_choice(env, "LOG_LEVEL", LOG_LEVELS, "INFO"),
        log_format=_choice(env, "LOG_FORMAT", LOG_FORMATS, "auto"),
        log_file=_path(env, "LOG_FILE"),
        trusted_proxies=_networks(env, "TRUSTED_PROXIES"),
        anonymous_user=anonymous_user,
        anonymous_cidrs=anonymous_cidrs,
        cors_origins=_origins(env, "CORS_ORIGINS"),
        max_body_bytes=_integer(env, "MAX_BODY_BYTES", 32 * 1024 * 1024, 1024, 1 << 31),
        journal_max_bytes=_integer(env, "JOURNAL_MAX_BYTES", 1 << 30, 1 << 16, 1 << 42),
        default_model=(env.get("DEFAULT_MODEL") or "").strip() or None,
        output_ceiling=_integer(env, "OUTPUT_CEILING", 4096, 1, 1 << 31),
        call_timeout_s=_integer(env, "CALL_TIMEOUT_S", 0, 0, 86_400) or None,
        alert_webhook_url=webhook_url,
        alert_webhook_secret=webhook_secret,
        searxng_url=_searxng_url(env),
        web_allow=_places(env, "WEB_ALLOW"),
        web_page_ttl_s=_integer(env, "WEB_PAGE_TTL_S", 900, 0, 86_400),
        metrics_cidrs=_networks(env, "METRICS_CIDRS"),
        dns_resolution=_choice(env, "DNS_RESOLUTION", SWITCH, "off") == "on",
        retention_days=_integer(env, "RETENTION_DAYS", 90, 0, MOST_DAYS),
        bodies_retention_days=_integer(env, "BODIES_RETENTION_DAYS", 7, 0, MOST_DAYS),
        bodies_key=_key(env, "BODIES_KEY"),
        metrics_dir=_path(env, "RELAY_METRICS_DIR"),
        local_embedder_dir=_path(env, "LOCAL_EMBEDDER_DIR"),
        chroma_url=_chroma_url(_read_secret(env, "CHROMA_URL")),
        chroma_token=_read_secret(env, "CHROMA_TOKEN") or None,
        chroma_tenant=_chroma_name(env, "CHROMA_TENANT", "default_tenant"),
        chroma_database=_chroma_name(env, "CHROMA_DATABASE", "default_database"),
        chroma_collection_prefix=_chroma_prefix(env, "CHROMA_COLLECTION_PREFIX", "llmrelay_"),
        has_collector=_has_collector(env),
        ca_file=_authority(env, "CA_FILE"),
        environ=env,
    )


def _with_env_file(environ: Mapping[str, str], env_file: Path | None) -> dict[str, str]:
    named = env_file or (Path(environ["RELAY_ENV_FILE"]) if environ.get("RELAY_ENV_FILE") else None)
    if named is not None and not named.is_file():
        raise InvalidSettings(f"The environment file {str(named)!r} does not exist.")
    try:
        values = dotenv_values(named or Path(".env"), interpolate=False, encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as exc:
        raise InvalidSettings(f"The environment file {str(named or '.env')!r} cannot be read: {exc}.") from exc
    return {name: value for name, value in values.items() if value is not None} | dict(environ)


def _read_secret(env: Mapping[str, str], name: str) -> str | None:
    if value := env.get(name, "").strip():
        return value
    path = env.get(f"{name}_FILE")
    if not path:
        return None
    try:
        return Path(path).read_text().strip()
    except (OSError, UnicodeDecodeError) as exc:
        raise InvalidSettings(f"{name}_FILE names {path!r}, which cannot be read: {_reason(exc)}.") from exc


def _key(env: Mapping[str, str], name: str) -> str | None:
    key = _read_secret(env, name)
    if key and not _KEY.fullmatch(key):
        raise InvalidSettings(f"{name} is no key: give 64 hexadecimal digits, as 'openssl rand -hex 32' prints them.")
    return key or None


def _tls_files(env: Mapping[str, str]) -> tuple[Path | None, Path | None]:
    certfile, keyfile = _readable(env, "SSL_CERTFILE"), _readable(env, "SSL_KEYFILE")
    if (certfile is None) != (keyfile is None):
        there, missing = ("SSL_CERTFILE", "SSL_KEYFILE") if certfile else ("SSL_KEYFILE", "SSL_CERTFILE")
        raise InvalidSettings(f"{there} is set but {missing} is not: TLS needs both, plain HTTP neither.")
    if certfile and keyfile:
        try:
            ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(certfile, keyfile, password=_refuse_password)
        except (OSError, ValueError) as exc:
            raise InvalidSettings(
                f"SSL_CERTFILE {str(certfile)!r} and SSL_KEYFILE {str(keyfile)!r} are no certificate and its key,"
                f" both as PEM and without a password: {_reason(exc)}."
            ) from exc
    return certfile, keyfile


def _refuse_password() -> str:
    raise ValueError("it is encrypted")


def _authority(env: Mapping[str, str], name: str) -> Path | None:
    path = _readable(env, name)
    if path is not None:
        try:
            ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(path)
        except OSError as exc:
            raise InvalidSettings(f"{name} names {str(path)!r}, which holds no certificate as PEM.") from exc
    return path


def _readable(env: Mapping[str, str], name: str) -> Path | None:
    path = _path(env, name)
    if path is None:
        return None
    try:
        with path.open("rb"):
            return path
    except OSError as exc:
        raise InvalidSettings(f"{name} names {str(path)!r}, which cannot be read: {_reason(exc)}.") from exc


def _path(env: Mapping[str, str], name: str) -> Path | None:
    if not env.get(name):
        return None
    try:
        return Path(env[name]).expanduser().absolute()
    except RuntimeError as exc:  # the home directory of nobody
        raise InvalidSettings(f"{name} is {env[name]!r}: {exc}") from exc


def _config_path(env: Mapping[str, str]) -> Path:
    if named := _path(env, "RELAY_CONFIG"):
        return named
    here = Path("config.json").absolute()
    return here if here.is_file() else shipped_config()


def _overrides_path(env: Mapping[str, str]) -> Path | None:
    here = Path("model_overrides.yaml").absolute()
    return _path(env, "MODEL_OVERRIDES") or (here if here.is_file() else None)


def shipped_config() -> Path:
    """The `config.json` that comes with the gateway: inside the installed package, or at the root of a checkout."""
    package = Path(__file__).parent
    packed = package / "config.json"
    return packed if packed.is_file() else package.parent / "config.json"


def _check_proxies(env: Mapping[str, str]) -> None:
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


def _database_url(url: str | None, data_dir: Path) -> str:
    if not url:
        return f"sqlite:///{data_dir / 'relay.db'}"
    if url.startswith(("sqlite:///", "postgresql://", "postgres://")):
        return url
    scheme = url.split(":", 1)[0]
    raise InvalidSettings(f"DATABASE_URL begins with {scheme!r}; use sqlite:///PATH or postgresql://USER@HOST/NAME.")


def _storage_url(url: str | None) -> str:
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


def _chroma_url(url: str | None) -> str | None:
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


def _chroma_name(env: Mapping[str, str], name: str, default: str) -> str:
    text = env.get(name, "").strip() or default
    if "/" in text:  # it becomes a part of a path
        raise InvalidSettings(f"{name} is {text!r}; a name on a Chroma server has no slash.")
    return text


def _chroma_prefix(env: Mapping[str, str], name: str, default: str) -> str:
    text = env.get(name, "").strip() or default
    if not _PREFIX.fullmatch(text):
        raise InvalidSettings(
            f"{name} is {text!r}; use at most 30 letters, digits, dots, dashes and underscores, the first a letter or a digit."
        )
    return text


def _integer(env: Mapping[str, str], name: str, default: int, least: int, most: int) -> int:
    text = env.get(name, "").strip()
    if not text:
        return default
    if not (text.isascii() and text.isdigit() and len(text) < 20) or not least <= int(text) <= most:
        raise InvalidSettings(f"{name} is {text!r}; use a whole number from {least} to {most}.")
    return int(text)


def _choice(env: Mapping[str, str], name: str, choices: Sequence[str], default: str) -> str:
    text = env.get(name, "").strip()
    if not text:
        return default
    by_lower = {choice.lower(): choice for choice in choices}
    if text.lower() not in by_lower:
        raise InvalidSettings(f"{name} is {text!r}; use one of {', '.join(choices)}.")
    return by_lower[text.lower()]


def _networks(env: Mapping[str, str], name: str) -> tuple[Network, ...]:
    networks: list[Network] = []
    for text in filter(None, (part.strip() for part in env.get(name, "").split(","))):
        try:
            networks.append(ip_network(text, strict=False))
        except ValueError as exc:
            raise InvalidSettings(f"{name} holds {text!r}, which is no address or CIDR such as 10.0.0.0/8.") from exc
    return tuple(networks)


def _places(env: Mapping[str, str], name: str) -> tuple[Place, ...]:
    try:
        return tuple(read_place(part) for part in env.get(name, "").split(",") if part.strip())
    except ValueError as exc:
        raise InvalidSettings(f"{name}: {exc}.") from exc


def _searxng_url(env: Mapping[str, str]) -> str | None:
    url = env.get("SEARXNG_URL", "").strip() or None
    if url and (not _is_address(url) or not {"?", "#"}.isdisjoint(url)):
        raise InvalidSettings(f"SEARXNG_URL is {url!r}, which is no address: write http://HOST:PORT, without a user.")
    return url


def _anonymous(env: Mapping[str, str]) -> tuple[str | None, tuple[Network, ...]]:
    user, networks = env.get("ANONYMOUS_USER", "").strip() or None, _networks(env, "ANONYMOUS_CIDRS")
    if (user is None) != (not networks):
        there, missing = ("ANONYMOUS_USER", "ANONYMOUS_CIDRS") if user else ("ANONYMOUS_CIDRS", "ANONYMOUS_USER")
        raise InvalidSettings(
            f"{there} is set but {missing} is not: calls without a token need both, the user whose token counts and the"
            " addresses that they may come from."
        )
    return user, networks


def _alert_webhook(env: Mapping[str, str]) -> tuple[str | None, str | None]:
    url, secret = _read_secret(env, "ALERT_WEBHOOK_URL"), _read_secret(env, "ALERT_WEBHOOK_SECRET")
    if (url is None) != (secret is None):
        there, missing = ("URL", "SECRET") if url else ("SECRET", "URL")
        raise InvalidSettings(
            f"ALERT_WEBHOOK_{there} is set but ALERT_WEBHOOK_{missing} is not: a webhook needs both, its address and what"
            " its messages are signed with."
        )
    if url and not _is_address(url):  # not quoted: many such addresses are secrets
        raise InvalidSettings("ALERT_WEBHOOK_URL is no address to send to: write https://HOST/PATH, without a user.")
    if secret and not _is_webhook_secret(secret):
        raise InvalidSettings(
            "ALERT_WEBHOOK_SECRET is no secret of Standard Webhooks: 'whsec_' and 24 to 64 random bytes in base64, as of"
            " 'openssl rand -base64 32'."
        )
    return url, secret


def _is_address(url: str) -> bool:
    try:
        parts = urlsplit(url)
        return (
            parts.scheme in ("http", "https") and bool(parts.hostname) and "@" not in parts.netloc and parts.port != 0
        )
    except ValueError:
        return False


def _is_webhook_secret(secret: str) -> bool:
    prefix, _, key = secret.partition("_")
    try:
        return prefix == "whsec" and 24 <= len(b64decode(key, validate=True)) <= 64
    except ValueError:
        return False


def _has_collector(env: Mapping[str, str]) -> bool:
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


def _origins(env: Mapping[str, str], name: str) -> tuple[str, ...]:
    origins = tuple(filter(None, (part.strip().lower() for part in env.get(name, "").split(","))))
    for origin in origins:
        if origin != "*" and not _ORIGIN.fullmatch(origin):
            raise InvalidSettings(
                f"{name} holds {origin!r}, which is no origin: write SCHEME://HOST or SCHEME://HOST:PORT without a path, or * for all."
            )
    return origins


def _reason(exc: Exception) -> str:
    return (exc.strerror if isinstance(exc, OSError) else str(exc)) or type(exc).__name__
