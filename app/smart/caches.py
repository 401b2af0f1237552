"""What belongs to semantic caches, wired together."""

import asyncio
import logging
import math
import time
from collections.abc import Awaitable, Callable, Sequence

from app.core.call import Call
from app.core.errors import CacheUnavailable
from app.core.ports import CacheStore, NoteFailure, PriceList, Shelf
from app.core.smart import Cache, SmartModel
from app.dialects.conversation import read_answer, write_answer
from app.dialects.repeatable import read_repeatable, read_rest
from app.pipeline.asking import Asker
from app.pipeline.cache import SmartCache
from app.pipeline.caching.checking import Checker
from app.pipeline.caching.finding import Finder
from app.pipeline.caching.keeping import Keeper
from app.pipeline.jobs import Jobs
from app.pipeline.updates import UpdateRule
from app.smart.embedding import Embedders
from app.smart.feedback import CacheFeedback
from app.smart.stats import Stats
from app.store.db import Database, DatabaseUnavailable
from app.store.smart_models import read_smart_models, read_unreadable_smart_models

log = logging.getLogger(__name__)

LOOK_S = 1.0
REST_S = 60.0
SWEEP_S = 600.0
_END = 1000


class Texts:
    """How texts are compared; see `pipeline.caching.finding.Likeness`. Imported with the first: gateways without caches need none of it."""

    @property
    def longest(self) -> int:
        from app.likeness.normal import LONGEST

        return LONGEST

    def normalise(self, text: str) -> str:
        from app.likeness.normal import normalise

        return normalise(text)

    def differences(self, asked: str, stored: str) -> Sequence[str]:
        from app.likeness.verifier import differences

        return differences(asked, stored)

    def time_sensitive(self, text: str) -> bool:
        from app.likeness.timely import time_sensitive

        # Of a long text, which mostly is a document and a question before or behind it, both ends: all of it would take too long.
        return time_sensitive(text) if len(text) <= 2 * _END else any(map(time_sensitive, (text[:_END], text[-_END:])))


class Caches:
    """All of it.

    Attributes:
        stage: what does with calls for caches what there is to do.
        feedback: what was said and found of their answers.
        store: what they keep.
    """

    def __init__(
        self,
        database: Database,
        store: CacheStore,
        shelf: Shelf,
        asker: Asker,
        embedders: Embedders,
        prices: PriceList,
        stats: Stats,
        note_failure: NoteFailure,
        updates: UpdateRule | None = None,
    ) -> None:
        self.store = store
        self.collection_of = embedders.collection_of
        self.feedback = CacheFeedback(database, shelf)
        self._embedders = embedders
        self._database = database
        self._shelf = shelf
        self._jobs = Jobs()

        def follow(name: str) -> str:
            return shelf.book.follow(name)

        def behind(name: str) -> Sequence[SmartModel]:
            return shelf.book.behind(name)

        def is_told_once(call: Call, name: str) -> bool:
            return updates is not None and updates.may_answer(call, shelf.book.reach(name))

        checker = Checker(asker, embedders, self.feedback, self._jobs, follow)
        finder = Finder(store, embedders, Texts(), self.feedback, checker.may_share, embedders.collection_of, time.time)
        keeper = Keeper(store, finder, prices, self._jobs, read_answer, checker.compare)
        self.stage = SmartCache(
            finder,
            keeper,
            read_chat=read_repeatable,
            read_rest=read_rest,
            write_answer=write_answer,
            follow=follow,
            behind=behind,
            is_told_once=is_told_once,
            count=stats.counter("cache"),
            note_failure=note_failure,
            recheck=checker.recheck,
        )

    @property
    def _are_there(self) -> bool:
        return any(isinstance(entry.model, Cache) for entry in self._shelf.book.entries)

    async def refresh(self) -> None:
        """Know what is wrong; once before the first call.

        Raises:
            DatabaseUnavailable: it is not known.
        """
        await self.feedback.refresh()

    async def tidy(self) -> None:
        """With the first cache that there is, be ready for its look-ups; then remove now and then what nobody finds any more."""
        is_warm, swept_at = False, -math.inf
        while True:
            await asyncio.sleep(LOOK_S)
            if not self._are_there:
                continue
            try:
                if not is_warm:
                    await self.store.warm()
                    is_warm = True
                if time.monotonic() - swept_at >= SWEEP_S:
                    swept_at = time.monotonic()
                    await self.sweep()
            except (CacheUnavailable, DatabaseUnavailable) as exc:
                log.warning("%s", exc.message)
                await asyncio.sleep(REST_S)

    async def sweep(self) -> None:
        """Remove what has expired, and what belonged to caches that are gone, or to embedders that they no longer have.

        Raises:
            CacheUnavailable, DatabaseUnavailable: something could not be looked at.
        """
        await self.store.sweep(time.time())
        kept = {
            self.collection_of(each.id, each.model)
            for each in await read_smart_models(self._database, "cache")
            if isinstance(each.model, Cache)
        }
        # One that this version cannot read may be read by the next one.
        unreadable = tuple(f"{each.id}-" for each in await read_unreadable_smart_models(self._database, "cache"))
        for collection in set(await self.store.collections()) - kept:
            if collection.startswith(unreadable):
                continue
            log.info("what a cache kept that is gone, or has another embedder now, is removed: %s", collection)
            await self.store.drop(collection)

    @property
    def loops(self) -> tuple[Callable[[], Awaitable[None]], ...]:
        """What runs for as long as the gateway does."""
        return (self.feedback.run, self.feedback.gather, self.tidy)

    async def aclose(self) -> None:
        """Keep what was answered last, and let go of the embedder and the store."""
        try:
            await self._jobs.aclose()
            await self._embedders.aclose()
        finally:
            await self.store.aclose()
