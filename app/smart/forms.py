"""What can be set of each kind of smart model, told field by field, so that a form can be made of it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from pydantic import BaseModel

from app.core.smart import CLASSES, Candidate, Kind, Rule

Control = Literal["text", "long", "number", "whole", "flag", "maybe", "choice", "time", "list", "name", "model", "rows"]
"""How a value is put in. `maybe` is a flag that may be open, `name` any name that calls can have, `model` a provider's model, `rows`
a list of objects."""

_GENERAL, _OWN, _ACCESS, _MORE = "General", "What it does", "Access and tags", "Advanced"
_GROUPS = {
    "name": _GENERAL,
    "description": _GENERAL,
    "enabled": _GENERAL,
    "tags": _ACCESS,
    "owner_tags": _ACCESS,
    "allowed_tokens": _ACCESS,
} | dict.fromkeys(
    (
        "fallback",
        "time_budget_ms",
        "max_quality_loss",
        "session_ttl_s",
        "max_error",
        "recheck_percent",
        "judge_model",
        "judge_threshold",
        "min_cached_tokens",
        "max_cached_tokens",
        "coalesce",
        "search_provider_url",
        "max_scrape_urls",
        "max_search_results",
        "max_context_tokens",
        "inject_as",
    ),
    _MORE,
)
_ORDER = (_GENERAL, _OWN, _ACCESS, _MORE)
_FIRST = frozenset({"strategy", "mode"})
_ONLY_WHERE: Mapping[str, Mapping[str, Sequence[str]]] = {
    "designator_model": {"strategy": ("per_request", "per_session"), "mode": ("auto",)},
    "purpose": {"strategy": ("per_request", "per_session"), "mode": ("auto",)},
    "rules": {"strategy": ("rules",)},
    "session_ttl_s": {"strategy": ("per_session",)},
    "max_quality_loss": {"strategy": ("learned",)},
}
"""Settings that matter only where another one, which decides on what is done, has one of these values."""
_ROWS: Mapping[str, type[BaseModel]] = {"candidates": Candidate, "rules": Rule}
_MODELS = frozenset({"embedder"})
# Of a text that may be so long, a few words are not what is meant.
_LONG = 1000
_HELP = {
    "description": "For people, and for routers whose candidate it is.",
    "enabled": "Whether clients find it.",
    "purpose": "What the designator is told to go by.",
    "target": "The name that it leads to.",
    "target_model": "The name that answers what it lets through.",
    "search_provider": "Where is looked.",
    "before": "UTC; until then.",
}


@dataclass(frozen=True, slots=True)
class Setting:
    """One setting.

    Attributes:
        title, help: for people.
        group: the part of the form where it stands.
        default: None for none, or for one that has to be said.
        nullable: it may have no value.
        fields: of one of the `rows`.
        only_where: it matters only where another setting has one of these values.
    """

    name: str
    title: str
    help: str
    group: str
    control: Control
    required: bool
    nullable: bool
    default: Any
    choices: Sequence[str] = ()
    minimum: float | None = None
    maximum: float | None = None
    max_length: int | None = None
    fields: "Sequence[Setting]" = ()
    only_where: Mapping[str, Sequence[str]] = field(default_factory=dict)


def fields_of(kind: Kind) -> list[Setting]:
    """All that can be set of a kind, by the groups of its form."""
    found = _fields(CLASSES[kind])
    return sorted(found, key=lambda each: (_ORDER.index(each.group), each.name not in _FIRST))


def _fields(model: type[BaseModel]) -> list[Setting]:
    schema = model.model_json_schema()
    required = schema.get("required", [])
    return [_field(name, part, model, required=name in required) for name, part in schema["properties"].items()]


def _field(name: str, schema: Mapping[str, Any], model: type[BaseModel], *, required: bool) -> Setting:
    options = [each for each in schema.get("anyOf", [schema]) if each.get("type") != "null"]
    shape = options[0] if options else schema
    only_where = {other: values for other, values in _ONLY_WHERE.get(name, {}).items() if other in model.model_fields}
    return Setting(
        name=name,
        title=_title(name),
        help=schema.get("description") or _HELP.get(name, ""),
        group=_GROUPS.get(name, _OWN),
        control=_control(name, shape, model, nullable="anyOf" in schema),
        required=required,
        nullable="anyOf" in schema,
        default=schema.get("default"),
        choices=shape.get("enum", ()),
        minimum=shape.get("minimum", shape.get("exclusiveMinimum")),
        maximum=shape.get("maximum"),
        max_length=shape.get("maxLength"),
        fields=_fields(_ROWS[name]) if name in _ROWS else (),
        only_where=only_where,
    )


def _control(name: str, shape: Mapping[str, Any], model: type[BaseModel], *, nullable: bool) -> Control:
    if name in _ROWS:
        return "rows"
    if name == "model" or name in getattr(model, "leads", ()):
        return "name"
    if name in _MODELS or name in getattr(model, "asks", ()):
        return "model"
    if "enum" in shape:
        return "choice"
    if shape.get("format") == "time":
        return "time"
    match shape["type"]:
        case "boolean":
            return "maybe" if nullable else "flag"
        case "integer":
            return "whole"
        case "number":
            return "number"
        case "array":
            return "list"
    return "long" if shape.get("maxLength", 0) >= _LONG else "text"


def _title(name: str) -> str:
    words = name.removesuffix("_ms").removesuffix("_s").removesuffix("_hours").replace("_", " ")
    unit = {"_ms": " (ms)", "_s": " (s)", "_hours": " (hours)", "_percent": " (%)"}
    ending = next((words for suffix, words in unit.items() if name.endswith(suffix)), "")
    title = words.replace("ttl", "lifetime").replace("urls", "pages").removesuffix(" percent")
    return title[:1].upper() + title[1:] + ending
