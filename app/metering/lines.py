"""A call's record as a JSON value, and back."""

from collections.abc import Callable, Mapping
from dataclasses import fields
from decimal import Decimal
from typing import Any, get_args, get_origin, get_type_hints

from app.core.jsonio import Json
from app.core.record import CallRecord
from app.core.reply import Outcome
from app.core.usage import Usage

_Read = Callable[[Any], Any]


def write_record(record: CallRecord) -> dict[str, Json]:
    """All of it, sums of money as text: no digit is lost."""
    written = {name: getattr(record, name) for name in _NAMES}
    for name in _SUMS:
        if written[name] is not None:
            written[name] = str(written[name])
    usage = record.usage
    written["usage"] = used = {name: getattr(usage, name) for name in _USAGE_NAMES}
    for name in _USAGE_SUMS:
        if used[name] is not None:
            used[name] = str(used[name])
    return written


def read_record(written: Mapping[str, Json]) -> CallRecord:
    """The record that was written, also by a version that knew fewer fields, or more.

    A field that older versions did not know needs a default in `CallRecord` or `Usage`.

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
    kinds = [get_origin(kind) or kind for kind in (hint, *get_args(hint))]
    return next((kind for kind in kinds if kind in (Decimal, Outcome, tuple)), None)


def _readers_of(kind: type) -> dict[str, _Read | None]:
    hints = get_type_hints(kind)
    return {field.name: _reader_of(hints[field.name]) for field in fields(kind)}


_READERS = {name: read for name, read in _readers_of(CallRecord).items() if name != "usage"}
_USAGE_READERS = _readers_of(Usage)
_NAMES, _USAGE_NAMES = tuple(_READERS), tuple(_USAGE_READERS)
_SUMS = [name for name, read in _READERS.items() if read is Decimal]
_USAGE_SUMS = [name for name, read in _USAGE_READERS.items() if read is Decimal]
