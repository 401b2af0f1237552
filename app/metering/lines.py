"""A call's record as a JSON value, and back: by its names, or for the journal as a list behind which the names stand once."""

from collections.abc import Callable, Mapping
from dataclasses import asdict, fields, is_dataclass
from decimal import Decimal
from typing import Any, get_args, get_origin, get_type_hints

from app.core.jsonio import Json, dumps
from app.core.record import CallRecord
from app.core.reply import Outcome
from app.core.usage import Usage

_Read = Callable[[Any], Any]

NAMES: Mapping[str, Json] = {"record": CallRecord._fields, "usage": Usage._fields}
"""In the order of `write_values`."""


def write_record(record: CallRecord) -> dict[str, Json]:
    """All of it that is not as usual, sums of money as text: no digit is lost."""
    written = _unusual(record, CallRecord._field_defaults)
    for name in _SUMS:
        if name in written:
            written[name] = str(written[name])
    written["usage"] = used = _unusual(record.usage, Usage._field_defaults)
    if record.usage.cost is not None:
        used["cost"] = str(record.usage.cost)
    return written


def write_values(record: CallRecord) -> bytes:
    """The values that `NAMES` names, those of its usage in a list within. Every call comes by here."""
    values: list[object] = list(record)
    # What each call has is made JSON before: to be asked back for it costs orjson as much as all the rest.
    values[_USAGE] = tuple(record.usage)
    if record.cost is not None:
        values[_COST] = str(record.cost)
    return dumps(values, _write_value)


def named(values: Json, names: Mapping[str, Json]) -> dict[str, Json]:
    """What `write_values` wrote, by the names of whoever wrote it.

    Raises:
        KeyError, TypeError, ValueError: there is not one name for each.
    """
    written = dict(zip(names["record"], values, strict=True))
    return {**written, "usage": dict(zip(names["usage"], written["usage"], strict=True))}


def read_record(written: Mapping[str, Json]) -> CallRecord:
    """The record that was written, also by a version that knew fewer fields, or more.

    A field that older versions did not know needs a default in `CallRecord` or `Usage`, which never changes.

    Raises:
        KeyError, TypeError, ValueError, ArithmeticError: it is none.
    """
    usage = Usage(**_read_known(_USAGE_READERS, written["usage"]))
    return CallRecord(**_read_known(_READERS, written), usage=usage)


def _unusual(values: CallRecord | Usage, usual: Mapping[str, object]) -> dict[str, Json]:
    return {name: value for name, value in values._asdict().items() if name not in usual or value != usual[name]}


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
    return {name: _reader_of(hint) for name, hint in get_type_hints(kind).items() if hint is not Usage}


def _write_value(value: object) -> Json:
    if isinstance(value, Decimal):
        return str(value)
    if is_dataclass(value) and not isinstance(value, type):
        return asdict(value)
    raise TypeError(f"a record cannot hold {type(value).__name__}")


_READERS, _USAGE_READERS = _readers_of(CallRecord), _readers_of(Usage)
_USAGE, _COST = CallRecord._fields.index("usage"), CallRecord._fields.index("cost")
_SUMS = [name for name, read in _READERS.items() if read is Decimal]
