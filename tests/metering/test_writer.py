"""Records in batches: none lost, none twice, none waited for, and none in memory alone."""

import asyncio
import contextlib
import logging
import os
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path

import pytest
from sqlalchemy import text

from app.core.errors import Unavailable
from app.core.record import CallRecord, Hold
from app.metering import writer as writer_module
from app.metering.journal import ASIDE, Journal
from app.metering.rows import insert_records
from app.metering.segment import HEAD
from app.metering.writer import OnDeadWorker, Writer
from app.store.db import Database as RealDatabase
from tests.calls import make_record


class Database:
    """Takes batches, each record once, or fails with what is in `failures` first."""

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
        known = set(self.ids)
        self.batches.append([record.id for record in records if record.id not in known])


class Log(list[str]):
    """Keeps the ids of the lines."""

    def write(self, records: Sequence[CallRecord]) -> None:
        self.extend(record.id for record in records)


class Rig:
    """A writer before its database, its log and a journal in a folder that it may share with others."""

    def __init__(self, folder: Path, worker: str = "w1", on_dead_worker: OnDeadWorker | None = None) -> None:
        self.folder = folder / "journal"
        self.database = Database()
        self.log = Log()
        self.journal = Journal(self.folder, worker)
        self.writer = Writer(self.database.insert, self.log.write, self.journal, on_dead_worker)

    @property
    def files(self) -> list[str]:
        return sorted(path.name for path in self.folder.glob("*.journal"))

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """The writer's loops beside the body."""
        loops = [asyncio.create_task(loop()) for loop in (self.writer.run, self.writer.run_adoption)]
        try:
            yield
        finally:
            for loop in loops:
                loop.cancel()
            await asyncio.gather(*loops, return_exceptions=True)

    def record(self, ids: Sequence[str]) -> None:
        for each in ids:
            self.writer.record(make_record(id=each))


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """What takes a second takes a moment."""
    for name in ("BATCH_S", "RETRY_S", "LOOK_S", "ADOPT_S", "READOPT_S"):
        monkeypatch.setattr(writer_module, name, 0.005)


@pytest.fixture
async def rig(tmp_path: Path) -> AsyncIterator[Rig]:
    made = Rig(tmp_path)
    yield made
    made.journal.close()


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(5):
        while not condition():  # noqa: ASYNC110 - what is waited for is a state that tells nobody
            await asyncio.sleep(0.002)


def names(count: int, first: int = 0) -> list[str]:
    return [f"req_{number}" for number in range(first, first + count)]


async def test_records_that_come_together_are_one_batch_and_leave_no_file(rig: Rig) -> None:
    async with rig.running():
        rig.record(names(20))
        await until(lambda: rig.writer.backlog_bytes == 0)

    assert rig.database.batches == [names(20)]
    assert rig.log == names(20)
    assert rig.files == []


async def test_batches_are_bounded_and_in_order(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.metering.inserter.BATCH_RECORDS", 8)
    rig.record(names(20))

    await rig.writer.flush()

    assert [len(batch) for batch in rig.database.batches] == [8, 8, 4]
    assert rig.database.ids == rig.log == names(20)


async def test_records_of_one_call_are_one_write_and_one_batch(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    written: list[bytes] = []
    write = os.write

    def note(descriptor: int, data: bytes) -> int:
        written.append(data)
        return write(descriptor, data)

    monkeypatch.setattr("app.metering.inserter.BATCH_RECORDS", 2)
    monkeypatch.setattr(os, "write", note)

    rig.record(["req_0"])
    rig.writer.record(make_record(id="req_1"), *(make_record(id=f"req_1.{n}", parent_id="req_1") for n in (1, 2)))
    rig.record(["req_2"])
    await rig.writer.flush()

    assert [lines.removeprefix(HEAD).count(b"\n") for lines in written] == [1, 3, 1]
    assert rig.database.batches == [["req_0", "req_1", "req_1.1", "req_1.2"], ["req_2"]]
    assert rig.log == rig.database.ids


async def test_record_is_in_a_file_before_anything_is_awaited(rig: Rig) -> None:
    rig.record(names(1))

    assert b'"req_0"' in (rig.folder / rig.files[0]).read_bytes()
    assert rig.writer.backlog_bytes == (rig.folder / rig.files[0]).stat().st_size


async def test_record_that_comes_while_others_are_written_is_written_too(rig: Rig) -> None:
    async with rig.running():
        rig.database.hold.clear()
        rig.record(names(3))
        await until(lambda: len(rig.log) == 3)
        rig.record(names(3, first=3))
        rig.database.hold.set()
        await until(lambda: len(rig.database.ids) == 6)
        rig.record(names(1, first=6))
        await until(lambda: rig.writer.backlog_bytes == 0)

    assert rig.database.ids == rig.log == names(7)


async def test_database_that_was_away_gets_all_of_it_later_and_the_log_has_each_line_once(rig: Rig) -> None:
    rig.database.failures = [Unavailable("away")] * 3

    async with rig.running():
        rig.record(names(5))
        await until(lambda: len(rig.database.failures) < 3)
        rig.record(names(5, first=5))
        await until(lambda: len(rig.database.ids) == 10)

    assert rig.database.ids == rig.log == names(10)


async def test_records_are_read_from_the_files_when_the_database_is_back(rig: Rig) -> None:
    rig.database.failures = [Unavailable("away")]
    rig.record(names(3))
    with pytest.raises(Unavailable):
        await rig.writer.flush()
    rig.record(names(3, first=3))

    remembered = [segment.records for segment in rig.journal.sealed]
    await rig.writer.flush()

    assert remembered == [None]
    assert rig.database.ids == names(6)
    assert rig.files == []


async def test_database_that_fails_in_the_midst_of_a_segment_gets_no_record_twice(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.metering.inserter.BATCH_RECORDS", 2)
    rig.record(names(6))
    taken = rig.database.insert

    async def insert_two_and_fail(records: Sequence[CallRecord]) -> None:
        if rig.database.batches:
            raise Unavailable("away")
        await taken(records)

    monkeypatch.setattr(rig.writer._inserter, "_insert", insert_two_and_fail)
    with pytest.raises(Unavailable):
        await rig.writer.flush()
    monkeypatch.setattr(rig.writer._inserter, "_insert", taken)
    await rig.writer.flush()

    assert rig.database.ids == names(6)
    assert rig.writer.backlog_bytes == 0


async def test_while_the_database_hangs_memory_is_bounded_and_the_log_goes_on(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.metering.journal.REMEMBERED_RECORDS", 4)
    monkeypatch.setattr(writer_module, "UNLOGGED_RECORDS", 4)
    async with rig.running():
        rig.database.hold.clear()
        rig.record(names(2))
        await until(lambda: len(rig.log) == 2)
        rig.record(names(12, first=2))
        logged, opened = list(rig.log), rig.journal._open
        remembered = opened.records if opened else []
        rig.database.hold.set()
        await until(lambda: rig.writer.backlog_bytes == 0)

    assert logged == names(14)
    assert remembered is None
    assert rig.database.ids == names(14)


async def test_record_that_the_database_refuses_is_set_aside_and_holds_no_other_up(
    rig: Rig, caplog: pytest.LogCaptureFixture
) -> None:
    rig.database.poison = {"req_2"}
    rig.record(names(5))

    await rig.writer.flush()

    assert rig.database.ids == ["req_0", "req_1", "req_3", "req_4"]
    assert "the record of req_2 is refused" in caplog.text
    assert b'"req_2"' in (rig.folder / ASIDE).read_bytes()
    assert rig.files == []


async def test_close_writes_the_rest_and_leaves_nothing(rig: Rig) -> None:
    rig.record(names(3))

    await rig.writer.aclose()

    assert rig.database.ids == rig.log == names(3)
    assert list(rig.folder.iterdir()) == []


async def test_what_the_database_did_not_take_before_the_close_is_taken_at_the_next_start(
    rig: Rig, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    rig.database.failures = [Unavailable("away")]
    rig.record(names(3))
    with caplog.at_level(logging.ERROR), pytest.raises(Unavailable):
        await rig.writer.aclose()

    following = Rig(tmp_path, "w2")
    async with following.running():
        await until(lambda: following.files == [])
    following.journal.close()

    assert "stay in the journal until the next start" in caplog.text
    assert rig.log == names(3)
    assert following.database.ids == names(3)
    assert list(rig.folder.iterdir()) == []


async def test_close_does_not_tell_of_what_others_have(
    rig: Rig, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    rig.record(names(3))
    ending = Rig(tmp_path, "w2")
    ending.writer.look()

    await ending.writer.aclose()

    assert "stay in the journal" not in caplog.text
    assert rig.files != []


async def test_loop_that_is_stopped_in_the_midst_of_a_batch_loses_nothing(rig: Rig) -> None:
    async with rig.running():
        rig.database.hold.clear()
        rig.record(names(3))
        await until(lambda: len(rig.log) == 3)

    rig.database.hold.set()
    await rig.writer.aclose()

    assert rig.database.ids == rig.log == names(3)


# When the disk takes no more.


class FullDisk:
    """Lets no byte out of `os.write` and `os.pwrite` while it is full: not even those of the reserve."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._monkeypatch = monkeypatch

    def fill(self) -> None:
        def refuse(*_: object) -> int:
            raise OSError(28, "No space left on device")

        self._monkeypatch.setattr("os.write", refuse)
        self._monkeypatch.setattr("os.pwrite", refuse)

    def empty(self) -> None:
        self._monkeypatch.undo()


@pytest.fixture
def disk() -> FullDisk:
    return FullDisk(pytest.MonkeyPatch())


async def test_record_that_no_disk_takes_goes_straight_into_the_database(rig: Rig, disk: FullDisk) -> None:
    rig.writer.look()
    disk.fill()
    rig.record(names(2))
    disk.empty()
    refusal = rig.writer.refusal

    await rig.writer.flush()

    assert refusal == "the journal's disk takes no more: No space left on device"
    assert rig.database.ids == rig.log == names(2)


async def test_calls_may_begin_again_when_the_disk_has_room(rig: Rig, disk: FullDisk) -> None:
    rig.writer.look()
    disk.fill()
    rig.record(names(2))
    with pytest.raises(Unavailable, match="No space left on device") as refused:
        rig.writer.check()
    rig.writer.look()
    still_refused = rig.writer.refusal

    disk.empty()
    rig.writer.look()

    rig.writer.check()
    assert still_refused is not None
    assert (refused.value.status, refused.value.code) == (503, "journal_full")
    assert b'"req_0"' in (rig.folder / rig.files[0]).read_bytes(), "what was held is in the journal now"


async def test_record_that_no_disk_takes_while_others_go_into_the_database_is_not_lost(
    rig: Rig, disk: FullDisk
) -> None:
    rig.writer.look()
    disk.fill()
    rig.record(names(2))
    rig.database.hold.clear()
    flushing = asyncio.create_task(rig.writer.flush())
    await until(lambda: len(rig.log) == 2)
    disk.empty()
    rig.writer.look()
    disk.fill()
    rig.record(names(2, first=2))

    rig.database.hold.set()
    await flushing
    disk.empty()
    await rig.writer.flush()

    assert sorted(rig.database.ids) == names(4)


async def test_record_that_nobody_takes_is_in_the_log_when_the_gateway_ends(
    rig: Rig, disk: FullDisk, caplog: pytest.LogCaptureFixture
) -> None:
    rig.writer.look()
    rig.database.failures = [Unavailable("away")]
    disk.fill()
    rig.record(names(1))

    with pytest.raises(Unavailable):
        await rig.writer.aclose()

    disk.empty()
    assert "neither the disk nor the database took this call record" in caplog.text
    assert '"id":"req_0"' in caplog.text


async def test_calls_are_refused_from_the_limit_on_until_the_database_has_taken_what_there_is(tmp_path: Path) -> None:
    rig = Rig(tmp_path)
    rig.journal.max_bytes = 1000
    rig.record(names(1))
    rig.writer.check()
    rig.record(names(2, first=1))

    with pytest.raises(Unavailable, match="limit of 1000 bytes"):
        rig.writer.check()
    await rig.writer.flush()

    rig.writer.check()
    assert rig.database.ids == names(3)
    await rig.writer.aclose()


# What dead workers left.


async def test_what_a_dead_worker_left_is_in_the_database_before_others_hear_of_its_death(
    tmp_path: Path, rig: Rig
) -> None:
    heard: list[tuple[str, list[str]]] = []

    async def on_dead_worker(worker_id: str) -> None:
        heard.append((worker_id, living.database.ids))

    living = Rig(tmp_path, "w2", on_dead_worker)
    rig.record(names(3))
    die(rig.journal)

    async with living.running():
        await until(lambda: bool(heard))
        await until(lambda: not (rig.folder / "w1.lock").exists())

    assert heard == [("w1", names(3))]
    assert living.files == []
    living.journal.close()


async def test_death_of_a_worker_that_left_nothing_is_told_too(tmp_path: Path, rig: Rig) -> None:
    heard = asyncio.Queue[str]()
    living = Rig(tmp_path, "w2", heard.put)
    rig.writer.look()
    die(rig.journal)

    async with living.running(), asyncio.timeout(5):
        assert await heard.get() == "w1"

    living.journal.close()


async def test_worker_that_lives_or_ended_in_good_order_is_not_taken_for_dead(tmp_path: Path, rig: Rig) -> None:
    heard = asyncio.Queue[str]()
    rig.record(names(3))
    ended = Rig(tmp_path, "w0")
    ended.record(names(1, first=7))
    await ended.writer.aclose()
    living = Rig(tmp_path, "w2", heard.put)

    async with living.running():
        await asyncio.sleep(0.05)

    assert heard.empty()
    assert living.database.ids == []
    living.journal.close()


async def test_death_is_told_again_where_that_failed(
    tmp_path: Path, rig: Rig, caplog: pytest.LogCaptureFixture
) -> None:
    heard: list[str] = []

    async def fail_twice(worker_id: str) -> None:
        heard.append(worker_id)
        if len(heard) < 3:
            raise Unavailable("away") if len(heard) == 1 else ValueError("a fault")

    living = Rig(tmp_path, "w2", fail_twice)
    rig.record(names(3))
    die(rig.journal)

    async with living.running():
        await until(lambda: not (rig.folder / "w1.lock").exists())

    assert heard == ["w1"] * 3
    assert living.database.ids == names(3)
    assert "is tried again" in caplog.text
    living.journal.close()


async def test_database_that_is_away_gets_what_dead_workers_left_later(tmp_path: Path, rig: Rig) -> None:
    living = Rig(tmp_path, "w2")
    living.database.failures = [Unavailable("away")] * 2
    rig.record(names(3))
    die(rig.journal)

    async with living.running():
        await until(lambda: living.files == [])

    assert living.database.ids == names(3)
    living.journal.close()


def die(journal: Journal) -> None:
    """Let go of everything at once, as the system does for a process that was killed."""
    journal.seal()
    if journal._lock is not None:
        journal._lock.close(remove=False)
        journal._lock = None


async def test_real_database_takes_each_record_once_however_often_it_is_given(database: RealDatabase) -> None:
    records = [make_record(id=each, name="\ud800\x00", error="e") for each in names(3)]

    await insert_records(database, records)
    await insert_records(database, [*records, make_record(id="req_9")])

    async with database.read() as connection:
        rows = (await connection.execute(text("SELECT id, input_tokens, status FROM request_logs ORDER BY id"))).all()
    assert [tuple(row) for row in rows] == [(each, 10, 200) for each in [*names(3), "req_9"]]


async def test_record_that_holds_something_of_a_limit_is_written_at_once(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writer_module, "BATCH_S", 600.0)

    async with rig.running():
        rig.record(["req_1"])
        await asyncio.sleep(0)
        rig.writer.record(make_record(id="req_2", holds=(Hold("token:Ab3dEf9h", "max_concurrent", 0, 1),)))
        await until(lambda: rig.database.ids == ["req_1", "req_2"])
