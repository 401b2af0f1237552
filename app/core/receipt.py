"""What a client is told of what its call used and cost."""

from decimal import Decimal
from itertools import compress
from operator import attrgetter
from typing import Literal

from app.core.frozen import frozen
from app.core.usage import COUNTS, Usage

ReceiptForm = Literal["comment", "chunk", "none"]
"""Where streams tell of their cost: in a comment at their end, in each chunk that carries usage, or nowhere."""

# A call is one request; that is no news.
_TOLD = tuple(name for name in COUNTS if name != "requests")
_read_told = attrgetter(*_TOLD)


@frozen
class Bill:
    """What one call used in all, and what it costs in USD: None where no price is known."""

    usage: Usage
    cost: Decimal | None

    def headers(self) -> list[tuple[bytes, bytes]]:
        """For a whole reply; what there is nothing to say of is left out."""
        usage, cost = write_usage(self.usage), self.cost
        told = [] if cost is None else [(b"x-relay-cost", write_usd(cost).encode())]
        return [*told, (b"x-relay-usage", usage.encode())] if usage else told

    def line(self) -> str:
        """The same in one line."""
        return "; ".join([f"{name.decode()} {value.decode()}" for name, value in self.headers()])


def write_usage(usage: Usage) -> str:
    """The classes that are not 0, by their names, as `input=10, cache_read=5, output=7, reasoning=3`."""
    counts = _read_told(usage)
    told = [f"{name}={count}" for name, count in zip(compress(_TOLD, counts), filter(None, counts), strict=True)]
    if usage.tier and told:
        told.append(f"tier={usage.tier}")
    if usage.estimated and told:
        told.append("estimated")
    return ", ".join(told)


def write_usd(cost: Decimal) -> str:
    """A plain decimal number: no exponent, and no zeros at its end."""
    text = format(cost, "f")
    return text.rstrip("0").rstrip(".") if "." in text else text
