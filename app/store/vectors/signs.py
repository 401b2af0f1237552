"""The signs of a space's vectors in memory, by which those that are most like another are found without reading any."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_WORD_BITS = 64
_FIRST_ROOM = 64


def read_vector(vector: bytes) -> NDArray[np.float32]:
    """The numbers of a vector.

    Raises:
        ValueError: it is none.
    """
    import numpy as np

    if not vector or len(vector) % 4:
        raise ValueError(f"A vector of {len(vector)} bytes is none: it is float32, 4 bytes a number.")
    return np.frombuffer(vector, "<f4")


def pack_signs(vector: NDArray[np.float32]) -> bytes:
    """One bit a number: whether it is above 0; filled up to whole words of 8 bytes."""
    import numpy as np

    bits = np.packbits(vector > 0).tobytes()
    return bits + bytes(-len(bits) % 8)


class SpaceSigns:
    """The signs of all vectors of one space that have been added, each with its entry's number, in their order.

    The more two vectors differ in their signs, the larger the angle between them: a random plane separates them with a
    probability of angle / pi (Charikar, 2002), and each number's sign is the side of such a plane. So few of them tell
    which ones are worth to be compared.

    Attributes:
        last: the highest number added yet.
    """

    def __init__(self, signs_bytes: int) -> None:
        import numpy as np

        self.last = 0
        self._count = 0
        self._numbers = np.empty(_FIRST_ROOM, np.int64)
        # A row for each word, so that one word of all vectors is contiguous.
        self._words = np.empty((signs_bytes * 8 // _WORD_BITS, _FIRST_ROOM), np.uint64)

    def __len__(self) -> int:
        return self._count

    @property
    def size_bytes(self) -> int:
        """Of memory."""
        return self._numbers.nbytes + self._words.nbytes

    def add(self, numbers: NDArray[np.int64], signs: bytes) -> None:
        """Add vectors whose numbers are above `last`, by their signs one after the other."""
        import numpy as np

        end = self._count + len(numbers)
        if end > len(self._numbers):
            self._grow(max(end, len(self._numbers) * 3 // 2))
        self._numbers[self._count : end] = numbers
        self._words[:, self._count : end] = np.frombuffer(signs, np.uint64).reshape(len(numbers), -1).T
        self._count = end
        self.last = int(numbers[-1])

    def closest(self, signs: bytes, most: int) -> list[int]:
        """The numbers of some `most` vectors that differ least; of those at the edge that differ alike, the latest."""
        import numpy as np

        if self._count <= most:
            return _as_list(self._numbers[: self._count])
        differing = np.zeros(self._count, np.uint16)
        for row, word in zip(self._words, np.frombuffer(signs, np.uint64), strict=True):
            differing += np.bitwise_count(row[: self._count] ^ word)
        edge = int(np.searchsorted(np.cumsum(np.bincount(differing)), most))
        inside = np.flatnonzero(differing < edge)
        at_edge = np.flatnonzero(differing == edge)[len(inside) - most :]
        return _as_list(self._numbers[np.concatenate((inside, at_edge))])

    def remove(self, numbers: list[int]) -> None:
        """Forget these."""
        import numpy as np

        kept = ~np.isin(self._numbers[: self._count], numbers)
        count = int(np.count_nonzero(kept))
        self._numbers[:count] = self._numbers[: self._count][kept]
        self._words[:, :count] = self._words[:, : self._count][:, kept]
        self._count = count

    def _grow(self, room: int) -> None:
        import numpy as np

        numbers, words = np.empty(room, np.int64), np.empty((len(self._words), room), np.uint64)
        numbers[: self._count] = self._numbers[: self._count]
        words[:, : self._count] = self._words[:, : self._count]
        self._numbers, self._words = numbers, words


def _as_list(numbers: NDArray[np.int64]) -> list[int]:
    plain: list[int] = numbers.tolist()
    return plain
