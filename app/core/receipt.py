"""What a client is told of what its call used and cost."""

from decimal import Decimal
from itertools import compress
from typing import Literal

from app.core.frozen import frozen
from app.core.money import write_usd
from app.core.usage import COUNTS, Usage

ReceiptForm = Literal["comment", "chunk", "none"]
"""Where streams tell of their cost: in a comment at their end, in each chunk that carries usage, or nowhere."""

# A call is one request; that is no news.
_TOLD = COUNTS[: COUNTS.index("requests")]


@frozen
class Bill:
    """What one call used in all, and what it costs in USD: None where no price is known."""

    usage: Usage
    cost: Decimal | None

    def headers(self) -> list[tuple[bytes, bytes]]:
        """For a whole reply; what there is nothing to say of is left out."""
        told = [] if self.cost is None else [(b"x-relay-cost", write_usd(self.cost).encode())]
        if usage := write_usage(self.usage):
            told.append((b"x-relay-usage", usage.encode()))
        return told

    def line(self) -> str:
        """The same in one line."""
        return "; ".join([f"{name.decode()} {value.decode()}" for name, value in self.headers()])


def write_usage(usage: Usage) -> str:
    """The classes that are not 0, by their names, as `input=10, cache_read=5, output=7, reasoning=3`."""
    told = [f"{name}={count}" for name, count in compress(zip(_TOLD, usage, strict=False), usage)]
    if usage.tier and told:
        told.append(f"tier={usage.tier}")
    if usage.estimated and told:
        told.append("estimated")
    return ", ".join(told)
