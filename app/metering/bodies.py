"""What calls of some tokens asked and got: collected beside the call, encrypted and written in the background."""

import asyncio
import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from app.core.errors import Unavailable
from app.metering.sealing import InvalidKey, NotUnsealed, seal, unseal
from app.store.bodies import StoredBodies, insert_bodies
from app.store.db import Database
from app.store.times import now_ms

log = logging.getLogger(__name__)

MAX_BYTES = 1024 * 1024
"""Of either side; what is longer is cut."""

BATCH_S = 0.2
# A transaction of so much keeps an SQLite file for some milliseconds.
BATCH_BYTES = 256 * 1024
RETRY_S = 1.0
# While the database is away; what comes beyond is left out and told.
MAX_WAITING_BYTES = 64 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Bodies:
    """Both sides of one call, in the clear; `request_bytes` and `reply_bytes` are how many there were before they were cut."""

    request: bytes
    reply: bytes
    request_bytes: int
    reply_bytes: int


class Collected:
    """Both sides of one call while it is under way: `feed` it what goes to the client, and `close` it at the end."""

    def __init__(self, keep: Callable[[str, Bodies], None], request_id: str, request: bytes) -> None:
        self._keep = keep
        self._request_id = request_id
        self._request = request[:MAX_BYTES]
        self._request_bytes = len(request)
        self._reply = bytearray()
        self._reply_bytes = 0

    def feed(self, chunk: bytes) -> None:
        """The next bytes for the client."""
        self._reply_bytes += len(chunk)
        if room := MAX_BYTES - len(self._reply):
            self._reply += chunk[:room]

    def close(self) -> None:
        """Hand over what there is."""
        bodies = Bodies(self._request, bytes(self._reply), self._request_bytes, self._reply_bytes)
        self._keep(self._request_id, bodies)


class BodyLog:
    """`begin` with each call of which bodies are kept; `run` writes what has come, `aclose` the rest.

    Args:
        find_key: the key; asked for when it is first needed, in a thread. It raises `InvalidKey`.
    """

    def __init__(self, db: Database, find_key: Callable[[], bytes]) -> None:
        self._db = db
        self._find_key = find_key
        self._key: bytes | None = None
        self._waiting: list[tuple[str, Bodies]] = []
        self._waiting_bytes = 0
        self._lost = 0
        self._writing = asyncio.Lock()
        self._came = asyncio.Event()

    def begin(self, request_id: str, request: bytes) -> Collected:
        """Collect both sides of a call that asks `request`."""
        return Collected(self._keep, request_id, request)

    async def run(self) -> None:
        """Write what comes for as long as the gateway runs."""
        while True:
            await self._came.wait()
            await asyncio.sleep(BATCH_S)
            try:
                await self.flush()
            except (Unavailable, InvalidKey) as exc:
                log.warning("bodies of %d calls wait: %s", len(self._waiting), exc)
                await asyncio.sleep(RETRY_S)
                self._came.set()

    async def flush(self) -> None:
        """Write all that waits.

        Raises:
            DatabaseUnavailable, InvalidKey: what was not written stays.
        """
        async with self._writing:
            self._came.clear()
            while batch := list(self._next_batch()):
                await self._write(batch)
                del self._waiting[: len(batch)]
                self._waiting_bytes -= sum(_size(bodies) for _, bodies in batch)
            self._tell_lost()

    async def aclose(self) -> None:
        """Write the rest; what cannot be written is told."""
        try:
            await self.flush()
        except (Unavailable, InvalidKey) as exc:
            log.warning("bodies of calls cannot be written: %s", exc)
        finally:
            self._lost += len(self._waiting)
            self._tell_lost()

    def _keep(self, request_id: str, bodies: Bodies) -> None:
        if self._waiting_bytes + _size(bodies) > MAX_WAITING_BYTES:
            self._lost += 1
            return
        self._waiting.append((request_id, bodies))
        self._waiting_bytes += _size(bodies)
        self._came.set()

    def _next_batch(self) -> Iterator[tuple[str, Bodies]]:
        """One, or as many as are not too much together."""
        room = BATCH_BYTES
        for index, (request_id, bodies) in enumerate(self._waiting):
            room -= _size(bodies)
            if room < 0 and index:
                return
            yield request_id, bodies

    async def _write(self, batch: Sequence[tuple[str, Bodies]]) -> None:
        if self._key is None:
            self._key = await asyncio.to_thread(self._find_key)
        key = self._key
        sealed = await asyncio.to_thread(lambda: [seal_bodies(key, *each) for each in batch])
        await insert_bodies(self._db, sealed)

    def _tell_lost(self) -> None:
        if self._lost:
            log.error("the bodies of %d calls were left out: they could not be written in time", self._lost)
            self._lost = 0


def seal_bodies(key: bytes, request_id: str, bodies: Bodies) -> StoredBodies:
    """Both sides as they are kept, each bound to its call and its side."""
    return StoredBodies(
        request_id,
        now_ms(),
        seal(key, bodies.request, f"{request_id} request"),
        seal(key, bodies.reply, f"{request_id} reply"),
        bodies.request_bytes,
        bodies.reply_bytes,
    )


def unseal_bodies(key: bytes, stored: StoredBodies) -> Bodies:
    """Both sides as they were.

    Raises:
        NotUnsealed: with another key, or they have been changed since.
    """
    try:
        request = unseal(key, stored.request, f"{stored.request_id} request")
        reply = unseal(key, stored.reply, f"{stored.request_id} reply")
    except NotUnsealed as exc:
        raise NotUnsealed(f"What {stored.request_id} asked and got cannot be read: {exc}.") from None
    return Bodies(request, reply, stored.request_bytes, stored.reply_bytes)


def _size(bodies: Bodies) -> int:
    return len(bodies.request) + len(bodies.reply)
