"""The log of calls: one line each, JSON for machines or columns for people; never a token, a key or a body."""

import sys
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from functools import lru_cache
from operator import attrgetter
from pathlib import Path
from typing import BinaryIO

from app.core.jsonio import Json, dumps
from app.core.money import write_usd
from app.core.record import CallRecord
from app.core.usage import Usage

# By their columns in `request_logs`.
_SELDOM = {
    "cache_write_1h_tokens": "cache_write_1h",
    "input_audio_tokens": "input_audio",
    "input_image_tokens": "input_image",
    "output_audio_tokens": "output_audio",
    "output_image_tokens": "output_image",
    "images": "images",
    "searches": "searches",
    "audio_ms": "audio_ms",
}
_SELDOM_FIELDS = ("parent_id", "helper", "end_user", "alias", "router", "cache", "augmentor", "error")
_read_seldom = attrgetter(*_SELDOM.values())
_read_seldom_fields = attrgetter(*_SELDOM_FIELDS)


class CallLog:
    """Writes lines to standard output and, where one is set, to a file.

    The file is opened anew when it has been moved away, so that logrotate needs no signal.
    """

    def __init__(self, *, as_json: bool, file: Path | None = None) -> None:
        self._format: Callable[[CallRecord], bytes] = json_line if as_json else console_line
        self._file = _ReopenedFile(file) if file else None

    def write(self, records: Sequence[CallRecord]) -> None:
        """Write the lines of `records` at once. A full disk or a closed pipe is not the calls' trouble."""
        lines = b"".join([self._format(record) for record in records])
        try:
            sys.stdout.buffer.write(lines)
            sys.stdout.buffer.flush()
        except (OSError, ValueError):
            pass
        if self._file is not None:
            self._file.write(
                lines if self._format is json_line else b"".join([json_line(record) for record in records])
            )

    def close(self) -> None:
        """Close the file."""
        if self._file is not None:
            self._file.close()


def json_line(record: CallRecord) -> bytes:
    """One JSON object and a line feed."""
    line: dict[str, Json] = {
        "time": _write_time(record.received_at),
        "level": "info",
        "event": "call",
        "request_id": record.id,
        "username": record.username,
        "token_id": record.token_id,
        "tags": list(record.tags),
        "client": record.client,
        "surface": record.surface,
        "name": record.name,
        "provider": record.provider,
        "model": record.model,
        "streamed": record.streamed,
        "status": record.status,
        "outcome": record.outcome,
        "attempts": record.attempts,
        "rescued": record.rescued,
        **_tokens(record.usage),
        "cost": None if record.cost is None else write_usd(record.cost),
        "first_byte_ms": record.first_byte_ms,
        "total_ms": record.total_ms,
    }
    if any(seldom := _read_seldom_fields(record)):
        line.update({name: value for name, value in zip(_SELDOM_FIELDS, seldom, strict=True) if value is not None})
    return dumps(line) + b"\n"


def _write_time(at: float) -> str:
    seconds, ms = divmod(int(at * 1000), 1000)
    return f"{_write_second(seconds)}.{ms:03}+00:00"


@lru_cache(maxsize=8)
def _write_second(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S")


def console_line(record: CallRecord) -> bytes:
    """One line for a terminal."""
    time = datetime.fromtimestamp(record.received_at).astimezone().strftime("%H:%M:%S")
    to = f"{record.provider}/{record.model}" if record.provider else record.name
    usage = record.usage
    tokens = f"{'~' if usage.estimated else ''}{usage.prompt}→{usage.completion} tokens"
    first = "–" if record.first_byte_ms is None else str(record.first_byte_ms)
    cost = "no price" if record.cost is None else f"{write_usd(record.cost)} USD"
    parts = [
        time,
        str(record.status),
        record.outcome.ljust(11),
        f"{record.username} [{','.join(record.tags)}]" if record.tags else record.username,
        to,
        tokens,
        cost,
        f"{first}/{record.total_ms} ms",
        record.id,
    ]
    if record.error:
        parts.append(" ".join(record.error.split())[:200])
    line = "  ".join(parts)
    if not line.isprintable():  # a client can put line feeds and a terminal's commands into a model's name
        line = "".join([character if character.isprintable() else "?" for character in line])
    return line.encode(errors="replace") + b"\n"


def _tokens(usage: Usage) -> dict[str, Json]:
    """The classes that most calls have, and of the others those that this one has."""
    tokens = {
        "input_tokens": usage.input,
        "cache_read_tokens": usage.cache_read,
        "cache_write_tokens": usage.cache_write,
        "output_tokens": usage.output,
        "reasoning_tokens": usage.reasoning,
        "usage_estimated": usage.estimated,
    }
    if any(seldom := _read_seldom(usage)):
        tokens.update({column: count for column, count in zip(_SELDOM, seldom, strict=True) if count})
    return tokens


class _ReopenedFile:
    def __init__(self, path: Path) -> None:
        self._path = path
        self._open()

    def _open(self) -> None:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self._stream: BinaryIO = self._path.open("ab", buffering=0)
        status = self._path.stat()
        self._identity = (status.st_dev, status.st_ino)

    def write(self, lines: bytes) -> None:
        try:
            if self._was_moved():
                self._stream.close()
                self._open()
            self._stream.write(lines)
        except (OSError, ValueError):  # ValueError: it was closed, and could not be opened anew
            pass

    def close(self) -> None:
        self._stream.close()

    def _was_moved(self) -> bool:
        try:
            status = self._path.stat()
        except FileNotFoundError:
            return True
        return (status.st_dev, status.st_ino) != self._identity
