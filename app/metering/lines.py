"""A call's record as a JSON value, and back: by its names, or for the journal as a list behind which the names stand once."""

from collections.abc import Callable, Mapping
from dataclasses import asdict, fields, is_dataclass
from decimal import Decimal
from operator import attrgetter
from typing import Any, get_args, get_origin, get_type_hints

from app.core.jsonio import Json, dumps
from app.core.record import CallRecord
from app.core.reply import Outcome
from app.core.usage import Usage

_Read = Callable[[Any], Any]


def write_record(record: CallRecord) -> dict[str, Json]:
    """All of it that is not as usual, sums of money as text: no digit is lost."""
    written = {name: value for name, usual in _USUAL if (value := getattr(record, name)) != usual}
    for name in _SUMS:
        if name in written:
            written[name] = str(written[name])
    usage = record.usage
    written["usage"] = used = {name: value for name, usual in _USUAL_USAGE if (value := getattr(usage, name)) != usual}
    if usage.cost is not None:
        used["cost"] = str(usage.cost)
    return written


def write_values(record: CallRecord) -> bytes:
    """The values that `NAMES` names, those of its usage in a list of their own. Every call comes by here."""
    return dumps((_read_values(record), _read_usage(record.usage)), _write_value)


def named(values: Json, names: Mapping[str, Json]) -> dict[str, Json]:
    """What `write_values` wrote, by the names of whoever wrote it.

    Raises:
        KeyError, TypeError, ValueError: there is not one name for each.
    """
    own, used = values
    return {**dict(zip(names["record"], own, strict=True)), "usage": dict(zip(names["usage"], used, strict=True))}


def read_record(written: Mapping[str, Json]) -> CallRecord:
    """The record that was written, also by a version that knew fewer fields, or more.

    A field that older versions did not know needs a default in `CallRecord` or `Usage`, which never changes.

    Raises:
        KeyError, TypeError, ValueError, ArithmeticError: it is none.
    """
    usage = Usage(**_read_known(_USAGE_READERS, written["usage"]))
    return CallRecord(**_read_known(_READERS, written), usage=usage)


def _read_known(readers: Mapping[str, _Read | None], written: Mapping[str, Json]) -> dict[str, Any]:
    return {
        name: written[name] if read is None or written[name] is None else read(written[name])
        for name, read in readers.items()
        if name in written
    }


def _reader_of(hint: Any) -> _Read | None:
    """What makes the value of a JSON value; None where they are the same."""
    if get_origin(hint) is tuple:
        return _read_all(get_args(hint)[0])
    kinds = [hint, *get_args(hint)]
    return next((kind for kind in kinds if kind in (Decimal, Outcome)), None)


def _read_all(kind: type) -> _Read:
    """Of a list of texts, or of values with names."""
    names = {field.name for field in fields(kind)} if is_dataclass(kind) else None

    def read(written: Any) -> tuple[Any, ...]:
        if names is None:
            return tuple(written)
        return tuple(kind(**{name: value for name, value in each.items() if name in names}) for each in written)

    return read


def _readers_of(kind: type) -> dict[str, _Read | None]:
    hints = get_type_hints(kind)
    return {field.name: _reader_of(hints[field.name]) for field in fields(kind)}


def _usual_of(kind: type) -> list[tuple[str, object]]:
    return [(field.name, field.default) for field in fields(kind) if field.name != "usage"]


def _write_value(value: object) -> Json:
    if isinstance(value, Decimal):
        return str(value)
    if is_dataclass(value) and not isinstance(value, type):
        return asdict(value)
    raise TypeError(f"a record cannot hold {type(value).__name__}")


NAMES: Mapping[str, Json] = {
    "record": [field.name for field in fields(CallRecord) if field.name != "usage"],
    "usage": [field.name for field in fields(Usage)],
}
"""In the order of `write_values`."""

_read_values, _read_usage = attrgetter(*NAMES["record"]), attrgetter(*NAMES["usage"])
_READERS = {name: read for name, read in _readers_of(CallRecord).items() if name != "usage"}
_USAGE_READERS = _readers_of(Usage)
_USUAL, _USUAL_USAGE = _usual_of(CallRecord), _usual_of(Usage)
_SUMS = [name for name, read in _READERS.items() if read is Decimal]
