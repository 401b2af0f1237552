"""What one call used, by class; the classes never overlap, so the tokens' sum is what the provider counted."""

from decimal import Decimal
from operator import add
from typing import Final, NamedTuple

_CLASSES: Final = 14  # the fields that count


class Usage(NamedTuple):
    """What one call used. A tuple, for the sake of the record that it is a part of.

    Attributes:
        input: tokens of the request that are in none of the classes below.
        cache_read: tokens of the request that the provider had in its cache, of any kind.
        cache_write: tokens written to the provider's cache for five minutes, or for as long as it does without being asked.
        cache_write_1h: tokens written to it for an hour.
        input_audio, input_image: tokens of the request's audio and images, where the provider counts them apart.
        output: tokens of the reply that are in none of the classes below.
        reasoning: tokens of thinking.
        output_audio, output_image: tokens of the reply's audio and images, where the provider counts them apart.
        images: pictures that were made.
        searches: web searches that the provider made and charges for.
        requests: calls that a provider answered; some charge for each.
        audio_ms: milliseconds of audio that were heard or spoken, where the provider counts time and not tokens.
        tier: the provider's service tier where it is not the standard one, such as `batch`, `flex` or `priority`.
        cost: the provider's own figure in USD, where it reports one.
        estimated: the provider reported nothing, and the numbers are ours.
    """

    input: int = 0
    cache_read: int = 0
    cache_write: int = 0
    cache_write_1h: int = 0
    input_audio: int = 0
    input_image: int = 0
    output: int = 0
    reasoning: int = 0
    output_audio: int = 0
    output_image: int = 0
    images: int = 0
    searches: int = 0
    audio_ms: int = 0
    requests: int = 0
    tier: str = ""
    cost: Decimal | None = None
    estimated: bool = False

    @property
    def prompt(self) -> int:
        """All tokens of the request."""
        return (
            self.input + self.cache_read + self.cache_write + self.cache_write_1h + self.input_audio + self.input_image
        )

    @property
    def completion(self) -> int:
        """All tokens of the reply."""
        return self.output + self.reasoning + self.output_audio + self.output_image

    @property
    def total(self) -> int:
        """All tokens, of every class."""
        return self.prompt + self.completion

    @property
    def counts(self) -> tuple[int, ...]:
        """Of all classes, in the order of `COUNTS`."""
        return self[:_CLASSES]

    @property
    def is_any(self) -> bool:
        """Something was used."""
        return any(self.counts)

    def answered(self) -> "Usage":
        """The same of a provider's answer, which is one request."""
        return Usage._make((*self[: _CLASSES - 1], 1, *self[_CLASSES:]))

    def plus(self, other: "Usage") -> "Usage":
        """Both together; the cost only where each that used anything has one, for a part would pass as the whole."""
        costs = [usage.cost for usage in (self, other) if usage.cost is not None]
        told = all(usage.cost is not None or not usage.is_any for usage in (self, other))
        return Usage(
            **dict(zip(COUNTS, map(add, self.counts, other.counts), strict=True)),
            cost=sum(costs[1:], costs[0]) if costs and told else None,
            estimated=self.estimated or other.estimated,
            tier=self.tier or other.tier,
        )


COUNTS = Usage._fields[:_CLASSES]
"""The names of the classes, that of requests behind all others."""

NO_USAGE = Usage()
"""Nothing was used: the call never reached a model."""
