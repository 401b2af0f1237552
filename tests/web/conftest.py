"""What tests of the web share: the record of all connections that are tried, at the socket itself."""

import asyncio
import sys
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest

_recorders: list[list[Any]] = []


def _hear(event: str, args: tuple[Any, ...]) -> None:
    if event == "socket.connect":
        for recorder in _recorders:
            recorder.append(args[1])


_hooked = False  # an audit hook stays as long as the interpreter


@pytest.fixture
def connects() -> Iterator[list[Any]]:
    """The addresses that any socket of this process was told to connect to."""
    global _hooked
    if not _hooked:
        sys.addaudithook(_hear)
        _hooked = True
    recorder: list[Any] = []
    _recorders.append(recorder)
    yield recorder
    _recorders.remove(recorder)


@dataclass
class Sentinel:
    """Listens on one port of 127.0.0.1 and ::1, and counts who comes."""

    port: int
    came: list[Any] = field(default_factory=list)


@pytest.fixture
async def sentinel() -> AsyncIterator[Sentinel]:
    """It must not be connected to."""
    found = Sentinel(0)

    async def accept(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        found.came.append(writer.get_extra_info("sockname"))
        writer.close()

    server = await asyncio.start_server(accept, "127.0.0.1", 0)
    found.port = server.sockets[0].getsockname()[1]
    second = await asyncio.start_server(accept, "::1", found.port)
    yield found
    server.close()
    second.close()
