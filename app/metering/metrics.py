"""Counts what finished calls tell, for `/metrics`: in plain dictionaries, so that a call costs next to nothing."""

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

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
from app.core.usage import Usage
from app.metering.families import (
    CACHE_HITS,
    CALLS,
    COST,
    DURATION,
    FAILED_ATTEMPTS,
    FIRST_BYTE,
    HELPERS,
    REFUSALS,
    TOKENS,
    Family,
)

Labels = tuple[str, ...]
Values = Mapping[str, Mapping[Labels, float | Sequence[float]]]
"""By the name of the metric, then by labels. Of a histogram: how many in each bucket, the last one without bound, and the sum."""
Name = tuple[str, str]
"""A provider and its name for a model."""

OTHER = "other"
"""Stands for all models that nobody has heard of: clients can make up names without end."""
MOST_UNLISTED = 200

_CLASSES: tuple[tuple[str, Callable[[Usage], int]], ...] = (
    ("input", lambda usage: usage.input),
    ("cache_read", lambda usage: usage.cache_read),
    ("cache_write", lambda usage: usage.cache_write),
    ("cache_write_1h", lambda usage: usage.cache_write_1h),
    ("input_audio", lambda usage: usage.input_audio),
    ("input_image", lambda usage: usage.input_image),
    ("output", lambda usage: usage.output),
    ("reasoning", lambda usage: usage.reasoning),
    ("output_audio", lambda usage: usage.output_audio),
    ("output_image", lambda usage: usage.output_image),
)
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
        listed: the models that providers are known to have. Others get a label of their own only when a call went well.
    """

    def __init__(self, listed: Callable[[], Collection[Name]]) -> None:
        self._listed = listed
        self._unlisted: set[Name] = set()
        self._counters: dict[str, defaultdict[Labels, float]] = defaultdict(lambda: defaultdict(float))
        self._histograms: dict[str, dict[Labels, list[float]]] = defaultdict(dict)

    def observe(self, records: Sequence[CallRecord]) -> None:
        """Count finished calls."""
        listed = self._listed()
        counters = self._counters
        calls, tokens, cost = counters[CALLS.name], counters[TOKENS.name], counters[COST.name]
        for record in records:
            target = provider, model = self._target(record, listed)
            if record.helper is None:
                status = f"{record.status // 100}xx"
                calls[provider, model, record.surface, record.outcome.value, status] += 1
                self._measure(DURATION, target, record.total_ms / 1000)
                if record.first_byte_ms is not None:
                    self._measure(FIRST_BYTE, target, record.first_byte_ms / 1000)
            else:
                counters[HELPERS.name][provider, model, record.helper] += 1
            usage = record.usage
            if usage.total:
                for name, read in _CLASSES:
                    if count := read(usage):
                        tokens[provider, model, name] += count
            if record.cost is not None and record.provider is not None:
                cost[target] += float(record.cost)
            if record.cache_hit:
                counters[CACHE_HITS.name][(record.cache or "",)] += 1
            for failure in record.failures:
                failed = self.label(failure.provider, failure.model, listed)
                counters[FAILED_ATTEMPTS.name][*failed, failure.kind] += 1

    def refuse(self, error: RelayError) -> None:
        """Count a call that was turned away."""
        reason = next(_REASONS[kind] for kind in type(error).__mro__ if kind in _REASONS)
        self._counters[REFUSALS.name][(reason,)] += 1

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

    def _measure(self, family: Family, target: Name, seconds: float) -> None:
        series = self._histograms[family.name]
        numbers = series.get(target)
        if numbers is None:
            numbers = series[target] = [0.0] * (len(family.buckets) + 2)
        numbers[bisect_left(family.buckets, seconds)] += 1
        numbers[-1] += seconds


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
