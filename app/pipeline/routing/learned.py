"""A router's linear model: which cheaper candidates are as good as the best one for a prompt, and how sure it has to be."""

import math
from collections.abc import Collection, Mapping, Sequence
from itertools import takewhile
from typing import Any

from app.core.frozen import frozen
from app.pipeline.routing.features import VERSION, features
from app.pipeline.routing.question import Question

DEFAULT_MAX_LOSS = 5.0
"""Percent of the answers that may be worse, where the router does not say."""

DIGITS = 4
"""Of weights, as they are kept."""

NEVER = 2.0
"""A threshold that no probability reaches."""


class UnusableModel(ValueError):
    """What was learned is of another version, or is not what training writes."""


@frozen
class Step:
    """One threshold of training's last look.

    Attributes:
        threshold: the probability from which a cheaper candidate is taken.
        worst: at most so many percent of the answers are worse than the best candidate's, with 95 % confidence.
    """

    threshold: float
    worst: float


@frozen
class Learned:
    """What was learned.

    Attributes:
        best: the candidate whose answers were the best in all.
        weights: by each of the others, the cheapest first: how a prompt tells that its answer is no worse than the best one's.
        steps: from the safest threshold to the boldest.
    """

    best: str
    weights: Mapping[str, Mapping[int, float]]
    steps: Sequence[Step]

    def threshold(self, max_loss: float) -> float:
        """The boldest threshold of which no more than `max_loss` percent is known, and of none before it."""
        kept = [step.threshold for step in takewhile(lambda step: step.worst <= max_loss, self.steps)]
        return kept[-1] if kept else NEVER

    def chances(self, question: Question) -> Mapping[str, float]:
        """How likely each of the others is no worse, in their order."""
        found = features(question)
        return {model: probability(weights, found) for model, weights in self.weights.items()}


def pick(learned: Learned, question: Question, models: Collection[str], threshold: float) -> tuple[str | None, float]:
    """The cheapest of `models` that is likely enough no worse than the best, else the best, and how likely that is.

    Where the best is none of them, the likeliest; None where the training knew none of them.
    """
    chances = {model: chance for model, chance in learned.chances(question).items() if model in models}
    for model, chance in chances.items():
        if chance >= threshold:
            return model, chance
    if learned.best in models:
        return learned.best, 1.0
    likeliest = max(chances, key=lambda model: chances[model], default=None)
    return likeliest, chances[likeliest] if likeliest is not None else 0.0


def probability(weights: Mapping[int, float], found: Mapping[int, float]) -> float:
    """By the logistic function."""
    score = sum([weights.get(place, 0.0) * number for place, number in found.items()])
    return 1 / (1 + math.exp(-max(-30.0, min(30.0, score))))


def write_learned(learned: Learned) -> dict[str, Any]:
    """As JSON, to be kept."""
    return {
        "version": VERSION,
        "best": learned.best,
        # A list, since a database may keep an object's keys in another order.
        "weights": [
            {"model": model, "places": list(weights), "values": [round(value, DIGITS) for value in weights.values()]}
            for model, weights in learned.weights.items()
        ],
        "steps": [[step.threshold, step.worst] for step in learned.steps],
    }


def read_learned(value: object) -> Learned:
    """What `write_learned` wrote.

    Raises:
        UnusableModel: it is something else, or of another version.
    """
    try:
        if not isinstance(value, Mapping) or value["version"] != VERSION:
            raise UnusableModel("it was trained by another version: train it anew")
        weights = {
            str(each["model"]): dict(zip(map(int, each["places"]), map(float, each["values"]), strict=True))
            for each in value["weights"]
        }
        return Learned(str(value["best"]), weights, [Step(*map(float, step)) for step in value["steps"]])
    except (KeyError, TypeError, ValueError, OverflowError) as exc:
        if isinstance(exc, UnusableModel):
            raise
        raise UnusableModel("what was learned is not what training writes") from exc
