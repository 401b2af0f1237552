"""Counts what finished calls tell, for `/metrics`: in plain dictionaries, so that a call costs next to nothing."""

from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from operator import attrgetter
from typing import Any

from app.core.errors import (
    AuthenticationFailed,
    BudgetExhausted,
    InvalidRequest,
    LimitReached,
    PermissionDenied,
    QuotaExceeded,
    RateLimited,
    RelayError,
    Unavailable,
    UnknownModel,
)
from app.core.record import CallRecord
from app.metering.families import (
    CACHE_HITS,
    CALLS,
    COST,
    DURATION,
    FAILED_ATTEMPTS,
    FIRST_BYTE,
    GIVEN_UP,
    HELPERS,
    REFUSALS,
    SMART_FAILURES,
    TOKENS,
    WEBHOOKS,
    Family,
)
from app.metering.rates import TOKENS as TOKEN_CLASSES

Labels = tuple[str, ...]
Values = Mapping[str, Mapping[Labels, float | Sequence[float]]]
"""By the name of the metric, then by labels. Of a histogram: how many in each bucket, the last one without bound, and the sum."""
Name = tuple[str, str]
"""A provider and its name for a model."""

OTHER = "other"
"""Stands for all models that nobody has heard of: clients can make up names without end."""
MOST_UNLISTED = 200

_read_classes = attrgetter(*TOKEN_CLASSES)
_read_kind = attrgetter("provider", "model", "surface", "outcome", "status", "helper", "cache", "cache_hit")
# An error is by the nearest of its kinds.
_REASONS: Mapping[type, str] = {
    QuotaExceeded: "quota",
    LimitReached: "limit",
    BudgetExhausted: "budget",
    RateLimited: "rate_limit",
    AuthenticationFailed: "authentication",
    PermissionDenied: "permission",
    UnknownModel: "unknown_model",
    InvalidRequest: "invalid_request",
    Unavailable: "unavailable",
    RelayError: "other",
}


class Metrics:
    """What this worker has seen since it began.

    Args:
        listed: the models that providers are known to have. Others get a label of their own only once they have answered.
    """

    def __init__(self, listed: Callable[[], Collection[Name]]) -> None:
        self._listed = listed
        self._unlisted: set[Name] = set()
        self._counters: dict[str, defaultdict[Labels, float]] = defaultdict(lambda: defaultdict(float))
        self._histograms: dict[str, dict[Labels, list[float]]] = defaultdict(dict)

    def observe(self, records: Sequence[CallRecord]) -> None:
        """Count finished calls; those of one kind together, since most of a batch are."""
        listed = self._listed()
        groups: dict[tuple[Any, ...], list[CallRecord]] = {}
        for record in records:
            groups.setdefault(_read_kind(record), []).append(record)
        for alike in groups.values():
            target = self._target(alike[0], listed)
            self._count(alike, target)
            self._add(alike, target)
        for record in records:
            for failure in record.failures:
                failed = self.label(failure.provider, failure.model, listed)
                self._counters[FAILED_ATTEMPTS.name][*failed, failure.kind] += 1

    def refuse(self, error: RelayError) -> None:
        """Count a call that was turned away."""
        reason = next(_REASONS[kind] for kind in type(error).__mro__ if kind in _REASONS)
        self._counters[REFUSALS.name][(reason,)] += 1

    def count_smart_failure(self, kind: str, name: str, reason: str) -> None:
        """Count that a smart model could not do its part, and handed the call on."""
        self._counters[SMART_FAILURES.name][kind, name, reason] += 1

    def count_webhook(self, result: str) -> None:
        """Count a webhook that tells of a monitor, by what came of it."""
        self._counters[WEBHOOKS.name][(result,)] += 1

    def count_given_up(self) -> None:
        """Count an event group that is not asked for any more."""
        self._counters[GIVEN_UP.name][()] += 1

    def label(self, provider: str, model: str, listed: Collection[Name] | None = None) -> Name:
        """How a target is labelled."""
        name = (provider, model)
        known = name in (self._listed() if listed is None else listed) or name in self._unlisted
        return name if known else (provider, OTHER)

    def values(self) -> Values:
        """All of it."""
        return {**self._counters, **self._histograms}

    def _target(self, record: CallRecord, listed: Collection[Name]) -> Name:
        provider, model = record.provider, record.model
        if provider is None or model is None:
            return ("", "")
        name = (provider, model)
        if name in listed or name in self._unlisted:
            return name
        if record.status < 400 and len(self._unlisted) < MOST_UNLISTED:
            self._unlisted.add(name)
            return name
        return (provider, OTHER)

    def _count(self, alike: Sequence[CallRecord], target: Name) -> None:
        """Calls of the same kind, and how long they took."""
        first, counters = alike[0], self._counters
        if first.helper is not None:
            counters[HELPERS.name][*target, first.helper] += len(alike)
        else:
            labels = (*target, first.surface, first.outcome.value, f"{first.status // 100}xx")
            counters[CALLS.name][labels] += len(alike)
            self._measure(DURATION, target, [record.total_ms for record in alike])
            self._measure(FIRST_BYTE, target, [ms for record in alike if (ms := record.first_byte_ms) is not None])
        if first.cache_hit:
            counters[CACHE_HITS.name][(first.cache or "",)] += len(alike)

    def _add(self, alike: Sequence[CallRecord], target: Name) -> None:
        """What calls of one target used and cost."""
        sums = map(sum, zip(*[_read_classes(record.usage) for record in alike], strict=True))
        for name, count in zip(TOKEN_CLASSES, sums, strict=True):
            if count:
                self._counters[TOKENS.name][*target, name] += count
        costs = [cost for record in alike if (cost := record.cost) is not None]
        if costs and alike[0].provider is not None:
            self._counters[COST.name][target] += float(sum(costs))

    def _measure(self, family: Family, target: Name, milliseconds: Sequence[int]) -> None:
        if not milliseconds:
            return
        series = self._histograms[family.name]
        numbers = series.get(target)
        if numbers is None:
            numbers = series[target] = [0.0] * (len(family.buckets) + 2)
        for ms, count in Counter(milliseconds).items():
            numbers[bisect_left(family.buckets, ms / 1000)] += count
        numbers[-1] += sum(milliseconds) / 1000


def added(all_values: Iterable[Values]) -> Values:
    """The sums of what several workers have seen."""
    sums: dict[str, dict[Labels, float | Sequence[float]]] = {}
    for values in all_values:
        for name, series in values.items():
            target = sums.setdefault(name, {})
            for labels, value in series.items():
                target[labels] = _sum(target[labels], value) if labels in target else value
    return sums


def _sum(one: float | Sequence[float], other: float | Sequence[float]) -> float | Sequence[float]:
    if isinstance(one, Sequence) and isinstance(other, Sequence):
        return [a + b for a, b in zip(one, other, strict=True)]
    if isinstance(one, Sequence) or isinstance(other, Sequence):
        raise ValueError("a histogram and a number cannot be added")
    return one + other
