"""How commands take limits beside calls a day, and how they show them."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Annotated, Any

import typer

from app.core.moments import write_moment
from cli.output import show_table, to_the_second

if TYPE_CHECKING:
    from app.core.limits import Standing

NONE = "none"

_BAR = 20
_BAR_FULL, _BAR_EMPTY = "█", "░"


def _option(name: str, what: str) -> Any:
    return typer.Option(f"--{name.replace('_', '-')}", help=f"{what}; 'none' for no limit.", metavar="N|none")


RequestsPerMinute = Annotated[str | None, _option("requests_per_minute", "Calls a minute")]
TokensPerMinute = Annotated[str | None, _option("tokens_per_minute", "Tokens a minute")]
TokensPerDay = Annotated[str | None, _option("tokens_per_day", "Tokens a UTC day")]
BudgetPerDay = Annotated[str | None, _option("budget_per_day", "USD a UTC day")]
BudgetPerMonth = Annotated[str | None, _option("budget_per_month", "USD a UTC month")]
MaxConcurrent = Annotated[str | None, _option("max_concurrent", "Calls at the same time")]


def parse_limits(**said: str | None) -> dict[str, int | Decimal | None]:
    """The limits that were said, budgets in USD; what was not said is not there.

    Raises:
        InvalidToken: one is no number.
    """
    return {name: _parse(name, text) for name, text in said.items() if text is not None}


def view_limits(limits: Mapping[str, int | Decimal | None]) -> dict[str, object]:
    """Those that there are as JSON has them, budgets in USD as text."""
    from app.core.money import write_usd

    said = {name: most for name, most in limits.items() if most is not None}
    return {name: write_usd(most) if isinstance(most, Decimal) else most for name, most in said.items()}


def limits_in_words(view: object) -> str:
    """A `view_limits` in a line; empty where there are none."""
    return ", ".join(f"{name} {most}" for name, most in view.items()) if isinstance(view, Mapping) else ""


def view_use(standing: "Standing") -> dict[str, object]:
    """How a limit stands, as JSON has it."""
    from app.core.limits import end_of

    limit = standing.ask.cap.limit
    end = end_of(limit, standing.ask.period)
    return {
        "of": standing.ask.cap.subject.partition(":")[0],
        "limit": limit,
        "used": _amount(limit, standing.used),
        "reserved": _amount(limit, standing.reserved),
        "most": _amount(limit, standing.ask.cap.most),
        "percent": round(100 * (standing.used + standing.reserved) / standing.ask.cap.most, 1),
        "starts_anew": None if end is None else write_moment(datetime.fromtimestamp(end, UTC)),
    }


def show_use(views: Sequence[Mapping[str, object]]) -> None:
    """A table of `view_use`'s, with a bar for each; nothing where there are none."""
    if not views:
        return
    rows = [
        (
            f"{view['limit']} ({view['of']})",
            str(view["used"]),
            str(view["reserved"]),
            str(view["most"]),
            _bar(float(str(view["percent"]))),
            to_the_second(str(view["starts_anew"] or "-")),
        )
        for view in views
    ]
    typer.echo()
    show_table(["limit", "used", "reserved", "of", "", "starts anew"], rows, below=(5, 2))


def _parse(name: str, text: str) -> int | Decimal | None:
    from app.auth.issue import InvalidToken
    from app.core.limits import BUDGETS

    if text.strip().lower() == NONE:
        return None
    try:
        return Decimal(text) if name in BUDGETS else int(text)
    except (ValueError, InvalidOperation):
        kind = "an amount in USD" if name in BUDGETS else "a whole number"
        raise InvalidToken(f"{name} is {text!r}; use {kind}, or '{NONE}' for no limit.") from None


def _amount(limit: str, number: int) -> object:
    from app.core.limits import BUDGETS
    from app.core.money import from_pico_usd, write_usd

    return write_usd(from_pico_usd(number)) if limit in BUDGETS else number


def _bar(percent: float) -> str:
    full = min(_BAR, round(percent / 100 * _BAR))
    return f"{_BAR_FULL * full}{_BAR_EMPTY * (_BAR - full)} {percent:g} %"
