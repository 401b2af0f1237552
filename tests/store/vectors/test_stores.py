"""What both stores of semantic caches promise."""

import math
import os
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from app.core.ports import CacheStore
from tests.store.vectors.entries import COLLECTION, NOW, SPACE, Clock, entry, given, turned, unit


async def test_entry_is_given_by_its_id_as_it_was_put(store: CacheStore) -> None:
    put = replace(entry("a", turned(0)), question="¿Qué\n\x00 hora?", answer=os.urandom(100_000), expires_at=None)

    await store.put(COLLECTION, put)

    assert await store.get(COLLECTION, put.id) == given(put)


async def test_entry_without_vector_or_price_is_given_by_its_id_only(store: CacheStore) -> None:
    put = replace(entry("a"), cost=None, answer=b"")

    await store.put(COLLECTION, put)

    assert await store.get(COLLECTION, put.id) == put
    assert await store.nearest(COLLECTION, SPACE, turned(0)) == []


async def test_nearest_come_with_their_cosines_best_first(store: CacheStore) -> None:
    entries = {degrees: entry(f"{degrees}", turned(degrees)) for degrees in (80, 10, 40, 0, 170)}
    for each in entries.values():
        await store.put(COLLECTION, each)

    found = await store.nearest(COLLECTION, SPACE, turned(0), most=4)

    assert [each for each, _ in found] == [given(entries[degrees]) for degrees in (0, 10, 40, 80)]
    expected = [math.cos(math.radians(degrees)) for degrees in (0, 10, 40, 80)]
    assert [cosine for _, cosine in found] == pytest.approx(expected, abs=1e-5)
    assert all(cosine <= 1 for _, cosine in found)


async def test_what_another_worker_puts_is_found_at_the_next_look_up(open_store: Callable[[], CacheStore]) -> None:
    ours, theirs = open_store(), open_store()
    await ours.put(COLLECTION, entry("first", turned(20)))
    assert len(await ours.nearest(COLLECTION, SPACE, turned(0))) == 1
    assert len(await theirs.nearest(COLLECTION, SPACE, turned(0))) == 1

    await theirs.put(COLLECTION, entry("second", turned(1)))

    assert [each.question for each, _ in await ours.nearest(COLLECTION, SPACE, turned(0))] == ["second", "first"]
    assert await ours.get(COLLECTION, entry("second").id) is not None


async def test_what_another_worker_deletes_is_found_no_longer(open_store: Callable[[], CacheStore]) -> None:
    ours, theirs = open_store(), open_store()
    for name in "abc":
        await ours.put(COLLECTION, entry(name, turned(ord(name))))
    assert len(await theirs.nearest(COLLECTION, SPACE, turned(90))) == 3

    await ours.delete(COLLECTION, [entry("a").id, entry("c").id, "unknown"])

    assert [each.question for each, _ in await theirs.nearest(COLLECTION, SPACE, turned(90))] == ["b"]
    assert await theirs.get(COLLECTION, entry("a").id) is None
    assert await theirs.count(COLLECTION) == 1


async def test_entry_put_again_replaces_the_one_of_its_id(store: CacheStore) -> None:
    await store.put(COLLECTION, entry("a", turned(0)))
    changed = replace(entry("a", turned(90)), answer=b"new", space="another")

    await store.put(COLLECTION, changed)

    assert await store.get(COLLECTION, changed.id) == given(changed)
    assert await store.nearest(COLLECTION, SPACE, turned(0)) == []
    assert [each.answer for each, _ in await store.nearest(COLLECTION, "another", turned(90))] == [b"new"]
    assert await store.count(COLLECTION) == 1


@pytest.mark.parametrize("vectors", [(turned(0), None), (None, turned(0))], ids=["loses its vector", "gets a vector"])
async def test_entry_that_changes_its_kind_is_there_once(
    store: CacheStore, vectors: tuple[bytes | None, bytes | None]
) -> None:
    before, after = vectors
    await store.put(COLLECTION, entry("a", before))

    await store.put(COLLECTION, replace(entry("a", after), answer=b"new"))

    found = await store.get(COLLECTION, entry("a").id)
    assert found is not None
    assert found.answer == b"new"
    assert len(await store.nearest(COLLECTION, SPACE, turned(0))) == (after is not None)
    assert await store.count(COLLECTION) == 1


async def test_expired_entry_is_never_given(store: CacheStore, clock: Clock) -> None:
    await store.put(COLLECTION, entry("soon", turned(0), expires_at=NOW + 10))
    await store.put(COLLECTION, entry("soon, by id"))
    await store.put(COLLECTION, entry("late", turned(5), expires_at=NOW + 1000))
    assert len(await store.nearest(COLLECTION, SPACE, turned(0))) == 2

    clock.now = NOW + 60

    assert [each.question for each, _ in await store.nearest(COLLECTION, SPACE, turned(0))] == ["late"]
    assert await store.get(COLLECTION, entry("soon").id) is None
    assert await store.get(COLLECTION, entry("soon, by id").id) is None
    assert await store.count(COLLECTION) == 1


async def test_sweep_removes_what_has_expired_everywhere_and_tells_how_many(store: CacheStore) -> None:
    await store.put(COLLECTION, entry("a", turned(0), expires_at=NOW + 10))
    await store.put("c2", entry("b", expires_at=NOW + 11))
    await store.put("c2", entry("c", turned(0), expires_at=NOW + 12))
    await store.put("c2", entry("d", turned(0), expires_at=None))

    assert await store.sweep(NOW + 11) == 2

    assert [await store.count(name) for name in (COLLECTION, "c2")] == [0, 2]
    assert await store.sweep(NOW + 11) == 0


async def test_cleared_collection_is_empty_and_takes_new_entries(open_store: Callable[[], CacheStore]) -> None:
    ours, theirs = open_store(), open_store()
    await ours.put(COLLECTION, entry("a", turned(0)))
    await ours.put(COLLECTION, entry("b"))
    assert len(await theirs.nearest(COLLECTION, SPACE, turned(0))) == 1

    await ours.clear(COLLECTION)

    assert await ours.count(COLLECTION) == 0
    assert await theirs.nearest(COLLECTION, SPACE, turned(0)) == []
    assert await theirs.get(COLLECTION, entry("b").id) is None
    assert await ours.collections() == [COLLECTION]
    await theirs.put(COLLECTION, entry("c", turned(0)))
    assert [each.question for each, _ in await ours.nearest(COLLECTION, SPACE, turned(0))] == ["c"]


async def test_dropped_collection_is_forgotten_and_others_are_not(store: CacheStore) -> None:
    for name in (COLLECTION, "c2"):
        await store.put(name, entry("a", turned(0)))

    await store.drop(COLLECTION)

    assert await store.collections() == ["c2"]
    assert await store.get(COLLECTION, entry("a").id) is None
    assert await store.get("c2", entry("a").id) is not None


@pytest.mark.parametrize("name", ["", "ü/😀 \x00\n" * 100, "a" * 600, "../../etc/passwd", "'; DROP TABLE entries"])
async def test_collection_may_have_any_name(store: CacheStore, name: str) -> None:
    await store.put(name, entry("a", turned(0)))

    assert await store.collections() == [name]
    assert await store.get(name, entry("a").id) is not None
    assert len(await store.nearest(name, SPACE, turned(0))) == 1
    assert await store.count(name) == 1


async def test_lone_surrogate_of_a_question_becomes_a_question_mark(store: CacheStore) -> None:
    await store.put(COLLECTION, replace(entry("a", turned(0)), question="a\ud800b", asked_by="\udfff"))

    found = await store.get(COLLECTION, entry("a").id)

    assert found is not None
    assert (found.question, found.asked_by) == ("a?b", "?")


async def test_nothing_is_found_where_there_is_no_such_collection(store: CacheStore) -> None:
    assert await store.get("none", entry("a").id) is None
    assert await store.nearest("none", SPACE, turned(0)) == []
    assert await store.count("none") == 0
    assert await store.collections() == []
    await store.delete("none", ["a"])
    await store.clear("none")
    await store.drop("none")
    assert await store.collections() == []


@pytest.mark.parametrize("vector", [b"", b"\0\0\0"])
async def test_what_is_no_vector_is_refused(store: CacheStore, vector: bytes) -> None:
    with pytest.raises(ValueError, match="A vector"):
        await store.nearest(COLLECTION, SPACE, vector)
    with pytest.raises(ValueError, match="A vector"):
        await store.put(COLLECTION, entry("a", vector))


async def test_live_entry_is_found_behind_many_like_it_that_are_gone(store: CacheStore, clock: Clock) -> None:
    random = np.random.default_rng(1)
    middle = random.standard_normal(64)
    await store.put(COLLECTION, entry("live", unit(*(middle + 0.5 * random.standard_normal(64))), expires_at=None))
    for number in range(400):
        await store.put(COLLECTION, entry(f"expires {number}", unit(*(middle + 0.01 * random.standard_normal(64)))))
    assert len(await store.nearest(COLLECTION, SPACE, unit(*middle))) == 8

    clock.now = NOW + 61

    assert [each.question for each, _ in await store.nearest(COLLECTION, SPACE, unit(*middle))] == ["live"]


async def test_store_can_be_used_again_after_it_was_warmed(store: CacheStore) -> None:
    await store.warm()
    await store.warm()

    assert await store.collections() == []


async def test_pages_list_entries_from_the_newest_and_search_their_questions(store: CacheStore, clock: Clock) -> None:
    names = ["Äpfel", "pears", "more ÄPFEL", "plums"]
    for degrees, name in enumerate(names):
        await store.put(COLLECTION, entry(name, turned(degrees)))
    await store.put(COLLECTION, entry("in words", expires_at=NOW + 600))
    await store.put("another", entry("stranger", turned(1)))

    seen, after = [], None
    while True:
        page = await store.page(COLLECTION, after=after, most=2)
        seen += [each.question for each in page.entries]
        if (after := page.after) is None:
            break
    assert sorted(seen) == sorted([*names, "in words"])
    assert [name for name in seen if name in names] == names[::-1]
    assert [each.question for each in (await store.page(COLLECTION, text="äpfel")).entries] == ["more ÄPFEL", "Äpfel"]
    assert (await store.page("none")).entries == []

    with_vectors = (await store.page(COLLECTION, vectors=True, after="no place", most=3)).entries
    assert [each.question for each in with_vectors] == names[:0:-1]
    assert np.allclose(np.frombuffer(with_vectors[-1].vector or b"", "<f4"), np.frombuffer(turned(1), "<f4"), atol=1e-5)

    clock.now = NOW + 61
    assert [each.question for each in (await store.page(COLLECTION)).entries] == ["in words"]
