"""Trains a router's linear model: logistic regression, and a threshold that is proven on prompts that it has not seen."""

import math
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean

from app.pipeline.routing.features import features
from app.pipeline.routing.learned import DIGITS, NEVER, Learned, Step, pick, probability
from app.smart.outcomes import Outcomes

LEAST_ROWS = 200
LEAST_PAIRS = 100
"""Prompts of which both the best candidate's and a cheaper one's answer is known, to learn of that one at all."""

_HELD_OUT = 3  # of ten
_ROUNDS = 15
_RATE = 0.3
_DECAY = 1e-4
_EVEN = 1e-9
_DOUBT = 0.05
# From the safest to the boldest. That order is fixed before anything is seen: so each step may be tested with the full 5 % of
# doubt, as long as the first that fails ends it (fixed sequence testing).
_THRESHOLDS = tuple(round(0.98 - 0.02 * number, 2) for number in range(49))


class NotTrained(ValueError):
    """The outcomes do not allow it; the message says why, and nothing is kept."""


@dataclass(frozen=True)
class Share:
    """One candidate over the prompts that were held out.

    Attributes:
        quality: the mean of its answers.
        taken: the share of prompts that go to it.
    """

    model: str
    quality: float
    taken: float


@dataclass(frozen=True)
class Training:
    """What came of it, all measured on prompts that it was not trained on.

    Attributes:
        worse: the share of answers that are worse than the best candidate's.
        at_most: the same with 95 % confidence.
        always_cheapest: the same if the cheapest answered all.
        cost, cost_of_best: means of a prompt, in the unit of the costs that were given.
    """

    learned: Learned
    trained_on: int
    held_out: int
    threshold: float
    worse: float
    at_most: float
    always_cheapest: float
    cost: float
    cost_of_best: float
    shares: Sequence[Share]


def train(rows: Sequence[Outcomes], costs: Mapping[str, float], max_loss: float) -> Training:
    """A model that loses no more than `max_loss` percent of the answers to worse ones, compared with the best candidate.

    Args:
        costs: what a prompt costs with each candidate that counts, in any unit.

    Raises:
        NotTrained: there are too few outcomes, or nothing to be gained, or the bound cannot be kept.
    """
    rows = [row for row in rows if len(row.quality.keys() & costs.keys()) > 1]
    if len(rows) < LEAST_ROWS:
        raise NotTrained(f"{len(rows)} prompts with outcomes of two candidates are too few; {LEAST_ROWS} are needed.")
    # By the prompt, so that one that was asked twice is not learned by heart and then asked.
    seen = [row for row in rows if int(row.digest[:8], 16) % 10 >= _HELD_OUT]
    held_out = [row for row in rows if int(row.digest[:8], 16) % 10 < _HELD_OUT]
    best = _best(seen, costs)
    cheaper = _cheaper(seen, costs, best)
    weights = {model: _fit(_pairs(seen, model, best)) for model in cheaper}
    # Each prompt once: ten times the same is no ten trials.
    judged = list({r.digest: r for r in held_out if best in r.quality and r.quality.keys() & set(cheaper)}.values())
    steps = _steps(Learned(best, weights, ()), judged)
    learned = Learned(best, weights, steps)
    threshold = learned.threshold(max_loss)
    if threshold == NEVER:
        raise NotTrained(_why_never(judged, max_loss, steps))
    training = _measure(learned, judged, len(seen), threshold, costs, cheaper)
    if not any(share.taken for share in training.shares if share.model != best):
        raise NotTrained(
            f"To keep to {max_loss:g} %, every prompt would go to {best}: a cheaper candidate's good answers cannot be"
            " told from its bad ones by these outcomes."
        )
    return training


def upper_bound(failures: int, trials: int) -> float:
    """Above which a share is not, with 95 % confidence (Clopper and Pearson), where it was seen so often."""
    if failures >= trials:
        return 1.0
    low, high = failures / trials, 1.0
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if _chance_of_at_most(failures, trials, middle) > _DOUBT else (low, middle)
    return high


def _chance_of_at_most(failures: int, trials: int, share: float) -> float:
    if share <= 0:
        return 1.0
    logs = [
        math.lgamma(trials + 1)
        - math.lgamma(count + 1)
        - math.lgamma(trials - count + 1)
        + count * math.log(share)
        + (trials - count) * math.log1p(-share)
        for count in range(failures + 1)
    ]
    return math.fsum(map(math.exp, logs))


def _best(rows: Sequence[Outcomes], costs: Mapping[str, float]) -> str:
    means = {
        model: fmean(known)
        for model in costs
        if len(known := [row.quality[model] for row in rows if model in row.quality]) >= LEAST_PAIRS
    }
    if not means:
        raise NotTrained(f"No candidate has outcomes of {LEAST_PAIRS} prompts to train on.")
    return max(means, key=lambda model: (means[model], -costs[model]))


def _cheaper(rows: Sequence[Outcomes], costs: Mapping[str, float], best: str) -> list[str]:
    """Those that are cheaper than the best and known well enough, the cheapest first."""
    cheaper = [model for model in sorted(costs, key=lambda model: costs[model]) if costs[model] < costs[best]]
    if not cheaper:
        raise NotTrained(f"{best} is the best and the cheapest of the candidates: there is nothing to learn.")
    known = [model for model in cheaper if len(_pairs(rows, model, best)) >= LEAST_PAIRS]
    if not known:
        raise NotTrained(
            f"Of no candidate that is cheaper than {best} there are {LEAST_PAIRS} prompts with both their outcomes."
        )
    return known


def _pairs(rows: Sequence[Outcomes], model: str, best: str) -> list[tuple[Mapping[int, float], float]]:
    """Prompts that both answered: their features, and whether the answer is no worse."""
    return [
        (features(row.question), float(not _is_worse(row, model, best)))
        for row in rows
        if model in row.quality and best in row.quality
    ]


def _is_worse(row: Outcomes, model: str, best: str) -> bool:
    return row.quality[model] < row.quality[best] - _EVEN


def _fit(pairs: Sequence[tuple[Mapping[int, float], float]]) -> dict[int, float]:
    """Weights by stochastic gradient descent, each with a rate of its own (AdaGrad)."""
    weights: dict[int, float] = {}
    squares: dict[int, float] = {}
    order, shuffle = list(pairs), random.Random(0).shuffle  # the same data give the same model
    for _ in range(_ROUNDS):
        shuffle(order)
        for found, label in order:
            error = probability(weights, found) - label
            for place, number in found.items():
                weight = weights.get(place, 0.0)
                slope = error * number + _DECAY * weight
                square = squares[place] = squares.get(place, 1e-6) + slope * slope
                weights[place] = weight - _RATE * slope / math.sqrt(square)
    # As they are kept: what is measured is what will decide.
    return {place: round(weight, DIGITS) for place, weight in weights.items() if round(weight, DIGITS)}


def _steps(learned: Learned, rows: Sequence[Outcomes]) -> list[Step]:
    """For each threshold, how many answers are worse at most; none where nothing was held out."""
    decisions = [(row, learned.chances(row.question)) for row in rows]
    steps = []
    for threshold in _THRESHOLDS if rows else ():
        worse = sum(
            _is_worse(row, _taken(row, chances, learned.best, threshold), learned.best) for row, chances in decisions
        )
        steps.append(Step(threshold, round(100 * upper_bound(worse, len(rows)), 4)))
    return steps


def _taken(row: Outcomes, chances: Mapping[str, float], best: str, threshold: float) -> str:
    """As `pick` decides, among those whose outcome is known."""
    return next((m for m, chance in chances.items() if m in row.quality and chance >= threshold), best)


def _why_never(rows: Sequence[Outcomes], max_loss: float, steps: Sequence[Step]) -> str:
    least = 100 * upper_bound(0, len(rows)) if rows else 100.0
    if least > max_loss:
        return (
            f"{len(rows)} prompts to judge by are too few: without a single worse answer among them it could still be"
            f" {least:.1f} %, and no more than {max_loss:g} % may be lost."
        )
    return f"No threshold is proven to keep to {max_loss:g} %; the safest may lose {steps[0].worst:.1f} %."


def _measure(
    learned: Learned,
    rows: Sequence[Outcomes],
    trained_on: int,
    threshold: float,
    costs: Mapping[str, float],
    cheaper: Sequence[str],
) -> Training:
    best, taken = (
        learned.best,
        [pick(learned, row.question, row.quality.keys(), threshold)[0] or learned.best for row in rows],
    )
    with_cheapest = [row for row in rows if cheaper[0] in row.quality]
    worse = [_is_worse(row, model, best) for row, model in zip(rows, taken, strict=True)]

    def cost(model: str, row: Outcomes) -> float:
        return row.costs.get(model, costs[model])

    def share(model: str) -> Share:
        known = [row.quality[model] for row in rows if model in row.quality]
        return Share(model, fmean(known) if known else math.nan, taken.count(model) / len(rows))

    return Training(
        learned,
        trained_on=trained_on,
        held_out=len(rows),
        threshold=threshold,
        worse=fmean(worse),
        at_most=upper_bound(sum(worse), len(rows)),
        always_cheapest=fmean([_is_worse(row, cheaper[0], best) for row in with_cheapest] or [math.nan]),
        cost=fmean(cost(model, row) for row, model in zip(rows, taken, strict=True)),
        cost_of_best=fmean(cost(best, row) for row in rows),
        shares=[share(model) for model in (*cheaper, best)],
    )
