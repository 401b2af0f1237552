"""The rates of one model, and what a usage costs by them. All arithmetic is in decimals, and nothing is rounded."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from functools import cached_property
from itertools import compress

from app.core.usage import COUNTS, NO_USAGE, Usage

TOKENS = (
    "input",
    "cache_read",
    "cache_write",
    "cache_write_1h",
    "input_audio",
    "input_image",
    "output",
    "reasoning",
    "output_audio",
    "output_image",
)
"""Rates in USD per million tokens, by the names of the classes of usage."""

OTHERS = {"request": "requests", "search": "searches", "image": "images", "audio_hour": "audio_ms"}
"""Rates in USD for one, and the class of usage that each is for."""

NAMES = (*TOKENS, *OTHERS)
"""The names of all rates."""

# A class without a rate of its own has that of the class it is a kind of.
_KIND_OF = {
    "cache_read": "input",
    "cache_write": "input",
    "input_audio": "input",
    "input_image": "input",
    "reasoning": "output",
    "output_audio": "output",
    "output_image": "output",
}
# Anthropic asks 1.25 times the rate of input for five minutes and twice that rate for an hour
# (https://docs.anthropic.com/en/docs/build-with-claude/prompt-caching#pricing).
_HOUR_TO_FIVE_MINUTES = Decimal("1.6")
# Whoever charges for these by the token reports both, and has no rate for the piece or the hour.
_MAYBE_IN_TOKENS = frozenset({"images", "audio_ms"})
_PIECES = ("searches", "images", "audio_ms")
_MS_PER_HOUR = 3_600_000
_ZERO = Decimal(0)
_INPUT = [name for name in TOKENS if _KIND_OF.get(name, name) == "input" or name == "cache_write_1h"]
_OUTPUT = [name for name in TOKENS if _KIND_OF.get(name, name) == "output"]
_RATE_OF = {count: name for name, count in OTHERS.items()} | {name: name for name in TOKENS}

_Units = tuple[Decimal | None, ...]


@dataclass(frozen=True)
class Price:
    """One rate.

    Attributes:
        base: in USD.
        above: pairs of a number of tokens, ascending, and the rate for all tokens of a call whose whole prompt has more.
    """

    base: Decimal
    above: tuple[tuple[int, Decimal], ...] = ()

    def for_prompt(self, tokens: int) -> Decimal:
        """The rate in a call with so many tokens of prompt."""
        return next((price for most, price in reversed(self.above) if tokens > most), self.base)


@dataclass(frozen=True)
class Rates:
    """What one model costs.

    Attributes:
        prices: by the names of `NAMES`; what is absent falls back, see `filled`.
        variants: by service tier (`batch`, `flex`, `priority`), the prices that are others there.
    """

    prices: Mapping[str, Price]
    variants: Mapping[str, Mapping[str, Price]] = field(default_factory=dict)

    def cost(self, usage: Usage) -> Decimal | None:
        """What `usage` costs in USD; None where something was used that there is no rate for.

        A service tier without prices of its own costs as the standard one.
        """
        units = self._units_of(usage)
        total = _ZERO
        counts = usage.counts
        for name, count, unit in compress(zip(COUNTS, counts, units, strict=True), counts):
            if unit is not None:
                total += unit * count
            elif name not in _MAYBE_IN_TOKENS or not usage.completion:
                return None
        return total

    def parts(self, usage: Usage) -> dict[str, Decimal]:
        """What is charged for each class of `usage`, as far as there are rates; together it is the cost."""
        units = self._units_of(usage)
        each = zip(COUNTS, usage.counts, units, strict=True)
        return {name: unit * count for name, count, unit in each if unit is not None and count}

    def _units_of(self, usage: Usage) -> _Units:
        """What one of each class costs, in the tier and with the prompt of `usage`."""
        brackets = self._brackets
        bracket = brackets.get(usage.tier) or brackets[""]
        units = bracket[0][1]
        if len(bracket) > 1:
            prompt = usage.prompt
            for above, others in bracket:  # ascending
                if prompt > above:
                    units = others
        return units

    def most(self, input_tokens: int, output_tokens: int, pieces: Usage = NO_USAGE) -> Decimal | None:
        """The most that one request costs, in whatever class and tier.

        Args:
            pieces: what it may use beside so many tokens, of `searches`, `images` and `audio_ms`; what has no rate does not count.

        Returns:
            None where there is no rate. Tokens need none where pictures or sound have one, as they are charged in their place.
        """
        counts = {name: count for name in _PIECES if (count := getattr(pieces, name))}
        costs = []
        for above, input_unit, output_unit, units in self._dearest:
            if above >= 0 and input_tokens <= above:
                continue
            fees = {name: unit * count for name, count in counts.items() if (unit := units[name]) is not None}
            rated = (input_unit is not None or not input_tokens) and (output_unit is not None or not output_tokens)
            if rated or not _MAYBE_IN_TOKENS.isdisjoint(fees):
                tokens = (input_unit or _ZERO) * input_tokens + (output_unit or _ZERO) * output_tokens
                costs.append(tokens + sum(fees.values(), units["requests"] or _ZERO))
        return max(costs, default=None)

    def over(self, other: "Rates") -> "Rates":
        """What is said here, and for all that is not, what `other` says."""
        tiers = {*self.variants, *other.variants}
        return Rates(
            {**other.prices, **self.prices},
            {tier: {**other.variants.get(tier, {}), **self.variants.get(tier, {})} for tier in tiers},
        )

    def costs_as(self, other: "Rates") -> bool:
        """Whether every usage costs the same by both."""
        return self._brackets == other._brackets

    @cached_property
    def are_free(self) -> bool:
        """Whether nothing has a price but 0."""
        sheets = (self.prices, *self.variants.values())
        return not any(rate for sheet in sheets for p in sheet.values() for rate in (p.base, *dict(p.above).values()))

    @cached_property
    def _brackets(self) -> dict[str, tuple[tuple[int, _Units], ...]]:
        """By service tier, ascending: for prompts of more than so many tokens, what one of each class costs."""
        tiers = {"": self.prices} | {tier: {**self.prices, **prices} for tier, prices in self.variants.items()}
        return {tier: _brackets_of(prices) for tier, prices in tiers.items()}

    @cached_property
    def _dearest(self) -> list[tuple[int, Decimal | None, Decimal | None, dict[str, Decimal | None]]]:
        by_class = [
            (above, dict(zip(COUNTS, units, strict=True)))
            for bracket in self._brackets.values()
            for above, units in bracket
        ]
        return [(above, _highest(units, _INPUT), _highest(units, _OUTPUT), units) for above, units in by_class]


NOTHING = Rates(dict.fromkeys(NAMES, Price(_ZERO)))
"""Whatever is used costs nothing."""


def filled(rates: Mapping[str, Decimal]) -> dict[str, Decimal]:
    """The rates with those of classes that have none of their own: of what they are a kind of.

    What is written to a cache for an hour costs 1.6 times what it costs for five minutes; a request costs nothing by itself.
    """
    full = {name: rates[of] for name, of in _KIND_OF.items() if of in rates} | {"request": _ZERO} | dict(rates)
    if "cache_write_1h" not in full and "cache_write" in rates:
        full["cache_write_1h"] = rates["cache_write"] * _HOUR_TO_FIVE_MINUTES
    if "cache_write_1h" not in full and "input" in rates:
        full["cache_write_1h"] = rates["input"]
    return full


def _brackets_of(prices: Mapping[str, Price]) -> tuple[tuple[int, _Units], ...]:
    starts = sorted({-1, *(above for price in prices.values() for above, _ in price.above)})
    return tuple((start, _units({name: p.for_prompt(start + 1) for name, p in prices.items()})) for start in starts)


def _units(rates: Mapping[str, Decimal]) -> _Units:
    full = filled(rates)
    return tuple(_unit(_RATE_OF[name], full.get(_RATE_OF[name])) for name in COUNTS)


def _unit(name: str, rate: Decimal | None) -> Decimal | None:
    if rate is None or name not in OTHERS:
        return None if rate is None else rate.scaleb(-6)
    return rate / _MS_PER_HOUR if name == "audio_hour" else rate


def _highest(units: Mapping[str, Decimal | None], names: Iterable[str]) -> Decimal | None:
    return max((unit for name in names if (unit := units[name]) is not None), default=None)
