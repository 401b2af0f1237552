"""What a price file would change, shown before it is applied."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from app.core.money import write_usd
from app.metering.litellm import PriceFile
from app.metering.prices import Prices
from app.metering.rates import NAMES, Price, Rates
from app.metering.rates_form import read_rates, write_rates
from app.store.prices import ADMIN, LITELLM, StoredPrice

_EMPTY = Rates({})


class Kind(StrEnum):
    """What happens to a model."""

    CHANGED = "changed"
    NEW = "new"
    GONE = "no longer listed"


@dataclass(frozen=True)
class Difference:
    """One model whose price would be another.

    Attributes:
        old: what is in force, or would be without the operator's own price.
        new: what would be; of a model that is no longer listed, what the bundled list says.
        own: the operator has a price of his own for it, which stays in force.
    """

    kind: Kind
    provider: str
    model: str
    old: Rates | None
    new: Rates | None
    own: bool

    def lines(self) -> Iterator[tuple[str, str, str]]:
        """What differs: the rate's name, and both as they are written; "" where there is none."""
        old, new = _rows(self.old or _EMPTY), _rows(self.new or _EMPTY)
        for name in dict.fromkeys([*old, *new]):
            if old.get(name) != new.get(name):
                yield name, old.get(name, ""), new.get(name, "")


def differences(prices: Prices, stored: Sequence[StoredPrice], file: PriceFile, at: float) -> Iterator[Difference]:
    """Each model of `file` that has no price or another, and each that an earlier file had and this one has not.

    What the file does not say of a model stays as the bundled list says it.
    """
    synced = {_name(price): price for price in stored if price.source == LITELLM}
    own = {_name(price) for price in stored if price.source == ADMIN}
    providers = {provider for provider, _ in file.prices}
    for (provider, model), said in file.prices.items():
        name = (provider, model.lower())
        bundled = prices.find_bundled(provider, model, at).rates
        earlier = synced.pop(name, None)
        old, new = read_rates(dict(earlier.rates)) if earlier else bundled, said.over(bundled or _EMPTY)
        if old is None or not new.costs_as(old):
            yield Difference(Kind.NEW if old is None else Kind.CHANGED, provider, model, old, new, name in own)
    for name, price in synced.items():
        if price.provider in providers:
            bundled = prices.find_bundled(price.provider, price.model, at).rates
            old = read_rates(dict(price.rates))
            yield Difference(Kind.GONE, price.provider, price.model, old, bundled, name in own)


def rows_of(found: Sequence[Difference], day: str) -> tuple[list[StoredPrice], list[StoredPrice]]:
    """The rows to put in and those to take out, so that the differences come true."""
    rows = [
        (
            each.kind,
            StoredPrice(each.provider, each.model, LITELLM, write_rates(each.new or _EMPTY), f"{LITELLM} {day}"),
        )
        for each in found
    ]
    return [row for kind, row in rows if kind is not Kind.GONE], [row for kind, row in rows if kind is Kind.GONE]


def words(price: Price) -> str:
    """A rate as it is shown: `1.25`, or `1.25 (>200000: 2.5)`."""
    above = ", ".join(f">{most}: {write_usd(rate)}" for most, rate in price.above)
    return f"{write_usd(price.base)} ({above})" if above else write_usd(price.base)


def _rows(rates: Rates) -> Mapping[str, str]:
    sheets = {"": rates.prices, **{f"{tier} ": rates.variants[tier] for tier in sorted(rates.variants)}}
    return {f"{tier}{name}": words(sheet[name]) for tier, sheet in sheets.items() for name in NAMES if name in sheet}


def _name(price: StoredPrice) -> tuple[str, str]:
    return price.provider, price.model.lower()
