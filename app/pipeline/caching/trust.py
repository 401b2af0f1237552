"""How sure it is that an answer may be given again, by what became of others: a bound on errors in the place of a threshold.

A proposal is given with a probability, and else asked and compared: each comparison is a trial. Where the chance that it is right
is at least `p`, giving it in a share `1 - t` of all cases makes `(1 - t) * (1 - p)` errors, so that `t` is as large as the bound needs.
With nothing known nearly all is asked; the more trials went well, the less. (The idea is that of vCache, Schroeder et al., 2025.)
"""

import math
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

_EDGES = (0.80, 0.85, 0.90, 0.93, 0.95, 0.97, 0.98, 0.99)
"""Where the trials begin that speak for a proposal: what is less alike is no easier, so that these bound it from below."""
_DOUBTS = (0.001, 0.003, 0.01, 0.03, 0.1)
"""How likely the bound on `p` itself may be wrong; the best of them is taken, each shared by all edges."""
_STEPS = 40


@dataclass(frozen=True, slots=True)
class Trial:
    """One answer that was compared.

    Attributes:
        stored: the `pair_id` of the question whose answer it was.
        cosine: of the two questions.
    """

    stored: str
    cosine: float
    correct: bool


class Evidence:
    """What is known of one cache."""

    def __init__(self, trials: Iterable[Trial] = ()) -> None:
        self._trials = sorted(trials, key=lambda trial: trial.cosine)
        self._cosines = [trial.cosine for trial in self._trials]
        self._known: dict[int, float] = {}  # by how many trials are no more alike: it takes a while to find out

    def share_to_ask(self, stored: str, cosine: float, max_error: float) -> float:
        """Of proposals like this one, the share that has to be asked for no more than `max_error` of all to be wrong.

        Args:
            stored: the `pair_id` of the question whose answer is proposed.
            max_error: a share, such as 0.01.
        """
        if cosine <= self._wrong_up_to.get(stored, 0.0):
            return 1.0
        end = bisect_right(self._cosines, cosine)
        wrong = self._known.get(end)
        if wrong is None:
            wrong = self._known[end] = min(self._wrong_at(end, doubt) for doubt in _DOUBTS)
        return max(0.0, 1 - max_error / wrong) if wrong > 0 else 0.0

    def _wrong_at(self, end: int, doubt: float) -> float:
        """The most that the chance of an error may be where `end` trials are no more alike."""
        least = 0.0
        for edge in _EDGES:
            begin = bisect_left(self._cosines, edge)
            if begin >= end:
                break
            failures = self._failures[end] - self._failures[begin]
            least = max(least, least_chance(end - begin, failures, doubt / len(_EDGES)))
        return 1 - (1 - doubt) * least

    @cached_property
    def _wrong_up_to(self) -> Mapping[str, float]:
        """For each stored question how alike one was for which its answer was wrong."""
        return {trial.stored: trial.cosine for trial in self._trials if not trial.correct}

    @cached_property
    def _failures(self) -> Sequence[int]:
        """How many of the first so many trials were wrong."""
        counts = [0]
        for trial in self._trials:
            counts.append(counts[-1] + (not trial.correct))
        return counts


def least_chance(trials: int, failures: int, doubt: float) -> float:
    """The lowest chance of success that so few failures still leave likely, with a probability `doubt` (Chernoff's bound)."""
    if failures >= trials:
        return 0.0
    seen, most = 1 - failures / trials, -math.log(doubt) / trials
    low, high = 0.0, seen
    for _ in range(_STEPS):
        chance = (low + high) / 2
        if chance <= 0 or _divergence(seen, chance) > most:
            low = chance
        else:
            high = chance
    return low


def _divergence(seen: float, chance: float) -> float:
    """How far a share that was seen is from a chance (Kullback and Leibler, 1951)."""
    good = seen * math.log(seen / chance)
    return good if seen >= 1 else good + (1 - seen) * math.log((1 - seen) / (1 - chance))
