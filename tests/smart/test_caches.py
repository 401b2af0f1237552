"""What caches keep is removed when they are gone, and only then."""

from collections.abc import Callable, Sequence
from typing import Any

from sqlalchemy import update

from app.smart.caches import Caches
from app.smart.embedding import Embedders
from app.store.db import Database
from app.store.smart_models import TABLES, put_smart_models, read_smart_models
from tests.smart import Shelf, make_smart

NOBODY: Any = None


class Stats:
    def counter(self, _kind: str) -> Callable[..., None]:
        return lambda *_: None


class Store:
    """Holds collections by their names alone."""

    def __init__(self, *names: str) -> None:
        self.names = list(names)

    async def sweep(self, now: float) -> None:
        assert now > 0

    async def collections(self) -> Sequence[str]:
        return list(self.names)

    async def drop(self, collection: str) -> None:
        self.names.remove(collection)


async def test_what_a_cache_keeps_that_cannot_be_read_stays_until_that_is_gone(database: Database) -> None:
    await put_smart_models(database, [make_smart("cache", name, embedder=None) for name in ("fine", "odd")])
    fine, odd = await read_smart_models(database, "cache")
    store: Any = Store(f"{fine.id}-exact", f"{fine.id}-local", f"{odd.id}-exact", "gone-exact")
    stats: Any = Stats()
    caches = Caches(database, store, Shelf(), NOBODY, Embedders(NOBODY, NOBODY), NOBODY, stats, NOBODY)
    async with database.begin() as connection:
        await connection.execute(update(TABLES["cache"]).filter_by(id=odd.id).values(fallback="of tomorrow"))

    await caches.sweep()

    assert store.names == [f"{fine.id}-exact", f"{odd.id}-exact"]
