"""What is known of models, in layers, of which two are files `model_overrides.yaml`; as a module it prints their JSON schema."""

import json
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from enum import IntEnum
from fnmatch import translate
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Any

import yaml
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from app.config_values import NonEmpty
from app.core.abilities import Abilities, Capability, Known, Rules
from app.core.family import infer_family
from app.faults import InvalidConfig, Place, faults

EVERY = "*"
"""The key in the place of a provider's, for models of that name wherever they are."""

_ESSENTIAL = frozenset({"model", "messages", "stream"})
# A gateway meets some hundred models; clients can make names up.
_MOST_REMEMBERED = 8192


def _parameter(name: str) -> str:
    if name in _ESSENTIAL:
        raise ValueError(f"cannot hold {name!r}: no call is without it")
    return name


def _model_name(name: str) -> str:
    if set(name) & {"*", "?"}:
        raise ValueError("is no name: use patterns for models whose name matches")
    return name


def _without_twins(models: dict[str, "Override"]) -> dict[str, "Override"]:
    seen: dict[str, str] = {}
    for name in models:
        if (twin := seen.setdefault(name.lower(), name)) != name:
            raise ValueError(f"{name!r} is there already as {twin!r}; capitals make no difference")
    return models


class Override(BaseModel):
    """What is said of a model, or of many. What is absent or null says nothing."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    disabled: bool | None = Field(None, description="It is not listed, and calls on it are refused.")
    reason: NonEmpty | None = Field(None, description="Why; callers are told.")
    use_max_completion_tokens: bool | None = Field(
        None,
        description="In Chat Completions the limit of tokens has the name max_completion_tokens; false: max_tokens.",
    )
    supports_system_prompt: bool | None = Field(
        None, description="false: system messages become a part of the first message of the user."
    )
    unsupported_params: tuple[Annotated[NonEmpty, AfterValidator(_parameter)], ...] | None = Field(
        None,
        description="Parameters that it does not take, in the words of Chat Completions and of OpenAI's embeddings.",
    )
    context_length: int | None = Field(None, gt=0, description="In tokens.")
    max_output_tokens: int | None = Field(
        None,
        gt=0,
        description="The most that it writes in one reply; limits reserve it where the client sets no bound.",
    )
    capabilities: tuple[Capability, ...] | None = Field(None, description="What it can do.")
    family: NonEmpty | None = Field(None, description="Of models that it belongs to, such as llama.")
    description: NonEmpty | None = Field(
        None, max_length=4000, description="What it is good for; clients and smart routers are told."
    )

    def said(self) -> dict[str, Any]:
        """What it says, by key."""
        pairs = ((key, getattr(self, key)) for key in Override.model_fields)
        return {key: value for key, value in pairs if value is not None}


class Pattern(Override):
    """The same of all models whose name matches."""

    match: NonEmpty = Field(
        description="With * and ? for any letters; a name may match without what stands before its last /."
    )


class ProviderOverrides(BaseModel):
    """What is said of the models of one provider: the later of these wins, key by key."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    defaults: Override = Field(Override(), description="Of all of them.")
    patterns: tuple[Pattern, ...] = Field((), description="Of those that match, in the order of the file.")
    models: Annotated[
        dict[Annotated[NonEmpty, AfterValidator(_model_name)], Override], AfterValidator(_without_twins)
    ] = Field(default_factory=dict, description="Of one, by its name.")


class OverrideFile(BaseModel):
    """One file."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    providers: dict[Annotated[str, StringConstraints(pattern=r"^(\*|[a-z][a-z0-9_.-]*)$")], ProviderOverrides] = Field(
        default_factory=dict,
        description="By their keys in config.json; '*' for every provider, before what is said of it.",
    )


class Layer(IntEnum):
    """Who says something of models; whoever comes later wins, key by key."""

    SHIPPED = 0
    """The file that comes with the gateway: of a pattern, what all its models have in common."""
    LITELLM = 1
    """LiteLLM's file, where the operator took it over."""
    LISTED = 2
    """The provider itself, in its list of models."""
    SYNCED = 3
    """What was looked up elsewhere, at the operator's wish."""
    OPERATOR = 4
    """The operator's own file."""
    CUSTOM = 5
    """An administrator, while the gateway runs."""

    @property
    def word(self) -> str:
        """For people."""
        return "provider" if self is Layer.LISTED else "file" if self is Layer.OPERATOR else self.name.lower()


NAME, BUNDLED = "name", "bundled"
"""Who says something where no layer does: the name of the model itself, and what comes with the gateway's prices."""

LookUp = Callable[[str, str], Known]
"""What is known by a provider's key and its own name for a model."""


class Overrides:
    """What all layers together say.

    Args:
        bundled: where context lengths and descriptions are looked up that no layer says.
    """

    def __init__(self, layers: Mapping[Layer, OverrideFile] | None = None, bundled: LookUp | None = None) -> None:
        self._files = dict(layers or {})
        self._bundled = bundled
        self._layers = [
            (layer, {key: _Section(said) for key, said in self._files[layer].providers.items()})
            for layer in sorted(self._files)
        ]
        self.known: LookUp = lru_cache(maxsize=_MOST_REMEMBERED)(self._look_up)
        """What the layers say, by a provider's key and its own name for a model."""

    def rules(self, provider: str, model: str) -> Rules | None:
        """What the calls of that model must keep to."""
        return self.known(provider, model).rules

    def having(self, layer: Layer, said: OverrideFile) -> "Overrides":
        """The same with `said` as that layer, in the place of what it said before."""
        return Overrides(self._files | {layer: said}, self._bundled)

    def all_known(self, provider: str, model: str) -> Known:
        """The same, and where they say nothing, what is bundled and the family that the name tells.

        Not for the request path: to look up a new name may take milliseconds.
        """
        known = self.known(provider, model)
        if known.family is None and (family := infer_family(model)) is not None:
            known = replace(known, family=family)
        length, words = known.abilities.context_length, known.description
        if self._bundled is None or (length is not None and words is not None):
            return known
        more = self._bundled(provider, model)
        abilities = replace(known.abilities, context_length=length or more.abilities.context_length)
        return replace(known, abilities=abilities, description=words or more.description)

    def over(self, bundled: LookUp) -> "Overrides":
        """The same, with `bundled` asked where they say nothing."""
        return Overrides(self._files, bundled)

    def look_up(self, provider: str, models: Iterable[str]) -> None:
        """Look up what is bundled of those models, which is remembered there: in a thread, where they are many."""
        if self._bundled is not None:
            for model in models:
                self._bundled(provider, model)

    def origins(self, provider: str, model: str) -> dict[str, str]:
        """Who says what is known of that model: `NAME`, `BUNDLED` or the word of a layer, by the keys of `Override`."""
        known = self.all_known(provider, model)
        facts = {
            "context_length": (known.abilities.context_length, BUNDLED),
            "description": (known.description, BUNDLED),
            "family": (known.family, NAME),
        }
        found = {key: origin for key, (value, origin) in facts.items() if value is not None}
        for layer, said in self._said(provider, model):
            found |= dict.fromkeys(said, layer.word)
        return found

    def _look_up(self, provider: str, model: str) -> Known:
        said: dict[str, Any] = {}
        for _, each in self._said(provider, model):
            said |= each
        return _known(said)

    def _said(self, provider: str, model: str) -> Iterator[tuple[Layer, dict[str, Any]]]:
        """What each layer says of a model, the weakest first."""
        name = model.lower()
        names = tuple(dict.fromkeys((name.rpartition("/")[2], name)))
        for layer, sections in self._layers:
            said: dict[str, Any] = {}
            for key in (EVERY, provider):
                if (section := sections.get(key)) is not None:
                    section.add_to(said, names)
            yield layer, said


class _Section:
    """What one layer says of one provider's models, ready to be looked up."""

    def __init__(self, section: ProviderOverrides) -> None:
        self._defaults = section.defaults.said()
        self._patterns = [(re.compile(translate(each.match.lower())), each.said()) for each in section.patterns]
        self._models = {name.lower(): each.said() for name, each in section.models.items()}

    def add_to(self, said: dict[str, Any], names: Sequence[str]) -> None:
        said |= self._defaults
        for pattern, each in self._patterns:
            if any(pattern.match(name) for name in names):
                said |= each
        for name in names:
            said |= self._models.get(name, {})


def _known(said: Mapping[str, Any]) -> Known:
    rules = Rules(
        max_completion_tokens=said.get("use_max_completion_tokens"),
        system_prompt=said.get("supports_system_prompt", True),
        unsupported=said.get("unsupported_params", ()),
    )
    return Known(
        abilities=Abilities(said.get("context_length"), said.get("capabilities"), said.get("max_output_tokens")),
        rules=None if rules == Rules() else rules,
        disabled=said.get("reason", "") if said.get("disabled") else None,
        family=said.get("family"),
        description=said.get("description"),
    )


NOTHING_SAID = Overrides()
"""No layer at all."""


def load_overrides(path: Path | None) -> Overrides:
    """What is shipped, and over it the operator's own file, where there is one.

    Raises:
        InvalidConfig: a file cannot be read or has faults; all of them are named.
    """
    files = {Layer.SHIPPED: shipped_overrides(), Layer.OPERATOR: path}
    return Overrides({layer: _load(file) for layer, file in files.items() if file is not None})


def shipped_overrides() -> Path:
    """The file that comes with the gateway."""
    return Path(__file__).with_name("model_overrides.yaml")


def parse_overrides(text: str, origin: str = "model_overrides.yaml") -> OverrideFile:
    """Check the text of a file; `origin` names it in the errors.

    Raises:
        InvalidConfig: it has faults; all of them are named.
    """
    try:
        # JSON has fewer types, and one of them for each thing that may be said here.
        document = json.dumps(yaml.load(text, _Loader), default=str)  # noqa: S506 - _Loader is a safe one
    except yaml.MarkedYAMLError as exc:
        where = f", line {exc.problem_mark.line + 1}" if exc.problem_mark else ""
        raise InvalidConfig(f"{origin}{where}: {exc.problem or exc.context}") from exc
    except (yaml.YAMLError, ValueError, TypeError, RecursionError) as exc:
        raise InvalidConfig(f"{origin}: {' '.join(str(exc).split())}") from exc
    try:
        return OverrideFile.model_validate_json("{}" if document == "null" else document)
    except ValidationError as exc:
        raise InvalidConfig("\n".join(f"{origin}: {fault}" for fault in faults(exc, _known_keys))) from exc


def overrides_schema() -> dict[str, Any]:
    """The JSON schema (2020-12) of the file."""
    schema = OverrideFile.model_json_schema()
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **schema,
        "title": "LLM Relay: model_overrides.yaml",
    }


class _Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc] # libyaml's, ten times as fast, where it is
    """A safe loader that takes no key twice."""

    def construct_mapping(self, node: Any, deep: bool = False) -> Any:
        keys = [key.value for key, _ in node.value]
        for index, (key, _) in enumerate(node.value):
            if key.value in keys[:index]:
                raise yaml.constructor.ConstructorError(
                    None, None, f"the key {key.value!r} stands twice in one object", key.start_mark
                )
        return super().construct_mapping(node, deep)


def _load(path: Path) -> OverrideFile:
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as exc:
        raise InvalidConfig(f"{path}: cannot be read: {exc}") from exc
    return parse_overrides(text, str(path))


def _known_keys(place: Place) -> Iterable[str]:
    """The keys of the object at `place`."""
    match place:
        case []:
            return OverrideFile.model_fields
        case ["providers", _]:
            return ProviderOverrides.model_fields
        case ["providers", _, "patterns", _]:
            return Pattern.model_fields
    return Override.model_fields


if __name__ == "__main__":
    sys.stdout.write(json.dumps(overrides_schema(), indent=2) + "\n")
