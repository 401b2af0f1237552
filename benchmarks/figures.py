"""What is measured: each figure's name, unit and bar, and the samples of a run."""

import statistics
from dataclasses import dataclass, field

BAR_PEER = "ferrogw"  # the bars on ratios are set against this one

METERING = (
    ("what a call waits for (price, receipt, record, journal)", "unwritten", "unmetered", None),
    ("  more than it waited for before", "unwritten", "before, unwritten", 40),
    ("what follows (log, metrics, rows, sums)", "relay", "unwritten", None),
)
"""Parts of it: of which two contenders the difference tells what each costs, and the bar for a small call in µs."""


@dataclass(frozen=True)
class Figure:
    """One row of the report.

    `ratio_bar` is the most that relay / ferrogw may be, `value_bar` the most that the relay's own value may be.
    `busy` names the samples that tell whether the server was at its limit when a rate was measured.
    """

    key: str
    label: str
    unit: str
    digits: int
    ratio_bar: float | None = None
    value_bar: float | None = None
    busy: str | None = None


FIGURES = (
    Figure("small_cpu_us", "small reply, CPU", "µs/request", 0, ratio_bar=0.9),
    Figure("small_per_s", "small reply, saturated", "req/s", 0, busy="small_busy"),
    Figure("burst_cpu_us", "64-chunk burst, CPU", "µs/request", 0, ratio_bar=0.4),
    Figure("burst_per_s", "64-chunk burst, saturated", "req/s", 0, busy="burst_busy"),
    Figure("paced_cpu_us", "paced streams, CPU", "µs/chunk", 1, ratio_bar=0.8),
    Figure("from_messages_cpu_us", "Anthropic's client on OpenAI's API, paced", "µs/chunk", 1),
    Figure("from_messages_ratio", "  over passing through", "×", 2, value_bar=2.5),
    Figure("to_messages_cpu_us", "OpenAI's client on Anthropic's API, paced", "µs/chunk", 1),
    Figure("to_messages_ratio", "  over passing through", "×", 2, value_bar=2.5),
    Figure("from_messages_burst_cpu_us", "Anthropic's client on OpenAI's API, burst", "µs/request", 0),
    Figure("from_messages_burst_ratio", "  over passing through", "×", 2),
    Figure("to_messages_burst_cpu_us", "OpenAI's client on Anthropic's API, burst", "µs/request", 0),
    Figure("to_messages_burst_ratio", "  over passing through", "×", 2),
    Figure("call_p50_ms", "small reply, whole call p50", "ms", 3),
    Figure("added_p50_ms", "  added over direct, p50", "ms", 3),
    Figure("added_p99_ms", "  added over direct, p99", "ms", 3, value_bar=2.5),
    Figure("first_byte_p50_ms", "stream, first byte p50", "ms", 3),
    Figure("first_byte_added_p50_ms", "  added over direct, p50", "ms", 3),
    Figure("first_byte_added_p99_ms", "  added over direct, p99", "ms", 3),
    Figure("ready_s", "ready after start", "s", 3),
    Figure("ready_ratio", "  over importing fastapi, sqlmodel", "×", 2, value_bar=1.3),
    Figure("idle_mb", "resident when idle", "MB", 0, value_bar=120),
)

Sample = dict[str, float]


@dataclass
class Results:
    """The samples of a run: by contender, then one dict a round. A failed measurement leaves its keys out."""

    rounds: dict[str, list[Sample]] = field(default_factory=dict)
    failures: list[str] = field(default_factory=list)
    versions: dict[str, str] = field(default_factory=dict)
    import_s: list[float] = field(default_factory=list)
    memory_kind: str = "Pss"
    others_share: float = 0.0

    def add(self, name: str, round_index: int, sample: Sample) -> None:
        samples = self.rounds.setdefault(name, [])
        samples += [{} for _ in range(round_index + 1 - len(samples))]
        samples[round_index].update(sample)

    def values(self, name: str, key: str) -> list[float]:
        """The samples of one figure, one a round. Empty where it was not measured, or failed in any round."""
        samples = self.rounds.get(name, [])
        values = [sample[key] for sample in samples if key in sample]
        return values if len(values) == len(samples) else []

    def median(self, name: str, key: str) -> float | None:
        values = self.values(name, key)
        return statistics.median(values) if values else None

    def difference(self, name: str, other: str, key: str) -> float | None:
        """The same of what `name` has more than `other`."""
        pairs = list(zip(self.values(name, key), self.values(other, key), strict=False))
        return statistics.median([one - two for one, two in pairs]) if pairs else None

    def ratio(self, name: str, other: str, key: str) -> float | None:
        """The median of the rounds' ratios of `name` to `other`: drift of the machine's speed falls out."""
        pairs = zip(self.values(name, key), self.values(other, key), strict=False)
        ratios = [one / two for one, two in pairs if two > 0]
        return statistics.median(ratios) if ratios else None
