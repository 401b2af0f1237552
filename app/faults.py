"""Tells what is wrong in a file that an operator wrote: where it stands, and what would mend it."""

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from difflib import get_close_matches
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

Place = Sequence[int | str]
"""Of a value in the file: keys, and places in lists."""

# What pydantic's types of error are in the words of JSON.
_EXPECTED = {
    "bool_type": "true or false",
    "dict_type": "an object",
    "float_type": "a number",
    "int_type": "a whole number",
    "model_type": "an object",
    "string_type": "a string",
    "tuple_type": "a list",
}
_RULES = {
    "decimal_parsing": "must be a number",
    "greater_than": "must be more than {gt:.15g}",
    "greater_than_equal": "must be at least {ge:.15g}",
    "json_invalid": "holds text that is not Unicode, or nests too deeply",
    "less_than_equal": "must be at most {le:.15g}",
    "literal_error": "must be {expected}",
    "string_pattern_mismatch": "a provider's key is lower-case letters, digits, '-', '_' and '.', and begins with a letter",
    "missing": "is missing",
    "string_too_long": "must have at most {max_length} characters",
    "string_too_short": "must not be empty",
    "string_unicode": "holds text that is not Unicode",
    "too_long": "must have at most {max_length}, not {actual_length}",
    "too_short": "must have at least {min_length}, not {actual_length}",
}
_KINDS = {dict: "an object", list: "a list", str: "a string", int: "a number", float: "a number"}


class InvalidConfig(ValueError):
    """The file cannot be used. The message has a line for each fault: its path in the file, and what would mend it.

    Attributes:
        param: of an entry by itself, the first field that is at fault; None where that is none.
    """

    def __init__(self, message: str, *, param: str | None = None) -> None:
        super().__init__(message)
        self.param = param


def faults(
    error: ValidationError,
    known: Callable[[Place], Iterable[str]],
    taken: Callable[[Place], str | None] = lambda _: None,
    above: Place = (),
    written: Callable[[Place], Place] = lambda place: place,
) -> Iterator[str]:
    """A line for each fault: its path in the file, and what would mend it.

    Args:
        error: what pydantic found in a decoded file.
        known: the keys of the object at a place.
        taken: what the field at a place takes, where the words for its type would say too little.
        above: where in the file that stands which was looked at.
        written: where the file has what was found at a place, should that be elsewhere.
    """
    for fault in error.errors(include_url=False):
        place = [*above, *_place(fault)]
        words = _sentence(fault, known(place[:-1]), taken(place))
        yield f"{dotted(written(place))}: {words}" if place else words


def first_place(error: ValidationError, written: Callable[[Place], Place]) -> str | None:
    """Where the first of its faults stands, as `faults` says it; None where that is the whole."""
    return dotted(written(_place(error.errors(include_url=False)[0]))) or None


def dotted(place: Place) -> str:
    """A place as it is written: `acme.timeouts.idle`, `$names.fast.targets[0]`."""
    return "".join(map(_step, place)).lstrip(".")


def _place(fault: ErrorDetails) -> Place:
    return [part for part in fault["loc"] if part != "[key]"]


def _step(part: int | str) -> str:
    # Quoted where it would tear the line or the path.
    plain = isinstance(part, str) and part and part.isprintable() and not set(" :[]") & set(part)
    return f".{part}" if plain else f"[{part!r}]"


def _sentence(fault: ErrorDetails, known: Iterable[str], taken: str | None) -> str:
    kind = fault["type"]
    if kind == "extra_forbidden":
        names = list(known)
        near = get_close_matches(str(fault["loc"][-1]), names, n=1, cutoff=0.0)
        return f"unknown key; did you mean {near[0]!r}? Known are {', '.join(names)}"
    if kind in _EXPECTED:
        return f"must be {taken or _EXPECTED[kind]}, not {kind_of(fault['input'])}"
    if kind in _RULES:
        return _RULES[kind].format(**fault.get("ctx", {}))
    return fault["msg"].removeprefix("Value error, ")


def kind_of(value: Any) -> str:
    """What a value from JSON is; not the value itself, which may be a key in the wrong place."""
    return _KINDS.get(type(value)) or json.dumps(value)  # else true, false or null
