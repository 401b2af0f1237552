"""The environment and `.env`, read into settings; what cannot be used is named."""

import importlib.metadata
from datetime import UTC, datetime, timedelta
from ipaddress import ip_network
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from app.settings import InvalidSettings, load_settings
from app.settings.monitors import read_monitors


@pytest.fixture(autouse=True)
def empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory without `.env` and `config.json`."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def write_certificate(folder: Path) -> None:
    """`cert.pem` and `key.pem`, signed by themselves."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "relay.test")])
    now = datetime.now(UTC)
    builder = x509.CertificateBuilder(
        name, name, key.public_key(), x509.random_serial_number(), now, now + timedelta(1)
    )
    pem = serialization.Encoding.PEM
    (folder / "cert.pem").write_bytes(builder.sign(key, hashes.SHA256()).public_bytes(pem))
    (folder / "key.pem").write_bytes(
        key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )


def fault_of(**environ: str) -> str:
    with pytest.raises(InvalidSettings) as caught:
        load_settings(environ=environ)
    return str(caught.value)


def test_nothing_has_to_be_set(tmp_path: Path) -> None:
    settings = load_settings(environ={})

    assert (settings.host, settings.port) == ("127.0.0.1", 8080)
    assert settings.database_url == f"sqlite:///{tmp_path}/data/relay.db"
    assert (settings.log_level, settings.log_format, settings.log_file) == ("INFO", "auto", None)
    assert settings.trusted_proxies == ()
    assert settings.config_path.is_file()


def test_empty_value_is_none() -> None:
    settings = load_settings(environ={"SERVER_PORT": "", "LOG_FILE": "", "SSL_CERTFILE": "", "DATABASE_URL": " "})

    nothing_set = load_settings(environ={})
    assert (settings.port, settings.log_file, settings.ssl_certfile) == (8080, None, None)
    assert settings.database_url == nothing_set.database_url


def test_values_are_read(tmp_path: Path) -> None:
    settings = load_settings(
        environ={
            "SERVER_HOST": "0.0.0.0",
            "SERVER_PORT": "0",
            "RELAY_DATA_DIR": "store",
            "DATABASE_URL": "postgresql://u@h/db",
            "LOG_LEVEL": "debug",
            "LOG_FORMAT": "JSON",
            "LOG_FILE": "logs/relay.log",
            "TRUSTED_PROXIES": "10.0.0.1, 192.168.0.0/16 ,fd00::/8,",
            "MAX_BODY_BYTES": "4096",
            "JOURNAL_MAX_BYTES": "1000000",
        }
    )

    assert (settings.host, settings.port, settings.max_body_bytes) == ("0.0.0.0", 0, 4096)
    assert settings.journal_max_bytes == 1_000_000
    assert (settings.data_dir, settings.database_url) == (tmp_path / "store", "postgresql://u@h/db")
    assert (settings.log_level, settings.log_format) == ("DEBUG", "json")
    assert settings.log_file == tmp_path / "logs" / "relay.log"
    assert settings.trusted_proxies == tuple(map(ip_network, ("10.0.0.1/32", "192.168.0.0/16", "fd00::/8")))


def test_environment_goes_before_the_file(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("SERVER_PORT=1111\nSERVER_HOST=file\n")

    settings = load_settings(environ={"SERVER_PORT": "2222"})

    assert (settings.port, settings.host) == (2222, "file")


def test_file_of_another_folder_is_read_in_place_of_the_own(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("SERVER_PORT=1111\nSERVER_HOST=own\n")
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "relay.env").write_text("SERVER_PORT=3333\n")

    settings = load_settings(elsewhere / "relay.env", environ={})

    assert (settings.port, settings.host) == (3333, "127.0.0.1")


def test_file_is_named_by_the_environment_too(tmp_path: Path) -> None:
    (tmp_path / "relay.env").write_text("SERVER_PORT=3333\n")

    assert load_settings(environ={"RELAY_ENV_FILE": str(tmp_path / "relay.env")}).port == 3333


def test_file_that_was_named_has_to_be_there() -> None:
    with pytest.raises(InvalidSettings, match=r"'nowhere\.env' does not exist"):
        load_settings(Path("nowhere.env"), environ={})


def test_file_in_another_encoding_is_named(tmp_path: Path) -> None:
    (tmp_path / ".env").write_bytes(b"SERVER_HOST=\xff\xfe\n")

    with pytest.raises(InvalidSettings, match=r"'\.env' cannot be read"):
        load_settings(environ={})


def test_byte_order_mark_of_the_file_is_skipped(tmp_path: Path) -> None:
    (tmp_path / ".env").write_bytes(b"\xef\xbb\xbfSERVER_PORT=1111\n")

    assert load_settings(environ={}).port == 1111


def test_dollars_in_the_file_are_only_dollars(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("ACME_KEY=a${HOME}b$c\n")

    assert load_settings(environ={"HOME": "/x"}).secret(["ACME_KEY"]) == "a${HOME}b$c"


def test_first_key_that_is_set_counts(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text(" from a file \n")
    settings = load_settings(environ={"A": " ", "B_FILE": str(tmp_path / "secret"), "C": "c"})

    assert settings.secret(["A", "B", "C"]) == "from a file"
    assert settings.secret(["C", "B"]) == "c"
    assert settings.secret(["A", "D"]) is None
    assert settings.secret([]) is None


def test_value_goes_before_its_file(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("file")
    settings = load_settings(environ={"A": "value", "A_FILE": str(tmp_path / "secret")})

    assert settings.secret(["A"]) == "value"


def test_address_with_a_password_may_come_from_a_file(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("postgresql://u:p@h/db\n")

    settings = load_settings(environ={"DATABASE_URL_FILE": str(tmp_path / "secret")})

    assert settings.database_url == "postgresql://u:p@h/db"


@pytest.mark.parametrize("content", [None, b"\xff"])
def test_secret_that_cannot_be_read_is_named(tmp_path: Path, content: bytes | None) -> None:
    if content is not None:
        (tmp_path / "secret").write_bytes(content)
    settings = load_settings(environ={"A_FILE": str(tmp_path / "secret")})

    with pytest.raises(InvalidSettings, match="A_FILE names"):
        settings.secret(["A"])


def test_secrets_are_not_in_the_settings_text() -> None:
    assert "hidden" not in repr(load_settings(environ={"OPENAI_API_KEY": "hidden"}))


@pytest.mark.parametrize(("there", "missing"), [("SSL_CERTFILE", "SSL_KEYFILE"), ("SSL_KEYFILE", "SSL_CERTFILE")])
def test_tls_needs_both_files(tmp_path: Path, there: str, missing: str) -> None:
    (tmp_path / "there.pem").touch()

    assert fault_of(**{there: "there.pem"}).startswith(f"{there} is set but {missing} is not")


def test_tls_with_both_files_is_taken(tmp_path: Path) -> None:
    write_certificate(tmp_path)

    settings = load_settings(environ={"SSL_CERTFILE": "cert.pem", "SSL_KEYFILE": "key.pem"})

    assert (settings.ssl_certfile, settings.ssl_keyfile) == (tmp_path / "cert.pem", tmp_path / "key.pem")


@pytest.mark.parametrize("name", ["SSL_CERTFILE", "SSL_KEYFILE", "CA_FILE"])
@pytest.mark.parametrize("path", ["nowhere.pem", "."])
def test_file_that_cannot_be_read_is_named(name: str, path: str) -> None:
    fault = fault_of(**{name: path})

    assert fault.startswith(f"{name} names ")
    assert "cannot be read" in fault


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("SERVER_PORT", "http"),
        ("SERVER_PORT", "-1"),
        ("SERVER_PORT", "65536"),
        ("SERVER_PORT", "80.0"),
        ("SERVER_PORT", "\u0668\u0660"),
        ("SERVER_PORT", "9" * 5000),
        ("MAX_BODY_BYTES", "32M"),
        ("MAX_BODY_BYTES", "0"),
        ("JOURNAL_MAX_BYTES", "1000"),
        ("LOG_LEVEL", "loud"),
        ("LOG_FORMAT", "xml"),
        ("DNS_RESOLUTION", "yes"),
        ("RETENTION_DAYS", "-1"),
        ("BODIES_RETENTION_DAYS", "a week"),
        ("BODIES_KEY", "secret"),
        ("BODIES_KEY", "ab" * 31),
        ("TRUSTED_PROXIES", "10.0.0.0/33"),
        ("TRUSTED_PROXIES", "10.0.0.1, proxy.local"),
        ("ANONYMOUS_CIDRS", "localhost"),
        ("CORS_ORIGINS", "chat.example.com"),
        ("CORS_ORIGINS", "https://chat.example.com/"),
        ("CORS_ORIGINS", "https://chat.example.com/app"),
        ("CORS_ORIGINS", "https://*.example.com"),
        ("CORS_ORIGINS", "null"),
        ("DATABASE_URL", "mysql://u@h/db"),
        ("RATE_LIMIT_STORAGE_URL", "memcached://h"),
        ("RATE_LIMIT_STORAGE_URL", "redis://h:port"),
        ("DATABASE_URL", "relay.db"),
        ("CHROMA_URL", "localhost:8000"),
        ("CHROMA_URL", "ftp://h"),
        ("CHROMA_URL", "http://h:port"),
        ("CHROMA_URL", "http://h/?a=b"),
        ("CHROMA_TENANT", "a/b"),
        ("CHROMA_COLLECTION_PREFIX", "_relay"),
        ("CHROMA_COLLECTION_PREFIX", "a" * 31),
        ("CHROMA_COLLECTION_PREFIX", "a b"),
        ("RELAY_DATA_DIR", "~nobody-of-that-name/data"),
        ("LOG_FILE", "~nobody-of-that-name/log"),
    ],
)
def test_value_that_cannot_be_used_is_told_with_its_setting(name: str, value: str) -> None:
    assert fault_of(**{name: value}).startswith(name)


def test_calls_without_a_token_are_off_where_nothing_is_said() -> None:
    settings = load_settings(environ={"ANONYMOUS_USER": " ", "ANONYMOUS_CIDRS": " , "})

    assert (settings.anonymous_user, settings.anonymous_cidrs) == (None, ())


def test_user_and_addresses_of_calls_without_a_token_are_read() -> None:
    settings = load_settings(environ={"ANONYMOUS_USER": " lan ", "ANONYMOUS_CIDRS": "192.168.1.5/24, ::1"})

    assert settings.anonymous_user == "lan"
    assert settings.anonymous_cidrs == (ip_network("192.168.1.0/24"), ip_network("::1/128"))


@pytest.mark.parametrize(
    ("environ", "missing"),
    [
        ({"ANONYMOUS_USER": "lan"}, "ANONYMOUS_CIDRS is not"),
        ({"ANONYMOUS_CIDRS": "10.0.0.0/8"}, "ANONYMOUS_USER is not"),
    ],
)
def test_user_without_addresses_or_addresses_without_a_user_are_refused(environ: dict[str, str], missing: str) -> None:
    assert missing in fault_of(**environ)


@pytest.mark.parametrize(
    ("text", "origins"),
    [
        ("", ()),
        ("*", ("*",)),
        ("https://Chat.example.com , http://localhost:3000,", ("https://chat.example.com", "http://localhost:3000")),
        ("http://[::1]:5173, app://obsidian.md", ("http://[::1]:5173", "app://obsidian.md")),
    ],
)
def test_origins_of_web_pages_are_read(text: str, origins: tuple[str, ...]) -> None:
    assert load_settings(environ={"CORS_ORIGINS": text}).cors_origins == origins


def test_password_of_a_wrong_database_is_not_told() -> None:
    assert "hidden" not in fault_of(DATABASE_URL="mysql://user:hidden@h/db")
    assert "hidden" not in fault_of(RATE_LIMIT_STORAGE_URL="mysql://user:hidden@h/db")
    assert "hidden" not in fault_of(RATE_LIMIT_STORAGE_URL="redis://:x/hidden@h/0")
    assert "hidden" not in repr(load_settings(environ={"RATE_LIMIT_STORAGE_URL": "redis://:hidden@h/0"}))
    assert "hidden" not in repr(load_settings(environ={"DATABASE_URL": "postgresql://u:hidden@h/db"}))


def test_credentials_of_chroma_are_not_told() -> None:
    settings = load_settings(environ={"CHROMA_URL": "https://u:hidden@h", "CHROMA_TOKEN": "hidden"})

    assert (settings.chroma_url, settings.chroma_token) == ("https://u:hidden@h", "hidden")
    assert "hidden" not in repr(settings)
    assert "hidden" not in fault_of(CHROMA_URL="http://u:hidden@h:port")


def test_config_in_the_working_directory_goes_before_the_shipped_one(tmp_path: Path) -> None:
    shipped = load_settings(environ={}).config_path
    (tmp_path / "config.json").write_text("{}")

    assert load_settings(environ={}).config_path == tmp_path / "config.json"
    assert shipped != tmp_path / "config.json"


def test_config_is_where_it_is_said_to_be(tmp_path: Path) -> None:
    assert load_settings(environ={"RELAY_CONFIG": "other.json"}).config_path == tmp_path / "other.json"


def test_overrides_are_in_the_working_directory_or_where_they_are_said_to_be(tmp_path: Path) -> None:
    without = load_settings(environ={}).overrides_path
    (tmp_path / "model_overrides.yaml").write_text("")

    assert without is None
    assert load_settings(environ={}).overrides_path == tmp_path / "model_overrides.yaml"
    assert load_settings(environ={"MODEL_OVERRIDES": "own.yaml"}).overrides_path == tmp_path / "own.yaml"


@pytest.mark.parametrize("proxy", ["ftp://proxy:1", "http://proxy:port", "socks5://proxy:1080", "http://:3128"])
def test_proxy_that_cannot_be_used_is_told_by_its_setting_and_without_its_text(proxy: str) -> None:
    with pytest.raises(InvalidSettings, match="HTTPS_PROXY cannot be used") as told:
        load_settings(environ={"HTTPS_PROXY": proxy})

    assert proxy not in str(told.value)


@pytest.mark.parametrize("proxy", ["http://user:password@proxy:3128", "https://proxy", "proxy:3128", ""])
def test_usual_proxy_is_taken(proxy: str) -> None:
    assert load_settings(environ={"https_proxy": proxy}).port == 8080


WEBHOOK = {"ALERT_WEBHOOK_URL": "https://hooks.example/planted", "ALERT_WEBHOOK_SECRET": f"whsec_{'A' * 32}"}


def test_webhook_of_alerts_is_read_and_not_shown() -> None:
    settings = load_settings(environ=WEBHOOK)

    assert (settings.alert_webhook_url, settings.alert_webhook_secret) == tuple(WEBHOOK.values())
    assert "planted" not in repr(settings)
    assert WEBHOOK["ALERT_WEBHOOK_SECRET"] not in repr(settings)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"ALERT_WEBHOOK_URL": ""}, "ALERT_WEBHOOK_URL is not"),
        ({"ALERT_WEBHOOK_SECRET": ""}, "ALERT_WEBHOOK_SECRET is not"),
        ({"ALERT_WEBHOOK_URL": "ftp://planted"}, "no address"),
        ({"ALERT_WEBHOOK_URL": "https://"}, "no address"),
        ({"ALERT_WEBHOOK_URL": "https://planted:pw@host/"}, "without a user"),
        ({"ALERT_WEBHOOK_SECRET": "planted"}, "whsec_"),
        ({"ALERT_WEBHOOK_SECRET": "whsec_c2hvcnQ="}, "24 to 64"),
        ({"ALERT_WEBHOOK_SECRET": f"whsec_{'!' * 40}"}, "24 to 64"),
    ],
)
def test_webhook_of_alerts_that_cannot_be_used_is_named_but_not_quoted(changes: dict[str, str], words: str) -> None:
    fault = fault_of(**WEBHOOK | changes)

    assert words in fault
    assert "planted" not in fault


def test_networks_that_read_metrics_are_read() -> None:
    settings = load_settings(environ={"METRICS_CIDRS": "10.0.0.0/8, ::1"})

    assert settings.metrics_cidrs == (ip_network("10.0.0.0/8"), ip_network("::1"))
    assert load_settings(environ={}).metrics_cidrs == ()


@pytest.mark.parametrize(
    ("environ", "has_collector"),
    [
        ({}, False),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:4318"}, True),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:4318", "OTEL_SDK_DISABLED": "TRUE"}, False),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://h:4318", "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf"}, True),
    ],
)
def test_collector_is_told_where_one_is_named(environ: dict[str, str], has_collector: bool) -> None:
    assert load_settings(environ=environ).has_collector is has_collector


def test_collector_that_cannot_be_told_is_a_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    endpoint = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:4317"}

    assert "http://HOST:4318" in fault_of(OTEL_EXPORTER_OTLP_ENDPOINT="collector:4317")
    assert "http/protobuf" in fault_of(**endpoint, OTEL_EXPORTER_OTLP_PROTOCOL="grpc")

    def without(name: str) -> str:
        raise importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(importlib.metadata, "version", without)
    assert "pip install 'llm-relay[otel]'" in fault_of(**endpoint)


def test_settings_of_the_web_are_read() -> None:
    settings = load_settings(
        environ={
            "SEARXNG_URL": "http://searxng:8080/",
            "WEB_ALLOW": "Wiki.example:8080, 10.0.0.0/8,",
            "WEB_PAGE_TTL_S": "0",
        }
    )

    assert settings.searxng_url == "http://searxng:8080/"
    assert [(place.host, place.port) for place in settings.web_allow] == [("wiki.example", 8080), ("", None)]
    assert settings.web_page_ttl_s == 0


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"SEARXNG_URL": "searxng:8080"}, "http://HOST:PORT"),
        ({"SEARXNG_URL": "http://se..arx"}, "http://HOST:PORT"),
        ({"SEARXNG_URL": "http://se\x7farx"}, "http://HOST:PORT"),
        ({"SEARXNG_URL": "http://se arx"}, "http://HOST:PORT"),
        ({"SEARXNG_URL": "http://searxng/?q="}, "http://HOST:PORT"),
        ({"WEB_ALLOW": "http://wiki.example"}, "WEB_ALLOW"),
        ({"WEB_ALLOW": "wiki.example,*"}, "WEB_ALLOW: '*' is no host"),
    ],
)
def test_setting_of_the_web_that_cannot_be_used_is_named(changes: dict[str, str], words: str) -> None:
    assert words in fault_of(**changes)


@pytest.mark.parametrize("text", ["whsec_", "whsec_AAECAwQF, whsec_"])
def test_secret_of_parallels_webhooks_that_is_only_its_prefix_is_refused(text: str) -> None:
    with pytest.raises(InvalidSettings, match="PARALLEL_WEBHOOK_SECRET"):
        read_monitors({"PARALLEL_WEBHOOK_SECRET": text})


def test_pages_for_everybody_say_what_the_operator_sets() -> None:
    public = load_settings(environ={"DOCS_ENABLED": "true", "PAYMENT_ERROR_TEXT": " Call us.\n\nOr write. "}).public

    assert public.docs_enabled
    assert public.payment_texts["error"] == "Call us.\n\nOr write."
    assert "Thank you" in public.payment_texts["success"]
    assert not load_settings(environ={}).public.docs_enabled
    assert "PAYMENT_CANCEL_TEXT is longer" in fault_of(PAYMENT_CANCEL_TEXT="x" * 4001)
