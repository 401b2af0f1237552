"""What one worker, or all together, have under way at a moment, and how targets and providers are doing."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

_WORST_FIRST = ("open", "half-open", "closed")


@dataclass(frozen=True, slots=True)
class LiveCall:
    """A client's call that has not ended yet.

    Attributes:
        provider, model: where it was sent last; None while that is not known.
        started_ms: since 1970.
        answering: bytes of the reply have gone out.
        prompt_tokens, completion_tokens: up to now; 0 while nothing has come.
        estimated: the provider has not told them yet, as few do before the end.
    """

    id: str
    username: str
    token_id: str
    name: str
    provider: str | None
    model: str | None
    surface: str
    streamed: bool
    started_ms: int
    answering: bool
    prompt_tokens: int
    completion_tokens: int
    estimated: bool


@dataclass(frozen=True, slots=True)
class TargetHealth:
    """How a target has done since the workers started.

    Attributes:
        key: which of the provider's API keys, counted from 1.
        state: of its breaker; of several workers the worst.
        under_way: calls that wait for its first byte.
        first_byte_ms: on average of late; None before the first.
        retry_s: for how long it is left alone still.
    """

    provider: str
    model: str
    key: int
    state: str
    calls: int
    failures: int
    under_way: int
    first_byte_ms: float | None
    retry_s: float


@dataclass(frozen=True, slots=True)
class ProviderReach:
    """How asking a provider for its models went, at the worker that asked it last.

    Attributes:
        ok: calls will most likely be answered.
        words: the same for people.
        models: how many it lists; None where it did not tell.
        at: when it was asked, in seconds since 1970.
        ms: how long it took.
    """

    provider: str
    ok: bool
    words: str
    models: int | None
    at: float
    ms: int


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Of a moment. `count` is of all calls; `calls` may be the oldest of them only."""

    count: int = 0
    calls: Sequence[LiveCall] = field(default_factory=list)
    targets: Sequence[TargetHealth] = field(default_factory=list)
    providers: Sequence[ProviderReach] = field(default_factory=list)

    @property
    def is_empty(self) -> bool:
        """There is nothing to tell."""
        return not (self.count or self.targets or self.providers)


def write_snapshot(snapshot: Snapshot) -> dict[str, Any]:
    """It as JSON."""
    return asdict(snapshot)


def read_snapshot(written: Mapping[str, Any]) -> Snapshot:
    """What `write_snapshot` wrote.

    Raises:
        TypeError, KeyError: another version wrote it.
    """
    return Snapshot(
        written["count"],
        [LiveCall(**call) for call in written["calls"]],
        [TargetHealth(**target) for target in written["targets"]],
        [ProviderReach(**provider) for provider in written["providers"]],
    )


def together(snapshots: Iterable[Snapshot]) -> Snapshot:
    """Those of several workers as one: the oldest call first, the targets in trouble before the others, the last word on a provider."""
    all_of_them = list(snapshots)
    targets: dict[tuple[str, str, int], TargetHealth] = {}
    for each in (target for snapshot in all_of_them for target in snapshot.targets):
        where = each.provider, each.model, each.key
        targets[where] = _both(targets[where], each) if where in targets else each
    reaches = sorted((each for snapshot in all_of_them for each in snapshot.providers), key=lambda each: each.at)
    return Snapshot(
        sum(snapshot.count for snapshot in all_of_them),
        sorted((call for snapshot in all_of_them for call in snapshot.calls), key=lambda call: call.started_ms),
        sorted(targets.values(), key=lambda each: (_WORST_FIRST.index(each.state), -each.calls, each.provider)),
        list({each.provider: each for each in reaches}.values()),
    )


def _both(one: TargetHealth, other: TargetHealth) -> TargetHealth:
    return TargetHealth(
        one.provider,
        one.model,
        one.key,
        min(one.state, other.state, key=_WORST_FIRST.index),
        one.calls + other.calls,
        one.failures + other.failures,
        one.under_way + other.under_way,
        _average(one, other),
        max(one.retry_s, other.retry_s),
    )


def _average(one: TargetHealth, other: TargetHealth) -> float | None:
    """Each by how often it was right."""
    known = [(each.first_byte_ms, each.calls - each.failures) for each in (one, other)]
    weighed = [(ms, max(1, calls)) for ms, calls in known if ms is not None]
    if not weighed:
        return None
    return round(sum(ms * weight for ms, weight in weighed) / sum(weight for _, weight in weighed), 1)
