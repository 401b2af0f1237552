"""The process that parses pages: it reads them from standard input, one after the other, until that ends.

Parsers of HTML and PDF are large, slow on some pages and fed by strangers. In a process of their own they take neither
the event loop's time nor its lock, have a limit of memory, and can be ended in the midst of a page.
"""

import contextlib
import logging
import os
import resource
import struct
import sys
from typing import BinaryIO

from app.core.jsonio import Json, dumps, loads
from app.web.parse import Unreadable, parse
from app.web.robots_file import allows

LENGTHS = struct.Struct("!II")
"""Before each message: the bytes of a JSON object and those of a body behind it."""
READY = b"R"

_NICE = 10  # calls go before pages, also where there are no more cores than workers
_MOST_MEMORY = 1 << 30
_MOST_CPU_S = 20  # for one page; whoever asked has killed us long before, unless he was killed himself


def run(source: BinaryIO, sink: BinaryIO) -> None:
    """Answer every message by one."""
    import trafilatura  # noqa: F401 - now, so that the first page need not wait for it

    with contextlib.suppress(OSError):  # see `_limit`
        os.nice(_NICE)
    _limit(resource.RLIMIT_AS, _MOST_MEMORY)
    _limit(resource.RLIMIT_FSIZE, 0)
    sink.write(READY)
    sink.flush()
    while len(lengths := source.read(LENGTHS.size)) == LENGTHS.size:
        about, size = LENGTHS.unpack(lengths)
        asked, body = loads(source.read(about)), source.read(size)
        answer = dumps(_answer(asked, body))
        sink.write(LENGTHS.pack(len(answer), 0) + answer)
        sink.flush()


def _answer(asked: dict[str, Json], body: bytes) -> dict[str, Json]:
    used = resource.getrusage(resource.RUSAGE_SELF)
    _limit(resource.RLIMIT_CPU, int(used.ru_utime + used.ru_stime) + _MOST_CPU_S)
    try:
        if asked["kind"] == "robots":
            return {"allows": allows(body, asked["url"])}
        return parse(asked["kind"], body, asked["charset"], asked["url"])
    except Unreadable as exc:
        return {"why": str(exc)}
    except MemoryError:
        return {"why": "takes too much memory to read"}
    except Exception as exc:
        return {"why": f"cannot be parsed ({type(exc).__name__})"}


def _limit(what: int, most: int) -> None:
    """Where we may: systemd's filter of system calls can forbid it, and then only the time that we have is bounded."""
    with contextlib.suppress(OSError, ValueError):
        resource.setrlimit(what, (most, resource.getrlimit(what)[1]))


if __name__ == "__main__":
    logging.disable()
    run(sys.stdin.buffer, sys.stdout.buffer)
