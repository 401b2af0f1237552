"""The processes that parse pages: they leave us free, and one that hangs or dies takes only its own page with it."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from typing import Any

import pytest

from app.web.parse import Unreadable
from app.web.readers import Readers
from tests.web.test_parse import STORY

GOOD = b"<p>good words"
DEEP = b"<div><p>a" * 150_000


@pytest.fixture
async def readers() -> AsyncIterator[Readers]:
    readers = Readers(1, parse_s=30.0)
    yield readers
    await readers.aclose()


async def read(readers: Readers, body: bytes = GOOD) -> Any:
    return (await readers.read("html", body, None, "https://a.example/"))["text"]


async def test_event_loop_goes_on_while_a_page_is_parsed(readers: Readers) -> None:
    turns = 0
    await read(readers)

    async def count() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    counting = asyncio.create_task(count())
    text = await read(readers, ("<p>" + STORY + "</p>").encode() * 1000)
    counting.cancel()

    assert STORY.strip() in text
    assert turns > 50


async def test_process_is_used_again(readers: Readers) -> None:
    await read(readers)
    [first] = readers._idle
    await read(readers)

    assert readers._idle == [first]


async def test_process_stands_back_behind_us(readers: Readers) -> None:
    await read(readers)
    [process] = readers._idle

    assert os.getpriority(os.PRIO_PROCESS, process.pid) > os.getpriority(os.PRIO_PROCESS, 0)


async def test_page_that_takes_too_long_is_given_up_and_the_next_one_is_read() -> None:
    readers = Readers(1, parse_s=0.0)
    with pytest.raises(Unreadable, match="takes longer than 0 s"):
        await read(readers, DEEP)
    readers._parse_s = 30.0

    assert await read(readers) == "good words"

    await readers.aclose()


async def test_process_that_was_killed_is_replaced(readers: Readers) -> None:
    await read(readers)
    [process] = readers._idle
    os.kill(process.pid, signal.SIGKILL)

    with pytest.raises(Unreadable):
        await read(readers)
    assert await read(readers) == "good words"


async def test_caller_that_leaves_ends_the_process_that_works_for_it(readers: Readers) -> None:
    await read(readers)
    [process] = readers._idle
    reading = asyncio.create_task(read(readers, DEEP))
    while readers._idle:  # noqa: ASYNC110 - what is waited for is a state that tells nobody
        await asyncio.sleep(0)
    reading.cancel()

    with pytest.raises(asyncio.CancelledError):
        await reading
    assert await process.wait() == -signal.SIGKILL


async def test_idle_processes_end() -> None:
    readers = Readers(1, idle_s=0.0)
    await read(readers)
    [process] = readers._idle

    assert await asyncio.wait_for(process.wait(), 10) == -signal.SIGKILL
    assert await read(readers) == "good words"

    await readers.aclose()


async def test_process_has_nothing_of_our_environment(readers: Readers, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-planted")
    await read(readers)
    [process] = readers._idle

    with open(f"/proc/{process.pid}/environ", "rb") as environ:  # noqa: ASYNC230 - it is no file on a disk
        assert b"sk-planted" not in environ.read()


async def test_process_ends_with_us() -> None:
    """It reads to the end of its input, which is there when we are gone, be it by a kill."""
    readers = Readers(1)
    await read(readers)
    [process] = readers._idle
    stdin: Any = process.stdin
    stdin.close()

    assert await asyncio.wait_for(process.wait(), 10) == 0

    await readers.aclose()
