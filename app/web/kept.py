"""What was fetched a while ago.

In the memory of each worker: it is cheap to fetch again, so that a table, writes on the way of calls and a sweep of
what is old would cost more than they save. It is fetched without anybody's credentials, and so is everybody's.
"""

import time
from collections import OrderedDict
from collections.abc import Callable
from typing import Generic, TypeVar

MOST_CHARACTERS = 8 << 20

V = TypeVar("V")


class Kept(Generic[V]):
    """Holds values for `ttl_s`, and of those the ones used last, up to a number of characters.

    Args:
        ttl_s: 0 holds none.
        size: the characters of a value.
    """

    def __init__(
        self,
        ttl_s: float,
        size: Callable[[V], int],
        clock: Callable[[], float] = time.monotonic,
        most_characters: int = MOST_CHARACTERS,
    ) -> None:
        self._ttl_s = ttl_s
        self._size = size
        self._clock = clock
        self._most = most_characters
        self._held = 0
        self._values: OrderedDict[str, tuple[float, V]] = OrderedDict()

    def get(self, key: str) -> V | None:
        """The value, where it is not too old."""
        held = self._values.get(key)
        if held is None:
            return None
        if self._clock() >= held[0]:
            self._drop(key)
            return None
        self._values.move_to_end(key)
        return held[1]

    def put(self, key: str, value: V) -> None:
        """Hold a value."""
        if self._ttl_s <= 0:
            return
        self._drop(key)
        self._values[key] = self._clock() + self._ttl_s, value
        self._held += self._size_of(key, value)
        while self._held > self._most:
            self._drop(next(iter(self._values)))

    def _drop(self, key: str) -> None:
        held = self._values.pop(key, None)
        if held is not None:
            self._held -= self._size_of(key, held[1])

    def _size_of(self, key: str, value: V) -> int:
        return len(key) + self._size(value)
