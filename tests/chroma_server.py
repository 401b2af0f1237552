"""A real Chroma server for tests, from the wheel `chromadb`, which `make setup-dev` puts into `.chroma`."""

import contextlib
import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.gateway import free_port

PACKAGES = Path(__file__).parents[1] / ".chroma"

_WAIT_S = 30.0
# Ends the server when the tests end, however they do.
_KEEPER = '"$@" & echo $! >"$PID_FILE"; cat >/dev/null; kill -KILL $!; wait'
# What the package's command `chroma` does, without the packages that only its client needs.
_CHROMA = "import sys; sys.path.insert(0, sys.argv[1]); from chromadb_rust_bindings import cli; cli(sys.argv[2:])"


class Chroma:
    """A server on a port of its own that can be killed, started again with what it kept, and hung."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._port = free_port()
        self._keeper: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._port}"

    def start(self) -> None:
        """Return when it answers."""
        command = [
            "chroma",
            "run",
            "--path",
            str(self._folder / "data"),
            "--host",
            "127.0.0.1",
            "--port",
            str(self._port),
        ]
        with (self._folder / "log").open("ab") as log:
            self._keeper = subprocess.Popen(
                ["/bin/sh", "-c", _KEEPER, "keeper", sys.executable, "-I", "-c", _CHROMA, str(PACKAGES), *command],
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
                env=os.environ | {"PID_FILE": str(self._pid_file), "ANONYMIZED_TELEMETRY": "False"},
                start_new_session=True,
            )
        give_up_at = time.monotonic() + _WAIT_S
        while True:
            with contextlib.suppress(OSError), urllib.request.urlopen(f"{self.url}/api/v2/heartbeat", timeout=1):
                return
            assert time.monotonic() < give_up_at, f"Chroma does not start: {(self._folder / 'log').read_text()}"
            time.sleep(0.05)

    def kill(self) -> None:
        """End it by SIGKILL."""
        keeper, self._keeper = self._keeper, None
        if keeper is not None and keeper.stdin is not None:
            keeper.stdin.close()
            keeper.wait(_WAIT_S)

    @contextlib.contextmanager
    def hanging(self) -> Iterator[None]:
        """It takes connections and says nothing."""
        pid = int(self._pid_file.read_text())
        os.kill(pid, signal.SIGSTOP)
        try:
            yield
        finally:
            os.kill(pid, signal.SIGCONT)

    @property
    def _pid_file(self) -> Path:
        return self._folder / "pid"


@contextlib.contextmanager
def running_chroma(folder: Path) -> Iterator[Chroma]:
    """One for the length of the block; the test is skipped where this platform has none."""
    if not (PACKAGES / ".installed").exists():
        pytest.skip("there is no Chroma server in .chroma: 'make setup-dev' puts it there, where the platform has one")
    folder.mkdir(parents=True, exist_ok=True)
    server = Chroma(folder)
    server.start()
    try:
        yield server
    finally:
        server.kill()
