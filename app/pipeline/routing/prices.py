"""What candidates cost: by the million tokens, for the designator; and for one request, to take the cheapest."""

from collections.abc import Sequence
from decimal import Decimal

from app.core.call import Target
from app.core.ports import PriceList
from app.core.usage import Usage
from app.pipeline.routing.candidates import Seen
from app.pipeline.routing.designator import Offer
from app.pipeline.routing.question import Question

# Prices of long prompts are higher with some providers; these are the common ones.
_SAMPLE = 1000
_INPUT, _OUTPUT = Usage(input=_SAMPLE), Usage(output=_SAMPLE)
_SAMPLES_PER_MILLION = 1_000_000 // _SAMPLE


def offer(prices: PriceList, seen: Seen, at: float) -> Offer:
    """A candidate with its prices at a moment, in seconds since the epoch."""
    if seen.target is None:
        return Offer(seen)
    return Offer(seen, _per_million(prices, seen.target, _INPUT, at), _per_million(prices, seen.target, _OUTPUT, at))


def cost_of(prices: PriceList, seen: Seen, question: Question, at: float) -> Decimal | None:
    """What the request is likely to cost with a candidate; None where no price is known."""
    return None if seen.target is None else prices.price(seen.target, question.usage, at).cost


def cheapest(prices: PriceList, viable: Sequence[Seen], question: Question, at: float) -> tuple[Seen, Decimal | None]:
    """The cheapest candidate for the request, and its cost; the first where they cost the same, or no price is known."""
    costs = [cost_of(prices, seen, question, at) for seen in viable]
    known = [(cost, index) for index, cost in enumerate(costs) if cost is not None]
    return (viable[min(known)[1]], min(known)[0]) if known else (viable[0], None)


def _per_million(prices: PriceList, target: Target, sample: Usage, at: float) -> Decimal | None:
    cost = prices.price(target, sample, at).cost
    return None if cost is None else cost * _SAMPLES_PER_MILLION
