"""The journal on real files and with real processes: what was appended is there, once, whoever is killed when."""

import contextlib
import fcntl
import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from app.metering.journal import ASIDE, Journal
from app.metering.lock import RESERVE_BYTES
from app.metering.rows import insert_records
from app.metering.segment import HEAD, Segment, describe
from app.metering.writer import Writer
from app.store.db import Database
from tests.calls import make_record
from tests.metering.workers import (
    adopt_all,
    append_and_wait,
    append_beyond_the_limit_of_files,
    append_for_ever,
    stop_in_the_midst_of_a_batch,
)
from tests.small_disk import SmallDisk, small_disk
from tests.store.processes import run_together, start_process

ANSWER_S = 60


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "journal"


@pytest.fixture
def journal(folder: Path) -> Iterator[Journal]:
    opened = Journal(folder, "w9")
    yield opened
    opened.close()


def killed(work: Any, *arguments: Any) -> None:
    """Let a process do `work` until it tells of itself, and kill it there."""
    process, pipe = start_process(work, arguments)
    assert pipe.poll(ANSWER_S)
    os.kill(pipe.recv(), signal.SIGKILL)
    process.join(ANSWER_S)


def adopted(journal: Journal) -> dict[str, list[str]]:
    """The ids of the records of each dead worker, all of them dropped now."""
    found: dict[str, list[str]] = {}
    for dead in journal.adopt():
        found[dead.worker_id] = [each for segment in dead.segments for each in ids_of(segment)]
        for segment in dead.segments:
            journal.drop(segment)
        dead.close(remove=True)
    return found


def ids_of(segment: Segment, torn: list[bytes] | None = None) -> list[str]:
    return [record.id for record in segment.read((torn if torn is not None else []).append)]


def _refuse(line: bytes) -> None:
    raise AssertionError(f"{line!r} is no record")


def append_all(journal: Journal, *ids: str) -> None:
    for each in ids:
        journal.append(make_record(id=each))


# One worker's files.


def test_records_are_read_as_they_were_written_and_in_their_order(journal: Journal) -> None:
    written = [make_record(id=f"req_{number}", received_at=number + 0.5, error="\u2028\ud800") for number in range(50)]
    for record in written:
        journal.append(record)
    journal.seal()

    (segment,) = journal.sealed
    assert list(segment.read(_refuse)) == written == segment.records


def test_segments_that_became_too_large_are_followed_by_others_in_order(
    journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.metering.journal.SEGMENT_BYTES", 1000)
    append_all(journal, *(f"req_{number}" for number in range(10)))
    journal.seal()

    assert len(journal.sealed) > 2
    assert [each for segment in journal.sealed for each in ids_of(segment)] == [f"req_{number}" for number in range(10)]
    assert sorted(segment.path for segment in journal.sealed) == [segment.path for segment in journal.sealed]


def test_size_is_what_the_files_of_all_workers_have(journal: Journal, folder: Path) -> None:
    other = Journal(folder, "w1")
    append_all(journal, "req_1", "req_2")
    append_all(other, "req_3")

    journal.look()
    both = journal.size
    journal.seal()
    for segment in journal.sealed:
        journal.drop(segment)

    others = sum(path.stat().st_size for path in folder.glob("w1-*.journal"))
    assert both > journal.size == others > 0
    other.close()


def test_files_are_for_this_user_only(journal: Journal, folder: Path) -> None:
    journal.look()
    append_all(journal, "req_1")
    journal.set_aside(b"{}")

    assert folder.stat().st_mode & 0o777 == 0o700
    assert {path.stat().st_mode & 0o777 for path in folder.iterdir()} == {0o600}
    assert len(list(folder.iterdir())) == 3


@pytest.mark.parametrize("kept", [1, 40, -2], ids=["one-byte", "some", "all-but-two"])
def test_last_line_that_was_torn_is_left_out_and_set_aside(journal: Journal, kept: int) -> None:
    append_all(journal, "req_1", "req_2")
    journal.seal()
    (segment,) = journal.sealed
    whole = segment.path.read_bytes()
    start = whole.rindex(b"\n") + 1
    segment.path.write_bytes(whole[:start] + whole[start:][:kept])
    torn: list[bytes] = []

    assert ids_of(segment, torn) == ["req_1"]
    assert torn == [whole[start:][:kept]]


def test_head_that_a_full_disk_cut_is_written_anew(journal: Journal, monkeypatch: pytest.MonkeyPatch) -> None:
    room, write = 7, os.write

    def full(descriptor: int, data: bytes) -> int:
        nonlocal room
        kept = write(descriptor, data[:room])
        room = 10_000
        return kept

    monkeypatch.setattr("app.metering.journal.os.write", full)
    append_all(journal, "req_1", "req_2")
    journal.seal()
    (segment,) = journal.sealed
    segment.records = None
    torn: list[bytes] = []

    assert ids_of(segment, torn) == ["req_1", "req_2"]
    assert torn == [HEAD.strip()[:6]]


def test_lines_of_a_version_that_wrote_no_head_are_read(journal: Journal) -> None:
    append_all(journal, "req_1")
    journal.seal()
    (segment,) = journal.sealed
    segment.path.write_bytes(describe(make_record(id="req_0")) + b"\n")

    assert ids_of(segment) == ["req_0"]


def test_last_line_of_which_only_the_line_feed_was_written_is_nothing(journal: Journal) -> None:
    append_all(journal, "req_1")
    journal.seal()
    (segment,) = journal.sealed
    with segment.path.open("ab") as file:
        file.write(b"\n")

    torn: list[bytes] = []
    assert (ids_of(segment, torn), torn) == (["req_1"], [])


def test_what_is_set_aside_is_kept_for_the_operator_and_told(
    journal: Journal, folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    journal.look()
    journal.set_aside(b'{"id":"req_1"')
    journal.set_aside(b"{}")

    assert (folder / ASIDE).read_bytes() == b'{"id":"req_1"\n{}\n'
    assert ASIDE in caplog.text


def test_segment_whose_file_was_taken_away_raises_and_can_be_left(journal: Journal) -> None:
    append_all(journal, "req_1")
    journal.seal()
    (segment,) = journal.sealed
    segment.path.unlink()

    with pytest.raises(FileNotFoundError):
        ids_of(segment)
    journal.leave(segment)

    assert (journal.sealed, journal.size) == ([], 0)


# A disk that takes no more.


def test_line_that_a_limit_of_files_tore_spoils_none_that_follows(folder: Path) -> None:
    ((kept, refused, torn),) = run_together(append_beyond_the_limit_of_files, [(folder,)])

    assert (kept, refused) == (["req_before", "req_after"], ["req_torn"])
    assert len(torn) == 1
    assert torn[0].startswith(b'["req_torn"')


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[SmallDisk]:
    with small_disk(tmp_path / "disk", 2 * RESERVE_BYTES) as mounted:
        yield mounted


def test_calls_under_way_are_kept_when_the_disk_is_full_and_new_ones_refused(disk: SmallDisk) -> None:
    journal = Journal(disk.folder / "journal", "w1")
    journal.look()
    append_all(journal, "req_0")
    disk.fill()
    under_way = [f"req_{number}" for number in range(1, 501)]

    refusals = [journal.refusal]
    append_all(journal, *under_way)
    refusals.append(journal.refusal)
    journal.look()
    refusals.append(journal.refusal)
    disk.empty()
    journal.look()
    refusals.append(journal.refusal)

    full = "the journal's disk takes no more: No space left on device"
    assert refusals == [None, full, full, None]
    journal.seal()
    assert [each for segment in journal.sealed for each in ids_of(segment)] == ["req_0", *under_way]
    for segment in journal.sealed:
        journal.drop(segment)
    journal.close()


def test_disk_without_room_at_the_start_refuses_calls_until_it_has_some(disk: SmallDisk) -> None:
    disk.fill()
    journal = Journal(disk.folder / "journal", "w1")

    journal.look()
    refusal = journal.refusal
    disk.empty()
    journal.look()

    assert refusal is not None
    assert journal.refusal is None
    journal.close()


def test_room_that_was_only_the_reserves_own_is_no_room(disk: SmallDisk) -> None:
    journal = Journal(disk.folder / "journal", "w1")
    journal.look()
    disk.fill()
    append_all(journal, *(f"req_{number}" for number in range(20)))
    journal.seal()

    for segment in journal.sealed:
        journal.drop(segment)
    journal.look()

    assert journal.refusal is not None
    journal.close()


def test_folder_that_cannot_be_made_refuses_calls(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    journal = Journal(tmp_path / "file" / "journal", "w1")

    journal.look()

    assert journal.refusal == "the journal's disk takes no more: Not a directory"
    journal.close()


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_folder_that_may_not_be_written_refuses_calls(folder: Path, journal: Journal) -> None:
    folder.mkdir(mode=0o500)

    journal.look()

    assert journal.refusal == "the journal's disk takes no more: Permission denied"


def test_limit_counts_what_others_have_too(journal: Journal, folder: Path) -> None:
    other = Journal(folder, "w1", max_bytes=1500)
    append_all(journal, "req_1", "req_2")
    other.look()
    before = other.refusal
    append_all(other, "req_3")

    assert before is None
    assert other.refusal == "the journal has reached its limit of 1500 bytes (JOURNAL_MAX_BYTES)"
    other.close()


# Dead workers.


def test_worker_that_was_killed_leaves_what_it_wrote_and_is_gone_afterwards(journal: Journal, folder: Path) -> None:
    killed(append_and_wait, folder, "w1", ["req_1", "req_2"])

    assert adopted(journal) == {"w1": ["req_1", "req_2"]}
    assert adopted(journal) == {}
    assert list(folder.iterdir()) == []


def test_worker_that_was_killed_before_it_wrote_anything_is_known_to_be_dead(journal: Journal, folder: Path) -> None:
    killed(append_and_wait, folder, "w1", [])

    assert adopted(journal) == {"w1": []}


def test_worker_that_lives_keeps_what_it_has(journal: Journal, folder: Path) -> None:
    process, pipe = start_process(append_and_wait, (folder, "w1", ["req_1"]))
    assert pipe.poll(ANSWER_S)

    assert adopted(journal) == {}

    process.kill()
    process.join()
    assert adopted(journal) == {"w1": ["req_1"]}


def test_worker_whose_lock_somebody_removed_by_hand_keeps_what_it_is_writing(journal: Journal, folder: Path) -> None:
    process, pipe = start_process(append_and_wait, (folder, "w1", ["req_1"]))
    assert pipe.poll(ANSWER_S)
    (folder / "w1.lock").unlink()

    assert adopted(journal) == {}

    process.kill()
    process.join()
    assert adopted(journal) == {"w1": ["req_1"]}


def test_dead_worker_that_is_given_back_is_there_for_the_next_one(journal: Journal, folder: Path) -> None:
    killed(append_and_wait, folder, "w1", ["req_1"])
    for dead in journal.adopt():
        dead.close(remove=False)

    assert adopted(journal) == {"w1": ["req_1"]}


def test_dead_worker_that_is_given_back_takes_no_room_for_its_calls(journal: Journal, folder: Path) -> None:
    killed(append_and_wait, folder, "w1", [])
    before = (folder / "w1.lock").stat().st_size
    for dead in journal.adopt():
        dead.close(remove=False)

    assert (before, (folder / "w1.lock").stat().st_size) == (RESERVE_BYTES, 0)


def test_dead_worker_that_a_quicker_adopter_has_buried_is_not_taken_again(
    journal: Journal, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    killed(append_and_wait, folder, "w1", ["req_1"])
    other, found, lock = Journal(folder, "w2"), {}, fcntl.flock

    def lock_a_moment_later(descriptor: int, operation: int) -> None:
        monkeypatch.setattr(fcntl, "flock", lock)
        found.update(adopted(other))
        lock(descriptor, operation)

    monkeypatch.setattr(fcntl, "flock", lock_a_moment_later)

    assert adopted(journal) == {}
    assert found == {"w1": ["req_1"]}
    other.close()


def test_dead_worker_is_held_by_one_adopter_at_a_time(journal: Journal, folder: Path) -> None:
    killed(append_and_wait, folder, "w1", ["req_1"])
    other = Journal(folder, "w2")

    holding = journal.adopt()
    dead = next(holding)
    meanwhile = adopted(other)
    dead.close(remove=False)

    assert meanwhile == {}
    assert adopted(other) == {"w1": ["req_1"]}
    other.close()


def test_adopters_that_begin_at_once_share_what_there_is_and_take_nothing_twice(folder: Path) -> None:
    written = {f"w1{number:02}": [f"req_{number}_{each}" for each in range(3)] for number in range(12)}
    for worker, ids in written.items():
        dying = Journal(folder, worker)
        for each in ids:
            append_all(dying, each)
            dying.seal()
        dying.close()

    shares = run_together(adopt_all, [(folder, f"w2{number}") for number in range(3)])

    assert sorted(each for share in shares for each in share) == sorted(
        each for ids in written.values() for each in ids
    )
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize("after", [1, 6, 7, 8, 40])
def test_all_that_was_kept_before_a_kill_is_there_afterwards(journal: Journal, folder: Path, after: int) -> None:
    process, pipe = start_process(append_for_ever, (folder, "w1"))
    told = [pipe.recv() for _ in range(after)]
    process.kill()
    process.join()
    with contextlib.suppress(EOFError):
        while True:
            told.append(pipe.recv())

    found = adopted(journal)["w1"]

    assert found[: len(told)] == told
    assert len(found) - len(told) in (0, 1), "one may have been kept and not yet told of"


@pytest.mark.parametrize("when", ["sealed", "inserted"])
async def test_worker_that_is_killed_in_the_midst_of_a_batch_leaves_each_record_once(
    database: Database, database_url: str, folder: Path, journal: Journal, when: str
) -> None:
    process, pipe = start_process(_stop_when, (folder, "w1", database_url, when))
    assert pipe.poll(ANSWER_S)
    process.kill()
    process.join()
    before = await _ids_in(database)

    writer = Writer(lambda records: insert_records(database, records), lambda _records: None, journal)
    for dead in journal.adopt():
        assert await writer._bury(dead)

    assert before == ([] if when == "sealed" else [f"req_{number}" for number in range(5)])
    assert await _ids_in(database) == [f"req_{number}" for number in range(5)]
    assert adopted(journal) == {}


def _stop_when(pipe: Any, folder: Path, worker: str, url: str, when: str) -> None:
    stop_in_the_midst_of_a_batch(pipe, folder, worker, url, when=when)


async def _ids_in(database: Database) -> list[str]:
    return await database.transact(
        lambda statements: [row[0] for row in statements.rows("SELECT id FROM request_logs ORDER BY id", {})],
        writes=False,
    )


def test_lines_of_a_segment_are_json(journal: Journal) -> None:
    append_all(journal, "req_1")
    journal.seal()
    (segment,) = journal.sealed

    head, line = map(json.loads, segment.path.read_text().split())
    assert line[head["record"].index("id")] == "req_1"
    assert line[head["record"].index("usage")][head["usage"].index("output")] == make_record().usage.output
