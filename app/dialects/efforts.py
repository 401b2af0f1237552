"""How much a model is to think: some APIs take a word for it, others a number of tokens."""

from app.core.chat import Effort

# The words of OpenAI's `reasoning_effort`, and what providers that take a budget do with about so much.
_BUDGETS: dict[Effort, int] = {
    "none": 0,
    "minimal": 1024,
    "low": 2048,
    "medium": 8192,
    "high": 16384,
    "xhigh": 32768,
    "max": 65536,
}

EFFORTS: frozenset[str] = frozenset(_BUDGETS)
"""Every word that there is."""


def budget_of(effort: Effort) -> int:
    """The budget in tokens that stands for `effort`; 0 is not to think."""
    return _BUDGETS[effort]


def effort_of(budget: int) -> Effort:
    """The largest effort whose budget is not above `budget`; of a small one `minimal`, of 0 or less `none`."""
    if budget <= 0:
        return "none"
    fitting = [effort for effort, tokens in _BUDGETS.items() if 0 < tokens <= budget]
    return fitting[-1] if fitting else "minimal"
