"""Smart models: names that stand for behaviour, as an operator defines them. What each kind does is a stage of its own."""

import re
from datetime import time
from decimal import Decimal
from typing import Annotated, Any, ClassVar, Literal, Self, get_args

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, field_validator, model_validator

from app.core.naming import normalise
from app.core.patterns import InvalidPattern, compile_pattern
from app.core.tags import InvalidTags, checked_tags

Kind = Literal["redirect", "router", "cache", "augmentor", "alias"]
"""In the order in which a name is looked for among them."""
KINDS: tuple[Kind, ...] = get_args(Kind)
OTHER_NAMES: frozenset[Kind] = frozenset({"redirect", "alias"})
"""The kinds that lead to one name, and do nothing else."""

MAX_NAME_LENGTH = 100
# What columns hold, and nobody means.
_MOST_TOKENS = 100_000_000
_MOST_MS = 3_600_000
_WILD = re.compile(r"[*?\[\]]")
_ADDRESS = re.compile(r"https?://(?:[\w.-]+|\[[0-9a-fA-F:.]+\])(?::\d{1,5})?(?:/[^\s?#@]*)?")
_SET = re.compile(r"\[!?\]?[^\]]*\]")  # as fnmatch reads it


def _checked_model(name: str) -> str:
    """A name of a model that something leads to, in its own capitals."""
    name = name.strip()
    if not name or not name.isprintable():
        raise ValueError("a model's name is needed, such as openai/gpt-4.1-mini")
    return name


def _checked_tags(tags: tuple[str, ...]) -> tuple[str, ...]:
    try:
        return checked_tags(tags)
    except InvalidTags as exc:
        raise ValueError(str(exc)) from exc


Model = Annotated[str, AfterValidator(_checked_model)]
TagTuple = Annotated[tuple[str, ...], AfterValidator(_checked_tags)]
Share = Literal["user", "tag", "everyone"]
Percent = Annotated[float, Field(gt=0, le=100)]


class SmartModel(BaseModel):
    """What all kinds have in common.

    Durations have their unit in their names. `fallback` tells what happens where the target is gone: an error that names it, or
    the gateway's default model.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)

    kind: ClassVar[Kind]
    leads: ClassVar[tuple[str, ...]] = ()
    """The fields that hold a name of a model, each a target that may be a smart model too."""
    asks: ClassVar[tuple[str, ...]] = ()
    """The fields that hold the model of a helper call, which may be none."""

    name: str = Field(max_length=MAX_NAME_LENGTH, description="What clients put into `model`; capitals do not matter.")
    description: str | None = Field(default=None, max_length=2000)
    enabled: bool = True
    tags: TagTuple = Field(default=(), description="Tags that each call by this name gets.")
    owner_tags: TagTuple = Field(default=(), description="Whose the name is, to find it again; calls do not get them.")
    allowed_tokens: tuple[str, ...] = Field(
        default=(), description="Ids of tokens, or `user:NAME`, that alone may use it; empty for all."
    )
    fallback: Literal["error", "default"] = Field(
        default="error", description="Where what it leads to is gone: an error that says so, or the default model."
    )

    @field_validator("*")
    @classmethod
    def _check_text(cls, value: Any) -> Any:
        if isinstance(value, str) and "\0" in value:  # which PostgreSQL keeps in no text
            raise ValueError("holds a character that is none (NUL)")
        return value

    @field_validator("name")
    @classmethod
    def _check_name(cls, name: str) -> str:
        name = normalise(name)
        if not name or not name.isprintable() or ">" in name:
            raise ValueError("a name is needed, of characters that can be printed, without >")
        if cls.kind != "redirect" and (_WILD.search(name) or "@" in name):
            raise ValueError("only the pattern of a redirect may hold any of * ? [ ], and no name holds @")
        return name

    @field_validator("allowed_tokens")
    @classmethod
    def _check_tokens(cls, tokens: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(dict.fromkeys(token.strip() for token in tokens if token.strip()))

    def may_be_used_by(self, token_id: str, username: str) -> bool:
        """Whether a token is let in."""
        allowed = self.allowed_tokens
        return not allowed or token_id in allowed or f"user:{username}" in allowed

    @property
    def targets(self) -> tuple[str, ...]:
        """The names that it leads to, the main one first, each once."""
        return tuple(dict.fromkeys(filter(None, (getattr(self, field) for field in self.leads))))


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
        return _WILD.search(self.name) is not None

    @property
    def outline(self) -> str:
        """Its name with `?` for each `[…]`: as long as what it fits, but for its `*`."""
        return _SET.sub("?", self.name)


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
        default=None, ge=0, le=_MOST_TOKENS, description="The request is estimated to have so many, or more."
    )
    max_tokens: int | None = Field(default=None, ge=0, le=_MOST_TOKENS)
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
    strategy: RouterStrategy = "per_request"
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
    time_budget_ms: int = Field(default=5000, ge=1, le=_MOST_MS, description="For the designator.")

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
    recheck_percent: float = Field(
        default=1.0, ge=0, le=100, description="Of hits, how many are asked again in the background and compared."
    )
    judge_model: Model | None = Field(
        default=None, description="Decides where the cosine lies between both thresholds."
    )
    judge_threshold: float = Field(default=0.85, ge=0, le=1)
    match_system_prompt: bool = True
    match_last_message_only: bool = False
    share: Share = Field(
        default="user", description="Who gets whose answers: each user their own, all of a tag, everyone."
    )
    ttl_hours: float = Field(default=168, gt=0, le=87_600)
    min_cached_tokens: int = Field(default=50, ge=0, le=_MOST_TOKENS)
    max_cached_tokens: int = Field(default=4000, ge=1, le=_MOST_TOKENS)
    coalesce: bool = Field(default=False, description="The same asked at the same time is asked once.")
    time_budget_ms: int = Field(default=300, ge=1, le=_MOST_MS, description="For the look-up.")

    @model_validator(mode="after")
    def _check_bounds(self) -> Self:
        if self.min_cached_tokens > self.max_cached_tokens:
            raise ValueError("min_cached_tokens is more than max_cached_tokens")
        if self.judge_model is not None and self.judge_threshold > self.similarity_threshold:
            raise ValueError("judge_threshold is more than similarity_threshold")
        return self


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
    max_search_results: int = Field(default=5, ge=1, le=50)
    max_scrape_urls: int = Field(default=3, ge=0, le=20)
    max_context_tokens: int = Field(default=4000, ge=100, le=200_000)
    inject_as: Literal["user", "system"] = Field(default="user", description="The role of what was found.")
    time_budget_ms: int = Field(default=15_000, ge=1, le=_MOST_MS, description="For the decision, searches and pages.")

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


CLASSES: dict[Kind, type[SmartModel]] = {
    "redirect": Redirect,
    "router": Router,
    "cache": Cache,
    "augmentor": Augmentor,
    "alias": Alias,
}


class CacheStats(BaseModel):
    """What a cache has done since it was made. `cost_saved` is in USD, by the target's price."""

    total_requests: int = 0
    cache_hits: int = 0
    tokens_saved: int = 0
    cost_saved: Decimal = Decimal(0)


class AugmentorStats(BaseModel):
    """What an augmentor has done since it was made: only what was really fetched is counted."""

    total_requests: int = 0
    augmented_requests: int = 0
    search_requests: int = 0
    scrape_requests: int = 0


def definition_of(model: SmartModel) -> dict[str, Any]:
    """All its fields as JSON has them."""
    return model.model_dump(mode="json")
