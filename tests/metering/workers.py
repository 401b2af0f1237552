"""What the processes of the journal's tests do."""

import asyncio
import os
import resource
import time
from collections.abc import Sequence
from multiprocessing.connection import Connection
from multiprocessing.synchronize import Barrier
from pathlib import Path

from app.core.record import CallRecord
from app.metering.journal import Journal, JournalFull
from app.metering.rows import insert_records
from app.metering.writer import Writer
from app.store.db import open_database
from tests.calls import make_record


def append_and_wait(pipe: Connection, folder: Path, worker: str, ids: Sequence[str]) -> None:
    """A worker that has written, and waits for its end."""
    journal = Journal(folder, worker)
    journal.look()
    for each in ids:
        journal.append(make_record(id=each))
    pipe.send(os.getpid())
    time.sleep(60)


def append_for_ever(pipe: Connection, folder: Path, worker: str) -> None:
    """A worker that tells of each record when it has been kept, and seals now and then."""
    journal = Journal(folder, worker)
    number = 0
    while True:
        number += 1
        journal.append(make_record(id=f"req_{worker}_{number}"))
        pipe.send(f"req_{worker}_{number}")
        if number % 7 == 0:
            journal.seal()


def stop_in_the_midst_of_a_batch(pipe: Connection, folder: Path, worker: str, url: str, *, when: str) -> None:
    """A worker with a real database that stands still `when` its segment is "sealed" or "inserted"."""
    database = open_database(url)

    async def insert(records: Sequence[CallRecord]) -> None:
        if when == "inserted":
            await insert_records(database, records)
        pipe.send(os.getpid())
        time.sleep(60)  # noqa: ASYNC251 - nothing of it is to go on

    async def run() -> None:
        writer = Writer(insert, lambda _records: None, Journal(folder, worker))
        for number in range(5):
            writer.record(make_record(id=f"req_{number}"))
        await writer.flush()

    asyncio.run(run())


def adopt_all(barrier: Barrier, folder: Path, worker: str) -> list[str]:
    """The records that this one of several adopters got, who all begin at once."""
    journal, found = Journal(folder, worker), []
    journal.look()
    barrier.wait()
    for dead in journal.adopt():
        for segment in dead.segments:
            found += [record.id for record in segment.read(lambda _line: None)]
            time.sleep(0.002)  # as long as a database takes
            journal.drop(segment)
        dead.close(remove=True)
    barrier.wait()
    journal.close()
    return found


def append_beyond_the_limit_of_files(_barrier: Barrier, folder: Path) -> tuple[list[str], list[str], list[bytes]]:
    """What was kept, what not, and what became of the torn line, where a file may only become so large for a while."""
    journal = Journal(folder, "w1")
    kept: list[str] = []
    refused: list[str] = []
    torn: list[bytes] = []
    journal.look()

    def append(name: str) -> None:
        try:
            journal.append(make_record(id=name))
        except JournalFull:
            refused.append(name)
        else:
            kept.append(name)

    append("req_before")
    unlimited = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (journal.size + 100, unlimited[1]))
    append("req_torn")
    resource.setrlimit(resource.RLIMIT_FSIZE, unlimited)
    append("req_after")
    journal.seal()
    (segment,) = journal.sealed
    assert [record.id for record in segment.read(torn.append)] == kept
    return kept, refused, torn
