"""Routers: which models there are to choose from, and how one is chosen."""

from datetime import time
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from app.core.naming import normalise
from app.core.patterns import InvalidPattern, compile_pattern
from app.core.smart.model import MOST_MS, MOST_TOKENS, Model, Percent, SmartModel


class Candidate(BaseModel):
    """One of the models that a router chooses among."""

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)

    model: Model
    notes: str | None = Field(default=None, max_length=2000, description="What it is good for, for the designator.")


class Rule(BaseModel):
    """Chooses a model by what a request looks like. All that is said of it has to hold."""

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)

    model: Model
    min_tokens: int | None = Field(
        default=None, ge=0, le=MOST_TOKENS, description="The request is estimated to have so many, or more."
    )
    max_tokens: int | None = Field(
        default=None, ge=0, le=MOST_TOKENS, description="The request is estimated to have so many, or fewer."
    )
    images: bool | None = Field(default=None, description="It holds pictures, or none.")
    tools: bool | None = Field(default=None, description="It offers tools, or none.")
    pattern: str | None = Field(
        default=None, max_length=500, description="A regular expression (RE2) that is found in the last user message."
    )
    after: time | None = Field(default=None, description="UTC; with a later `after` than `before`, over midnight.")
    before: time | None = None

    @field_validator("pattern")
    @classmethod
    def _check_pattern(cls, pattern: str | None) -> str | None:
        if pattern is not None:
            try:
                compile_pattern(pattern)
            except InvalidPattern as exc:
                raise ValueError(f"is no regular expression that RE2 takes: {exc}") from exc
        return pattern


RouterStrategy = Literal["per_request", "per_session", "cheapest", "fastest", "rules", "learned"]


class Router(SmartModel):
    """A model picks the model, or a rule does."""

    kind = "router"
    leads = ("fallback_model",)
    asks = ("designator_model",)

    designator_model: Model | None = Field(default=None, description="`provider/model` that picks the candidate.")
    purpose: str | None = Field(default=None, max_length=4000, description="What the designator is told to pick by.")
    candidates: tuple[Candidate, ...] = Field(min_length=2, max_length=50)
    strategy: RouterStrategy = Field(
        default="per_request",
        description="A designator picks, for each request or once for a session; or the price, the speed, a rule, or what was"
        " learned.",
    )
    fallback_model: Model = Field(description="Where no candidate is left, or the designator fails.")
    session_ttl_s: int = Field(
        default=3600,
        ge=1,
        le=31_536_000,
        description="For how long from the decision on a conversation keeps its model.",
    )
    rules: tuple[Rule, ...] = Field(
        default=(), max_length=100, description="Of the strategy `rules`; the first that holds."
    )
    max_quality_loss: Percent | None = Field(
        default=None, description="Of the strategy `learned`: at most so many percent of the answers may be worse."
    )
    time_budget_ms: int = Field(default=5000, ge=1, le=MOST_MS, description="For the designator.")

    @model_validator(mode="after")
    def _check_strategy(self) -> Self:
        if self.strategy in ("per_request", "per_session") and not (self.designator_model and self.purpose):
            raise ValueError(f"the strategy {self.strategy} needs designator_model and purpose")
        models = [normalise(candidate.model) for candidate in self.candidates]
        if len(set(models)) < len(models):
            raise ValueError("a candidate stands there twice")
        if self.strategy == "rules" and not self.rules:
            raise ValueError("the strategy rules needs rules")
        for rule in self.rules:
            if normalise(rule.model) not in models:
                raise ValueError(f"the rule's model {rule.model!r} is none of the candidates")
        return self

    @property
    def targets(self) -> tuple[str, ...]:
        """The candidates, and the fallback."""
        return tuple(dict.fromkeys((*(candidate.model for candidate in self.candidates), self.fallback_model)))
