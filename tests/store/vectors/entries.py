"""Entries and vectors for the tests of stores."""

import math
from dataclasses import replace
from decimal import Decimal
from hashlib import sha256

import numpy as np

from app.core.cached import CacheEntry

NOW = 1_800_000_000.0
COLLECTION = "c1/openai/text-embedding-3-small"
SPACE = sha256(b"space").hexdigest()


def unit(*numbers: float) -> bytes:
    """A vector in that direction."""
    vector = np.array(numbers, "<f4")
    return bytes((vector / np.linalg.norm(vector)).astype("<f4").tobytes())


def turned(degrees: float) -> bytes:
    """A vector at that angle to `turned(0)`."""
    return unit(math.cos(math.radians(degrees)), math.sin(math.radians(degrees)), 0, 0, 0, 0, 0, 0)


def entry(
    name: str, vector: bytes | None = None, space: str = SPACE, expires_at: float | None = NOW + 60
) -> CacheEntry:
    """One whose id is a digest of its name."""
    return CacheEntry(
        id=sha256(name.encode()).hexdigest(),
        space=space,
        question=name,
        answer=f"answer of {name}".encode(),
        vector=vector,
        stored_at=NOW,
        expires_at=expires_at,
        input_tokens=12,
        output_tokens=345,
        cost=Decimal("0.000123"),
        target="openai/gpt-4.1-mini",
        asked_by="alice",
    )


def given(put: CacheEntry) -> CacheEntry:
    """As a store gives it."""
    return replace(put, vector=None)


class Clock:
    """Stands still until a test moves it."""

    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> float:
        return self.now
