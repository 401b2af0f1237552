"""How the nearest are found in the embedded store: signs in memory propose, vectors in the file decide."""

from __future__ import annotations

import sqlite3
from collections import OrderedDict
from typing import TYPE_CHECKING

from app.core.cached import CacheEntry
from app.core.jsonio import dumps
from app.store.vectors.rows import find_collection, find_numbered
from app.store.vectors.signs import SpaceSigns, pack_signs, read_vector

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

# Vectors that are compared exactly. The more, the surer is the nearest among them: docs/architecture.md has the figures.
_CANDIDATES = 256
# Of a space that is read into memory, at once. The interpreter is held for as long as one slice is unpacked.
_SLICE = 4096

# Many rows as one: the driver takes and leaves the interpreter's lock once for each row, and under load each time waits
# for the event loop. Texts hold any bytes; the casts change none (https://www.sqlite.org/lang_expr.html#castexpr).
_READ_SIGNS = """
    SELECT group_concat(printf('%016x', seq), ''), CAST(group_concat(signs, '') AS BLOB) FROM (
        SELECT seq, signs FROM entries
        WHERE collection = ? AND space = ? AND seq > ? AND expires_at > ? AND length(signs) = ?
        ORDER BY seq LIMIT ?)
"""
_READ_VECTORS = """
    SELECT group_concat(printf('%016x', seq), ''), CAST(group_concat(vector, '') AS BLOB) FROM vectors
    WHERE seq IN (SELECT value FROM json_each(?)) AND expires_at > ? AND length(vector) = ?
"""


class Searcher:
    """The spaces of one file that have been searched lately. Used by one thread.

    Args:
        memory_bytes: what they may take together.
    """

    def __init__(self, memory_bytes: int) -> None:
        self._memory_bytes = memory_bytes
        self._connection: sqlite3.Connection | None = None
        self._spaces: OrderedDict[tuple[int, str, int], SpaceSigns] = OrderedDict()
        self._used_bytes = 0

    def nearest(
        self, connection: sqlite3.Connection, collection: str, space: str, vector: bytes, most: int, now: float
    ) -> list[tuple[CacheEntry, float]]:
        """The entries of the space that are most like `vector`, best first.

        Raises:
            ValueError: `vector` is none.
        """
        if connection is not self._connection:  # another file, where the same numbers are others'
            self._spaces.clear()
            self._used_bytes = 0
            self._connection = connection
        wanted = read_vector(vector)
        connection.execute("BEGIN")
        try:
            number = find_collection(connection, collection)
            if number is None:
                return []
            numbers, cosines = self._candidates(connection, (number, space), wanted, max(_CANDIDATES, most), now)
            return _best(connection, number, space, numbers, cosines, most, now)
        finally:
            connection.execute("ROLLBACK")

    def _candidates(
        self,
        connection: sqlite3.Connection,
        space: tuple[int, str],
        wanted: NDArray[np.float32],
        most: int,
        now: float,
    ) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        signs = pack_signs(wanted)
        known = self._known(connection, space, len(signs), now)
        proposed = known.closest(signs, most)
        numbers, vectors = _read_vectors(connection, proposed, wanted.nbytes, now)
        gone = len(proposed) - len(numbers)
        if gone:
            known.remove(list(set(proposed).difference(numbers.tolist())))
        if gone > most // 4 and len(known) > len(numbers):
            # Many have been deleted: what is there may lie behind more of them. The file knows better.
            self._used_bytes -= self._spaces.pop((*space, len(signs))).size_bytes
            known = self._known(connection, space, len(signs), now)
            numbers, vectors = _read_vectors(connection, known.closest(signs, most), wanted.nbytes, now)
        return numbers, vectors @ wanted

    def _known(self, connection: sqlite3.Connection, space: tuple[int, str], size: int, now: float) -> SpaceSigns:
        """A space's signs, with what any process has added since."""
        key = (*space, size)
        known = self._spaces.pop(key, None)
        if known is None:
            known = SpaceSigns(size)
        else:
            self._used_bytes -= known.size_bytes
        while _read_signs(connection, space, known, size, now):
            pass
        self._spaces[key] = known
        self._used_bytes += known.size_bytes
        while self._used_bytes > self._memory_bytes and len(self._spaces) > 1:
            _, forgotten = self._spaces.popitem(last=False)
            self._used_bytes -= forgotten.size_bytes
        return known


def _read_signs(
    connection: sqlite3.Connection, space: tuple[int, str], known: SpaceSigns, size: int, now: float
) -> bool:
    """Add a slice of what is new; whether there may be more."""
    numbers, signs = connection.execute(_READ_SIGNS, (*space, known.last, now, size, _SLICE)).fetchone()
    if numbers is None:
        return False
    parsed = _parse_numbers(numbers)
    known.add(parsed, signs)
    return len(parsed) == _SLICE


def _read_vectors(
    connection: sqlite3.Connection, proposed: list[int], size: int, now: float
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Those of the proposed that are there and have not expired."""
    import numpy as np

    numbers, vectors = connection.execute(_READ_VECTORS, (dumps(list(proposed)).decode(), now, size)).fetchone()
    return _parse_numbers(numbers or ""), np.frombuffer(vectors or b"", "<f4").reshape(-1, size // 4)


def _parse_numbers(text: str) -> NDArray[np.int64]:
    import numpy as np

    return np.frombuffer(bytes.fromhex(text), ">i8").astype(np.int64)


def _best(
    connection: sqlite3.Connection,
    collection: int,
    space: str,
    numbers: NDArray[np.int64],
    cosines: NDArray[np.float32],
    most: int,
    now: float,
) -> list[tuple[CacheEntry, float]]:
    """Those with the highest cosines."""
    import numpy as np

    chosen = np.argsort(-cosines, kind="stable")[:most]
    entries = find_numbered(connection, collection, space, numbers[chosen].tolist(), now)
    pairs = zip(numbers[chosen].tolist(), cosines[chosen].tolist(), strict=True)
    return [(entries[each], min(cosine, 1.0)) for each, cosine in pairs if each in entries]
