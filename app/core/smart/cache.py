"""Caches: what is kept, for whom, and how alike it has to be."""

from decimal import Decimal
from typing import Literal, Self

from pydantic import BaseModel, Field, model_validator

from app.core.smart.model import MOST_MS, MOST_TOKENS, AnyPercent, Model, Percent, SmartModel

Share = Literal["user", "tag", "everyone"]


class Cache(SmartModel):
    """Answers again what was answered before: what was asked in the same words, or means the same."""

    kind = "cache"
    leads = ("target_model",)
    asks = ("judge_model",)

    target_model: Model
    embedder: str | None = Field(
        default="local", description="`local`, or `provider/model` of embeddings; null for exact hits alone."
    )
    similarity_threshold: float = Field(
        default=0.95, ge=0, le=1, description="Cosine from which an answer may be proposed."
    )
    max_error: Percent | None = Field(
        default=None, description="In place of the threshold: at most so many percent of the hits may be wrong."
    )
    recheck_percent: AnyPercent = Field(
        default=1.0, description="Of hits, how many are asked again in the background and compared."
    )
    judge_model: Model | None = Field(
        default=None, description="Decides where the cosine lies between both thresholds."
    )
    judge_threshold: float = Field(default=0.85, ge=0, le=1, description="Cosine from which the judge is asked.")
    match_system_prompt: bool = Field(default=True, description="Answers are shared under the same system prompt only.")
    match_last_message_only: bool = Field(
        default=False, description="What was said before the last message does not matter."
    )
    share: Share = Field(
        default="user", description="Who gets whose answers: each user their own, all of a tag, everyone."
    )
    ttl_hours: float = Field(default=168, gt=0, le=87_600, description="For how long an answer is given again.")
    min_cached_tokens: int = Field(default=50, ge=0, le=MOST_TOKENS, description="Shorter answers are not kept.")
    max_cached_tokens: int = Field(default=4000, ge=1, le=MOST_TOKENS, description="Longer answers are not kept.")
    coalesce: bool = Field(default=False, description="The same asked at the same time is asked once.")
    time_budget_ms: int = Field(default=300, ge=1, le=MOST_MS, description="For the look-up.")

    @model_validator(mode="after")
    def _check_bounds(self) -> Self:
        if self.min_cached_tokens > self.max_cached_tokens:
            raise ValueError("min_cached_tokens is more than max_cached_tokens")
        if self.judge_model is not None and self.judge_threshold > self.similarity_threshold:
            raise ValueError("judge_threshold is more than similarity_threshold")
        return self


class CacheStats(BaseModel):
    """What a cache has done since it was made. `cost_saved` is in USD, by the target's price."""

    total_requests: int = 0
    cache_hits: int = 0
    tokens_saved: int = 0
    cost_saved: Decimal = Decimal(0)
