"""LLM Relay with parts of its metering taken out, to see what each part costs a call."""

import sys
from dataclasses import replace
from pathlib import Path

from benchmarks.contenders.packages import ROOT
from benchmarks.contenders.relay import EarlierRelay, Relay
from benchmarks.servers import Launch


class Unmetered(Relay):
    """Without the stage: no usage priced, no receipt, no record."""

    name = "unmetered"

    def set_up(self, folder: Path, port: int, upstream: str) -> Launch:
        return _without("stage", super().set_up(folder, port, upstream))


class Unwritten(Relay):
    """With all that a call waits for, up to its record, and nothing that follows: log, metrics, rows and sums."""

    name = "unwritten"

    def set_up(self, folder: Path, port: int, upstream: str) -> Launch:
        return _without("writing", super().set_up(folder, port, upstream))


class EarlierUnwritten(EarlierRelay):
    """The same of an earlier commit."""

    name = "before, unwritten"

    def set_up(self, folder: Path, port: int, upstream: str) -> Launch:
        return _without("writing", super().set_up(folder, port, upstream))


def _without(part: str, launch: Launch) -> Launch:
    env = launch.env or {}
    path = ":".join(filter(None, [env.get("PYTHONPATH"), str(ROOT)]))
    argv = [sys.executable, "-m", "benchmarks.contenders.without", part, *launch.argv[1:]]
    return replace(launch, argv=argv, env={**env, "PYTHONPATH": path})
