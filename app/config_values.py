"""The types of what `config.json` may hold: how each value is checked, and what is said where it is wrong."""

import re
from dataclasses import dataclass
from ipaddress import IPv4Address
from typing import Annotated, Any, Literal, TypeVar, get_args
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, Field, StringConstraints, ValidationInfo, WithJsonSchema

from app.core.tags import checked_tags

REFUSED_PARAMETERS = {
    **dict.fromkeys(("model", "messages", "stream"), "cannot be set here: it is set by the client's request"),
    "stream_options": "cannot be set here: the gateway asks for usage itself",
    "search_parameters": "is retired: xAI answers 410 to every chat call that carries it since January 2026;"
    " ask for web search with the tools web_search or x_search instead",
}
"""Payload parameters that the configuration must not hold, and why."""

OWN_HEADERS = frozenset({"content-length", "transfer-encoding", "connection"})
"""Headers that the gateway writes for each request anew, in lower case."""

_Value = TypeVar("_Value")

_FOUR_NUMBERS = re.compile(r"\d+(\.\d+){3}")
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")  # RFC 9110, 5.6.2
_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")  # RFC 9110, 5.5: of these a value may hold the tab alone


@dataclass(frozen=True)
class Takes:
    """What a field takes, where the words for its type would say too little."""

    words: str


def _base_url(url: str) -> str:
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname or not url.isprintable() or " " in url:
        raise ValueError("use a URL such as https://api.example.com/v1 or http://127.0.0.1:11434")
    if _FOUR_NUMBERS.fullmatch(parts.hostname):
        IPv4Address(parts.hostname)  # raises where it is none
    parts.port  # noqa: B018 - raises where it is none
    if parts.query or parts.fragment or parts.username:
        raise ValueError("give scheme, host and path only")
    if not _can_be_asked(url):
        raise ValueError("has a host that cannot be (RFC 5891)")
    return url.rstrip("/")


def _can_be_asked(url: str) -> bool:
    import httpx  # not for commands that ask nobody

    try:
        return bool(httpx.URL(url).host)
    except (httpx.InvalidURL, UnicodeError):
        return False


def _path(path: str, info: ValidationInfo) -> str:
    if info.data.get("api_format", ("",))[0] == "gemini":
        raise ValueError("cannot be set here: Gemini's API names the model in the path")
    if not path.startswith("/") or path.endswith("/") or not path.isprintable() or set(" ?#") & set(path):
        raise ValueError("begin with '/', as in /v1beta/chat/completions, and give no query")
    return path


def _header_name(name: str) -> str:
    if not _TOKEN.fullmatch(name):
        raise ValueError("is no name of a header: use letters, digits and '-'")
    if name.lower() in OWN_HEADERS:
        raise ValueError("cannot be set here: the gateway writes this header itself")
    return name


def _header_value(value: str) -> str:
    if _CONTROL.search(value):
        raise ValueError("must hold no line break, no NUL and no other control character")
    return value


def _parameter_name(name: str) -> str:
    if name in REFUSED_PARAMETERS:
        raise ValueError(REFUSED_PARAMETERS[name])
    return name


def _without_duplicates(models: tuple[str, ...]) -> tuple[str, ...]:
    seen: dict[str, str] = {}
    for model in models:
        twin = seen.get(model.lower())
        if twin is not None:
            raise ValueError(f"{model!r} is listed twice" + ("" if model == twin else f", first as {twin!r}"))
        seen[model.lower()] = model
    return models


def at_least_one(values: tuple[_Value, ...]) -> tuple[_Value, ...]:
    """The same values, of which there must be one."""
    if not values:
        raise ValueError("must name at least one")
    return values


def _without_twin_headers(headers: dict[str, str]) -> dict[str, str]:
    _without_duplicates(tuple(headers))
    return headers


def _as_tuple(value: Any) -> Any:
    if isinstance(value, str):
        return (value,)
    return tuple(value) if isinstance(value, list) else value


def _target_name(text: str) -> str:
    key, slash, model = text.partition("/")
    if not (key and slash and model):
        raise ValueError("use PROVIDER/MODEL, such as openai/gpt-4.1")
    return text


def as_target(value: Any) -> Any:
    """A target that is given by its name alone, as an object."""
    return {"target": value} if isinstance(value, str) else value


Seconds = Annotated[float, Field(gt=0, le=3600)]
NonEmpty = Annotated[str, StringConstraints(min_length=1, strip_whitespace=True)]
ProviderKey = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_.-]*$")]

KeyNames = Annotated[
    tuple[NonEmpty, ...],
    BeforeValidator(_as_tuple),
    WithJsonSchema(
        {"anyOf": [{"type": "string", "minLength": 1}, {"type": "array", "items": {"type": "string", "minLength": 1}}]}
    ),
    Takes("the name of an environment variable or a list of such names"),
]
ApiFormat = Literal["openai", "responses", "anthropic", "gemini", "ollama"]
ApiFormats = Annotated[
    tuple[ApiFormat, ...],
    BeforeValidator(_as_tuple),
    AfterValidator(at_least_one),
    AfterValidator(_without_duplicates),
    WithJsonSchema(
        {
            "anyOf": [
                {"enum": list(get_args(ApiFormat))},
                {"type": "array", "minItems": 1, "items": {"enum": list(get_args(ApiFormat))}},
            ]
        }
    ),
    Takes("one of 'openai', 'responses', 'anthropic', 'gemini' and 'ollama', or a list of some"),
]
Quirks = Literal["perplexity", "parallel"]
ModelNames = Annotated[tuple[NonEmpty, ...], AfterValidator(_without_duplicates), Takes("a list of model names")]
TagNames = Annotated[tuple[NonEmpty, ...], AfterValidator(checked_tags), Takes("a list of tags")]
ParameterName = Annotated[
    str,
    AfterValidator(_parameter_name),
    WithJsonSchema({"type": "string", "not": {"enum": list(REFUSED_PARAMETERS)}}),
]
Parameters = dict[ParameterName, Any]
Headers = Annotated[
    dict[Annotated[str, AfterValidator(_header_name)], Annotated[str, AfterValidator(_header_value)]],
    AfterValidator(_without_twin_headers),
]


BaseUrl = Annotated[str, AfterValidator(_base_url)]
ChatPath = Annotated[str, AfterValidator(_path)]
TargetName = Annotated[NonEmpty, AfterValidator(_target_name)]
