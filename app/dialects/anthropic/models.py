"""What Claude models take, told from their names: the API refuses of one model what another one needs.

Sources: Anthropic's migration guides of Claude 4.1, 4.6, 4.7, 5 and Fable 5, and its page on extended thinking.
"""

import re
from typing import Literal

from app.core.frozen import frozen

# claude-opus-4-6, anthropic/claude-opus-4.6, anthropic.claude-opus-4-1-20250805-v1:0: two digits are no date.
_FAMILY_FIRST = re.compile(r"claude-([a-z]+)-(\d{1,2})(?:[-.](\d{1,2}))?(?!\d)")
# claude-3-7-sonnet-20250219, anthropic/claude-4.5-sonnet
_VERSION_FIRST = re.compile(r"claude-(\d{1,2})(?:[-.](\d{1,2}))?-([a-z]+)")

_FIRST_THINKING = (3, 7)
_FIRST_WITH_ONE_SAMPLER = (4, 1)
_FIRST_ADAPTIVE = (4, 6)
_FIRST_WITHOUT_SAMPLING = (4, 7)
_FIRST_WITH_XHIGH = (4, 7)
_FIRST_THINKING_UNASKED = (5, 0)
_ALWAYS_THINKING = ("fable", "mythos")


@frozen
class Traits:
    """What a model takes.

    Attributes:
        thinking: `budget`: `enabled` with `budget_tokens`; `adaptive`: `adaptive` with an effort.
        may_be_off: `disabled` is not refused.
        unasked: the model thinks where the request does not say.
        most_tokens: the largest `max_tokens`, of models whose thinking has a budget.
        xhigh: knows this effort.
        sampling: `free`; `one`: temperature or top_p; `fixed`: nothing but the defaults.
    """

    thinking: Literal["never", "budget", "adaptive"] = "budget"
    may_be_off: bool = True
    unasked: bool = False
    most_tokens: int = 64_000
    xhigh: bool = True
    sampling: Literal["free", "one", "fixed"] = "free"


_UNKNOWN = Traits()


def traits_of(model: str) -> Traits:
    """What the model of that name takes; one that is no Claude is taken for a model that takes all that there ever was."""
    name = model.lower()
    if match := _FAMILY_FIRST.search(name):
        family, major, minor = match.groups()
    elif match := _VERSION_FIRST.search(name):
        major, minor, family = match.groups()
    else:
        return _UNKNOWN
    version = (int(major), int(minor or 0))
    return Traits(
        thinking="never" if version < _FIRST_THINKING else "budget" if version < _FIRST_ADAPTIVE else "adaptive",
        may_be_off=family not in _ALWAYS_THINKING,
        unasked=version >= _FIRST_THINKING_UNASKED,
        most_tokens=32_000 if family == "opus" and version < (4, 5) else 64_000,
        xhigh=version >= _FIRST_WITH_XHIGH,
        sampling=_sampling(version),
    )


def _sampling(version: tuple[int, int]) -> Literal["free", "one", "fixed"]:
    if version >= _FIRST_WITHOUT_SAMPLING:
        return "fixed"
    return "one" if version >= _FIRST_WITH_ONE_SAMPLER else "free"
