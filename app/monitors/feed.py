"""Hands event groups to whoever listens at this worker, as they are fetched, by whichever worker or machine."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator
from dataclasses import dataclass, field

from app.core.errors import RateLimited, Unavailable
from app.monitors.messages import event_of
from app.store.db import Database
from app.store.monitors.feed import Fed, feed_place, number_groups, read_feed, users_fed
from app.store.monitors.groups import EventGroup

LOOK_S = 1.0
_MOST_AT_ONCE = 20
_MOST_OF_USER = 16


class EventFeed:
    """Looks into the database once in `look_s` while somebody listens, and tells the users' listeners that there is something.

    Each of these reads for itself, so many event groups at a time and no more before they were taken: one that is slow holds
    no memory and loses nothing.
    """

    def __init__(self, database: Database, *, look_s: float = LOOK_S) -> None:
        self._database = database
        self._look_s = look_s
        self._listeners: set[_Listener] = set()
        self._woken = asyncio.Event()
        self._seen: int | None = None
        self._closed = asyncio.Event()

    @property
    def listeners(self) -> int:
        """How many listen."""
        return len(self._listeners)

    def wake(self) -> None:
        """Something was fetched: look at once, if anybody listens."""
        self._woken.set()

    def close(self) -> None:
        """End what all listen to, now and later: the gateway begins to stop, and waits for its streams."""
        self._closed.set()
        for listener in self._listeners:
            listener.has_more.set()

    async def run(self) -> None:
        """Look for as long as the gateway runs."""
        while True:
            self._woken.clear()
            if self._listeners:
                with contextlib.suppress(Unavailable):  # what is there is found when it is back
                    await self._look()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._look_s if self._listeners else None):
                    await self._woken.wait()

    async def listen(self, username: str, after: str | None = None) -> AsyncGenerator[EventGroup, None]:
        """A user's event groups, in the order in which they were found, each once, until `close`.

        Args:
            after: the id of the last one that the user has; where that is unknown or None, they are those from now on.

        Raises:
            RateLimited: the user listens too often already.
            DatabaseUnavailable: nobody knows where to begin. Later on, it is waited for.
        """
        if sum(listener.username == username for listener in self._listeners) >= _MOST_OF_USER:
            raise RateLimited(f"No more than {_MOST_OF_USER} streams of one user are served at a time. Close one.")
        highest = await number_groups(self._database)
        place = None if after is None else await feed_place(self._database, username, after)
        return self._follow(username, highest if place is None else place)

    async def stream(self, username: str, last_event_id: str | None = None) -> AsyncGenerator[bytes, None]:
        """The same as server-sent events, to follow `app.monitors.messages.OPENING`.

        Raises:
            RateLimited, DatabaseUnavailable: as `listen`.
        """
        return _written(await self.listen(username, last_event_id))

    async def _follow(self, username: str, place: int) -> AsyncGenerator[EventGroup, None]:
        listener = _Listener(username)
        self._listeners.add(listener)
        self.wake()
        try:
            while not self._closed.is_set():
                listener.has_more.clear()
                found = await self._read(listener, place)
                for fed in found:
                    if fed.group.updates:
                        yield fed.group
                    place = fed.number
                    if self._closed.is_set():
                        return
                if not found:
                    await listener.has_more.wait()
        finally:
            self._listeners.discard(listener)

    async def _read(self, listener: "_Listener", place: int) -> list[Fed]:
        try:
            return await read_feed(self._database, listener.username, place, _MOST_AT_ONCE)
        except Unavailable:
            await asyncio.sleep(self._look_s)
            listener.has_more.set()
            return []

    async def _look(self) -> None:
        seen, self._seen = self._seen, None  # until it is known, all are told
        highest = await number_groups(self._database)
        if seen is None:
            users = {listener.username for listener in self._listeners}
        elif highest > seen:
            users = await users_fed(self._database, seen, highest)
        else:
            users = set()
        for listener in self._listeners:
            if listener.username in users:
                listener.has_more.set()
        self._seen = highest


@dataclass(eq=False, slots=True)
class _Listener:
    """Whose event groups somebody waits for; `has_more` tells that there may be some."""

    username: str
    has_more: asyncio.Event = field(default_factory=asyncio.Event)


async def _written(groups: AsyncGenerator[EventGroup, None]) -> AsyncGenerator[bytes, None]:
    async with contextlib.aclosing(groups):
        async for group in groups:
            yield event_of(group)
