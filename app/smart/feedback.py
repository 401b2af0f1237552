"""What was said and found of caches' answers, in memory and in the database: it is the same for all workers."""

import asyncio
import logging
import random
from collections.abc import Mapping

from app.core.book import Entry
from app.core.ports import Shelf
from app.core.smart import Cache
from app.pipeline.caching.trust import Evidence, Trial
from app.store.db import Database, DatabaseUnavailable
from app.store.feedback import StoredTrial, put_pin, put_trial, read_pins_newer_than, read_trials

log = logging.getLogger(__name__)

POLL_S = 1.0
# Trials of other workers change a share by little, and are many.
EVIDENCE_S = 15.0
MOST_TRIALS = 5000


class CacheFeedback:
    """See `pipeline.caching.finding.Feedback`. `refresh` once before the first call, then `run` and `gather` beside it."""

    def __init__(self, db: Database, shelf: Shelf) -> None:
        self._db = db
        self._shelf = shelf
        self._revision = 0
        self._apart: frozenset[tuple[str, str, str]] = frozenset()
        self._evidence: Mapping[str, Evidence] = {}
        self._nothing = Evidence()

    def is_apart(self, cache_id: str, one: str, other: str) -> bool:
        """Whether two questions must not share an answer."""
        return bool(self._apart) and (cache_id, *sorted((one, other))) in self._apart

    def may_answer(self, entry: Entry, stored: str, cosine: float) -> bool:
        """Whether a proposal is given, by lot, where the cache has a bound on errors."""
        cache = entry.model
        if not isinstance(cache, Cache) or cache.max_error is None:
            raise ValueError("a cache without a bound on errors has a threshold")
        evidence = self._evidence.get(entry.id, self._nothing)
        return random.random() >= evidence.share_to_ask(stored, cosine, cache.max_error / 100)

    async def keep_apart(self, cache_id: str, one: str, other: str) -> None:
        """Never again let two questions share an answer.

        Raises:
            DatabaseUnavailable: nothing was noted.
        """
        await put_pin(self._db, cache_id, one, other)
        await self.refresh()

    async def note(self, cache_id: str, stored: str, cosine: float, *, correct: bool) -> None:
        """Keep what became of a comparison.

        Raises:
            DatabaseUnavailable: nothing was noted.
        """
        await put_trial(self._db, cache_id, StoredTrial(stored, cosine, correct))

    async def refresh(self) -> None:
        """Read the pairs anew where there is another one.

        Raises:
            DatabaseUnavailable: they stay as they were.
        """
        if (newer := await read_pins_newer_than(self._db, self._revision)) is not None:
            self._revision, pins = newer
            self._apart = frozenset(pins)

    async def gather_once(self) -> None:
        """Read what became of the comparisons of caches that have a bound on errors.

        Raises:
            DatabaseUnavailable: it stays as it was.
        """
        evidence = {}
        for entry in self._shelf.book.entries:
            if isinstance(entry.model, Cache) and entry.model.max_error is not None:
                trials = await read_trials(self._db, entry.id, MOST_TRIALS)
                evidence[entry.id] = Evidence(Trial(each.entry_id, each.similarity, each.correct) for each in trials)
        self._evidence = evidence

    async def run(self) -> None:
        """Refresh once a second, for ever. It outlives a database that does not answer."""
        while True:
            await asyncio.sleep(POLL_S)
            try:
                await self.refresh()
            except DatabaseUnavailable as exc:
                log.warning("What is wrong in caches could not be read; what is known stays in force. %s", exc)

    async def gather(self) -> None:
        """Read comparisons now and then, for ever."""
        while True:
            try:
                await self.gather_once()
            except DatabaseUnavailable as exc:
                log.warning("Comparisons of caches' answers could not be read. %s", exc)
            await asyncio.sleep(EVIDENCE_S)
