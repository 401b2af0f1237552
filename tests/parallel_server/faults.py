"""What a test orders to go wrong at the stand-in, and Parallel's errors."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from tests.e2e.standin import JSON, Answer
from tests.parallel_server.state import Json

_REF_ID = "fcb2b4f3-c75e-4186-87bc-caa1a8381331"

BROKEN_OFF = Answer(0, silent=True, reset=True)
_SILENCE = Answer(0, silent=True, hold=True)


@dataclass(frozen=True)
class Fault:
    """What comes in the place of an answer, the first of these that is set.

    Attributes:
        status: of an error in Parallel's shape, with `headers`.
        body: the whole answer, with `status`.
        lost: the work is done, and the connection closed without a word of it.
        closed: it is closed, and nothing was done.
        hangs: nothing was done, and nothing comes until the client leaves.
        delay_s: the work is done, and its answer comes later.
    """

    status: int | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes | None = None
    lost: bool = False
    closed: bool = False
    hangs: bool = False
    delay_s: float = 0.0

    @property
    def answer(self) -> Answer | None:
        """What is answered before any work; None where the work is done."""
        if self.status is not None:
            answer = refusal(self.status, "Something went wrong at Parallel")
            if self.body is not None:
                answer = Answer(self.status, JSON, (self.body,))
            return replace(answer, headers={**JSON, **self.headers})
        if self.closed:
            return BROKEN_OFF
        return _SILENCE if self.hangs else None


def refusal(status: int, message: str, detail: Json = None) -> Answer:
    """An `ErrorResponse`."""
    error = {"ref_id": _REF_ID, "message": message} | ({"detail": detail} if detail else {})
    return Answer.json({"type": "error", "error": error}, status)
