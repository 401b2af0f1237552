"""The embedded store under fault: several processes, kill -9, a full disk, a damaged file, one that is locked."""

import asyncio
import contextlib
import logging
import sqlite3
import stat
import threading
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import numpy as np
import pytest

from app.core.errors import CacheUnavailable
from app.store.vectors.embedded import EmbeddedCacheStore
from tests.small_disk import small_disk
from tests.store.processes import run_together, start_process
from tests.store.vectors.entries import COLLECTION, SPACE, Clock, entry, turned, unit
from tests.store.vectors.workers import put_and_look, put_for_ever

NEAR = 0.9


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "data" / "vectors.db"


@pytest.fixture
async def open_file(clock: Clock) -> AsyncIterator[Callable[[Path], EmbeddedCacheStore]]:
    opened: list[EmbeddedCacheStore] = []

    def open_one(path: Path) -> EmbeddedCacheStore:
        opened.append(EmbeddedCacheStore(path, clock=clock))
        return opened[-1]

    yield open_one
    for store in opened:
        await store.aclose()


@pytest.fixture
def file_store(path: Path, open_file: Callable[[Path], EmbeddedCacheStore]) -> EmbeddedCacheStore:
    return open_file(path)


def random_vectors(count: int, dimensions: int = 384) -> "np.typing.NDArray[np.float32]":
    """Some topics of vectors, and near-duplicates among them."""
    random = np.random.default_rng(7)
    topics = random.standard_normal((count // 100, dimensions))
    vectors = topics[random.integers(0, len(topics), count)] + random.uniform(
        0.1, 1, (count, 1)
    ) * random.standard_normal((count, dimensions))
    return np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True), "<f4")


def rows_of(path: Path) -> tuple[int, int]:
    """How many rows of entries and of vectors the file has."""
    connection = sqlite3.connect(path)
    entries, vectors = (
        connection.execute(f"SELECT count(*) FROM {each}").fetchone()[0] for each in ("entries", "vectors")
    )
    connection.close()
    return entries, vectors


async def put_many(store: EmbeddedCacheStore, count: int) -> None:
    for number in range(count):
        await store.put(COLLECTION, entry(f"{number}", turned(90)))


async def test_nothing_is_made_before_the_first_use(path: Path) -> None:
    threads = threading.active_count()

    store = EmbeddedCacheStore(path)

    assert not path.parent.exists()
    assert threading.active_count() == threads
    await store.aclose()


async def test_file_is_for_its_user_only(file_store: EmbeddedCacheStore, path: Path) -> None:
    await file_store.put(COLLECTION, entry("a", turned(0)))

    files = list(path.parent.glob("vectors.db*"))
    assert {each.name for each in files} >= {"vectors.db", "vectors.db-wal"}
    assert {stat.S_IMODE(each.stat().st_mode) for each in files} == {0o600}


async def test_nearest_of_a_large_space_are_those_of_a_comparison_with_all(file_store: EmbeddedCacheStore) -> None:
    vectors = random_vectors(6000)
    for start in range(0, len(vectors), 200):
        chosen = enumerate(vectors[start : start + 200], start)
        await asyncio.gather(
            *(file_store.put(COLLECTION, entry(f"{number}", each.tobytes())) for number, each in chosen)
        )
    random = np.random.default_rng(8)
    wanted = vectors[:200] + 0.3 / np.sqrt(384) * random.standard_normal((200, 384))
    wanted = np.asarray(wanted / np.linalg.norm(wanted, axis=1, keepdims=True), "<f4")

    found = [(await file_store.nearest(COLLECTION, SPACE, each.tobytes(), most=1))[0] for each in wanted]

    cosines = wanted @ vectors.T
    assert (cosines.max(axis=1) > NEAR).all()
    assert [each.question for each, _ in found] == [f"{number}" for number in cosines.argmax(axis=1)]
    assert [cosine for _, cosine in found] == pytest.approx(cosines.max(axis=1), abs=1e-5)


async def test_spaces_that_were_not_searched_lately_leave_the_memory(path: Path) -> None:
    store = EmbeddedCacheStore(path, memory_bytes=8_000)
    for number in range(20):
        await store.put(COLLECTION, entry(f"{number}", turned(0), f"space {number}", None))
        assert len(await store.nearest(COLLECTION, f"space {number}", turned(0))) == 1

    known = store._searcher._spaces

    assert 1 <= len(known) < 20
    assert sum(each.size_bytes for each in known.values()) == store._searcher._used_bytes <= 8_000
    assert len(await store.nearest(COLLECTION, "space 0", turned(0))) == 1
    await store.aclose()


async def test_vectors_of_another_length_are_not_compared(file_store: EmbeddedCacheStore) -> None:
    await file_store.put(COLLECTION, entry("eight", turned(0)))
    await file_store.put(COLLECTION, entry("seven", unit(1, 0, 0, 0, 0, 0, 0)))
    await file_store.put(COLLECTION, entry("hundred", unit(*[1.0] * 100)))

    found = await file_store.nearest(COLLECTION, SPACE, turned(0))

    assert [each.question for each, _ in found] == ["eight"]


async def test_processes_find_what_they_put_and_what_others_put(
    path: Path, open_file: Callable[[Path], EmbeddedCacheStore]
) -> None:
    wrong = run_together(put_and_look, [(path, worker, 60) for worker in range(4)])

    assert wrong == [[], [], [], []]
    assert await open_file(path).count(COLLECTION) == 240


async def test_what_was_put_before_kill_9_is_there_and_whole(
    path: Path, open_file: Callable[[Path], EmbeddedCacheStore]
) -> None:
    kept: set[str] = set()
    for killed_after in (1, 7, 30):
        process, pipe = start_process(put_for_ever, (path,))
        for _ in range(killed_after):
            assert pipe.poll(60)
            kept.add(pipe.recv())
        process.kill()
        process.join()
        pipe.close()

    store = open_file(path)
    assert all([await store.get(COLLECTION, each) is not None for each in kept])
    count = await store.count(COLLECTION)
    assert len(await store.nearest(COLLECTION, SPACE, turned(0), most=1000)) == count >= len(kept)
    await store.put(COLLECTION, entry("after", turned(0)))


async def test_clear_that_was_broken_off_is_finished_by_the_sweep(
    file_store: EmbeddedCacheStore, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await file_store.put(COLLECTION, entry("a", turned(0), expires_at=None))

    async def killed(*_: object) -> int:
        return 0

    with monkeypatch.context() as patch:
        patch.setattr(file_store, "_delete_all", killed)
        await file_store.clear(COLLECTION)
    assert await file_store.get(COLLECTION, entry("a").id) is None
    assert rows_of(path) == (1, 1)

    await file_store.sweep(0)

    assert rows_of(path) == (0, 0)


async def test_deleting_leaves_no_vectors_behind(file_store: EmbeddedCacheStore, path: Path) -> None:
    for name in "abcd":
        await file_store.put(COLLECTION, entry(name, turned(0)))
    await file_store.put(COLLECTION, entry("a", turned(1)))
    assert rows_of(path) == (4, 4)

    await file_store.delete(COLLECTION, [entry("b").id])
    assert rows_of(path) == (3, 3)
    await file_store.clear(COLLECTION)

    assert rows_of(path) == (0, 0)


async def test_full_disk_is_an_error_with_words_and_what_is_there_is_given(
    tmp_path: Path, open_file: Callable[[Path], EmbeddedCacheStore]
) -> None:
    with small_disk(tmp_path / "disk", 8 << 20) as disk:
        store = open_file(disk.folder / "vectors.db")
        await store.put(COLLECTION, entry("before", turned(0)))
        disk.fill()

        with pytest.raises(CacheUnavailable, match="has no room left on its disk"):
            await put_many(store, 1000)
        assert (await store.nearest(COLLECTION, SPACE, turned(0)))[0][0].question == "before"

        disk.empty()
        await store.put(COLLECTION, entry("after", turned(1)))
        assert await store.get(COLLECTION, entry("after").id) is not None
        await store.aclose()


def damage_all(path: Path) -> None:
    path.write_bytes(b"this is no database" * 1000)


def damage_pages(path: Path) -> None:
    """All but the first page, which says that it is a database."""
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()
    content = path.read_bytes()
    path.write_bytes(content[:4096] + b"\xa5" * (len(content) - 4096))


def make_newer(path: Path) -> None:
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA user_version = 99")
    connection.close()


@pytest.mark.parametrize("damage", [damage_all, damage_pages, make_newer])
async def test_damaged_file_is_put_aside_and_a_new_one_begun(
    path: Path,
    damage: Callable[[Path], None],
    open_file: Callable[[Path], EmbeddedCacheStore],
    caplog: pytest.LogCaptureFixture,
) -> None:
    before = EmbeddedCacheStore(path)
    await before.put(COLLECTION, entry("a", turned(0)))
    await before.aclose()
    damage(path)
    damaged = path.read_bytes()  # noqa: ASYNC240 - nobody waits for it

    store = open_file(path)
    for _ in range(2):  # a damage is found when it is read
        with contextlib.suppress(CacheUnavailable):
            assert await store.nearest(COLLECTION, SPACE, turned(0)) == []
    await store.put(COLLECTION, entry("b", turned(0)))

    assert [each.question for each, _ in await store.nearest(COLLECTION, SPACE, turned(0))] == ["b"]
    assert path.with_name("vectors.db.damaged").read_bytes() == damaged
    errors = [record for record in caplog.records if record.levelno == logging.ERROR]
    assert len(errors) == 1
    assert str(path) in errors[0].getMessage()


async def test_worker_goes_over_to_the_file_that_another_one_began(
    path: Path, open_file: Callable[[Path], EmbeddedCacheStore]
) -> None:
    ours, theirs = open_file(path), open_file(path)
    await ours.put(COLLECTION, entry("old", turned(0)))
    assert len(await theirs.nearest(COLLECTION, SPACE, turned(0))) == 1
    for each in path.parent.glob("vectors.db*"):
        each.unlink()

    await ours.put(COLLECTION, entry("new", turned(90)))

    assert [each.question for each, _ in await theirs.nearest(COLLECTION, SPACE, turned(0))] == ["new"]


async def test_long_writer_does_not_stop_look_ups_and_a_put_gives_up(
    file_store: EmbeddedCacheStore, path: Path
) -> None:
    await file_store.put(COLLECTION, entry("a", turned(0)))
    await file_store._writing.do(lambda connection: connection.execute("PRAGMA busy_timeout = 50"))
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")

    with pytest.raises(CacheUnavailable, match="is locked by another process"):
        await file_store.put(COLLECTION, entry("b", turned(0)))
    assert [each.question for each, _ in await file_store.nearest(COLLECTION, SPACE, turned(0))] == ["a"]

    other.execute("ROLLBACK")
    other.close()
    await file_store.put(COLLECTION, entry("b", turned(0)))
    assert await file_store.count(COLLECTION) == 2


async def test_puts_do_not_pile_up_behind_a_long_writer(file_store: EmbeddedCacheStore, path: Path) -> None:
    await file_store.put(COLLECTION, entry("a", turned(0)))
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")

    puts = [asyncio.create_task(file_store.put(COLLECTION, entry(f"{number}"))) for number in range(300)]
    await asyncio.wait(puts, return_when=asyncio.FIRST_COMPLETED)
    refused = [each for each in puts if each.done()]
    other.execute("ROLLBACK")
    other.close()
    results = await asyncio.gather(*puts, return_exceptions=True)

    assert len(refused) == 300 - 256
    assert all("does not keep up" in str(each.exception()) for each in refused)
    assert sum(each is None for each in results) == 256
    assert await file_store.count(COLLECTION) == 257


async def test_folder_that_cannot_be_made_is_an_error_with_words(
    tmp_path: Path, open_file: Callable[[Path], EmbeddedCacheStore]
) -> None:
    (tmp_path / "file").write_text("")

    with pytest.raises(CacheUnavailable, match="cannot be opened: File exists"):
        await open_file(tmp_path / "file" / "vectors.db").get(COLLECTION, "a")
