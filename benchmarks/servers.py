"""Processes that the benchmark starts, waits for, and ends whatever happens."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, cast

from benchmarks import measure

_READY_LIMIT_S = 90.0
_STOP_LIMIT_S = 10.0
_POLL_S = 0.002


class StartFailed(Exception):
    """A server did not get ready."""


@dataclass(frozen=True)
class Launch:
    """How to start a server that is set up, and how to call it."""

    argv: list[str]
    port: int
    folder: Path
    ready_path: str
    authorization: str = ""
    env: dict[str, str] | None = None


@dataclass(frozen=True)
class Server:
    """A running server and how long its start took."""

    launch: Launch
    pid: int
    ready_s: float


def environment(extra: dict[str, str] | None = None) -> dict[str, str]:
    """What a server gets to see: nothing of this shell that could change how it works."""
    kept = {key: os.environ[key] for key in ("PATH", "HOME", "LANG", "LC_ALL") if key in os.environ}
    return {**kept, **(extra or {})}


def free_port() -> int:
    """A loopback port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextlib.contextmanager
def running(launch: Launch, core: int) -> Iterator[Server]:
    """Start the server on `core`, wait until `ready_path` answers 200, end it when the block ends.

    Raises:
        StartFailed: it ended, or did not answer within 90 s; the end of its output is in the message.
    """
    output = launch.folder / "output.log"
    started = time.perf_counter()
    with output.open("wb") as sink, measure.pinned(core):
        process = subprocess.Popen(
            launch.argv,
            cwd=launch.folder,
            env=environment(launch.env),
            stdin=subprocess.DEVNULL,
            stdout=sink,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # Ctrl-C is for us; we end it, in order
        )
    try:
        while not _answers(launch):
            ended = process.poll()
            if ended is not None or time.perf_counter() - started > _READY_LIMIT_S:
                reason = "is not ready after 90 s" if ended is None else f"ended with {ended}"
                raise StartFailed(f"{Path(launch.argv[0]).name} {reason}: {_tail(output)}")
            time.sleep(_POLL_S)
        yield Server(launch, process.pid, time.perf_counter() - started)
    finally:
        _end(process)


@contextlib.contextmanager
def stand_in(core: int) -> Iterator[tuple[int, int]]:
    """Run the stand-in provider on `core`; gives its pid and port. It ends with its standard input, so with us."""
    root = Path(__file__).resolve().parent.parent
    with measure.pinned(core):
        process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.standin"],
            cwd=root,
            env=environment(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            start_new_session=True,
        )
    stdin, stdout = cast(IO[bytes], process.stdin), cast(IO[bytes], process.stdout)
    try:
        line = stdout.readline()
        if not line:
            raise StartFailed("the stand-in provider did not start")
        yield process.pid, int(line)
    finally:
        stdin.close()
        _end(process)
        stdout.close()


def _answers(launch: Launch) -> bool:
    request = f"GET {launch.ready_path} HTTP/1.0\r\nHost: 127.0.0.1\r\n\r\n".encode()
    try:
        with socket.create_connection(("127.0.0.1", launch.port), timeout=2) as connection:
            connection.sendall(request)
            return b" 200 " in connection.recv(64)
    except OSError:
        return False


def _end(process: subprocess.Popen[bytes]) -> None:
    """End the process in order, then what is left of its session by force."""
    with contextlib.suppress(ProcessLookupError):
        process.terminate()
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(_STOP_LIMIT_S)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)  # its own session: the group's id is its pid
    process.wait()


def _tail(output: Path) -> str:
    return " | ".join(output.read_text(errors="replace").strip().splitlines()[-5:]) or "no output"
