"""A run: each scenario measured for every contender in turn, round after round, so that drift hits all alike."""

import contextlib
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import TypeVar

from benchmarks import load, measure, servers
from benchmarks.contenders import Contender
from benchmarks.contenders.packages import InstallFailed
from benchmarks.figures import Results
from benchmarks.scenarios import LOADS, Plan, Target
from benchmarks.servers import Launch

START = "start"
SCENARIOS = (START, *LOADS)
DIRECT = "direct"

_IDLE_S = 1.0

T = TypeVar("T")


def run(plan: Plan, scenarios: Sequence[str], contenders: Iterable[Contender], say: Callable[[str], None]) -> Results:
    """Measure the contenders beside each other. What fails is in `Results.failures`, and in no figure."""
    return _Run(plan, scenarios, say).of(contenders)


class _Run:
    def __init__(self, plan: Plan, scenarios: Sequence[str], say: Callable[[str], None]) -> None:
        self._plan = plan
        self._scenarios = scenarios
        self._say = say
        self._results = Results()
        self._gateway_core, self._other_core = measure.cores()

    def of(self, contenders: Iterable[Contender]) -> Results:
        began, busy_s, own_ns = time.perf_counter(), measure.machine_busy_s(), measure.cpu_ns(os.getpid())
        with contextlib.ExitStack() as stack:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bench-")))
            stack.enter_context(measure.pinned(self._other_core))
            pid, port = stack.enter_context(servers.stand_in(self._other_core))
            launches = self._set_up(contenders, folder, port)
            if START in self._scenarios and launches:
                self._measure_starts(launches)
            direct = load.Address(port)
            self._measure_loads(Target(DIRECT, pid, direct, direct), launches)
        others_s = measure.machine_busy_s() - busy_s - (measure.cpu_ns(os.getpid()) - own_ns) / 1e9
        self._results.others_share = max(0.0, others_s / (time.perf_counter() - began) / (os.cpu_count() or 1))
        return self._results

    def _set_up(self, contenders: Iterable[Contender], folder: Path, port: int) -> dict[str, Launch]:
        launches = {}
        for contender in contenders:
            self._say(f"setting up {contender.name}")
            with self._noting_failure(contender.name):
                self._results.versions[contender.name] = contender.install()
                own = folder / contender.name
                own.mkdir()
                launches[contender.name] = contender.set_up(own, servers.free_port(), f"http://127.0.0.1:{port}/v1")
        return launches

    def _measure_starts(self, launches: dict[str, Launch]) -> None:
        """Starts one after the other; a first round is not counted: it writes databases and compiled modules."""
        for index in range(-1, self._plan.rounds):
            self._say(f"starts, round {index + 1} of {self._plan.rounds}" if index >= 0 else "starts, to warm up")
            import_s = self._import_s()
            if index >= 0:
                self._results.import_s.append(import_s)
            for name, launch in _in_turn(launches.items(), index):
                with self._noting_failure(f"{name}, start"), servers.running(launch, self._gateway_core) as server:
                    if index >= 0:
                        time.sleep(_IDLE_S)
                        idle_mb, self._results.memory_kind = measure.resident_mb(server.pid)
                        ready = {"ready_s": server.ready_s, "ready_ratio": server.ready_s / import_s}
                        self._results.add(name, index, {**ready, "idle_mb": idle_mb})

    def _import_s(self) -> float:
        began = time.perf_counter()
        with measure.pinned(self._gateway_core):
            subprocess.run(
                [sys.executable, "-c", "import fastapi, sqlmodel"], check=True, env=servers.environment(), timeout=60
            )
        return time.perf_counter() - began

    def _started(
        self, launches: dict[str, Launch], direct: load.Address, stack: contextlib.ExitStack
    ) -> Iterator[Target]:
        for name, launch in launches.items():
            with self._noting_failure(name):
                server = stack.enter_context(servers.running(launch, self._gateway_core))
                yield Target(name, server.pid, load.Address(launch.port, launch.authorization), direct)

    def _measure_loads(self, direct: Target, launches: dict[str, Launch]) -> None:
        """Each round in processes of its own: how a process lies in memory alone makes it some percent faster or slower."""
        chosen = [name for name in LOADS if name in self._scenarios]
        for index in range(self._plan.rounds if chosen else 0):
            self._say(f"loads, round {index + 1} of {self._plan.rounds}")
            with contextlib.ExitStack() as stack:
                targets = [direct, *self._started(launches, direct.address, stack)]
                for scenario in chosen:
                    for target in _in_turn(targets, index):
                        with self._noting_failure(f"{target.name}, {scenario}, round {index + 1}"):
                            self._results.add(target.name, index, LOADS[scenario](self._plan, target))

    @contextlib.contextmanager
    def _noting_failure(self, what: str) -> Iterator[None]:
        try:
            yield
        except (InstallFailed, servers.StartFailed, load.BadReply) as exc:
            self._results.failures.append(f"{what}: {exc}")
            self._say(f"FAILED {what}: {exc}")


def _in_turn(items: Iterable[T], index: int) -> list[T]:
    """Every other round goes backwards: a machine that gets slower all the time must favour nobody."""
    return list(items)[:: -1 if index % 2 else 1]
