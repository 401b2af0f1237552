"""`python -m benchmarks.contenders.without stage|writing serve`: the gateway without that part of its metering.

It may be that of an earlier commit, whichever Python finds, so nothing of it is imported before its parts are looked for.
"""

import contextlib
import importlib
import sys
from collections.abc import Awaitable, Callable, Iterator
from typing import Any
from unittest import mock


def _pass(_stage: object, call: object, call_next: Callable[[object], Awaitable[object]]) -> Awaitable[object]:
    return call_next(call)


async def _take(*_: object) -> bool:
    return True


def _forget(writer: Any) -> None:
    if hasattr(writer, "_unlogged"):
        writer._unlogged.clear()


_PARTS: dict[str, list[tuple[str, str, str, Any]]] = {
    "stage": [("app.pipeline.metering", "Metering", "handle", _pass)],
    "writing": [
        ("app.metering.writer", "Writer", "_write_log", _forget),
        ("app.metering.inserter", "Inserter", "insert_segment", _take),
        ("app.metering.writer", "Writer", "_insert_batch", _take),  # before there was a journal
    ],
}


@contextlib.contextmanager
def _without(part: str) -> Iterator[None]:
    with contextlib.ExitStack() as patches:
        for module, kind, name, instead in _PARTS[part]:
            with contextlib.suppress(ImportError, AttributeError):
                found = getattr(importlib.import_module(module), kind)
                patches.enter_context(mock.patch.object(found, name, instead))
        yield


if __name__ == "__main__":
    from cli.__main__ import main

    with _without(sys.argv.pop(1)):
        main()
