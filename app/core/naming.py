"""How names of models are compared."""

import heapq
from collections.abc import Iterable
from difflib import get_close_matches
from functools import lru_cache
from itertools import pairwise

# Of so many likely names the nearest are found exactly; to do that with all would hold up other calls for 50 ms.
_LIKELY = 24


def normalise(name: str) -> str:
    """A name as it is looked up: trimmed, lower case, without one trailing `:latest`."""
    return name.strip().lower().removesuffix(":latest")


def nearest(wanted: str, names: Iterable[str], least: float = 0.0) -> list[str]:
    """Those of `names` that are most like `wanted`, the best first; at most 24, all of them normalised.

    Args:
        least: how like it they have to be, from 0 to 1.
    """
    pairs = _pairs(wanted)
    likely = heapq.nlargest(_LIKELY, names, key=lambda name: len(pairs & _pairs(name)))
    return get_close_matches(wanted, likely, n=_LIKELY, cutoff=least)


@lru_cache(maxsize=8192)
def _pairs(name: str) -> frozenset[str]:
    """Its neighbouring letters: what two names share of them tells cheaply whether a closer look is worth it."""
    return frozenset(map("".join, pairwise(name)))
