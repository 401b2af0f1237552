"""What a semantic cache keeps of one call."""

from collections.abc import Sequence
from decimal import Decimal

from app.core.frozen import frozen


@frozen
class CacheEntry:
    """An answer, and what it was the answer to.

    Attributes:
        id: a digest of the canonical request.
        space: a digest of all that must not be crossed: tenant, target, system prompt, tools and so on.
        question: the text that `vector` stands for.
        answer: as the cache replays it.
        vector: little-endian float32 of length 1; None where it is only to be found by its id, and in what a store gives unless
            it was asked for.
        stored_at, expires_at: seconds since the epoch; None: it never expires.
        cost: in USD, of the call that was answered; None where no price is known.
        target: who answered, as `provider/model`.
        asked_by: the user whose call it was.
    """

    id: str
    space: str
    question: str
    answer: bytes
    vector: bytes | None
    stored_at: float
    expires_at: float | None
    input_tokens: int = 0
    output_tokens: int = 0
    cost: Decimal | None = None
    target: str = ""
    asked_by: str = ""


@frozen
class CachePage:
    """Some of the entries of a collection, the newest first; `after` is where the next page begins, None after the last."""

    entries: Sequence[CacheEntry]
    after: str | None


def clean(text: str) -> str:
    """A text as stores can keep it: without lone surrogates, which JSON can write and UTF-8 cannot."""
    return text.encode("utf-8", "replace").decode()
