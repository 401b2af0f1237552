"""The options of a smart model on the command line, made from the fields of its definition."""

from inspect import Parameter, Signature
from pathlib import Path
from types import UnionType
from typing import TYPE_CHECKING, Annotated, Any, Literal, Union, get_args, get_origin

import typer

from app.core.smart import CLASSES, Kind
from cli.name_files import parse_value, read_document
from cli.output import fail

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from pydantic.fields import FieldInfo

NONE = "none"
"""What is written for nothing."""

_CANDIDATES = "candidates"
_LONG = "__long"
_ONLY_SET = ("rules",)
"""What nests too deeply for an option of its own."""

_HELP = {
    "enabled": "Whether it is found by clients.",
    "description": "For people, and for routers whose candidate it is.",
    "purpose": "What the designator is told to go by.",
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
    options = {name: _option(name, field, flag_of(name, fields)) for name, field in fields.items()}
    for name, field in fields.items():
        if _short(name, fields) != name:  # as in files and the API, for those who come from there
            options[name + _LONG] = _option(name, field, f"--{name.replace('_', '-')}", hidden=True)
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
        for option, value in given.items():
            if value not in (None, []):
                field = option.removesuffix(_LONG)
                written[field] = _value(field, value)
        run(kind, name, written | _assigned(assigned or []), **rest)

    # Typer makes its options from the signature, which no function that is written down has.
    called = Annotated[str, typer.Argument(metavar="NAME", help="What clients put into `model`.")]
    parameters = [Parameter("called", Parameter.KEYWORD_ONLY, annotation=called)]
    parameters += [Parameter(n, Parameter.KEYWORD_ONLY, annotation=o, default=None) for n, o in options.items()]
    parameters += [Parameter(n, Parameter.KEYWORD_ONLY, annotation=a, default=d) for n, (a, d) in fixed.items()]
    command.__signature__ = Signature(parameters)  # type: ignore[attr-defined] # what inspect reads
    command.__annotations__ = {each.name: each.annotation for each in parameters}
    command.__doc__ = (CLASSES[kind].__doc__ or "").replace("\N{HORIZONTAL ELLIPSIS}", "a-z")
    return command


def flag_of(field: str, fields: "Collection[str]") -> str:
    """The option that gives one of `fields`."""
    return "--candidate" if field == _CANDIDATES else f"--{_short(field, fields).replace('_', '-')}"


def by_option(line: str, kind: Kind) -> str:
    """A line about a fault that begins with a field, with the option in its place."""
    place, colon, words = line.partition(":")
    field = place.partition("[")[0]
    fields = CLASSES[kind].model_fields
    known = field in fields and field not in (*_ONLY_SET, "name")
    return f"{flag_of(field, fields)}{colon}{words}" if known and colon else line


def _short(name: str, fields: "Collection[str]") -> str:
    """How a field is called on the command line: `designator` for `designator_model`."""
    short = name.removesuffix("_model")
    return name if short in fields else short


def _option(name: str, field: "FieldInfo", flag: str, *, hidden: bool = False) -> Any:
    choices = _choices(field.annotation)
    words = [_HELP.get(name) or field.description or "", f"{', '.join(choices)}." if choices else ""]
    options: dict[str, Any] = {"help": " ".join(filter(None, words)), "show_default": False, "hidden": hidden}
    parts = _parts(field.annotation)
    options["metavar"] = (
        "yes|no" if bool in parts else "N" if {int, float} & set(parts) else "WORD" if choices else "TEXT"
    )
    # The rest is checked with the definition, in the words for all of them.
    return Annotated[(list[str] if name == _CANDIDATES else str) | None, typer.Option(flag, **options)]


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
