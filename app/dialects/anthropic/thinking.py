"""How much the model is to think: `thinking` and `output_config.effort`, and the wish that both express."""

from collections.abc import Mapping, Sequence
from typing import cast

from app.core.chat import Effort, ReasoningWish
from app.core.frozen import frozen
from app.core.jsonio import Json
from app.dialects.anthropic.models import Traits
from app.dialects.efforts import budget_of, effort_of
from app.dialects.fields import as_integer, as_object, as_text, optional, wrong

ANSWER_TOKENS = 4096
"""Room for the answer beside what the model thinks; `max_tokens` counts both."""

_LEAST_BUDGET = 1024
_EFFORTS = ("low", "medium", "high", "xhigh", "max")
# What models do that are not told.
_USUAL: Effort = "high"
_USUAL_OF_BUDGETS: Effort = "medium"


@frozen
class Thinking:
    """What a request says of thinking.

    Attributes:
        config: the value of `thinking`; None is not said.
        effort: the value of `output_config.effort`; None is not said.
        tokens: what to expect to be thought, for a `max_tokens` that the client did not give.
    """

    config: Mapping[str, Json] | None = None
    effort: str | None = None
    tokens: int = 0

    @property
    def on(self) -> bool:
        """The model is told to think, which rules other parameters out."""
        return self.config is not None and self.config.get("type") in ("enabled", "adaptive")

    @property
    def budget(self) -> int:
        """The `budget_tokens`; 0 where there are none."""
        budget = self.config.get("budget_tokens") if self.config is not None else None
        return budget if isinstance(budget, int) else 0


def read_thinking(payload: Mapping[str, Json], extras: dict[str, Json]) -> ReasoningWish | None:
    """The wish of a request; what cannot be said by one goes to `extras`.

    Raises:
        InvalidRequest: with the field as `param`.
    """
    effort = _read_effort(payload)
    value = payload.get("thinking")
    if value is None:
        return None if effort is None else ReasoningWish(effort=effort)
    config = as_object(value, "thinking")
    display = config.get("display")
    match as_text(config.get("type"), "thinking.type"):
        case "enabled":
            budget = as_integer(config.get("budget_tokens"), "thinking.budget_tokens")
            # Models that take a budget show what they think unless told otherwise.
            return ReasoningWish(effort=effort, budget=budget, summary=None if display == "omitted" else "auto")
        case "adaptive":
            return ReasoningWish(effort=effort, summary="auto" if display == "summarized" else None)
        case "disabled":
            if effort is not None:
                extras["output_config.effort"] = effort
            return ReasoningWish(effort="none")
        case _:
            extras["thinking"] = config
            return None if effort is None else ReasoningWish(effort=effort)


def write_thinking(
    wish: ReasoningWish | None,
    as_came: Json,
    traits: Traits,
    turns: Sequence[Mapping[str, Json]],
    unsupported: dict[str, None],
) -> Thinking:
    """What to say to a model of `traits`. `as_came` is a `thinking` that `read_thinking` did not understand.

    `turns` are the messages: a model with a budget refuses to think on in a turn whose thinking the client has not kept.
    """
    if isinstance(as_came, dict):
        effort = wish.effort if wish is not None and traits.thinking == "adaptive" else None
        return Thinking(config=as_came, effort=_said(effort, traits))
    if as_came is not None:
        unsupported["thinking"] = None
    if wish is None:
        return Thinking(tokens=budget_of(_USUAL) if traits.unasked else 0)
    if _is_off(wish):
        if traits.thinking == "never":
            return Thinking()
        return Thinking(config={"type": "disabled"}) if traits.may_be_off else Thinking(effort="low")
    if traits.thinking == "adaptive":
        return _adaptive(wish, traits)
    if traits.thinking == "never" or _thought_is_lost(turns):
        unsupported["reasoning_effort"] = None
        return Thinking()
    budget = _budget(wish, traits)
    return Thinking(config={"type": "enabled", "budget_tokens": budget}, tokens=budget)


def _read_effort(payload: Mapping[str, Json]) -> Effort | None:
    output = optional(as_object, payload.get("output_config"), "output_config") or {}
    effort = output.get("effort")
    if effort is not None and effort not in _EFFORTS:
        raise wrong("output_config.effort", f"one of {', '.join(_EFFORTS)}")
    return cast(Effort | None, effort)


def _is_off(wish: ReasoningWish) -> bool:
    return wish.effort == "none" if wish.budget is None else wish.budget <= 0


def _adaptive(wish: ReasoningWish, traits: Traits) -> Thinking:
    effort = wish.effort
    if effort in (None, "none") and wish.budget is not None:
        effort = effort_of(wish.budget)
    config = {"type": "adaptive", **({"display": "summarized"} if wish.summary else {})}
    tokens = min(budget_of(effort or _USUAL), traits.most_tokens - ANSWER_TOKENS)
    return Thinking(config=config, effort=_said(effort, traits), tokens=tokens)


def _said(effort: Effort | None, traits: Traits) -> str | None:
    """The word for `effort` that the model knows."""
    if effort in ("none", "minimal"):
        return "low"
    return "high" if effort == "xhigh" and not traits.xhigh else effort


def _budget(wish: ReasoningWish, traits: Traits) -> int:
    if wish.budget is not None:
        return max(wish.budget, _LEAST_BUDGET)
    return min(budget_of(wish.effort or _USUAL_OF_BUDGETS), traits.most_tokens - ANSWER_TOKENS)


def _thought_is_lost(turns: Sequence[Mapping[str, Json]]) -> bool:
    """Whether the last turn of the model goes on, with results of tools, and does not begin with what it thought."""
    last = turns[-1] if turns else {}
    if last.get("role") == "user":
        if len(turns) < 2 or last["content"][0].get("type") != "tool_result":
            return False
        last = turns[-2]
    return bool(last) and last["content"][0].get("type") not in ("thinking", "redacted_thinking")
