"""Questions of a cache that are close to each other: by them an operator sees which threshold would do."""

import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from app.core.cached import CacheEntry

MOST_COMPARED = 1000
"""Of the newest entries: a matrix of their cosines takes some milliseconds and megabytes."""

Alike = tuple[CacheEntry, CacheEntry, float]
"""Two entries, and their cosine."""


@dataclass(frozen=True, slots=True)
class Pair:
    """Two questions between which an answer might be shared.

    Attributes:
        differences: why it would not be, however alike they are; none where no reason is found.
        is_apart: somebody said that it must not be.
        id: as `x-relay-cache-id` would name them.
    """

    one: CacheEntry
    other: CacheEntry
    cosine: float
    differences: Sequence[str]
    is_apart: bool
    id: str


async def find_alike(entries: Sequence[CacheEntry], near: float, most: int) -> list[tuple[Alike, Sequence[str]]]:
    """The pairs whose cosines are nearest to `near`, with their differences; the most alike first."""
    return await asyncio.to_thread(lambda: [(alike, _differences(alike)) for alike in _nearest(entries, near, most)])


def _nearest(entries: Sequence[CacheEntry], near: float, most: int) -> list[Alike]:
    found = [alike for space in _by_space(entries) for alike in _within(space, near, most)]
    found.sort(key=lambda alike: abs(alike[2] - near))
    return sorted(found[:most], key=lambda alike: -alike[2])


def _by_space(entries: Sequence[CacheEntry]) -> Iterator[list[CacheEntry]]:
    """Answers are never shared across two spaces."""
    spaces: dict[tuple[str, int], list[CacheEntry]] = {}
    for entry in entries:
        if entry.vector is not None:
            spaces.setdefault((entry.space, len(entry.vector)), []).append(entry)
    return iter(spaces.values())


def _within(entries: Sequence[CacheEntry], near: float, most: int) -> Iterator[Alike]:
    import numpy as np

    vectors = np.stack([np.frombuffer(entry.vector or b"", "<f4") for entry in entries])
    ones, others = np.triu_indices(len(entries), k=1)
    cosines = np.minimum((vectors @ vectors.T)[ones, others], 1.0)
    for index in np.argsort(np.abs(cosines - near), kind="stable")[:most].tolist():
        yield entries[ones[index]], entries[others[index]], float(cosines[index])


def _differences(alike: Alike) -> Sequence[str]:
    from app.likeness.verifier import differences

    return differences(alike[0].question, alike[1].question)
