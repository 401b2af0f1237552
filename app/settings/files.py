"""Files that settings name: certificates, and those of the gateway."""

import ssl
from collections.abc import Mapping
from pathlib import Path

from dotenv import dotenv_values

from app.settings.values import InvalidSettings, read_file_path, read_path, reason_of


def with_env_file(environ: Mapping[str, str], env_file: Path | None) -> dict[str, str]:
    """The environment, with what the file holds behind it."""
    named = env_file or (Path(environ["RELAY_ENV_FILE"]) if environ.get("RELAY_ENV_FILE") else None)
    if named is not None and not named.is_file():
        raise InvalidSettings(f"The environment file {str(named)!r} does not exist.")
    try:
        values = dotenv_values(named or Path(".env"), interpolate=False, encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as exc:
        raise InvalidSettings(f"The environment file {str(named or '.env')!r} cannot be read: {exc}.") from exc
    return {name: value for name, value in values.items() if value is not None} | dict(environ)


def read_config_path(env: Mapping[str, str]) -> Path:
    """Of the providers: named, or here, or the one that comes with the gateway."""
    if named := read_path(env, "RELAY_CONFIG"):
        return named
    here = Path("config.json").absolute()
    return here if here.is_file() else shipped_config()


def read_overrides_path(env: Mapping[str, str]) -> Path | None:
    """Of what the operator knows of models; None where there is none."""
    here = Path("model_overrides.yaml").absolute()
    return read_path(env, "MODEL_OVERRIDES") or (here if here.is_file() else None)


def shipped_config() -> Path:
    """The `config.json` that comes with the gateway: inside the installed package, or at the root of a checkout."""
    package = Path(__file__).parents[1]
    packed = package / "config.json"
    return packed if packed.is_file() else package.parent / "config.json"


def read_tls_files(env: Mapping[str, str]) -> tuple[Path | None, Path | None]:
    """The certificate and its key, or None twice."""
    certfile, keyfile = read_file_path(env, "SSL_CERTFILE"), read_file_path(env, "SSL_KEYFILE")
    if (certfile is None) != (keyfile is None):
        there, missing = ("SSL_CERTFILE", "SSL_KEYFILE") if certfile else ("SSL_KEYFILE", "SSL_CERTFILE")
        raise InvalidSettings(f"{there} is set but {missing} is not: TLS needs both, plain HTTP neither.")
    if certfile and keyfile:
        try:
            ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(certfile, keyfile, password=_refuse_password)
        except (OSError, ValueError) as exc:
            raise InvalidSettings(
                f"SSL_CERTFILE {str(certfile)!r} and SSL_KEYFILE {str(keyfile)!r} are no certificate and its key,"
                f" both as PEM and without a password: {reason_of(exc)}."
            ) from exc
    return certfile, keyfile


def _refuse_password() -> str:
    raise ValueError("it is encrypted")


def read_authority(env: Mapping[str, str], name: str) -> Path | None:
    """A file of certificates to trust."""
    path = read_file_path(env, name)
    if path is not None:
        try:
            ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(path)
        except OSError as exc:
            raise InvalidSettings(f"{name} names {str(path)!r}, which holds no certificate as PEM.") from exc
    return path
