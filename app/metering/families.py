"""The metrics that there are: their names, labels and buckets."""

from dataclasses import dataclass
from typing import Literal

PREFIX = "llm_relay_"

# A short answer takes half a second, one that thinks some minutes.
DURATIONS_S = (0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 20.0, 40.0, 80.0, 160.0, 320.0)
FIRST_BYTES_S = (0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 20.0, 60.0)

_TARGET = ("provider", "model")


@dataclass(frozen=True, slots=True)
class Family:
    """One metric. `name` is without the prefix, and of a counter without its `_total`.

    A gauge that is `shared` has no labels, and is the same for all workers of a machine; others are added up.
    """

    kind: Literal["counter", "gauge", "histogram"]
    name: str
    about: str
    labels: tuple[str, ...] = ()
    buckets: tuple[float, ...] = ()
    shared: bool = False


CALLS = Family(
    "counter",
    "calls",
    "Calls of clients that were admitted and have ended.",
    (*_TARGET, "surface", "outcome", "status"),
)
HELPERS = Family("counter", "helper_calls", "Calls that the gateway made for a call of a client.", (*_TARGET, "helper"))
DURATION = Family("histogram", "call_duration_seconds", "From the arrival of a call to its end.", _TARGET, DURATIONS_S)
FIRST_BYTE = Family(
    "histogram",
    "first_byte_seconds",
    "From the arrival of a call to the first byte of its reply.",
    _TARGET,
    FIRST_BYTES_S,
)
TOKENS = Family("counter", "tokens", "Tokens by class; the classes do not overlap.", (*_TARGET, "class"))
COST = Family("counter", "cost_usd", "What calls cost, in USD, where it is known.", _TARGET)
FAILED_ATTEMPTS = Family(
    "counter", "failed_attempts", "Attempts that failed, also where another one went well.", (*_TARGET, "kind")
)
CACHE_HITS = Family("counter", "cache_hits", "Calls that a cache answered.", ("cache",))
REFUSALS = Family("counter", "refusals", "Calls that the gateway turned away.", ("reason",))
SMART_FAILURES = Family(
    "counter",
    "smart_model_failures",
    "Times that a smart model could not do its part, and handed the call on.",
    ("kind", "name", "reason"),
)
WEBHOOKS = Family("counter", "monitor_webhooks", "Webhooks of Parallel's by what came of them.", ("result",))
GIVEN_UP = Family("counter", "monitor_events_given_up", "Event groups of monitors that could not be fetched for a day.")
UNDER_WAY = Family("gauge", "calls_under_way", "Calls that have not ended yet.")
BREAKERS = Family(
    "gauge",
    "breakers",
    "Breakers by state; each worker has one for each model and API key.",
    (*_TARGET, "state"),
)
BACKLOG = Family("gauge", "journal_backlog_bytes", "Records that wait for the database.", shared=True)
BACKLOG_LIMIT = Family("gauge", "journal_limit_bytes", "How many may wait before calls are refused.", shared=True)
WORKERS = Family("gauge", "workers", "Processes that serve.")
BUILD = Family("gauge", "build_info", "The version, as a label.", ("version",))

FAMILIES = (
    CALLS,
    HELPERS,
    DURATION,
    FIRST_BYTE,
    TOKENS,
    COST,
    FAILED_ATTEMPTS,
    CACHE_HITS,
    REFUSALS,
    SMART_FAILURES,
    WEBHOOKS,
    GIVEN_UP,
    UNDER_WAY,
    BREAKERS,
    BACKLOG,
    BACKLOG_LIMIT,
    WORKERS,
    BUILD,
)
