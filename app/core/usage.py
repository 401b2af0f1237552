"""Tokens of one call, by class; the classes never overlap, so their sum is what the provider counted."""

from decimal import Decimal

from app.core.frozen import frozen


@frozen
class Usage:
    """What one call used, in tokens.

    `input` is without the cached part, `output` without the reasoning part. `cost` is the provider's own figure in USD,
    where it reports one. `estimated` is true where the provider reported nothing and the numbers are ours.
    """

    input: int = 0
    cache_read: int = 0
    cache_write: int = 0
    output: int = 0
    reasoning: int = 0
    cost: Decimal | None = None
    estimated: bool = False

    @property
    def total(self) -> int:
        """All tokens, of every class."""
        return self.input + self.cache_read + self.cache_write + self.output + self.reasoning

    def __add__(self, other: "Usage") -> "Usage":
        """Both together."""
        costs = [usage.cost for usage in (self, other) if usage.cost is not None]
        return Usage(
            self.input + other.input,
            self.cache_read + other.cache_read,
            self.cache_write + other.cache_write,
            self.output + other.output,
            self.reasoning + other.reasoning,
            sum(costs[1:], costs[0]) if costs else None,
            self.estimated or other.estimated,
        )


NO_USAGE = Usage()
"""Nothing was used: the call never reached a model."""
