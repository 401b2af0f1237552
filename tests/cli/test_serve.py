"""Starts that cannot be: words on standard error, exit status 1, and no traceback, with one worker and with several."""

import contextlib
import os
import socket
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.providers.transport.servers import Authority

ROOT = Path(__file__).parents[2]
START_S = 60

Prepare = Callable[[Path], dict[str, str]]


@dataclass(frozen=True)
class Ended:
    """How a process ended."""

    code: int
    out: str
    err: str


def serve(folder: Path, *arguments: str, **environ: str) -> Ended:
    """Run `llm-relay serve` in `folder` until it ends by itself."""
    process = subprocess.run(
        [sys.executable, "-m", "cli", "serve", *arguments],
        cwd=folder,
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "SERVER_PORT": "0", **environ},
        capture_output=True,
        text=True,
        timeout=START_S,
        check=False,
    )
    return Ended(process.returncode, process.stdout, process.stderr)


@pytest.fixture
def occupied_port() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield listening.getsockname()[1]


def lone_certificate(folder: Path) -> dict[str, str]:
    certificate, _ = Authority(folder).server_files("localhost")
    return {"SSL_CERTFILE": certificate}


def lone_key(folder: Path) -> dict[str, str]:
    _, key = Authority(folder).server_files("localhost")
    return {"SSL_KEYFILE": key}


def key_of_another(folder: Path) -> dict[str, str]:
    authority = Authority(folder)
    certificate, _ = authority.server_files("localhost")
    _, key = authority.server_files("other")
    return {"SSL_CERTFILE": certificate, "SSL_KEYFILE": key}


def missing_certificate(folder: Path) -> dict[str, str]:
    _, key = Authority(folder).server_files("localhost")
    return {"SSL_CERTFILE": str(folder / "none.pem"), "SSL_KEYFILE": key}


def authority_without_certificate(folder: Path) -> dict[str, str]:
    path = folder / "ca.pem"
    path.write_text("no certificate")
    return {"CA_FILE": str(path)}


def config_with_faults(folder: Path) -> dict[str, str]:
    (folder / "config.json").write_text('{"one": {"base_url": "ftp://x"}, "two": {"base_ulr": "http://x"}}')
    return {}


def config_that_is_no_json(folder: Path) -> dict[str, str]:
    (folder / "config.json").write_text('{"one": ')
    return {}


def database_that_is_none(folder: Path) -> dict[str, str]:
    (folder / "notes.txt").write_text("no database " * 100)
    return {"DATABASE_URL": f"sqlite:///{folder}/notes.txt"}


def database_of_another_program(folder: Path) -> dict[str, str]:
    with contextlib.closing(sqlite3.connect(folder / "other.db")) as connection:
        connection.execute("CREATE TABLE songs (title TEXT)")
    return {"DATABASE_URL": f"sqlite:///{folder}/other.db"}


def unreadable_file(folder: Path) -> dict[str, str]:
    path = folder / "secret.pem"
    path.write_text("x")
    path.chmod(0)
    return {"CA_FILE": str(path)}


@pytest.mark.parametrize(
    ("prepare", "words"),
    [
        pytest.param(lone_certificate, ["SSL_CERTFILE is set but SSL_KEYFILE is not"], id="certificate-alone"),
        pytest.param(lone_key, ["SSL_KEYFILE is set but SSL_CERTFILE is not"], id="key-alone"),
        pytest.param(key_of_another, ["SSL_CERTFILE", "SSL_KEYFILE"], id="key-of-another-certificate"),
        pytest.param(missing_certificate, ["SSL_CERTFILE", "none.pem", "No such file"], id="missing-certificate"),
        pytest.param(authority_without_certificate, ["CA_FILE", "holds no certificate"], id="authority"),
        pytest.param(config_with_faults, ["one.base_url", "two.base_ulr", "did you mean 'base_url'"], id="config"),
        pytest.param(config_that_is_no_json, ["config.json", "line 1"], id="config-no-json"),
        pytest.param(database_that_is_none, ["notes.txt", "is not a database"], id="no-database"),
        pytest.param(database_of_another_program, ["songs", "DATABASE_URL"], id="foreign-database"),
        pytest.param(
            lambda folder: {"DATABASE_URL": f"sqlite:///{folder}"}, ["it is a folder"], id="database-a-folder"
        ),
        pytest.param(lambda _: {"DATABASE_URL": "mysql://x"}, ["DATABASE_URL", "'mysql'"], id="database-unknown"),
        pytest.param(lambda folder: {"LOG_FILE": str(folder)}, ["LOG_FILE", "Is a directory"], id="log-file"),
        pytest.param(lambda folder: {"RELAY_CONFIG": str(folder)}, ["Is a directory"], id="config-a-folder"),
        pytest.param(lambda folder: {"RELAY_CONFIG": f"{folder}/none"}, ["none", "No such file"], id="config-missing"),
        pytest.param(
            lambda folder: {"MODEL_OVERRIDES": f"{folder}/none"}, ["none", "No such file"], id="overrides-missing"
        ),
        pytest.param(lambda _: {"SERVER_PORT": "http"}, ["SERVER_PORT", "'http'"], id="port-in-letters"),
        pytest.param(lambda _: {"SERVER_HOST": "192.0.2.1"}, ["192.0.2.1", "SERVER_HOST"], id="address-of-another"),
        pytest.param(lambda _: {"SERVER_HOST": "no-such-host.invalid"}, ["no-such-host", "SERVER_HOST"], id="no-host"),
        pytest.param(lambda _: {"DATABASE_URL": "postgresql://h:x/y"}, ["database URL is none"], id="database-no-url"),
        pytest.param(lambda _: {"TRUSTED_PROXIES": "10.0.0.0/99"}, ["TRUSTED_PROXIES"], id="proxies"),
        pytest.param(lambda _: {"LOG_LEVEL": "LOUD"}, ["LOG_LEVEL", "'LOUD'"], id="log-level"),
        pytest.param(lambda _: {"RELAY_ENV_FILE": "/none/.env"}, ["/none/.env", "does not exist"], id="env-file"),
    ],
)
def test_start_that_cannot_be_ends_with_words_and_status_1(tmp_path: Path, prepare: Prepare, words: list[str]) -> None:
    environ = prepare(tmp_path)

    ended = serve(tmp_path, "--workers", "2", **environ)

    assert (ended.code, ended.out) == (1, "")
    assert ended.err.startswith("LLM Relay cannot start:\n")
    assert [word for word in words if word not in ended.err] == []
    assert "Traceback" not in ended.err


@pytest.mark.parametrize("workers", ["1", "2"])
def test_port_in_use_is_said_to_be(tmp_path: Path, occupied_port: int, workers: str) -> None:
    ended = serve(tmp_path, "--port", str(occupied_port), "--workers", workers)

    assert ended.code == 1
    assert f"Cannot listen on 127.0.0.1, port {occupied_port}: Address already in use." in ended.err
    assert "Traceback" not in ended.err


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read every file")
def test_file_that_may_not_be_read_is_named(tmp_path: Path) -> None:
    environ = unreadable_file(tmp_path)

    ended = serve(tmp_path, **environ)

    assert ended.code == 1
    assert "secret.pem" in ended.err
    assert "Permission denied" in ended.err


def test_start_that_cannot_be_shows_no_token(tmp_path: Path, occupied_port: int) -> None:
    ended = serve(tmp_path, "--port", str(occupied_port))

    assert "lr_" not in ended.out + ended.err


def test_option_that_nobody_knows_is_a_usage_error(tmp_path: Path) -> None:
    ended = serve(tmp_path, "--wrokers", "2")

    assert ended.code == 2
    assert "--workers" in ended.err


def test_gateway_collects_garbage_also_where_its_start_did_not() -> None:
    program = "import gc; gc.disable(); from app.main import _calm_the_collector as calm; calm(); print(gc.isenabled(), gc.get_freeze_count() > 0)"

    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)

    assert done.stdout.split() == ["True", "True"]
