"""`config.json`, read and checked into one frozen `Config`; run as a module it prints the JSON schema."""

import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any, Literal, NoReturn
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    TypeAdapter,
    ValidationError,
    WithJsonSchema,
)

Seconds = Annotated[float, Field(gt=0, le=3600)]
NonEmpty = Annotated[str, StringConstraints(min_length=1, strip_whitespace=True)]
ProviderKey = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_.-]*$")]

RETIRED_PARAMETERS = {
    "search_parameters": "xAI answers 410 to every chat call that carries it since January 2026;"
    " ask for web search with the tools web_search or x_search instead",
}
"""Payload parameters that no provider takes any more, and why."""


class InvalidConfig(ValueError):
    """The file cannot be used. The message has a line for each fault: its path in the file, and what would mend it."""


class Timeouts(BaseModel):
    """How long to wait for a provider, in seconds."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    connect: Seconds = Field(5.0, description="Until the connection stands, TLS included.")
    first_byte: Seconds = Field(60.0, description="From the request sent to the first byte of the reply.")
    idle: Seconds = Field(120.0, description="Between two reads of the reply.")


def _base_url(url: str) -> str:
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname or not url.isprintable() or " " in url:
        raise ValueError("use a URL such as https://api.example.com/v1")
    parts.port  # noqa: B018 - raises where it is none
    if parts.query or parts.fragment or parts.username:
        raise ValueError("give scheme, host and path only")
    return url.rstrip("/")


def _header_names(headers: dict[str, str]) -> dict[str, str]:
    for name, value in headers.items():
        if not name.isascii() or not name.replace("-", "").replace("_", "").isalnum() or "\n" in value or "\r" in value:
            raise ValueError(f"{name!r} is no header")
    return headers


def _without_retired(parameters: dict[str, Any]) -> dict[str, Any]:
    for name in parameters.keys() & RETIRED_PARAMETERS.keys():
        raise ValueError(f"{name!r} is retired: {RETIRED_PARAMETERS[name]}")
    return parameters


def _without_duplicates(models: tuple[str, ...]) -> tuple[str, ...]:
    seen: dict[str, str] = {}
    for model in models:
        twin = seen.get(model.lower())
        if twin is not None:
            raise ValueError(f"{model!r} is listed twice" + ("" if model == twin else f", first as {twin!r}"))
        seen[model.lower()] = model
    return models


def _as_tuple(value: Any) -> Any:
    if isinstance(value, str):
        return (value,)
    return tuple(value) if isinstance(value, list) else value


KeyNames = Annotated[
    tuple[NonEmpty, ...],
    BeforeValidator(_as_tuple),
    WithJsonSchema(
        {"anyOf": [{"type": "string", "minLength": 1}, {"type": "array", "items": {"type": "string", "minLength": 1}}]}
    ),
]
Parameters = Annotated[dict[str, Any], AfterValidator(_without_retired)]


class ProviderConfig(BaseModel):
    """One place that calls are sent to."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    name: NonEmpty | None = Field(None, description="For people; the key where absent.")
    base_url: Annotated[str, AfterValidator(_base_url)] = Field(
        "",
        description="As that provider's own SDK takes it, such as https://api.openai.com/v1.",
        validate_default=False,
    )
    api_key_env: KeyNames = Field(
        (),
        description="The environment variable that holds the key, or several, of which the first that is set counts.",
    )
    supported_models: Annotated[tuple[NonEmpty, ...], AfterValidator(_without_duplicates)] = Field(
        (), description="The models to offer; none or absent: ask the provider."
    )
    payload_extra_parameters: Parameters = Field(
        default_factory=dict, description="Merged over every request's body, objects key by key."
    )
    payload_default_parameters: Parameters = Field(
        default_factory=dict, description="Put into a request's body where the client said nothing."
    )
    api_format: Literal["openai"] = Field("openai", description="The dialect that the provider speaks.")
    headers: Annotated[dict[str, str], AfterValidator(_header_names)] = Field(
        default_factory=dict, description="Further headers of every request."
    )
    timeouts: Timeouts = Timeouts()
    enabled: bool = True


@dataclass(frozen=True)
class Config:
    """All providers by key, in the order of the file, which is the order of the search for a model."""

    providers: dict[str, ProviderConfig]


_PROVIDERS: TypeAdapter[dict[str, ProviderConfig]] = TypeAdapter(dict[ProviderKey, ProviderConfig])


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
        raise InvalidConfig(f"{origin}: must be an object of providers by key, not {type(document).__name__}")
    document.pop("$schema", None)
    try:
        providers = _PROVIDERS.validate_json(json.dumps(document))
    except ValidationError as exc:
        raise InvalidConfig("\n".join(f"{origin}: {fault}" for fault in _faults(exc))) from exc
    missing = [key for key, provider in providers.items() if not provider.base_url and provider.enabled]
    if missing:
        raise InvalidConfig("\n".join(f"{origin}: {key}.base_url: is missing" for key in missing))
    return Config(providers)


def config_schema() -> dict[str, Any]:
    """The JSON schema (2020-12) of `config.json`."""
    schema = ProviderConfig.model_json_schema(ref_template="#/$defs/{model}")
    definitions = schema.pop("$defs", {})
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "LLM Relay: config.json",
        "type": "object",
        "properties": {"$schema": {"type": "string"}},
        "patternProperties": {r"^[a-z][a-z0-9_.-]*$": {"$ref": "#/$defs/ProviderConfig"}},
        "additionalProperties": False,
        "$defs": {"ProviderConfig": schema, **definitions},
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


def _faults(error: ValidationError) -> Iterator[str]:
    for fault in error.errors(include_url=False):
        path = [part for part in fault["loc"] if part != "[key]"]
        yield f"{_dotted(path)}: {_sentence(fault['type'], fault['msg'], path)}"


def _dotted(path: Sequence[int | str]) -> str:
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path).lstrip(".")


def _sentence(kind: str, message: str, path: Sequence[int | str]) -> str:
    if kind == "extra_forbidden":
        known = Timeouts.model_fields if "timeouts" in path[:-1] else ProviderConfig.model_fields
        near = get_close_matches(str(path[-1]), known, n=1, cutoff=0.0)
        return f"unknown key; did you mean {near[0]!r}? Known are {', '.join(known)}"
    if kind == "string_pattern_mismatch":
        return "a provider's key is lower-case letters, digits, '-', '_' and '.', and begins with a letter"
    return message.removeprefix("Value error, ")


if __name__ == "__main__":
    sys.stdout.write(json.dumps(config_schema(), indent=2) + "\n")
