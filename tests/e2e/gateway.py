"""The real gateway, started as its own process the way an operator starts it, and stopped by SIGTERM."""

import asyncio
import contextlib
import json
import os
import random
import re
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx

from app.auth.tokens import digest_of, id_of, mint
from app.core.smart import SmartModel
from app.store.db import open_database
from app.store.prices import set_price
from app.store.schema import upgrade
from app.store.smart_models import put_smart_models
from app.store.times import now_ms
from app.store.tokens import StoredToken, insert_tokens
from tests.e2e.nursery import Running, nursery

START_S = 60.0
STOP_S = 40.0
"""More than a gateway lets its streams end in."""

ROWS_S = 10.0
"""More than records take on their way to the database, on a machine that is busy with other tests."""

# Below the ports that the system gives to outgoing connections, so that nobody takes it between the choice and the start.
_PORTS = range(20_000, 32_000)
_ROOT = Path(__file__).parents[2]
_TOKEN = re.compile(r"lr_[0-9A-Za-z]{8}_[0-9A-Za-z]{43}")

Row = dict[str, Any]


class Gateway:
    """A gateway process and what is around it. `start` it, and `stop` or `kill` it; the folder stays for the next start.

    Args:
        folder: of its configuration, data and logs.
        config: the content of its config.json.
        environ: settings beside those that make it a gateway of this test; provider keys too.
        workers: processes.
        anew: it starts as an operator starts it, and each of its workers too; else they are copies, which are there sooner.

    Attributes:
        token: the token that its first start showed.
    """

    def __init__(
        self,
        folder: Path,
        config: Mapping[str, Any] | None = None,
        environ: Mapping[str, str] | None = None,
        *,
        workers: int = 1,
        anew: bool = False,
    ) -> None:
        self.folder = folder
        self.config_path = folder / "config.json"
        self.data_dir = folder / "data"
        self.database_path = self.data_dir / "relay.db"
        self.log_file = folder / "relay.log"
        self.output_file = folder / "output.txt"
        self.port = free_port()
        self.token = ""
        self._environ = dict(environ or {})
        self.database_url = self._environ.get("DATABASE_URL", f"sqlite:///{self.database_path}")
        self._workers = workers
        self._anew = anew
        self._output_before = 0
        self._process: Running | None = None
        folder.mkdir(parents=True, exist_ok=True)
        self.write_config(config or {})

    @property
    def base_url(self) -> str:
        """Without a path, such as `http://127.0.0.1:20123`."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def pid(self) -> int:
        """Of the process that was started; with several workers, of their supervisor."""
        return self._running().pid

    def write_config(self, config: Mapping[str, Any]) -> None:
        """Put `config` where the gateway reads its providers; SIGHUP or a start lets it."""
        self.config_path.write_text(json.dumps(config), encoding="utf-8")

    def start(self) -> None:
        """Start it and return when `/healthz` answers."""
        self.output_file.touch()
        self._output_before = len(self.output())
        arguments = ("serve", "--workers", str(self._workers))
        start = self._start_anew if self._anew else self._start_copy
        self._process = start(arguments)
        self._wait_until_alive()
        if not self.token:
            self.token = self._first_token()

    def stop(self) -> None:
        """SIGTERM, and the exit code is 0."""
        if (process := self._process) is None:
            return
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
        try:
            code = process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError(f"the gateway did not stop within {STOP_S:g} s:\n{self.output()}") from None
        self._process = None
        assert code == 0, f"the gateway exited with {code}:\n{self.output()}"

    def kill(self) -> None:
        """SIGKILL, as a crash would end it."""
        process, self._process = self._running(), None
        process.kill()
        process.wait(STOP_S)

    def reload(self) -> None:
        """SIGHUP: it reads its configuration anew, some moments later."""
        self._running().send_signal(signal.SIGHUP)

    def output(self) -> str:
        """What it wrote to standard output and error, over all starts."""
        return self.output_file.read_text(encoding="utf-8", errors="replace")

    def add_token(
        self, username: str = "tester", *, rate_limit: int = 1000, models: Sequence[str] = (), **fields: Any
    ) -> str:
        """A further token; it is good at once. `fields` are others of `StoredToken`."""
        token = mint()
        stored = StoredToken(
            id=id_of(token),
            digest=digest_of(token),
            username=username,
            rate_limit=rate_limit,
            created_at=now_ms(),
            models=tuple(models),
            **fields,
        )
        with ThreadPoolExecutor(1) as outside_of_any_loop:
            outside_of_any_loop.submit(asyncio.run, self._insert(stored)).result()
        return token

    def set_price(self, target: str, rates: Row) -> None:
        """An operator's price of a model, also before the first start."""

        async def set_it() -> None:
            database = open_database(self.database_url)
            try:
                await upgrade(database)
                provider, _, model = target.partition("/")
                await set_price(database, provider, model, rates)
            finally:
                await database.aclose()

        with ThreadPoolExecutor(1) as pool:  # the test may have a loop of its own
            pool.submit(asyncio.run, set_it()).result()

    def put_names(self, *models: SmartModel) -> None:
        """Smart models as they could have come into the database, also before the first start; nothing is checked."""

        async def put() -> None:
            database = open_database(self.database_url)
            try:
                await upgrade(database)
                await put_smart_models(database, models)
            finally:
                await database.aclose()

        with ThreadPoolExecutor(1) as pool:  # the test may have a loop of its own
            pool.submit(asyncio.run, put()).result()

    def rows(self) -> list[Row]:
        """What is in `request_logs` now, in the order of arrival."""
        with contextlib.closing(sqlite3.connect(f"file:{self.database_path}?mode=ro", uri=True)) as connection:
            connection.row_factory = sqlite3.Row
            return [dict(row) for row in connection.execute("SELECT * FROM request_logs ORDER BY received_at, id")]

    def wait_for_rows(self, count: int, timeout_s: float = ROWS_S) -> list[Row]:
        """`rows` when there are at least `count`, or the time is over."""
        give_up_at = time.monotonic() + timeout_s
        while len(rows := self.rows()) < count and time.monotonic() < give_up_at:
            time.sleep(0.05)
        return rows

    def row_of(self, request_id: str) -> Row:
        """The row of one call, waited for."""
        give_up_at = time.monotonic() + ROWS_S
        while not (found := [row for row in self.rows() if row["id"] == request_id]):
            assert time.monotonic() < give_up_at, f"no row of {request_id} came into the database"
            time.sleep(0.05)
        return found[0]

    def _start_copy(self, arguments: Sequence[str]) -> Running:
        return nursery().start(arguments, self.folder, self.environment(), self.output_file)

    def _start_anew(self, arguments: Sequence[str]) -> Running:
        with self.output_file.open("ab") as output:
            return subprocess.Popen(
                [sys.executable, "-m", "cli", *arguments],
                cwd=self.folder,
                env=self.environment(),
                stdout=output,
                stderr=subprocess.STDOUT,
            )

    def _running(self) -> Running:
        if self._process is None:
            raise RuntimeError("the gateway is not running")
        return self._process

    def set_environ(self, **settings: str) -> None:
        """Set more, for the next start."""
        self._environ |= settings

    def environment(self) -> dict[str, str]:
        """What it is started with; for commands beside it."""
        own = {
            "SERVER_HOST": "127.0.0.1",
            "SERVER_PORT": str(self.port),
            "RELAY_CONFIG": str(self.config_path),
            "RELAY_DATA_DIR": str(self.data_dir),
            "LOG_FILE": str(self.log_file),
        }
        kept = {name: value for name in ("PATH", "HOME", "TMPDIR") if (value := os.environ.get(name))}
        return kept | {"PYTHONPATH": str(_ROOT)} | own | self._environ

    def _wait_until_alive(self) -> None:
        process, give_up_at = self._running(), time.monotonic() + START_S
        while True:
            # A worker that is still starting would read a configuration that a test has changed since.
            if self._started_workers() >= self._workers:
                with contextlib.suppress(httpx.TransportError):
                    httpx.get(f"{self.base_url}/healthz", timeout=START_S, trust_env=False).raise_for_status()
                    return
            if process.poll() is not None:
                self._process = None
                raise AssertionError(f"the gateway exited with {process.returncode}:\n{self.output()}")
            if time.monotonic() > give_up_at:
                self.kill()
                raise AssertionError(f"the gateway was not there after {START_S:g} s:\n{self.output()}")
            time.sleep(0.02)

    def _started_workers(self) -> int:
        return self.output()[self._output_before :].count("Application startup complete")

    def _first_token(self) -> str:
        found = _TOKEN.search(self.output())
        assert found, f"the first start showed no token:\n{self.output()}"
        return found[0]

    async def _insert(self, token: StoredToken) -> None:
        database = open_database(self.database_url)
        try:
            await insert_tokens(database, [token])
        finally:
            await database.aclose()


@contextlib.contextmanager
def running_gateway(
    folder: Path,
    config: Mapping[str, Any] | None = None,
    environ: Mapping[str, str] | None = None,
    *,
    workers: int = 1,
    anew: bool = False,
    prices: Mapping[str, Row] | None = None,
) -> Iterator[Gateway]:
    """A `Gateway` that runs for the length of the block, and ends in good order. `prices` are rates by `provider/model`."""
    gateway = Gateway(folder, config, environ, workers=workers, anew=anew)
    for target, rates in (prices or {}).items():
        gateway.set_price(target, rates)
    gateway.start()
    try:
        yield gateway
    except BaseException:
        with contextlib.suppress(RuntimeError):
            gateway.kill()
        raise
    gateway.stop()


def free_port() -> int:
    """A port of 127.0.0.1 on which nobody listens."""
    while True:
        port = random.choice(_PORTS)
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        return port
