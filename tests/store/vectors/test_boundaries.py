"""Nothing that a semantic cache keeps crosses a space or a collection, whatever is done in whatever order."""

import itertools
from collections.abc import Callable
from dataclasses import dataclass, field, replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.core.cached import CacheEntry
from app.core.ports import CacheStore
from tests.store.vectors.entries import NOW, Clock, entry, turned

COLLECTIONS = ("c1", "c1 ", "c2")
SPACES = ("s1", "s1'", "S1", "s")
NAMES = ("a", "b", "c", "d")
DEGREES = (0, 0.5, 30, 89)

_ROUNDS = itertools.count()

Step = tuple[str, str, str, str, float | None, float | None]
steps = st.tuples(
    st.sampled_from(["put", "put", "put", "put", "delete", "clear", "drop", "sweep", "wait"]),
    st.sampled_from(COLLECTIONS),
    st.sampled_from(SPACES),
    st.sampled_from(NAMES),
    st.sampled_from((*DEGREES, None)),
    st.sampled_from([5.0, 60.0, None]),
)


@dataclass
class Model:
    """What the store must hold: the simplest thing that could."""

    kept: dict[tuple[str, str], CacheEntry] = field(default_factory=dict)

    def live(self, collection: str, now: float) -> dict[str, CacheEntry]:
        return {
            each.id: each
            for (of, _), each in self.kept.items()
            if of == collection and (each.expires_at is None or each.expires_at > now)
        }

    def forget(self, collection: str) -> None:
        self.kept = {key: each for key, each in self.kept.items() if key[0] != collection}


@settings(
    max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(done=st.lists(steps, min_size=1, max_size=20))
async def test_store_gives_what_was_put_into_the_space_and_nothing_else(
    open_store: Callable[[], CacheStore], clock: Clock, done: list[Step]
) -> None:
    # One pair of workers for all examples; each example has collections of its own.
    stores = await _workers(open_store)
    clock.now = NOW
    example = f"/{next(_ROUNDS)}"
    model = Model()

    for number, step in enumerate(done):
        await _do(step, stores[number % 2], model, clock, example, number)

    for store, name in itertools.product(stores, COLLECTIONS):
        await _check(store, model, name + example, clock.now)


_OPENED: dict[int, tuple[CacheStore, CacheStore]] = {}


async def _workers(open_store: Callable[[], CacheStore]) -> tuple[CacheStore, CacheStore]:
    if id(open_store) not in _OPENED:
        _OPENED.clear()
        _OPENED[id(open_store)] = (open_store(), open_store())
    return _OPENED[id(open_store)]


async def _do(step: Step, store: CacheStore, model: Model, clock: Clock, example: str, number: int) -> None:
    kind, name, space, question, degrees, lives_s = step
    collection = name + example
    if kind == "put":
        vector = None if degrees is None else turned(degrees)
        expires_at = None if lives_s is None else clock.now + lives_s
        put = replace(entry(question, vector, space, expires_at), stored_at=clock.now + number / 1000)
        await store.put(collection, put)
        model.kept[collection, put.id] = put
    elif kind == "delete":
        await store.delete(collection, [entry(question).id])
        model.kept.pop((collection, entry(question).id), None)
    elif kind == "sweep":
        await store.sweep(clock.now)
    elif kind == "wait":
        clock.now += 6
    else:
        await (store.clear if kind == "clear" else store.drop)(collection)
        model.forget(collection)


async def _check(store: CacheStore, model: Model, collection: str, now: float) -> None:
    live = model.live(collection, now)
    for name in NAMES:
        wanted = live.get(entry(name).id)
        assert await store.get(collection, entry(name).id) == (wanted and replace(wanted, vector=None))
    assert await store.count(collection) == len(live)
    for space in SPACES:
        found = await store.nearest(collection, space, turned(0.2))
        expected = {each.id for each in live.values() if each.space == space and each.vector is not None}
        assert {each.id for each, _ in found} == expected
        assert [cosine for _, cosine in found] == sorted((cosine for _, cosine in found), reverse=True)
        assert [replace(live[each.id], vector=None) for each, _ in found] == [each for each, _ in found]


@pytest.mark.parametrize("other", ["s", "s1 ", "S1", "s1\x00", "%", "s_", "", "*"])
async def test_space_is_compared_letter_by_letter(store: CacheStore, other: str) -> None:
    await store.put("c1", entry("a", turned(0), "s1"))

    assert await store.nearest("c1", other, turned(0)) == []
    assert len(await store.nearest("c1", "s1", turned(0))) == 1


async def test_nearer_entries_of_another_space_hide_none(store: CacheStore) -> None:
    for number in range(10):
        await store.put("c1", entry(f"{number}", turned(number / 10), "theirs"))
    await store.put("c1", entry("ours", turned(60), "ours"))

    assert [each.question for each, _ in await store.nearest("c1", "ours", turned(0))] == ["ours"]
