"""How much the model is to think: `thinkingConfig`, and the wish that it expresses."""

from typing import cast

from app.core.chat import Effort, ReasoningWish
from app.core.jsonio import Json
from app.dialects.efforts import EFFORTS, budget_of, effort_of
from app.dialects.fields import as_flag, as_integer, as_text, wrong
from app.dialects.gemini.fields import read_fields
from app.dialects.gemini.models import Traits

PATH = "generationConfig.thinkingConfig"

# A budget of -1 leaves it to the model how much to think; this is what others do of their own accord.
_DYNAMIC: Effort = "medium"


def read_thinking(value: Json, extras: dict[str, Json]) -> ReasoningWish | None:
    """The wish of a `thinkingConfig`; what is none goes to `extras`.

    Raises:
        InvalidRequest: with the field as `param`.
    """
    fields = read_fields(value, PATH)
    effort = _read_level(fields.pop("thinkingLevel", None))
    budget = fields.pop("thinkingBudget", None)
    shown = as_flag(fields.pop("includeThoughts", False), f"{PATH}.includeThoughts")
    extras.update({f"{PATH}.{key}": field for key, field in fields.items()})
    if budget is not None:
        budget = as_integer(budget, f"{PATH}.thinkingBudget")
        if budget < 0:
            effort, budget = effort or _DYNAMIC, None
    if effort is None and budget is None and not shown:
        return None
    return ReasoningWish(effort, budget, "auto" if shown else None)


def write_thinking(wish: ReasoningWish, traits: Traits) -> dict[str, Json] | None:
    """A `thinkingConfig`, or None where the model has none and the wish is for more than not to think.

    A model that cannot but think does so as little as it can.
    """
    budget = wish.budget
    if budget is None and wish.effort is not None:
        budget = budget_of(wish.effort)
    off = budget is not None and budget <= 0
    if traits.thinking is None:
        return {} if off else None
    config: dict[str, Json] = {} if off else {"includeThoughts": True}
    if budget is not None:
        if traits.thinking == "level":
            config["thinkingLevel"] = _level(wish.effort if wish.budget is None else None, budget, traits)
        elif off and traits.may_be_off:
            config["thinkingBudget"] = 0
        else:
            config["thinkingBudget"] = min(max(budget, traits.least_budget), traits.most_budget)
    return config


def _level(effort: Effort | None, budget: int, traits: Traits) -> str:
    """The level of the effort's name; of one that the model has not, the nearest."""
    word = (effort or effort_of(budget)).upper()
    if word in traits.levels:
        return word
    return traits.levels[0] if word in ("NONE", "MINIMAL") else traits.levels[-1]


def _read_level(value: Json) -> Effort | None:
    path = f"{PATH}.thinkingLevel"
    word = "" if value is None else as_text(value, path).lower()
    if word in ("", "thinking_level_unspecified"):
        return None
    if word not in EFFORTS:
        raise wrong(path, "one of MINIMAL, LOW, MEDIUM, HIGH")
    return cast(Effort, word)
