"""Limits beside calls a day, as the administrators' API takes and shows them."""

from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Annotated, Any

from pydantic import BaseModel, Field

from app.api.admin.moments import ShownMoment
from app.core.limits import BUDGETS, Standing, end_of
from app.core.money import from_pico_usd, write_usd

MOST = 2**53  # what JSON's readers can tell apart

Limit = Annotated[Annotated[int, Field(ge=1, le=MOST)] | None, Field(description="None is no limit.")]
Budget = Annotated[
    Annotated[Decimal, Field(gt=0, le=1_000_000, max_digits=19, decimal_places=12)] | None,
    Field(description="In USD; None is no limit."),
]


class LimitUse(BaseModel):
    """How a limit stands in its minute, day or month. Budgets are texts in USD.

    Attributes:
        of: `token` or `user`.
    """

    of: str
    limit: str
    used: int | str
    reserved: int | str
    most: int | str
    starts_anew: ShownMoment | None


def show_use(standing: Standing) -> LimitUse:
    """How a limit stands, as JSON has it."""
    cap = standing.ask.cap
    end = end_of(cap.limit, standing.ask.period)
    used, reserved, most = (_amount(cap.limit, each) for each in (standing.used, standing.reserved, cap.most))
    return LimitUse(
        of=cap.subject.partition(":")[0],
        limit=cap.limit,
        used=used,
        reserved=reserved,
        most=most,
        starts_anew=None if end is None else datetime.fromtimestamp(end, UTC),
    )


def show_limits(limits: Mapping[str, int | Decimal | None]) -> dict[str, Any]:
    """The same of limits themselves, by their names."""
    return {name: write_usd(most) if isinstance(most, Decimal) else most for name, most in limits.items()}


def _amount(limit: str, number: int) -> int | str:
    return write_usd(from_pico_usd(number)) if limit in BUDGETS else number
