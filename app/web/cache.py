"""Pages that were read a while ago.

In the memory of each worker: a page is cheap to fetch again, so that a table, writes on the way of calls and a sweep of
what is old would cost more than they save. Pages are fetched without anybody's credentials, and so are everybody's.
"""

import time
from collections import OrderedDict
from collections.abc import Callable

from app.core.web import Page

MOST_CHARACTERS = 8 << 20


class PageCache:
    """Holds pages for `ttl_s`, and of those the ones used last, up to a number of characters.

    Args:
        ttl_s: 0 holds none.
    """

    def __init__(
        self, ttl_s: float, clock: Callable[[], float] = time.monotonic, most_characters: int = MOST_CHARACTERS
    ) -> None:
        self._ttl_s = ttl_s
        self._clock = clock
        self._most = most_characters
        self._held = 0
        self._pages: OrderedDict[str, tuple[float, Page]] = OrderedDict()

    def get(self, key: str) -> Page | None:
        """The page, where it is not too old."""
        until, page = self._pages.get(key, (0.0, None))
        if page is None:
            return None
        if self._clock() >= until:
            self._drop(key)
            return None
        self._pages.move_to_end(key)
        return page

    def put(self, key: str, page: Page) -> None:
        """Hold a page."""
        if self._ttl_s <= 0:
            return
        self._drop(key)
        self._pages[key] = self._clock() + self._ttl_s, page
        self._held += len(page.text)
        while self._held > self._most:
            self._drop(next(iter(self._pages)))

    def _drop(self, key: str) -> None:
        _, page = self._pages.pop(key, (0.0, None))
        self._held -= len(page.text) if page else 0
