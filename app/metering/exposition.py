"""The metrics of all workers as Prometheus reads them.

Each worker keeps its sums in a file of its own, and whoever is asked adds up all files, after it wrote its own: so whoever is
asked next never tells less. The multiprocess mode of prometheus-client would have each count write into a mapped file: three
times the CPU time, and a worker dies by SIGBUS when the disk is full.
"""

import asyncio
import logging
import os
import secrets
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from app import __version__
from app.core.jsonio import Json, dumps, loads
from app.metering.families import BUILD, FAMILIES, PREFIX, WORKERS, Family
from app.metering.metrics import Metrics, Values, added

if TYPE_CHECKING:
    from prometheus_client import Metric

log = logging.getLogger(__name__)

WRITE_S = 2.0
LIVE_S = 15.0
"""A worker whose file is older is dead: what it counted stays, what was under way with it is no more."""

_SHARED = {family.name for family in FAMILIES if family.shared}

Gauges = Callable[[], Values]


class Exposition:
    """Tells the metrics of all workers.

    Args:
        gauges: what is true at this moment of this worker.
        folder: where the workers of one gateway leave what they counted; None where there is but one.
        clock: seconds since the epoch.
    """

    def __init__(
        self,
        metrics: Metrics,
        gauges: Gauges,
        folder: Path | None = None,
        *,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._metrics = metrics
        self._gauges = gauges
        self._file = folder / f"{secrets.token_hex(8)}.json" if folder else None
        self._clock = clock
        self._writing = asyncio.Lock()

    async def render(self, accept: str = "") -> tuple[bytes, str]:
        """The metrics, and their media type: Prometheus' text, or OpenMetrics where `accept` asks for it."""
        own = await self.write()
        return await asyncio.to_thread(self._render, own, accept)

    async def run(self) -> None:
        """Keep this worker's file new, for as long as the gateway runs; needed only where there are several."""
        while True:
            await self.write()
            await asyncio.sleep(WRITE_S)

    async def write(self) -> bytes:
        """Leave what this worker has seen for all others."""
        async with self._writing:
            own = dumps(
                {
                    "at": self._clock(),
                    "counted": _listed(self._metrics.values()),
                    "gauges": _listed({**self._gauges(), WORKERS.name: {(): 1.0}}),
                }
            )
            if self._file is not None:
                await asyncio.to_thread(_replace, self._file, own)
            return own

    async def count_workers(self) -> int:
        """How many workers of the gateway there are on this machine."""
        own = await self.write()
        if self._file is None:
            return 1
        files, now = await asyncio.to_thread(lambda file: list(_read_all(file, own)), self._file), self._clock()
        return sum(now - file["at"] < LIVE_S for file in files)

    def _render(self, own: bytes, accept: str) -> tuple[bytes, str]:
        from prometheus_client.exposition import choose_encoder  # 150 ms, that only those pay who are asked

        files = [loads(own)] if self._file is None else list(_read_all(self._file, own))
        now = self._clock()
        counted = [_values(file["counted"]) for file in files]
        gauges = [_values(file["gauges"]) for file in files if now - file["at"] < LIVE_S]
        shared = {name: series for name, series in _values(loads(own)["gauges"]).items() if name in _SHARED}
        values = {**added(counted), **added(gauges), **shared, BUILD.name: {(__version__,): 1.0}}
        encode, media_type = choose_encoder(accept)
        return encode(_Collected(values)), media_type  # type: ignore[arg-type] # all that it asks for is `collect`


class _Collected:
    """What prometheus-client writes out."""

    def __init__(self, values: Values) -> None:
        self._values = values

    def collect(self) -> "Iterable[Metric]":
        return [_metric(family, self._values) for family in FAMILIES]


def _metric(family: Family, values: Values) -> "Metric":
    from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily

    series = values.get(family.name, {})
    name = PREFIX + family.name
    if family.kind == "histogram":
        histogram = HistogramMetricFamily(name, family.about, labels=family.labels)
        for labels, numbers in series.items():
            assert isinstance(numbers, Sequence)  # noqa: S101 - for the type checker
            histogram.add_metric(labels, list(_buckets(family, numbers)), numbers[-1])
        return histogram
    plain = (CounterMetricFamily if family.kind == "counter" else GaugeMetricFamily)(
        name, family.about, labels=family.labels
    )
    for labels, number in series.items():
        assert not isinstance(number, Sequence)  # noqa: S101 - for the type checker
        plain.add_metric(labels, number)
    return plain


def _buckets(family: Family, numbers: Sequence[float]) -> Iterator[tuple[str, float]]:
    """Each bound with how many were no longer than that."""
    so_far = 0.0
    for bound, number in zip((*map(str, family.buckets), "+Inf"), numbers, strict=False):
        so_far += number
        yield bound, so_far


def _listed(values: Values) -> Json:
    return {name: [[list(labels), value] for labels, value in series.items()] for name, series in values.items()}


def _values(listed: Any) -> Values:
    return {name: {tuple(labels): value for labels, value in series} for name, series in listed.items()}


def _read_all(own_file: Path, own: bytes) -> Iterator[Any]:
    yield loads(own)
    for path in sorted(own_file.parent.glob("*.json")):
        if path != own_file:
            try:
                yield loads(path.read_bytes())
            except (OSError, ValueError):
                log.warning("the metrics of a worker cannot be read: %s", path.name)


def _replace(path: Path, content: bytes) -> None:
    new = path.with_suffix(".new")
    try:
        new.write_bytes(content)
        os.replace(new, path)
    except OSError as exc:
        log.warning("the metrics of this worker cannot be written: %s", exc.strerror)
