"""Where the gateway's time goes under a load: `python -m benchmarks --profile small`."""

import contextlib
import os
import pstats
import signal
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

from benchmarks import load, measure, servers
from benchmarks.contenders import RELAY
from benchmarks.contenders.packages import ROOT
from benchmarks.scenarios import LOADS, Plan, Target

_SHOWN = 45
_WRITE_LIMIT_S = 20.0

Function = tuple[str, int, str]


def profile(scenario: str) -> str:
    """A table of the functions with the most time of their own.

    cProfile makes Python calls dearer than C calls, so compare rows with rows, never with the benchmark's figures.

    Raises:
        StartFailed: the gateway did not start, or did not write its profile.
        BadReply: a call went wrong.
    """
    gateway_core, other_core = measure.cores()
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bench-")))
        stack.enter_context(measure.pinned(other_core))
        _, port = stack.enter_context(servers.stand_in(other_core))
        launch = RELAY.set_up(folder, servers.free_port(), f"http://127.0.0.1:{port}/v1")
        output = folder / "profile"
        launch = replace(
            launch,
            argv=[sys.executable, "-m", "benchmarks.profiled", str(output), *launch.argv[1:]],
            env={**(launch.env or {}), "PYTHONPATH": str(ROOT)},
        )
        server = stack.enter_context(servers.running(launch, gateway_core))
        target = Target(
            RELAY.name, server.pid, load.Address(launch.port, launch.authorization), direct=load.Address(port)
        )
        LOADS[scenario](Plan(seconds=0.5, latency_calls=100), target)
        os.kill(server.pid, signal.SIGUSR1)
        LOADS[scenario](Plan(), target)
        os.kill(server.pid, signal.SIGUSR2)
        _wait_for(output)
        return _table(cast(Any, pstats.Stats(str(output))).stats)


def _wait_for(output: Path) -> None:
    limit = time.monotonic() + _WRITE_LIMIT_S
    while not output.exists():
        if time.monotonic() > limit:
            raise servers.StartFailed(f"no profile was written within {_WRITE_LIMIT_S:.0f} s")
        time.sleep(0.05)


def _table(stats: dict[Function, tuple[int, int, float, float, object]]) -> str:
    total_s = sum(own_s for _, _, own_s, _, _ in stats.values())
    rows = sorted(stats.items(), key=lambda item: -item[1][2])[:_SHOWN]
    lines = [f"{'own %':>6} {'own ms':>9} {'total ms':>9} {'calls':>9}  function"]
    lines += [
        f"{own_s / total_s:6.1%} {own_s * 1e3:9.1f} {whole_s * 1e3:9.1f} {calls:9,}  {_place(function)}"
        for function, (_, calls, own_s, whole_s, _) in rows
    ]
    return "\n".join(lines) + "\n"


def _place(function: Function) -> str:
    file, line, name = function
    if file == "~":
        return name
    short = file.rpartition("site-packages/")[2].removeprefix(f"{ROOT}/")
    return f"{short}:{line} {name}"
