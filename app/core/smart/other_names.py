"""Kinds that lead to one name, and do nothing else."""

import re
from typing import Self

from pydantic import model_validator

from app.core.smart.model import Model, SmartModel, is_wild

_SET = re.compile(r"\[!?\]?[^\]]*\]")  # as fnmatch reads it


class Alias(SmartModel):
    """Another name for a model."""

    kind = "alias"
    leads = ("target",)

    target: Model


class Redirect(SmartModel):
    """Sends names elsewhere: one, or all that a pattern fits (`*`, `?`, `[…]`).

    Where both pattern and target hold one `*`, what stands for it is carried over: `gpt-*` to `openai/gpt-*`.
    """

    kind = "redirect"
    leads = ("target",)

    target: Model

    @model_validator(mode="after")
    def _check_stars(self) -> Self:
        if "*" in self.target and (self.name.count("*"), self.outline.count("*"), self.target.count("*")) != (1, 1, 1):
            raise ValueError("a * in the target needs one * in the pattern, and only one in each")
        return self

    @property
    def is_pattern(self) -> bool:
        """It stands for more names than one."""
        return is_wild(self.name)

    @property
    def outline(self) -> str:
        """Its name with `?` for each `[…]`: as long as what it fits, but for its `*`."""
        return _SET.sub("?", self.name)
