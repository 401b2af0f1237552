"""What a smart model would do with a call, told without doing it."""

from app.core.frozen import frozen


@frozen
class CandidateView:
    """A model that could be chosen.

    Attributes:
        reason: why it is out, in a few words; None where it is in.
    """

    model: str
    reason: str | None = None


@frozen
class Explained:
    """What one smart model would do with one call.

    Attributes:
        next: the names that it may lead the call to, the likeliest first; more than one where only a helper call tells which.
        notes: what decides, a sentence each.
        candidates: all that there are to choose among, in their order.
        asks: the models of helper calls that would be made, such as the designator.
    """

    next: tuple[str, ...]
    notes: tuple[str, ...] = ()
    candidates: tuple[CandidateView, ...] = ()
    asks: tuple[str, ...] = ()
