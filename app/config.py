"""`config.json`, read and checked into one frozen `Config`; run as a module it prints the JSON schema."""

import json
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any, Literal, NoReturn

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    TypeAdapter,
    ValidationError,
    WithJsonSchema,
)
from pydantic.json_schema import models_json_schema

from app.config_values import (
    ApiFormats,
    BaseUrl,
    ChatPath,
    Headers,
    KeyNames,
    ModelNames,
    NonEmpty,
    Parameters,
    ProviderKey,
    Quirks,
    Seconds,
    TagNames,
    Takes,
    TargetName,
    as_target,
    at_least_one,
)
from app.faults import InvalidConfig as InvalidConfig
from app.faults import Place, dotted, faults, first_place, kind_of


class Timeouts(BaseModel):
    """How long to wait for a provider, in seconds."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    connect: Seconds = Field(5.0, description="Until the connection stands, TLS included.")
    first_byte: Seconds = Field(60.0, description="From the request sent to the first byte of the reply.")
    idle: Seconds = Field(120.0, description="Between two reads of the reply.")


class ProviderConfig(BaseModel):
    """One place that calls are sent to."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    name: NonEmpty | None = Field(None, description="For people; the key where absent.")
    base_url: BaseUrl = Field(
        "",
        description="As that provider's own SDK takes it, such as https://api.openai.com/v1.",
        validate_default=False,
    )
    api_key_env: KeyNames = Field(
        (),
        description="The environment variable that holds the key, or several, of which the first that is set counts.",
    )
    supported_models: ModelNames = Field((), description="The models to offer; none or absent: ask the provider.")
    additional_models: ModelNames = Field((), description="Models to offer beside those that the provider lists.")
    payload_extra_parameters: Parameters = Field(
        default_factory=dict, description="Merged over the bodies of chats and legacy completions, objects key by key."
    )
    payload_default_parameters: Parameters = Field(
        default_factory=dict,
        description="Put into the bodies of chats and legacy completions where the client said nothing.",
    )
    api_format: ApiFormats = Field(
        ("openai",),
        description="The dialect that the provider speaks, or several: calls in one of them pass as they are, all others are"
        " translated into the first.",
    )
    path: ChatPath | None = Field(
        None,
        description="Where chat calls in the first api_format go, below base_url: /v1beta/chat/completions; absent: the usual place.",
    )
    quirks: Quirks | None = Field(
        None,
        description="Whose ways of its own it has; absent: those of the provider whose host base_url names, if any.",
    )
    unsupported_parameters: Literal["warn", "drop", "reject"] = Field(
        "warn",
        description="What to do with parameters that the provider's dialect does not have: leave them out and say so in the"
        " header x-relay-warnings, leave them out, or refuse the call.",
    )
    headers: Headers = Field(default_factory=dict, description="Further headers of every request.")
    timeouts: Timeouts = Timeouts()
    retries: int = Field(2, ge=0, le=10, description="How often to ask again after a failure that may pass.")
    prices: NonEmpty | None = Field(
        None,
        description="Whose list of prices is its own: the id of a provider in genai-prices, or free, where nothing costs anything;"
        " absent: the list of the provider whose address base_url is.",
    )
    breaker: bool = Field(True, description="Leave a model alone for a while when it fails too often.")
    enabled: bool = True


class NamedTarget(BaseModel):
    """One of the targets of a name."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    target: TargetName = Field(description="As provider/model, such as openai/gpt-4.1.")
    weight: float = Field(
        1.0, ge=0, le=1_000_000, description="Its share of the calls; 0: only when all others have failed."
    )

    @property
    def provider(self) -> str:
        """The provider's key."""
        return self.target.partition("/")[0]

    @property
    def model(self) -> str:
        """The provider's own name for the model."""
        return self.target.partition("/")[2]


class NameConfig(BaseModel):
    """A name of your own for one or more targets."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    targets: Annotated[
        tuple[
            Annotated[
                NamedTarget,
                BeforeValidator(as_target),
                WithJsonSchema({"anyOf": [{"type": "string"}, {"$ref": "#/$defs/NamedTarget"}]}),
            ],
            ...,
        ],
        # Not `min_length`, which also counts a target that has a fault as missing.
        AfterValidator(at_least_one),
        Field(json_schema_extra={"minItems": 1}),
    ] = Field(description="What it stands for.")
    strategy: Literal["order", "weighted", "fastest"] = Field(
        "order",
        description="How to choose: in their order, by lot with their weights, or the fastest to the first byte.",
    )
    retries: int | None = Field(
        None, ge=0, le=10, description="How often to ask each target again; absent: as its provider's entry says."
    )
    rescue: Literal["off", "continue"] = Field(
        "off",
        description="When a stream breaks off after text: tell the client, or let the next target go on from that text.",
    )
    tags: TagNames = Field((), description="Tags of all calls for it.")


@dataclass(frozen=True)
class Config:
    """What the file says.

    Attributes:
        providers: by key, in the order of the file, which is the order of the search for a model.
        names: what the operator calls targets, by the name.
    """

    providers: dict[str, ProviderConfig]
    names: Mapping[str, NameConfig] = field(default_factory=dict)


_NAMES_KEY = "$names"
_PROVIDERS: TypeAdapter[dict[str, ProviderConfig]] = TypeAdapter(dict[ProviderKey, ProviderConfig])
_NAMES: TypeAdapter[dict[str, NameConfig]] = TypeAdapter(dict[NonEmpty, NameConfig])


def load_config(path: Path) -> Config:
    """Read and check the file.

    Raises:
        InvalidConfig: it cannot be read or has faults; all of them are named.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as exc:
        raise InvalidConfig(f"{path}: cannot be read: {exc}") from exc
    return parse_config(text, str(path))


def parse_config(text: str, origin: str = "config.json") -> Config:
    """Check the text of a configuration; `origin` names it in the errors."""
    try:
        document = json.loads(text, object_pairs_hook=_without_twin_keys, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as exc:
        raise InvalidConfig(f"{origin}: {exc}") from exc
    if not isinstance(document, dict):
        raise InvalidConfig(f"{origin}: must be an object of providers by key, not {kind_of(document)}")
    document.pop("$schema", None)
    named = document.pop(_NAMES_KEY, {})
    # No provider's key begins so.
    strange = [
        f"{dotted((key,))}: unknown key; did you mean {_NAMES_KEY!r}?" for key in document if key.startswith("$")
    ]
    entries = {key: entry for key, entry in document.items() if not key.startswith("$")}
    try:
        providers = _PROVIDERS.validate_json(json.dumps(entries))
    except ValidationError as exc:
        raise _invalid(origin, [*strange, *faults(exc, _known_keys, _taken)]) from exc
    try:
        names = _NAMES.validate_json(json.dumps(named))
    except ValidationError as exc:
        raise _invalid(origin, [*strange, *faults(exc, _known_keys, above=(_NAMES_KEY,))]) from exc
    if wrong := [*strange, *_without_address(providers), *_wrong_names(names, providers)]:
        raise _invalid(origin, wrong)
    return Config(providers, names)


def check_provider(key: str, definition: Mapping[str, Any]) -> ProviderConfig:
    """One entry by itself, as the file has it.

    Raises:
        InvalidConfig: it has faults; all of them are named, by their paths in the entry.
    """
    try:
        text = json.dumps({key: definition}, allow_nan=False)
    except ValueError as exc:
        raise InvalidConfig(str(exc)) from exc
    try:
        entry = _PROVIDERS.validate_json(text)[key]
    except ValidationError as exc:
        lines = faults(exc, _known_keys, _taken, written=_in_entry)
        raise InvalidConfig("\n".join(lines), param=first_place(exc, lambda place: place[1:])) from exc
    if entry.enabled and not entry.base_url:
        raise InvalidConfig("base_url: is missing", param="base_url")
    return entry


def config_schema() -> dict[str, Any]:
    """The JSON schema (2020-12) of `config.json`."""
    models = [(model, "validation") for model in (ProviderConfig, NameConfig, NamedTarget)]
    definitions = models_json_schema(models, ref_template="#/$defs/{model}")[1]["$defs"]  # type: ignore[arg-type] # a Literal, to mypy a str
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "LLM Relay: config.json",
        "type": "object",
        "properties": {
            "$schema": {"type": "string"},
            _NAMES_KEY: {"type": "object", "additionalProperties": {"$ref": "#/$defs/NameConfig"}},
        },
        "patternProperties": {r"^[a-z][a-z0-9_.-]*$": {"$ref": "#/$defs/ProviderConfig"}},
        "additionalProperties": False,
        "$defs": definitions,
    }


def _without_twin_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) < len(pairs):
        keys = [key for key, _ in pairs]
        twin = next(key for key in keys if keys.count(key) > 1)
        raise ValueError(f"the key {twin!r} stands twice in one object")
    return result


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


def _without_address(providers: Mapping[str, ProviderConfig]) -> Iterator[str]:
    for key, provider in providers.items():
        if not provider.base_url and provider.enabled:
            yield f"{key}.base_url: is missing"


def _wrong_names(names: Mapping[str, NameConfig], providers: Mapping[str, ProviderConfig]) -> Iterator[str]:
    seen: dict[str, str] = {}
    for name, entry in names.items():
        if (twin := seen.setdefault(name.lower(), name)) != name:
            yield f"{dotted((_NAMES_KEY, name))}: is there already as {twin!r}; capitals make no difference"
        yield from _wrong_targets((_NAMES_KEY, name, "targets"), entry.targets, providers)


def _wrong_targets(
    place: Place, targets: Sequence[NamedTarget], providers: Mapping[str, ProviderConfig]
) -> Iterator[str]:
    if not any(target.weight for target in targets):
        yield f"{dotted(place)}: all weights are 0: one at least must be more"
    seen: set[str] = set()
    for index, target in enumerate(targets):
        spelling = target.target.lower().removesuffix(":latest")
        if spelling in seen:
            yield f"{dotted((*place, index))}: {target.target!r} is there already"
        seen.add(spelling)
        if target.provider not in (*providers, "demo"):
            near = get_close_matches(target.provider, providers, n=1, cutoff=0.0)
            hint = f"; did you mean {near[0]!r}?" if near else ""
            yield f"{dotted((*place, index))}: there is no provider {target.provider!r}{hint}"


def _invalid(origin: str, lines: Iterable[str]) -> InvalidConfig:
    return InvalidConfig("\n".join(f"{origin}: {line}" for line in lines))


def _known_keys(place: Place) -> Iterable[str]:
    if place[:1] == [_NAMES_KEY]:
        return NamedTarget.model_fields if "targets" in place[2:] else NameConfig.model_fields
    return Timeouts.model_fields if "timeouts" in place else ProviderConfig.model_fields


def _taken(place: Place) -> str | None:
    field = ProviderConfig.model_fields.get(str(place[1])) if len(place) == 2 else None
    return next((each.words for each in field.metadata if isinstance(each, Takes)), None) if field else None


def _in_entry(place: Place) -> Place:
    """Within one provider's; what is wrong with its key, or with all of it, stands under the key."""
    return place[1:] or place


if __name__ == "__main__":
    sys.stdout.write(json.dumps(config_schema(), indent=2) + "\n")
