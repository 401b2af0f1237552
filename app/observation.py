"""Builds what watches the gateway at work: what is told of finished calls, and of the moment."""

import logging
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Sequence
from typing import TYPE_CHECKING

from app.core.record import CallRecord
from app.metering.exposition import Exposition
from app.metering.families import BACKLOG, BACKLOG_LIMIT, BREAKERS, UNDER_WAY
from app.metering.journal import Journal
from app.metering.metrics import Labels, Metrics, Name, Values
from app.pipeline.board import Board
from app.providers.registry import Registry
from app.settings import Settings

if TYPE_CHECKING:
    from app.metering.telemetry import Telemetry

log = logging.getLogger(__name__)

Observe = Callable[[Sequence[CallRecord]], None]
Label = Callable[[str, str], Name]


def all_of(*observers: Observe) -> Observe:
    """Gives each batch to each of `observers`; one that fails is told of, and keeps nothing from the others."""

    def observe(records: Sequence[CallRecord]) -> None:
        for each in observers:
            try:
                each(records)
            except Exception:
                log.exception("a batch of records was not observed by %s", getattr(each, "__qualname__", each))

    return observe


def open_metrics(
    settings: Settings,
    registry: Registry,
    board: Board,
    under_way: Callable[[], int],
    journal: Journal,
) -> tuple[Metrics, Exposition]:
    """The metrics of this worker, and how those of all workers are told."""
    metrics = Metrics(listed_targets(registry))

    def gauges() -> Values:
        return {
            UNDER_WAY.name: {(): float(under_way())},
            BACKLOG.name: {(): float(journal.size)},
            BACKLOG_LIMIT.name: {(): float(journal.max_bytes)},
            BREAKERS.name: _breakers(board, metrics.label),
        }

    return metrics, Exposition(metrics, gauges, settings.metrics_dir)


def open_telemetry(settings: Settings, registry: Registry, label: Label) -> "Telemetry | None":
    """What tells a collector of finished calls; None where there is no collector."""
    if not settings.has_collector:
        return None
    from app.metering.telemetry import Telemetry

    return Telemetry(settings.environ, label, registry.base_url)


def listed_targets(registry: Registry) -> Callable[[], Collection[Name]]:
    """Gives the function that tells which targets are listed; it looks at the list anew only where that is another."""
    seen: object = None
    names: Collection[Name] = frozenset()

    def listed() -> Collection[Name]:
        nonlocal seen, names
        if registry.models is not seen:
            seen = registry.models
            names = frozenset(choice.target.name for model in registry.models for choice in model.route.choices)
        return names

    return listed


def _breakers(board: Board, label: Label) -> dict[Labels, float]:
    states: Counter[Labels] = Counter(_states(board, label))
    return {labels: float(count) for labels, count in states.items()}


def _states(board: Board, label: Label) -> Iterable[Labels]:
    for target, health in board.healths().items():
        yield (*label(target.provider, target.model), health.state)
