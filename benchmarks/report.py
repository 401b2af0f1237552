"""What a run says: tables for the terminal and for Markdown, and everything as JSON."""

import json
import os
import platform
import statistics
import subprocess
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from benchmarks import wire
from benchmarks.contenders import RELAY
from benchmarks.figures import BAR_PEER, FIGURES, METERING, Figure, Results
from benchmarks.rounds import DIRECT
from benchmarks.scenarios import CONNECTIONS, STREAMS, Plan

_SATURATED = 0.9  # of its core; below that the load was the limit, not the server


@dataclass(frozen=True)
class Table:
    """Rows of text; the first two columns are aligned left, the others right."""

    title: str
    header: list[str]
    rows: list[list[str]]

    def as_text(self) -> str:
        widths = [max(map(len, column)) for column in zip(self.header, *self.rows, strict=True)]
        lines = [
            "  ".join(
                cell.ljust(width) if index < 2 else cell.rjust(width)
                for index, (cell, width) in enumerate(zip(row, widths, strict=True))
            ).rstrip()
            for row in (self.header, ["-" * width for width in widths], *self.rows)
        ]
        return "\n".join([self.title, "", *lines])

    def as_markdown(self) -> str:
        rule = ["---", "---", *["---:"] * (len(self.header) - 2)]
        rows = [f"| {' | '.join(cell.strip() for cell in row)} |" for row in (self.header, rule, *self.rows)]
        return "\n".join([self.title, "", *rows])


@dataclass(frozen=True)
class Report:
    """A run that is over, and where and when it was."""

    plan: Plan
    results: Results
    commit: str
    began: datetime
    machine: dict[str, Any]

    def as_text(self) -> str:
        return "\n\n".join([*self._preface(), *[table.as_text() for table in self._tables()], *self._failures()]) + "\n"

    def as_markdown(self) -> str:
        preface = ["# Benchmark", *self._preface()]
        return "\n\n".join([*preface, *[table.as_markdown() for table in self._tables()], *self._failures()]) + "\n"

    def as_json(self) -> str:
        results = self.results
        value = {
            "commit": self.commit,
            "began": self.began.isoformat(timespec="seconds"),
            "machine": self.machine,
            "conditions": {
                "rounds": self.plan.rounds,
                "seconds": self.plan.seconds,
                "latency_calls": self.plan.latency_calls,
                "connections": CONNECTIONS,
                "burst_chunks": wire.BURST_CHUNKS,
                "paced_streams": STREAMS,
                "pace_s": wire.PACE_S,
                "memory": results.memory_kind,
                "cpu_share_of_other_processes": round(results.others_share, 4),
                "import_s": [round(value, 4) for value in results.import_s],
            },
            "versions": results.versions,
            "medians": {
                name: {figure.key: results.median(name, figure.key) for figure in FIGURES} for name in results.rounds
            },
            "relay_ratios": {
                peer: {figure.key: results.ratio(RELAY.name, peer, figure.key) for figure in FIGURES}
                for peer in self._peers()
            },
            "rounds": results.rounds,
            "failures": results.failures,
        }
        return json.dumps(value, indent=1, ensure_ascii=False) + "\n"

    def save(self, folder: Path) -> list[Path]:
        """Write both files and give their paths; a second run of the day on the same commit replaces the first."""
        folder.mkdir(exist_ok=True)
        stem = f"{self.began:%Y-%m-%d}-{self.commit}"
        paths = [folder / f"{stem}.json", folder / f"{stem}.md"]
        for path, text in zip(paths, (self.as_json(), self.as_markdown()), strict=True):
            path.write_text(text)
        return paths

    def _preface(self) -> list[str]:
        machine, results = self.machine, self.results
        versions = ", ".join(f"{name} {version}" for name, version in results.versions.items())
        return [
            f"{versions}; {self.began:%Y-%m-%d %H:%M} UTC; {machine['cpu']}, {machine['cores']} cores, "
            f"Linux {machine['kernel']}, Python {machine['python']}",
            f"Medians over rounds: {self.plan.rounds}; {CONNECTIONS} connections at saturation, {STREAMS} paced streams; "
            f"each server pinned to one core, the load and the stand-in on another; memory is {results.memory_kind}"
            + (f"; the import takes {statistics.median(results.import_s):.2f} s. " if results.import_s else ". ")
            + f"Other processes took {results.others_share:.0%} of the machine"
            + (": too much for figures to keep." if results.others_share > 0.05 else "."),
        ]

    def _tables(self) -> list[Table]:
        return [table for table in (self._figures(), self._ratios(), self._metering()) if table.rows]

    def _figures(self) -> Table:
        names = sorted(self.results.rounds, key=lambda name: name != DIRECT)  # the floor first
        rows = [
            [figure.label, figure.unit, *[self._cell(name, figure) for name in names], self._value_verdict(figure)]
            for figure in FIGURES
            if any(self.results.median(name, figure.key) is not None for name in names)
        ]
        return Table("What each costs", ["figure", "unit", *names, "bar for relay"], rows)

    def _ratios(self) -> Table:
        peers = self._peers()
        rows = [
            [figure.label, "relay / peer", *[_number(ratio, 2) for ratio in ratios], self._ratio_verdict(figure)]
            for figure in FIGURES
            if any(ratios := [self.results.ratio(RELAY.name, peer, figure.key) for peer in peers])
        ]
        title = "Relay against each peer: median of the ratios within each round"
        return Table(title, ["figure", "", *peers, f"bar against {BAR_PEER}"], rows)

    def _metering(self) -> Table:
        figures = [figure for figure in FIGURES if figure.key in ("small_cpu_us", "burst_cpu_us")]
        rows = [
            [figure.label, part, _number(cost, 0), figure.unit, _verdict(cost, bar if figure is figures[0] else None)]
            for part, name, without, bar in METERING
            for figure in figures
            if (cost := self.results.difference(name, without, figure.key)) is not None
        ]
        return Table(
            "What metering costs: median of the differences within each round",
            ["figure", "part", "cost", "", "bar"],
            rows,
        )

    def _cell(self, name: str, figure: Figure) -> str:
        median = self.results.median(name, figure.key)
        busy = self.results.median(name, figure.busy) if figure.busy else None
        at_least = "≥ " if busy is not None and busy < _SATURATED and name != DIRECT else ""
        return at_least + _number(median, figure.digits)

    def _value_verdict(self, figure: Figure) -> str:
        return _verdict(self.results.median(RELAY.name, figure.key), figure.value_bar)

    def _ratio_verdict(self, figure: Figure) -> str:
        return _verdict(self.results.ratio(RELAY.name, BAR_PEER, figure.key), figure.ratio_bar)

    def _peers(self) -> list[str]:
        if RELAY.name not in self.results.rounds:
            return []
        return [name for name in self.results.rounds if name not in (RELAY.name, DIRECT)]

    def _failures(self) -> list[str]:
        if not self.results.failures:
            return []
        return ["Failed, and not counted:", "\n".join(f"- {failure}" for failure in self.results.failures)]


def describe_machine() -> dict[str, Any]:
    """What a reader needs to know of the machine to compare figures."""
    cpuinfo = Path("/proc/cpuinfo").read_text().splitlines()
    cpu = next((line.split(":", 1)[1].strip() for line in cpuinfo if line.startswith("model name")), "unknown")
    return {
        "cpu": cpu,
        "cores": os.cpu_count(),
        "memory_gib": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30),
        "kernel": platform.release().split("-")[0],
        "python": platform.python_version(),
    }


def describe_commit(root: Path) -> str:
    """The commit of the gateway, with `-dirty` when its code differs from that."""
    done = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], cwd=root, capture_output=True, text=True, check=False
    )
    changed = ["git", "status", "--porcelain", "--", "app", "cli", "pyproject.toml", "requirements.lock"]
    dirty = subprocess.run(changed, cwd=root, capture_output=True, text=True, check=False).stdout.strip()
    return (done.stdout.strip() or "unknown") + ("-dirty" if dirty else "")


def now() -> datetime:
    return datetime.now(UTC)


def _verdict(value: float | None, bar: float | None) -> str:
    if value is None or bar is None:
        return ""
    return f"≤ {bar:g} {'reached' if value <= bar else 'not reached'}"


def _number(value: float | None, digits: int) -> str:
    return "–" if value is None else f"{value:,.{digits}f}"
