"""How entries are written as Chroma's records."""

import math
import zlib
from base64 import b64decode, b64encode
from binascii import Error as Base64Error
from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from typing import Any

from app.core.cached import CacheEntry, clean
from app.core.errors import CacheUnavailable

# As much as a server takes in one request, without what else is in it (40 MiB; `max_payload_size_bytes`).
MOST_ANSWER_BYTES = 32 << 20

# JSON has no infinity.
_NEVER = 1e15


def write_metadata(entry: CacheEntry) -> dict[str, str | int | float]:
    """The facts and the answer of an entry.

    All is metadata: of documents, a server makes an index of their words, which would be many times as large as they are.

    Raises:
        CacheUnavailable: the answer is too large for a server.
    """
    answer = b64encode(zlib.compress(entry.answer, 1)).decode()
    if len(answer) > MOST_ANSWER_BYTES:
        raise CacheUnavailable(f"Chroma takes no answer of {len(entry.answer)} bytes.")
    metadata: dict[str, str | int | float] = {
        "space": entry.space,
        "question": clean(entry.question),
        "answer": answer,
        "stored_at": float(entry.stored_at),
        "expires_at": _NEVER if entry.expires_at is None else float(entry.expires_at),
        "input_tokens": entry.input_tokens,
        "output_tokens": entry.output_tokens,
        "target": clean(entry.target),
        "asked_by": clean(entry.asked_by),
    }
    if entry.cost is not None:
        metadata["cost"] = str(entry.cost)
    return metadata


def read_entry(id: str, metadata: Mapping[str, Any]) -> CacheEntry | None:  # noqa: A002 - the word of CacheEntry
    """The entry of a record; None where it was not written by `write_metadata`."""
    try:
        cost = metadata.get("cost")
        expires_at = float(metadata["expires_at"])
        return CacheEntry(
            id=id,
            space=metadata["space"],
            question=metadata["question"],
            answer=zlib.decompress(b64decode(metadata["answer"])),
            vector=None,
            stored_at=float(metadata["stored_at"]),
            expires_at=None if expires_at == _NEVER else expires_at,
            input_tokens=int(metadata["input_tokens"]),
            output_tokens=int(metadata["output_tokens"]),
            cost=None if cost is None else Decimal(cost),
            target=metadata["target"],
            asked_by=metadata["asked_by"],
        )
    except (KeyError, TypeError, ValueError, Base64Error, zlib.error, InvalidOperation):
        return None


def place_without_vector(id: str) -> list[float]:  # noqa: A002 - the word of CacheEntry
    """Where a record lies that has no vector, which a server insists on: somewhere on a circle, not all at one point."""
    angle = zlib.crc32(id.encode()) / 2**32 * math.tau
    return [math.cos(angle), math.sin(angle)]
