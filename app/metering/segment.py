"""A file of call records, one a line, that one worker appended to. Its first line names their values."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from app.core.jsonio import InvalidJson, Json, dumps, loads
from app.core.record import CallRecord
from app.metering.lines import NAMES, named, read_record, write_record, write_values

SUFFIX = ".journal"
HEAD = b"\n" + dumps(NAMES)
"""The line before all others."""


@dataclass(eq=False, slots=True)
class Segment:
    """One file.

    Attributes:
        size: in bytes.
        records: what is in it, while the worker that wrote it remembers; None where it is to be read.
        has_head: the values of records that follow are named.
    """

    path: Path
    size: int = 0
    records: list[CallRecord] | None = None
    has_head: bool = False

    def read(self, set_aside: Callable[[bytes], None]) -> Iterator[CallRecord]:
        """The records in their order. A line that is none, as a process's end or a full disk leaves one, goes to `set_aside`.

        Raises:
            OSError: the file cannot be read.
        """
        names: Mapping[str, Json] = {}
        with self.path.open("rb") as lines:
            for line in lines:
                if not (text := line.strip()):
                    continue
                try:
                    written = loads(text)
                    if "record" in written:
                        names = written
                    else:
                        yield read_record(named(written, names) if isinstance(written, list) else written)
                except (InvalidJson, KeyError, TypeError, ValueError, ArithmeticError):
                    set_aside(text)


def find(folder: Path) -> Iterator[Path]:
    """Those of all workers of a folder, in no order."""
    return folder.glob(f"*{SUFFIX}")


def size_of(path: Path) -> int:
    """Bytes; 0 where it has just been dropped."""
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


def write_lines(records: Sequence[CallRecord]) -> bytes:
    """`records` as lines of a segment, behind its head.

    A line feed comes first, as it does there: what a full disk cut is then a line of its own, and spoils none that follows.
    """
    return b"\n" + b"\n".join([write_values(record) for record in records])


def describe(record: CallRecord) -> bytes:
    """`record` as a line that needs no other to be read, also by people."""
    return dumps(write_record(record))


def name_of(worker_id: str, number: int) -> str:
    """The name of a worker's segment; sorted by their names they are in their order."""
    return f"{worker_id}-{number:08}{SUFFIX}"


def worker_of(path: Path) -> str:
    """Whose segment that is."""
    return path.name.rpartition("-")[0]
