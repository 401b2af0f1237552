"""One answer on its way outward, and what is said when it ends."""

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol

from app.core.errors import RelayError
from app.core.frozen import frozen
from app.core.usage import NO_USAGE, Usage

JSON_TYPE = "application/json"
EVENT_STREAM_TYPE = "text/event-stream; charset=utf-8"

CLIENT_LEFT = "the client left"
"""The message with which a task is cancelled because nobody waits for its reply any more."""

STOPPED = "An administrator stopped this call."
"""The message with which a task is cancelled because an administrator stopped its call; also what its client is told."""


class Outcome(StrEnum):
    """How a call ended."""

    OK = "ok"
    ERROR = "error"
    CLIENT_GONE = "client_gone"
    CUT = "cut"
    """The reply broke off after its first byte, by the provider's fault or ours."""


FIRST_ERROR_STATUS = 400
FAILURES = (Outcome.ERROR, Outcome.CUT)
"""Where a stream has begun, its status says nothing of these any more."""


def went_well(status: int, outcome: str) -> bool:
    """Whether a call counts as `ok`, not as an error. What its client left in the midst of is nobody's error."""
    return status < FIRST_ERROR_STATUS and outcome not in FAILURES


@frozen
class End:
    """How and when a reply ended.

    It is told before the last bytes go out, so that what was answered is recorded, whatever happens then. A client that leaves
    while those are written is not told apart from one that leaves right behind them: the reply was there as a whole, and is `ok`.

    Attributes:
        status: the reply's.
        at: on the monotonic clock, in seconds.
        begun: bytes of the reply had gone out or were about to, not only a ping.
        failure: with what it broke off, where that was an error of ours or the provider's.
    """

    outcome: Outcome
    status: int
    usage: Usage
    at: float
    error: str | None = None
    begun: bool = True
    failure: RelayError | None = None


class Tap(Protocol):
    """Something that watches a reply go by."""

    def feed(self, chunk: bytes) -> None:
        """See the next bytes that went to the client."""

    def close(self, end: End) -> None:
        """Hear of the end; called exactly once, whatever the way it ended."""


class Ending(Protocol):
    """Knows when a stream is at its dialect's own end, such as `[DONE]`; clients may take nothing that follows."""

    @property
    def ended(self) -> bool:
        """The piece that was given last holds that end. False for ever where nobody looks."""


class _Unseen:
    ended = False


class _Nothing:
    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        raise StopAsyncIteration


_NOTHING = _Nothing()
_UNSEEN = _Unseen()


async def _close_nothing() -> None:
    pass


def _no_failure() -> str | None:
    return None


def _no_usage() -> Usage:
    return NO_USAGE


@dataclass(slots=True)
class Reply:
    """The answer to a call, in the client's dialect.

    Attributes:
        first: the first bytes of the body; of a whole reply, all of them.
        rest: what follows. It raises `UpstreamFailure` where the provider breaks off.
        aclose: whoever reads the reply calls it, at its end or before. It ends the provider's side: at once, or where the
            answer is all there, after a short wait for the end of its connection's turn.
        read_usage: what was used up to now; after the last chunk, what was used in all.
        read_failure: the provider's words, where it reported an error in the midst of a stream.
        taps: what watches; a stage adds its own.
        headers: what the client is told beside, in lower case.
        ending: of a stream.
        is_told: the taps have heard of the end.
        closing: of a stream, gives what comes after its last chunk; called once, when all else has gone out.
        delivered: called before `aclose` when all of it has been handed to the connection of a client that had not left; never
            otherwise. None where nobody has to know.
        once: it is told this once: nothing keeps it, or gives it to another call.
    """

    status: int
    media_type: str
    first: bytes
    rest: AsyncIterator[bytes] = _NOTHING
    aclose: Callable[[], Awaitable[None]] = _close_nothing
    read_usage: Callable[[], Usage] = _no_usage
    read_failure: Callable[[], str | None] = _no_failure
    taps: list[Tap] = field(default_factory=list)
    headers: list[tuple[bytes, bytes]] = field(default_factory=list)
    ending: Ending = _UNSEEN
    is_told: bool = False
    closing: Callable[[], bytes] | None = None
    delivered: Callable[[], None] | None = None
    once: bool = False

    def tell(self, end: End) -> None:
        """Let every tap hear of the end."""
        self.is_told = True
        for tap in self.taps:
            tap.close(end)
