"""What people do with what a cache keeps: it is listed, compared, forgotten and said to be wrong, and the audit log tells of it."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from app.smart.cache_desk import CacheDesk, NoSuchEntry, NoSuchPair
from app.smart.desk import NoSuchName, SmartDesk
from app.smart.feedback import CacheFeedback
from app.store.audit import read_entries
from app.store.db import Database
from app.store.smart_models import put_smart_models
from app.store.vectors.embedded import EmbeddedCacheStore
from tests.smart import Shelf, make_smart
from tests.smart.test_desk import at_once, registry_of
from tests.store.vectors.entries import Clock, entry, turned

COLLECTION = "of faq"


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[EmbeddedCacheStore]:
    store = EmbeddedCacheStore(tmp_path / "vectors.db", clock=Clock())
    yield store
    await store.aclose()


@pytest.fixture
async def desk(database: Database, store: EmbeddedCacheStore) -> CacheDesk:
    await put_smart_models(database, [make_smart("cache", "faq", similarity_threshold=0.99)])
    names = SmartDesk(database, registry_of(), lambda: None, refresh=at_once, settled=at_once)
    return CacheDesk(names, store, CacheFeedback(database, Shelf()), lambda _id, _cache: COLLECTION)


async def keep(store: EmbeddedCacheStore, questions: dict[str, float], **fields: Any) -> None:
    for question, degrees in questions.items():
        await store.put(COLLECTION, entry(question, turned(degrees), **fields))


async def test_entries_are_listed_searched_and_forgotten(
    desk: CacheDesk, store: EmbeddedCacheStore, database: Database
) -> None:
    await keep(store, {"Where is Bern?": 0, "Where is Rome?": 20, "Why?": 40})

    page = await desk.page("FAQ", text="where is", most=1)
    rest = await desk.page("faq", text="where is", after=page.after)
    assert [each.question for each in (*page.entries, *rest.entries)] == ["Where is Rome?", "Where is Bern?"]

    await desk.forget("faq", page.entries[0].id)
    assert [each.question for each in (await desk.page("faq")).entries] == ["Why?", "Where is Bern?"]
    with pytest.raises(NoSuchEntry):
        await desk.forget("faq", page.entries[0].id)
    with pytest.raises(NoSuchName):
        await desk.page("none")

    assert await desk.clear("faq") == 2
    forgot = {"entry": page.entries[0].id}
    entries = [(each.action, each.subject, each.before, each.after) for each in await read_entries(database)]
    assert entries == [
        ("cache.clear", "cache faq", {"entries": 2}, {"outcome": "done"}),
        ("cache.clear", "cache faq", {"entries": 2}, {"outcome": "begun"}),
        ("cache.forget", "cache faq", forgot, {"outcome": "done"}),
        ("cache.forget", "cache faq", forgot, {"outcome": "begun"}),
    ]


async def test_pairs_near_a_threshold_are_compared_within_their_spaces_and_kept_apart(
    desk: CacheDesk, store: EmbeddedCacheStore, database: Database
) -> None:
    await keep(store, {"What is the height of K2?": 0, "How high is K2?": 8, "How high is K3?": 9, "Why?": 80})
    await keep(store, {"How high is that?": 0}, space="another")

    pairs, compared = await desk.find_pairs("faq", most=3)
    assert compared == 5
    assert {pairs[0].one.question, pairs[0].other.question} == {"How high is K2?", "How high is K3?"}
    assert [round(each.cosine, 4) for each in pairs] == [0.9998, 0.9903, 0.9877]
    assert pairs[0].differences
    assert not pairs[0].is_apart
    near, _ = await desk.find_pairs("faq", near=0.17, most=1)
    assert near[0].cosine == pytest.approx(0.1736, abs=1e-3)

    with pytest.raises(NoSuchPair):
        await desk.keep_apart("faq", "no pair")
    await desk.keep_apart("faq", pairs[0].id)
    assert [each.is_apart for each in (await desk.find_pairs("faq", most=3))[0]] == [True, False, False]
    assert [(each.action, each.after) for each in await read_entries(database)] == [
        ("cache.wrong", {"pair": pairs[0].id})
    ]
