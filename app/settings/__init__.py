"""The environment and `.env`, read once into one frozen `Settings`."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from app.core.places import Place
from app.settings.files import (
    read_authority,
    read_config_path,
    read_overrides_path,
    read_tls_files,
    shipped_config,
    with_env_file,
)
from app.settings.monitors import PARALLEL_KEYS, MonitorSettings, first_secret, read_monitors
from app.settings.public import PublicSettings, read_public
from app.settings.services import (
    check_proxies,
    has_collector,
    read_alert_webhook,
    read_chroma_name,
    read_chroma_prefix,
    read_chroma_url,
    read_database_url,
    read_searxng_url,
    read_storage_url,
)
from app.settings.values import (
    InvalidSettings,
    Network,
    read_anonymous,
    read_choice,
    read_integer,
    read_key,
    read_networks,
    read_origins,
    read_path,
    read_places,
    read_secret,
    read_switch,
)

__all__ = ["InvalidSettings", "MonitorSettings", "Settings", "load_settings", "shipped_config"]

LOG_LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR")
LOG_FORMATS = ("auto", "json", "console")
SWITCH = ("on", "off")
MOST_DAYS = 36_500


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
        client_addresses: those of clients are kept with their calls.
        dns_resolution: names of clients' addresses are looked up.
        retention_days, bodies_retention_days: how long calls, and what they said, are kept; 0 for ever.
        bodies_key: by which bodies are encrypted; None for one that is made.
        metrics_dir: where the workers of one gateway leave what they counted, as `serve` says; None where there is but one.
        local_embedder_dir: a folder with the model that makes vectors here; None for the installed one.
        chroma_url, chroma_token: the Chroma server that semantic caches keep their entries on, and the token for it; None for a
            file in `data_dir`.
        chroma_tenant, chroma_database, chroma_collection_prefix: where they lie there, and how the names of their collections begin.
        admin_enabled: the dashboard's pages, and logins; the administrators' API takes tokens in any case.
        admin_password: of the first administrator, where there is none yet; None where a first visit sets it.
        has_collector: OTEL_EXPORTER_OTLP_ENDPOINT names an OpenTelemetry collector.
        monitors: those of monitors.
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
    client_addresses: bool = True
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
    admin_enabled: bool = True
    admin_password: str | None = field(default=None, repr=False)
    has_collector: bool = False
    monitors: MonitorSettings = field(default_factory=MonitorSettings)
    public: PublicSettings = field(default_factory=PublicSettings)
    ca_file: Path | None = None
    environ: Mapping[str, str] = field(default_factory=dict, repr=False)

    def secret(self, names: Sequence[str]) -> str | None:
        """The first of `names` that is set, itself or as a file named by `<NAME>_FILE`; None where none is.

        Raises:
            InvalidSettings: a `<NAME>_FILE` cannot be read.
        """
        for name in names:
            value = read_secret(self.environ, name)
            if value:
                return value
        return None

    def parallel_key(self) -> str | None:
        """What Parallel's APIs beside its chat are asked with; None where there is none.

        Raises:
            InvalidSettings: a file that holds it cannot be read.
        """
        return first_secret(self.secret(PARALLEL_KEYS))


def load_settings(env_file: Path | None = None, environ: Mapping[str, str] | None = None) -> Settings:
    """Read the settings: `environ` first, then the file `env_file` (default: `.env` in the working directory).

    Raises:
        InvalidSettings: a value cannot be used, or `env_file` was named and is not there.
    """
    env = with_env_file(os.environ if environ is None else environ, env_file)
    check_proxies(env)
    data_dir = read_path(env, "RELAY_DATA_DIR") or Path("data").absolute()
    certfile, keyfile = read_tls_files(env)
    anonymous_user, anonymous_cidrs = read_anonymous(env)
    webhook_url, webhook_secret = read_alert_webhook(env)
    return Settings(
        host=env.get("SERVER_HOST") or "127.0.0.1",
        port=read_integer(env, "SERVER_PORT", 8080, 0, 65535),
        ssl_certfile=certfile,
        ssl_keyfile=keyfile,
        database_url=read_database_url(read_secret(env, "DATABASE_URL"), data_dir),
        rate_limit_storage_url=read_storage_url(read_secret(env, "RATE_LIMIT_STORAGE_URL")),
        config_path=read_config_path(env),
        overrides_path=read_overrides_path(env),
        data_dir=data_dir,
        log_level=read_choice(env, "LOG_LEVEL", LOG_LEVELS, "INFO"),
        log_format=read_choice(env, "LOG_FORMAT", LOG_FORMATS, "auto"),
        log_file=read_path(env, "LOG_FILE"),
        trusted_proxies=read_networks(env, "TRUSTED_PROXIES"),
        anonymous_user=anonymous_user,
        anonymous_cidrs=anonymous_cidrs,
        cors_origins=read_origins(env, "CORS_ORIGINS"),
        max_body_bytes=read_integer(env, "MAX_BODY_BYTES", 32 * 1024 * 1024, 1024, 1 << 31),
        journal_max_bytes=read_integer(env, "JOURNAL_MAX_BYTES", 1 << 30, 1 << 16, 1 << 42),
        default_model=(env.get("DEFAULT_MODEL") or "").strip() or None,
        output_ceiling=read_integer(env, "OUTPUT_CEILING", 4096, 1, 1 << 31),
        call_timeout_s=read_integer(env, "CALL_TIMEOUT_S", 0, 0, 86_400) or None,
        alert_webhook_url=webhook_url,
        alert_webhook_secret=webhook_secret,
        searxng_url=read_searxng_url(env),
        web_allow=read_places(env, "WEB_ALLOW"),
        web_page_ttl_s=read_integer(env, "WEB_PAGE_TTL_S", 900, 0, 86_400),
        metrics_cidrs=read_networks(env, "METRICS_CIDRS"),
        client_addresses=read_choice(env, "CLIENT_ADDRESSES", SWITCH, "on") == "on",
        dns_resolution=read_choice(env, "DNS_RESOLUTION", SWITCH, "off") == "on",
        retention_days=read_integer(env, "RETENTION_DAYS", 90, 0, MOST_DAYS),
        bodies_retention_days=read_integer(env, "BODIES_RETENTION_DAYS", 7, 0, MOST_DAYS),
        bodies_key=read_key(env, "BODIES_KEY"),
        metrics_dir=read_path(env, "RELAY_METRICS_DIR"),
        local_embedder_dir=read_path(env, "LOCAL_EMBEDDER_DIR"),
        chroma_url=read_chroma_url(read_secret(env, "CHROMA_URL")),
        chroma_token=read_secret(env, "CHROMA_TOKEN") or None,
        chroma_tenant=read_chroma_name(env, "CHROMA_TENANT", "default_tenant"),
        chroma_database=read_chroma_name(env, "CHROMA_DATABASE", "default_database"),
        chroma_collection_prefix=read_chroma_prefix(env, "CHROMA_COLLECTION_PREFIX", "llmrelay_"),
        admin_enabled=read_switch(env, "ADMIN_ENABLED", True),
        admin_password=read_secret(env, "ADMIN_PASSWORD") or None,
        has_collector=has_collector(env),
        monitors=read_monitors(env),
        public=read_public(env),
        ca_file=read_authority(env, "CA_FILE"),
        environ=env,
    )
