"""LLM Relay with parts of its metering taken out, to see what each part costs a call."""

import contextlib
import sys
from collections.abc import Awaitable, Iterator
from dataclasses import replace
from pathlib import Path
from unittest import mock

from app.core.call import Call
from app.core.ports import Handler
from app.core.reply import Reply
from app.metering.inserter import Inserter
from app.metering.segment import Segment
from app.metering.writer import Writer
from app.pipeline.metering import Metering
from benchmarks.contenders.packages import ROOT
from benchmarks.contenders.relay import Relay
from benchmarks.servers import Launch
from cli.__main__ import main


class Unmetered(Relay):
    """Without the stage: no usage priced, no receipt, no record."""

    name = "unmetered"

    def set_up(self, folder: Path, port: int, upstream: str) -> Launch:
        launch = super().set_up(folder, port, upstream)
        argv = [sys.executable, "-m", __name__, self.name, *launch.argv[1:]]
        return replace(launch, argv=argv, env={**(launch.env or {}), "PYTHONPATH": str(ROOT)})


class Unwritten(Unmetered):
    """With all that a call waits for, up to its record in the journal, and nothing that follows: log, metrics, rows and sums."""

    name = "unwritten"


def _pass(_metering: Metering, call: Call, call_next: Handler) -> Awaitable[Reply]:
    return call_next(call)


async def _take(_inserter: Inserter, _segment: Segment) -> bool:
    return True


def _forget(writer: Writer) -> None:
    writer._unlogged.clear()


@contextlib.contextmanager
def _without(name: str) -> Iterator[None]:
    with contextlib.ExitStack() as patches:
        if name == Unmetered.name:
            patches.enter_context(mock.patch.object(Metering, "handle", _pass))
        else:
            patches.enter_context(mock.patch.object(Inserter, "insert_segment", _take))
            patches.enter_context(mock.patch.object(Writer, "_write_log", _forget))
        yield


if __name__ == "__main__":
    with _without(sys.argv.pop(1)):
        main()
