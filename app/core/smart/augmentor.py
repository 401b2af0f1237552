"""Augmentors: what is looked up, where, and how much of it the model gets."""

import re
from typing import Literal, Self

from pydantic import BaseModel, Field, field_validator, model_validator

from app.core.smart.model import MOST_MS, Model, SmartModel

_ADDRESS = re.compile(r"https?://(?:[\w.-]+|\[[0-9a-fA-F:.]+\])(?::\d{1,5})?(?:/[^\s?#@]*)?")

SearchProvider = Literal["searxng", "perplexity", "parallel"]


class Augmentor(SmartModel):
    """Puts what the web says before the question."""

    kind = "augmentor"
    leads = ("target_model",)
    asks = ("designator_model",)

    target_model: Model
    designator_model: Model | None = Field(default=None, description="`provider/model` that decides what to look up.")
    purpose: str | None = Field(default=None, max_length=4000)
    mode: Literal["auto", "always", "never"] = Field(
        default="auto", description="The designator decides; or each last message is searched for; or nothing is."
    )
    search_provider: SearchProvider = "searxng"
    search_provider_url: str | None = Field(
        default=None, max_length=500, description="Of SearXNG or Parallel, in place of SEARXNG_URL or Parallel's own."
    )
    max_search_results: int = Field(default=5, ge=1, le=50, description="Of each search.")
    max_scrape_urls: int = Field(default=3, ge=0, le=20, description="Pages of a call that are read.")
    max_context_tokens: int = Field(
        default=4000, ge=100, le=200_000, description="Of what was found, so much is put before the question."
    )
    inject_as: Literal["user", "system"] = Field(default="user", description="The role of what was found.")
    time_budget_ms: int = Field(default=15_000, ge=1, le=MOST_MS, description="For the decision, searches and pages.")

    @field_validator("search_provider_url")
    @classmethod
    def _check_url(cls, url: str | None) -> str | None:
        if url is not None and not _ADDRESS.fullmatch(url):
            raise ValueError("is no address: write https://HOST or http://HOST:PORT, without a user")
        return url

    @model_validator(mode="after")
    def _check_mode(self) -> Self:
        if self.mode == "auto" and self.designator_model is None:
            raise ValueError("the mode auto needs designator_model")
        if self.search_provider == "perplexity" and self.search_provider_url is not None:
            raise ValueError(
                "perplexity is asked where its entry of config.json says, and needs no search_provider_url"
            )
        return self


class AugmentorStats(BaseModel):
    """What an augmentor has done since it was made: only what was really fetched is counted."""

    total_requests: int = 0
    augmented_requests: int = 0
    search_requests: int = 0
    scrape_requests: int = 0
