"""What the definitions of all kinds have in common."""

import re
from typing import Annotated, Any, ClassVar, Literal, get_args

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, field_validator

from app.core.naming import normalise
from app.core.tags import InvalidTags, checked_tags

Kind = Literal["redirect", "router", "cache", "augmentor", "alias"]
"""In the order in which a name is looked for among them."""
KINDS: tuple[Kind, ...] = get_args(Kind)
OTHER_NAMES: frozenset[Kind] = frozenset({"redirect", "alias"})
"""The kinds that lead to one name, and do nothing else."""

MAX_NAME_LENGTH = 100
# What columns hold, and nobody means.
MOST_TOKENS = 100_000_000
MOST_MS = 3_600_000
_WILD = re.compile(r"[*?\[\]]")


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


def _read_percent(value: Any) -> Any:
    return value.strip().removesuffix("%") if isinstance(value, str) else value


Model = Annotated[str, AfterValidator(_checked_model)]
TagTuple = Annotated[tuple[str, ...], AfterValidator(_checked_tags)]
AnyPercent = Annotated[float, BeforeValidator(_read_percent), Field(ge=0, le=100)]
"""Of a hundred: `1` and `1%` are the same."""
Percent = Annotated[AnyPercent, Field(gt=0)]
"""The same, and more than none."""


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


def is_wild(name: str) -> bool:
    """It is a pattern, that fits more names than one."""
    return _WILD.search(name) is not None
