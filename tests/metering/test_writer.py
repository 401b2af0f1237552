"""Records in batches: none lost, none waited for."""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path

import pytest
from sqlalchemy import text

from app.core.errors import Unavailable
from app.core.record import CallRecord
from app.metering import writer as writer_module
from app.metering.rows import insert_records
from app.metering.writer import Writer
from app.store.db import open_database
from app.store.schema import upgrade
from tests.calls import make_record


class Database:
    """Takes batches, or fails with what is in `failures` first."""

    def __init__(self) -> None:
        self.batches: list[list[str]] = []
        self.failures: list[Exception] = []
        self.poison: set[str] = set()
        self.hold = asyncio.Event()
        self.hold.set()

    @property
    def ids(self) -> list[str]:
        return [each for batch in self.batches for each in batch]

    async def insert(self, records: Sequence[CallRecord]) -> None:
        await self.hold.wait()
        if self.failures:
            raise self.failures.pop(0)
        if self.poison & {record.id for record in records}:
            raise ValueError("no such row")
        self.batches.append([record.id for record in records])


class Log(list[str]):
    """Keeps the ids of the lines."""

    def write(self, records: Sequence[CallRecord]) -> None:
        self.extend(record.id for record in records)


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """What takes a second takes a moment."""
    monkeypatch.setattr(writer_module, "BATCH_S", 0.005)
    monkeypatch.setattr(writer_module, "RETRY_S", 0.005)


@contextlib.asynccontextmanager
async def running(writer: Writer) -> AsyncIterator[None]:
    """The writer's loop beside the body."""
    task = asyncio.create_task(writer.run())
    try:
        yield
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(5):
        while not condition():  # noqa: ASYNC110 - what is waited for is a state that tells nobody
            await asyncio.sleep(0.002)


def record_all(writer: Writer, ids: Sequence[str]) -> None:
    for each in ids:
        writer.record(make_record(id=each))


def names(count: int, first: int = 0) -> list[str]:
    return [f"req_{number}" for number in range(first, first + count)]


async def test_records_that_come_together_are_one_batch() -> None:
    database, log = Database(), Log()
    writer = Writer(database.insert, log.write)

    async with running(writer):
        record_all(writer, names(20))
        await until(lambda: len(database.ids) == 20)

    assert database.batches == [names(20)]
    assert log == names(20)


async def test_batches_are_bounded_and_in_order(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writer_module, "BATCH_RECORDS", 8)
    database, log = Database(), Log()
    writer = Writer(database.insert, log.write)
    record_all(writer, names(20))

    await writer.flush()

    assert [len(batch) for batch in database.batches] == [8, 8, 4]
    assert database.ids == log == names(20)


async def test_record_that_comes_while_others_are_written_is_written_too() -> None:
    database, log = Database(), Log()
    writer = Writer(database.insert, log.write)

    async with running(writer):
        database.hold.clear()
        record_all(writer, names(3))
        await until(lambda: len(log) == 3)
        record_all(writer, names(3, first=3))
        database.hold.set()
        await until(lambda: len(database.ids) == 6)
        record_all(writer, names(1, first=6))
        await until(lambda: len(database.ids) == 7)

    assert database.ids == log == names(7)


async def test_database_that_was_away_gets_all_of_it_later_and_the_log_has_each_line_once() -> None:
    database, log = Database(), Log()
    database.failures = [Unavailable("away")] * 3
    writer = Writer(database.insert, log.write)

    async with running(writer):
        record_all(writer, names(5))
        await until(lambda: len(database.failures) < 3)
        record_all(writer, names(5, first=5))
        await until(lambda: len(database.ids) == 10)

    assert database.ids == log == names(10)


async def test_record_that_cannot_be_written_does_not_hold_the_others_up(caplog: pytest.LogCaptureFixture) -> None:
    database, log = Database(), Log()
    database.poison = {"req_2"}
    writer = Writer(database.insert, log.write)
    record_all(writer, names(5))

    await writer.flush()

    assert database.ids == ["req_0", "req_1", "req_3", "req_4"]
    assert "the record of req_2 cannot be written" in caplog.text


async def test_close_writes_the_rest() -> None:
    database, log = Database(), Log()
    writer = Writer(database.insert, log.write)
    record_all(writer, names(3))

    await writer.aclose()

    assert database.ids == log == names(3)


async def test_close_tells_how_many_were_lost(caplog: pytest.LogCaptureFixture) -> None:
    database, log = Database(), Log()
    database.failures = [Unavailable("away")]
    writer = Writer(database.insert, log.write)
    record_all(writer, names(3))

    with caplog.at_level(logging.ERROR), pytest.raises(Unavailable):
        await writer.aclose()

    assert "3 call records were lost" in caplog.text
    assert log == names(3)


async def test_loop_that_is_stopped_in_the_midst_of_a_batch_loses_nothing() -> None:
    database, log = Database(), Log()
    writer = Writer(database.insert, log.write)
    async with running(writer):
        database.hold.clear()
        record_all(writer, names(3))
        await until(lambda: len(log) == 3)

    database.hold.set()
    await writer.aclose()

    assert database.ids == log == names(3)


async def test_memory_is_bounded_and_the_loss_is_told(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(writer_module, "MAX_WAITING", 3)
    database, log = Database(), Log()
    writer = Writer(database.insert, log.write)
    record_all(writer, names(5))

    await writer.aclose()

    assert database.ids == names(3)
    assert "2 call records were lost" in caplog.text


async def test_real_database_takes_each_record_once_however_often_it_is_given(tmp_path: Path) -> None:
    database = open_database(f"sqlite:///{tmp_path}/relay.db")
    try:
        await upgrade(database)
        records = [make_record(id=each, name="\ud800\x00", error="e") for each in names(3)]

        await insert_records(database, records)
        await insert_records(database, [*records, make_record(id="req_9")])

        async with database.read() as connection:
            rows = (
                await connection.execute(text("SELECT id, input_tokens, status FROM request_logs ORDER BY id"))
            ).all()
    finally:
        await database.aclose()
    assert [tuple(row) for row in rows] == [(each, 10, 200) for each in [*names(3), "req_9"]]
