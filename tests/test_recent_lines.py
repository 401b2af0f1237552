"""The last lines of the log in memory."""

import asyncio
import logging
from collections.abc import Iterator

import pytest

from app.recent_lines import MOST_LETTERS, RecentLines


@pytest.fixture
def recent() -> RecentLines:
    return RecentLines(most=3, first=1)


@pytest.fixture
def log(recent: RecentLines) -> Iterator[logging.Logger]:
    logger = logging.getLogger("tests.recent")
    logger.addHandler(recent)
    logger.setLevel(logging.DEBUG)
    yield logger
    logger.removeHandler(recent)


def test_only_the_last_are_kept_without_secrets(log: logging.Logger, recent: RecentLines) -> None:
    for number in range(4):
        log.warning("line %d of %s", number, "sk-secret-0123456789")

    assert [(line.number, line.level_name, line.text) for line in recent.read()] == [
        (number + 1, "warning", f"line {number} of [redacted]") for number in (1, 2, 3)
    ]
    assert [line.number for line in recent.read(after=3)] == [4]


def test_trace_of_an_error_is_told(log: logging.Logger, recent: RecentLines) -> None:
    try:
        raise ValueError("of sk-secret-0123456789")
    except ValueError:
        log.exception("it failed")

    (line,) = recent.read()
    assert line.text.startswith("it failed\nTraceback")
    assert line.text.endswith("ValueError: of [redacted]")


def test_what_cannot_be_written_harms_nobody_and_what_is_long_is_cut(
    log: logging.Logger, recent: RecentLines, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logging, "raiseExceptions", False)

    log.propagate = False
    log.info("%d of them", "many")
    log.info("x" * (MOST_LETTERS + 1))
    log.propagate = True

    assert [line.text for line in recent.read()] == ["x" * MOST_LETTERS + "…"]


async def test_whoever_follows_has_what_is_there_and_what_comes_from_any_thread_until_the_stop(
    log: logging.Logger, recent: RecentLines
) -> None:
    log.info("before")
    following = recent.follow()

    assert [line.text for line in await anext(following)] == ["before"]
    await asyncio.to_thread(log.error, "after")
    assert [line.text for line in await anext(following)] == ["after"]
    recent.end_streams()
    assert [lines async for lines in following] == []
