"""Starts gateways as copies of a process that has imported all of one already: two seconds of CPU time less for each.

What runs in a copy is the command line as it is, from its first line on, with a folder, an environment and an output of its own.
Where it has several workers, these are copies of it too, in place of processes that import all of it once more.
"""

import atexit
import functools
import gc
import json
import multiprocessing
import os
import select
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from importlib import import_module
from pathlib import Path
from typing import Any, Protocol

_ROOT = Path(__file__).parents[2]


class Running(Protocol):
    """A process as `subprocess.Popen` has it."""

    pid: int

    @property
    def returncode(self) -> Any: ...
    def poll(self) -> int | None: ...
    def wait(self, timeout: float | None = None) -> int: ...
    def send_signal(self, sig: int) -> None: ...
    def kill(self) -> None: ...


class Copy:
    """One that was started; the nursery tells how it ended."""

    def __init__(self, pid: int, ended: "Future[int]") -> None:
        self.pid = pid
        self._ended = ended

    @property
    def returncode(self) -> int | None:
        return self._ended.result() if self._ended.done() else None

    def poll(self) -> int | None:
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        try:
            return self._ended.result(timeout)
        except TimeoutError:
            raise subprocess.TimeoutExpired("a copy of the gateway", timeout or 0) from None

    def send_signal(self, sig: int) -> None:
        if self.poll() is None:
            os.kill(self.pid, sig)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)


class Nursery:
    """The process that copies are made of, from here."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.e2e.nursery"],
            cwd=_ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self._starting = threading.Lock()
        self._begun: Future[int] = Future()
        self._ends: dict[int, Future[int]] = {}
        self._listener = threading.Thread(target=self._listen, daemon=True)
        self._listener.start()

    def start(self, arguments: Sequence[str], folder: Path, environment: Mapping[str, str], output: Path) -> Copy:
        """Run the command line; what it writes is added to `output`."""
        wish = {
            "arguments": list(arguments),
            "folder": str(folder),
            "environment": dict(environment),
            "output": str(output),
        }
        with self._starting:
            self._begun = Future()
            assert self._process.stdin
            self._process.stdin.write(json.dumps(wish) + "\n")
            self._process.stdin.flush()
            pid = self._begun.result(60)
        return Copy(pid, self._ends[pid])

    def close(self) -> None:
        """No more are wanted; those that run go on."""
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.close()
        self._process.wait()
        self._listener.join()
        self._process.stdout.close()

    def _listen(self) -> None:
        assert self._process.stdout
        for line in self._process.stdout:
            kind, pid, code = json.loads(line)
            if kind == "begun":
                self._ends[pid] = Future()
                self._begun.set_result(pid)
            else:
                self._ends[pid].set_result(code)


@functools.cache
def nursery() -> Nursery:
    """The one of this process, made when it is first asked for."""
    made = Nursery()
    atexit.register(made.close)
    return made


def main() -> None:
    """Be the process that is copied."""
    for name in ("app.main", "cli.__main__", "cli.protocol", "cli.serve", "uvicorn", "uvloop"):
        import_module(name)

    gc.collect()
    gc.freeze()
    _tell_ends_by(wake := os.pipe())
    buffered = b""
    while True:
        ready, _, _ = select.select([0, wake[0]], [], [])
        if wake[0] in ready:
            os.read(wake[0], 4096)
            _reap()
        if 0 in ready:
            read = os.read(0, 1 << 20)
            if not read:
                return
            *lines, buffered = (buffered + read).split(b"\n")
            for line in lines:
                wish = json.loads(line)
                if (pid := os.fork()) == 0:
                    _become(wish)
                _say("begun", pid, None)


def _tell_ends_by(wake: tuple[int, int]) -> None:
    for end in wake:
        os.set_blocking(end, False)
    signal.set_wakeup_fd(wake[1], warn_on_full_buffer=False)
    signal.signal(signal.SIGCHLD, lambda *_: None)


def _reap() -> None:
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return
        if pid == 0:
            return
        _say("ended", pid, os.waitstatus_to_exitcode(status))


def _say(kind: str, pid: int, code: int | None) -> None:
    os.write(1, f"{json.dumps([kind, pid, code])}\n".encode())


def _become(wish: dict[str, Any]) -> None:
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    output = os.open(wish["output"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    nothing = os.open(os.devnull, os.O_RDONLY)
    for source, target in ((nothing, 0), (output, 1), (output, 2)):
        os.dup2(source, target)
    os.environ.clear()
    os.environ.update(wish["environment"])
    os.chdir(wish["folder"])
    sys.argv = ["llm-relay", *wish["arguments"]]
    gc.unfreeze()
    import_module("uvicorn._subprocess").__dict__["spawn"] = multiprocessing.get_context("fork")
    from cli.__main__ import main as run

    run()
    sys.exit(0)


if __name__ == "__main__":
    main()
