"""How the entries of a Chroma collection are listed: from its end, as the server gives them in the order in which they came."""

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from app.core.cached import CacheEntry
from app.store.vectors.records import read_entry

if TYPE_CHECKING:
    from chromadb.api.models.AsyncCollection import AsyncCollection

# Records at once where questions are searched: each comes with its answer.
_SLICE = 500


class Listing:
    """One page on its way.

    Attributes:
        entries: what was found.
    """

    def __init__(self, text: str, most: int, now: float, *, vectors: bool) -> None:
        self._text = text.casefold()
        self._most = most
        self._now = now
        self._vectors = vectors
        self.entries: list[CacheEntry] = []

    @property
    def is_full(self) -> bool:
        """There are as many as were asked for."""
        return len(self.entries) >= self._most

    async def read(self, there: "AsyncCollection", above: int | None) -> int:
        """Read until it is full or the collection ends, from below the record number `above`; below which one to go on."""
        place = await there.count() if above is None else above
        size = _SLICE if self._text else self._most
        while place and not self.is_full:
            start = max(0, place - size)
            for entry in reversed(await self._slice(there, start, place - start)):
                if len(self.entries) >= self._most:
                    break
                place -= 1
                if entry is not None and self._is_wanted(entry):
                    self.entries.append(entry)
            else:
                place = start
        return place

    async def _slice(self, there: "AsyncCollection", offset: int, limit: int) -> list[CacheEntry | None]:
        include: Any = ["metadatas", "embeddings"] if self._vectors else ["metadatas"]
        found = await there.get(limit=limit, offset=offset, include=include)
        entries = [read_entry(*each) for each in zip(found["ids"], found["metadatas"] or (), strict=True)]
        vectors = found["embeddings"] if self._vectors else None
        if vectors is None:
            return entries
        return [
            None if entry is None else replace(entry, vector=_bytes(vector))
            for entry, vector in zip(entries, vectors, strict=True)
        ]

    def _is_wanted(self, entry: CacheEntry) -> bool:
        is_live = entry.expires_at is None or entry.expires_at > self._now
        return is_live and self._text in entry.question.casefold()


def read_place(after: str | None, kinds: int) -> tuple[int, int | None]:
    """Which of `kinds` collections a page begins in, and below which record; the first one's end where that is no place."""
    number, _, above = (after or "").partition("-")
    if not (number.isdecimal() and above.isdecimal() and int(number) < kinds and len(above) < 10):
        return 0, None
    return int(number), int(above)


def write_place(number: int, above: int) -> str:
    """What `read_place` reads."""
    return f"{number}-{above}"


def _bytes(vector: Any) -> bytes:
    import numpy as np

    return np.asarray(vector, "<f4").tobytes()
