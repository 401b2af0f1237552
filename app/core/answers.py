"""An answer as it is kept: its events as JSON, from which every dialect can write it again."""

from dataclasses import fields
from decimal import Decimal
from typing import Any

from app.core.chat import Image, Signature
from app.core.events import (
    Citation,
    Completion,
    Event,
    Finished,
    ImageMade,
    ReasoningDelta,
    ReasoningSigned,
    RefusalDelta,
    Started,
    TextDelta,
    ToolCallDelta,
    ToolCallStarted,
    fold,
    unfold,
)
from app.core.jsonio import InvalidJson, Json, dumps, loads
from app.core.usage import Usage

# Stands before all else, so that what a later version writes is not misread by an earlier one.
_VERSION = 1
_KINDS: dict[str, type[Any]] = {
    kind.__name__: kind
    for kind in (
        Started,
        TextDelta,
        ReasoningDelta,
        ReasoningSigned,
        RefusalDelta,
        ToolCallStarted,
        ToolCallDelta,
        ImageMade,
        Citation,
        Finished,
    )
}
_INNER: dict[str, type[Any]] = {"signature": Signature, "image": Image}


def write_completion(completion: Completion) -> bytes:
    """What `read_completion` reads."""
    return dumps([_VERSION, *map(_write, unfold(completion))])


def read_completion(data: bytes) -> Completion | None:
    """The answer that was written; None where another version wrote it, or it is none."""
    try:
        document = loads(data)
        if not isinstance(document, list) or document[:1] != [_VERSION]:
            return None
        return fold(_read(each) for each in document[1:])
    except (InvalidJson, KeyError, TypeError, ValueError, ArithmeticError):
        return None


def _write(event: Event) -> Json:
    values = {field.name: getattr(event, field.name) for field in fields(event)}
    return [type(event).__name__, {name: _plain(value) for name, value in values.items() if value is not None}]


def _plain(value: Any) -> Json:
    match value:
        case Usage():
            return [*value[:-2], None if value.cost is None else str(value.cost), value.estimated]
        case Signature() | Image():
            inner = {field.name: getattr(value, field.name) for field in fields(value)}
            return {name: each for name, each in inner.items() if each is not None}
        case _:
            plain: Json = value
            return plain


def _read(written: Any) -> Event:
    kind, values = written
    read = {name: _value(name, value) for name, value in values.items()}
    event: Event = _KINDS[kind](**read)
    return event


def _value(name: str, value: Any) -> Any:
    if name == "usage":
        *counts, cost, estimated = value
        return Usage._make([*counts, None if cost is None else Decimal(cost), estimated])
    return _INNER[name](**value) if name in _INNER else value
