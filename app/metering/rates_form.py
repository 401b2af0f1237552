"""The JSON form of rates, as the database, the API and the command line have it.

A rate is a number or a string with one; one that depends on the size of the prompt is an object:
`{"input": "1.25", "output": {"base": "10", "above": {"200000": "15"}}, "variants": {"batch": {"input": "0.625"}}}`.
"""

from collections.abc import Mapping
from decimal import Decimal
from functools import partial
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, create_model

from app.core.jsonio import Json
from app.core.money import write_usd
from app.faults import Place, faults, first_place
from app.metering.rates import NAMES, Price, Rates

# Twelve places of a rate for a million are 1e-18 USD a token: with them a sum of less than ten thousand million USD is exact.
PLACES = 12
_MOST_USD = 1_000_000
_MOST_TOKENS = 1 << 53

Usd = Annotated[Decimal, Field(ge=0, le=_MOST_USD, decimal_places=PLACES, allow_inf_nan=False)]


class InvalidRates(ValueError):
    """They cannot be used; the message has a line for each fault, which begins with the field's name.

    Attributes:
        param: the first field that is at fault; None where that is the whole.
    """

    def __init__(self, message: str, *, param: str | None = None) -> None:
        super().__init__(message)
        self.param = param


class PriceForm(BaseModel):
    """One rate in USD."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    base: Usd
    above: dict[Annotated[int, Field(gt=0, lt=_MOST_TOKENS)], Usd] = Field(
        default_factory=dict, description="The rate of calls whose whole prompt has more than so many tokens."
    )


def _as_price(value: Any) -> Any:
    return {"base": value} if isinstance(value, int | float | str | Decimal) else value


def _refuse_bool(value: Any) -> Any:
    if isinstance(value, bool):
        raise ValueError("must be a number")
    return value


_Rate = Annotated[PriceForm | None, BeforeValidator(_as_price), BeforeValidator(_refuse_bool)]
_RATES: Any = dict.fromkeys(NAMES, (_Rate, None))
_CONFIG = ConfigDict(frozen=True, extra="forbid")

Sheet = create_model("Sheet", __config__=_CONFIG, **_RATES)
RatesForm = create_model(
    "RatesForm",
    __config__=_CONFIG,
    **_RATES,
    variants=(dict[Annotated[str, Field(min_length=1, max_length=64)], Sheet], Field(default_factory=dict)),
)


def read_rates(document: Json) -> Rates:
    """Rates from their JSON form.

    Raises:
        InvalidRates: it has faults, or no rate at all.
    """
    try:
        form = RatesForm.model_validate(document)
    except ValidationError as exc:
        written = partial(_written_place, document)
        lines = faults(exc, _known, written=written)
        raise InvalidRates("\n".join(lines), param=first_place(exc, written)) from exc
    variants: Mapping[str, BaseModel] = getattr(form, "variants")  # noqa: B009 - a field that mypy cannot know
    rates = Rates(_prices(form), {tier: _prices(sheet) for tier, sheet in variants.items()})
    if not rates.prices:
        raise InvalidRates(f"says no price: give one at least of {', '.join(NAMES)}")
    return rates


def write_rates(rates: Rates) -> dict[str, Any]:
    """The JSON form that says the same; numbers are strings, which lose nothing."""
    written = _written(rates.prices)
    if rates.variants:
        written["variants"] = {tier: _written(prices) for tier, prices in sorted(rates.variants.items())}
    return written


def _prices(sheet: BaseModel) -> dict[str, Price]:
    forms = {name: form for name in NAMES if (form := getattr(sheet, name)) is not None}
    return {name: Price(form.base, tuple(sorted(form.above.items()))) for name, form in forms.items()}


def _written(prices: Mapping[str, Price]) -> dict[str, Any]:
    return {name: _price_form(prices[name]) for name in NAMES if name in prices}


def _price_form(price: Price) -> Any:
    if not price.above:
        return write_usd(price.base)
    return {"base": write_usd(price.base), "above": {str(above): write_usd(rate) for above, rate in price.above}}


def _written_place(document: Json, place: Place) -> Place:
    """Without the `base` that stands for what was no object in the document."""
    value: Any = document
    for depth, part in enumerate(place):
        if not isinstance(value, Mapping):
            return place[:depth]
        value = value.get(part)
    return place


def _known(place: Place) -> tuple[str, ...]:
    if place and place[-1] in NAMES:
        return ("base", "above")
    return NAMES if place else (*NAMES, "variants")
