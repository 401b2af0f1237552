"""What a process tree costs: CPU time in nanoseconds, memory, and the core it runs on."""

import contextlib
import os
import time
from collections.abc import Iterator
from pathlib import Path

_CPUCLOCK_SCHED = 2  # clock_getcpuclockid(3): the clock of process P is (~P << 3) | CPUCLOCK_SCHED
_TICK_NS = 1_000_000_000 // os.sysconf("SC_CLK_TCK")


def cpu_ns(pid: int) -> int:
    """User and system time of the process and all its descendants, ended ones included.

    A living process is read to the nanosecond, its ended threads with it. Children that ended are added by their
    parent only, in clock ticks.
    """
    total = 0
    for member in tree(pid):
        with contextlib.suppress(OSError):  # ended between the listing and the reading
            total += time.clock_gettime_ns((~member << 3) | _CPUCLOCK_SCHED)
            fields = _stat_fields(member)
            total += (int(fields[13]) + int(fields[14])) * _TICK_NS
    return total


def resident_mb(pid: int) -> tuple[float, str]:
    """Memory of the process and its descendants in MB, and how it was read: `Pss` (shared pages divided) or `VmRSS`."""
    members = tree(pid)
    try:
        return sum(_proc_kb(member, "smaps_rollup", "Pss") for member in members) * 1024 / 1e6, "Pss"
    except PermissionError:
        return sum(_proc_kb(member, "status", "VmRSS") for member in members) * 1024 / 1e6, "VmRSS"


def tree(pid: int) -> list[int]:
    """The process and its descendants, parents first."""
    children: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError):
                children.setdefault(int(_stat_fields(int(entry.name))[1]), []).append(int(entry.name))
    found = [pid]
    for member in found:  # grows while it is walked
        found += children.get(member, [])
    return found


def machine_busy_s() -> float:
    """CPU time used by everything on the machine since it started."""
    user, nice, system, _idle, _iowait, irq, softirq, *_ = map(
        int, Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:]
    )
    return (user + nice + system + irq + softirq) * _TICK_NS / 1e9


def cores() -> tuple[int, int]:
    """Two cores of this process's own: for the gateway that is measured, and for everything else.

    They are the same one where there is but one.
    """
    allowed = sorted(os.sched_getaffinity(0))
    return allowed[-1], allowed[0]


@contextlib.contextmanager
def pinned(core: int) -> Iterator[None]:
    """Run the block, and keep what it starts, on one core."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {core})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def _stat_fields(pid: int) -> list[str]:
    """The fields of /proc/<pid>/stat from `state` on, which proc(5) counts as the third."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()


def _proc_kb(pid: int, file: str, key: str) -> float:
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):
        for line in Path(f"/proc/{pid}/{file}").read_text().splitlines():
            if line.startswith(f"{key}:"):
                return float(line.split()[1])
    return 0.0
