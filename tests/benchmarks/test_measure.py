"""What is read of processes, and that those that are started are ended."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks import measure, servers

BURN = "import time\nuntil = time.process_time() + 0.2\nwhile time.process_time() < until: pass\n"


def test_cpu_time_includes_threads_and_children_that_ended() -> None:
    script = (
        f"import subprocess, sys, threading\nburn = {BURN!r}\n"
        "thread = threading.Thread(target=exec, args=(burn, {})); thread.start(); thread.join()\n"
        "subprocess.run([sys.executable, '-c', burn]); print(flush=True); sys.stdin.read()"
    )
    with subprocess.Popen([sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout
        process.stdout.readline()

        used_s = measure.cpu_ns(process.pid) / 1e9

        assert process.stdin
        process.stdin.close()
    assert 0.38 < used_s < 1.0


def test_memory_of_a_process_is_some_megabytes() -> None:
    resident_mb, kind = measure.resident_mb(os.getpid())

    assert 5 < resident_mb < 2000
    assert kind in ("Pss", "VmRSS")


def test_server_is_ended_when_its_block_fails(tmp_path: Path) -> None:
    port = servers.free_port()
    argv = [sys.executable, "-m", "http.server", "--bind", "127.0.0.1", str(port)]
    launch = servers.Launch(argv, port, tmp_path, ready_path="/")

    with pytest.raises(RuntimeError, match="the block"), servers.running(launch, measure.cores()[0]) as server:
        raise RuntimeError("the block")

    assert not Path(f"/proc/{server.pid}").exists()


def test_server_that_ends_at_once_is_reported_with_its_last_words(tmp_path: Path) -> None:
    launch = servers.Launch([sys.executable, "-c", "raise SystemExit('no such flag')"], 1, tmp_path, ready_path="/")

    with (
        pytest.raises(servers.StartFailed, match="ended with 1: no such flag"),
        servers.running(launch, measure.cores()[0]),
    ):
        pass
