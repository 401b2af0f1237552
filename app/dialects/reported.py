"""Numbers in providers' reports of what was used: those that can be, and shares that stay within their whole."""

from collections.abc import Mapping
from decimal import Decimal, InvalidOperation

from app.core.jsonio import Json

# No call costs as much; a report of more is a fault, and would not fit where costs are kept.
_MOST_USD = 1_000_000
# OpenAI says `default`, Anthropic and Google `standard`, Groq `on_demand`; `auto` is what was asked for.
_STANDARD = frozenset({"", "default", "standard", "on_demand", "auto"})
_MOST_TIER_CHARACTERS = 32


def read_count(value: Json) -> int | None:
    """A whole number that is not negative; None for all else."""
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 1 << 53:
        return value
    return int(value) if isinstance(value, float) and value.is_integer() and 0 <= value < 1 << 53 else None


def count_in(holder: Mapping[str, Json], key: str) -> int:
    """The count under `key`; 0 where there is none."""
    value = holder.get(key)
    return 0 if value is None else read_count(value) or 0


def object_in(holder: Mapping[str, Json], key: str) -> Mapping[str, Json]:
    """The object under `key`; an empty one where there is none."""
    value = holder.get(key)
    return value if isinstance(value, dict) else {}


def share(whole: int, *parts: int) -> list[int]:
    """Each of `parts` as far as it still fits into `whole`, and last what they leave of it."""
    shares = []
    for part in parts:
        part = min(max(part, 0), whole)
        shares.append(part)
        whole -= part
    return [*shares, whole]


def read_tier(value: Json) -> str:
    """A service tier; "" for the standard one, whatever it is called."""
    tier = value.lower()[:_MOST_TIER_CHARACTERS] if isinstance(value, str) else ""
    return "" if tier in _STANDARD else tier


def read_usd(value: Json) -> Decimal | None:
    """An amount in US dollars; None where it is none, or cannot be."""
    if not isinstance(value, int | float | str) or isinstance(value, bool):
        return None
    try:
        amount = Decimal(str(value))
    except InvalidOperation:
        return None
    return amount if amount.is_finite() and 0 <= amount < _MOST_USD else None
