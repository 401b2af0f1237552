"""One answer on its way outward, and what is said when it ends."""

from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol

from app.core.usage import NO_USAGE, Usage


class Outcome(StrEnum):
    """How a call ended."""

    OK = "ok"
    ERROR = "error"
    CLIENT_GONE = "client_gone"
    CUT = "cut"
    """The provider broke off after the first byte."""


@dataclass(frozen=True, slots=True)
class End:
    """How and when a reply ended. `status` is what the client saw; `at` is on the monotonic clock, in seconds."""

    outcome: Outcome
    status: int
    usage: Usage
    at: float
    error: str | None = None


class Tap(Protocol):
    """Something that watches a reply go by."""

    def feed(self, chunk: bytes) -> None:
        """See the next bytes that went to the client."""

    def close(self, end: End) -> None:
        """Hear of the end; called exactly once, whatever the way it ended."""


@dataclass(slots=True)
class Reply:
    """The answer to a call, in the client's dialect.

    Attributes:
        chunks: the body; it raises `UpstreamFailure` where the provider breaks off. Whoever leaves it early calls `aclose`.
        read_usage: what was used up to now; after the last chunk, what was used in all.
        watchers: taps that want every chunk.
        enders: called once with the `End`.
    """

    status: int
    media_type: str
    chunks: AsyncIterator[bytes]
    aclose: Callable[[], object]
    read_usage: Callable[[], Usage] = lambda: NO_USAGE
    headers: Sequence[tuple[str, str]] = ()
    taps: list[Tap] = field(default_factory=list)
