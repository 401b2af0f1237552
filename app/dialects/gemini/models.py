"""What a Gemini model takes, told from its name: the API refuses of one generation what another one needs."""

import re

from app.core.frozen import frozen

_GENERATION = re.compile(r"gemini-(\d{1,3})(?:\.(\d{1,3}))?(?!\d)")


@frozen
class Traits:
    """How to speak to one model.

    Attributes:
        thinking: it takes `thinkingLevel`, `thinkingBudget`, or neither. A model refuses the other one's, or both together.
        levels: those of `thinkingLevel`, from the least to the most.
        least_budget: of `thinkingBudget`, where it thinks at all; the API refuses less.
        most_budget: the API refuses more.
        may_be_off: 0 is a budget too.
        validated: the mode `VALIDATED` for function calls: they keep to their schema.
        signed_calls: a tool call of the current turn must carry a signature
            (https://ai.google.dev/gemini-api/docs/thought-signatures). The same models take pictures in the results of tools, and
            functions beside built-in tools.
    """

    thinking: str | None = None
    levels: tuple[str, ...] = ()
    least_budget: int = 0
    most_budget: int = 0
    may_be_off: bool = True
    validated: bool = False
    signed_calls: bool = False


def traits_of(model: str) -> Traits:
    """The traits of a model of this name (https://ai.google.dev/gemini-api/docs/thinking)."""
    name = model.rpartition("/")[2].lower()
    found = _GENERATION.match(name)
    # Names without a number, such as `gemini-flash-latest`, stand for the newest.
    generation = (int(found[1]), int(found[2] or 0)) if found else (3, 0)
    if not name.startswith("gemini") or generation < (2, 5) or "image" in name or "tts" in name:
        return Traits()
    if generation >= (3, 0):
        levels = ("LOW", "MEDIUM", "HIGH") if "pro" in name else ("MINIMAL", "LOW", "MEDIUM", "HIGH")
        return Traits("level", levels=levels, validated=True, signed_calls=True)
    if "pro" in name:
        return Traits("budget", least_budget=128, most_budget=32768, may_be_off=False, validated=True)
    least = 512 if "lite" in name else 1
    return Traits("budget", least_budget=least, most_budget=24576, validated=True)
