"""Builds what watches the gateway at work: what is told of finished calls, and of the moment."""

import logging
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Sequence

from app.core.record import CallRecord
from app.metering.exposition import Exposition
from app.metering.families import BACKLOG, BREAKERS, UNDER_WAY
from app.metering.metrics import Labels, Metrics, Name, Values
from app.pipeline.board import Board
from app.providers.registry import Registry
from app.settings import Settings

log = logging.getLogger(__name__)

Observe = Callable[[Sequence[CallRecord]], None]


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
    backlog_bytes: Callable[[], int],
) -> tuple[Metrics, Exposition]:
    """The metrics of this worker, and how those of all workers are told."""
    metrics = Metrics(listed_targets(registry))

    def gauges() -> Values:
        return {
            UNDER_WAY.name: {(): float(under_way())},
            BACKLOG.name: {(): float(backlog_bytes())},
            BREAKERS.name: _breakers(board, metrics.label),
        }

    return metrics, Exposition(metrics, gauges, settings.metrics_dir)


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


def _breakers(board: Board, label: Callable[[str, str], Name]) -> dict[Labels, float]:
    states: Counter[Labels] = Counter(_states(board, label))
    return {labels: float(count) for labels, count in states.items()}


def _states(board: Board, label: Callable[[str, str], Name]) -> Iterable[Labels]:
    for target, health in board.healths().items():
        yield (*label(target.provider, target.model), health.state)
