"""What a router's choosing comes to."""

from collections.abc import Sequence
from typing import Protocol

from app.core.call import Call
from app.core.frozen import frozen
from app.core.smart import Router
from app.pipeline.routing.candidates import Seen
from app.pipeline.routing.question import Question


class NotChosen(Exception):
    """Nothing was chosen.

    Args:
        reason: for the counter, one word of few.
        words: for the record, short and without commas.
    """

    def __init__(self, reason: str, words: str) -> None:
        super().__init__(words)
        self.reason = reason
        self.words = words


@frozen
class Decision:
    """Where a router leads a call.

    Attributes:
        why: what decided, as a sentence.
        failure: why the fallback stands in, where something went wrong.
    """

    model: str
    why: str
    failure: NotChosen | None = None


class Chooser(Protocol):
    """Has a model pick one of several."""

    async def choose(
        self, call: Call, router: Router, viable: Sequence[Seen], question: Question, deadline: float
    ) -> str:
        """The name of one of `viable`, by `deadline` on the monotonic clock.

        Raises:
            NotChosen: nothing came in time, or nothing of use.
        """
