"""The options of a smart model on the command line, made from the fields of its definition."""

from inspect import Parameter, Signature
from pathlib import Path
from types import NoneType, UnionType
from typing import TYPE_CHECKING, Annotated, Any, Literal, Union, get_args, get_origin

import typer

from app.core.smart import CLASSES, Kind
from cli.name_files import parse_value, read_document
from cli.output import fail

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from pydantic.fields import FieldInfo

NONE = "none"
"""What is written for nothing."""

_CANDIDATES = "candidates"
_ONLY_SET = ("rules",)
"""What nests too deeply for an option of its own."""

_HELP = {
    "enabled": "Whether it is found.",
    "candidates": "MODEL, or MODEL=what it is good for. Once for each.",
    "target": "The name that it leads to.",
    "target_model": "The name that it leads to.",
    "tags": "Tags that each call by this name gets, with commas.",
    "owner_tags": "Whose it is, to find it again; with commas.",
    "allowed_tokens": "Ids of tokens, or user:NAME, that alone may use it; with commas.",
}

File = Annotated[
    str | None, typer.Option("--file", help="The definition, or a part of it, as JSON or YAML; - is standard input.")
]
Set = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="FIELD=VALUE", help="Any field, its value as JSON or YAML. Once for each."),
]
Offline = Annotated[bool, typer.Option("--offline", help="Do not ask providers for their lists of models.")]
AsJson = Annotated[bool, typer.Option("--json", help="One JSON document.")]
EnvFile = Annotated[Path | None, typer.Option("--env-file", help="A file of settings to read in place of ./.env.")]


def command_of(kind: Kind, run: "Callable[..., None]", *, renames: bool) -> "Callable[..., None]":
    """A command with an option for each field of a kind.

    Args:
        run: is called with the kind, the name, what was given of the fields, and `offline`, `as_json` and `env_file`.
        renames: the name of what is there is an argument, and another one may be given as an option.
    """
    fields = {
        name: field
        for name, field in CLASSES[kind].model_fields.items()
        if name not in _ONLY_SET and (renames or name != "name")
    }
    options = {name: _option(name, field, fields) for name, field in fields.items()}
    fixed: dict[str, tuple[Any, Any]] = {
        "file": (File, None),
        "assigned": (Set, None),
        "offline": (Offline, False),
        "as_json": (AsJson, False),
        "env_file": (EnvFile, None),
    }

    def command(**given: Any) -> None:
        rest = {name: given.pop(name) for name in ("offline", "as_json", "env_file")}
        name, file, assigned = given.pop("called"), given.pop("file"), given.pop("assigned")
        written = {} if file is None else _read_definition(file)
        written |= {field: _value(field, value) for field, value in given.items() if value not in (None, [])}
        run(kind, name, written | _assigned(assigned or []), **rest)

    # Typer makes its options from the signature, which no function that is written down has.
    called = Annotated[str, typer.Argument(metavar="NAME", help="What clients put into `model`.")]
    parameters = [Parameter("called", Parameter.KEYWORD_ONLY, annotation=called)]
    parameters += [Parameter(n, Parameter.KEYWORD_ONLY, annotation=o, default=None) for n, o in options.items()]
    parameters += [Parameter(n, Parameter.KEYWORD_ONLY, annotation=a, default=d) for n, (a, d) in fixed.items()]
    command.__signature__ = Signature(parameters)  # type: ignore[attr-defined] # what inspect reads
    command.__annotations__ = {each.name: each.annotation for each in parameters}
    command.__doc__ = CLASSES[kind].__doc__
    return command


def flag_of(field: str) -> str:
    """The option that gives a field."""
    return "--candidate" if field == _CANDIDATES else f"--{field.replace('_', '-')}"


def by_option(line: str, kind: Kind) -> str:
    """A line about a fault that begins with a field, with the option in its place."""
    place, colon, words = line.partition(":")
    field = place.partition("[")[0]
    known = field in CLASSES[kind].model_fields and field not in (*_ONLY_SET, "name")
    return f"{flag_of(field)}{colon}{words}" if known and colon else line


def _option(name: str, field: "FieldInfo", fields: "Mapping[str, FieldInfo]") -> Any:
    kind, words = _type_of(field), _HELP.get(name) or field.description or ""
    flags = [flag_of(name)]
    short = name.removesuffix("_model")
    if short != name and short not in fields:
        flags.append(f"--{short}")
    if kind is bool:
        flags = [f"{flags[0]}/--no-{flags[0][2:]}" if name != "enabled" else "--enabled/--disabled"]
    options: dict[str, Any] = {"help": words, "show_default": False}
    if kind is not bool:
        options["metavar"] = _metavar(field)
    return Annotated[(list[str] if name == _CANDIDATES else kind) | None, typer.Option(*flags, **options)]


def _type_of(field: "FieldInfo") -> Any:
    """What the command line reads: the rest is checked with the definition, in the words for all of them."""
    return bool if field.annotation is bool else str


def _metavar(field: "FieldInfo") -> str:
    choices = _choices(field.annotation)
    if choices:
        return "|".join(choices)
    parts = [each for each in _parts(field.annotation) if each is not NoneType]
    return "N" if parts and parts[0] in (int, float) else "TEXT"


def _choices(annotation: Any) -> list[str]:
    return [str(choice) for part in _parts(annotation) if get_origin(part) is Literal for choice in get_args(part)]


def _parts(annotation: Any) -> tuple[Any, ...]:
    origin = get_origin(annotation)
    if origin is Annotated:
        return _parts(get_args(annotation)[0])
    if origin in (Union, UnionType):
        return tuple(part for each in get_args(annotation) for part in _parts(each))
    return (annotation,)


def _value(field: str, value: Any) -> Any:
    """What an option says of a field, in the form of JSON."""
    if field == _CANDIDATES:
        return [_candidate(text) for text in value]
    if field in ("tags", "owner_tags", "allowed_tokens"):
        return [part.strip() for part in value.split(",") if part.strip() and value != NONE]
    return None if value in ("", NONE) else value


def _candidate(text: str) -> dict[str, str]:
    model, equals, notes = text.partition("=")
    return {"model": model, "notes": notes} if equals and notes else {"model": model}


def _assigned(pairs: list[str]) -> dict[str, Any]:
    values = {}
    for pair in pairs:
        field, equals, text = pair.partition("=")
        if not equals:
            fail(f"--set {pair}: write FIELD=VALUE.")
        values[field.strip().replace("-", "_")] = parse_value(text)
    return values


def _read_definition(file: str) -> dict[str, Any]:
    definition = read_document(file)
    if not isinstance(definition, dict):
        fail(f"{file}: must be the object of one definition.")
    return definition
