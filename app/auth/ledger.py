"""Limits beside calls a day: reserves what a call may use, exactly, over any number of workers.

What is reserved is a row of the database for each call and limit, written by one transaction with a sum that it may not
exceed. The row of the call settles it: the sum is then what was really used. So the limit holds also after `kill -9`, and
what a worker leaves reserved goes when its journal has been read.
"""

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from app.auth.rounds import Asked, Rounds
from app.core.limits import MAX_CONCURRENT, REQUESTS_PER_MINUTE, Ask, Reservation
from app.store.db import Database, DatabaseUnavailable
from app.store.limits import beat, release_calls, release_places, release_worker, tidy

# Calls of others under way mostly leave some of what they reserved; for as long a call waits for that.
REFUND_WAIT_S = 1.0
# A client that keeps to its number of calls at the same time, but for a moment, is not to be refused.
QUEUE_WAIT_S = 5.0
# What other workers settle is seen so often; what this one does, at once.
POLL_S = 0.05
# How long a call waits for a database that does not answer.
ANSWER_S = 5.0

_BEAT_EVERY_S = 10.0  # some times within LIVE_MS
_TIDY_EVERY_S = 3600.0
_RETRY_S = 1.0
_RETRY_AFTER_S = 5

log = logging.getLogger(__name__)


@dataclass(slots=True)
class _Queue:
    """The calls of one token that wait; only the first of them looks."""

    turn: asyncio.Lock = field(default_factory=asyncio.Lock)
    waiting: int = 0


class LimitLedger:
    """The ledger in the database. Run `run` beside it, and close it when all calls have ended and are written.

    Args:
        worker_id: of this process and this start, unlike any other; at most 64 characters.
        clock: seconds since the epoch.
    """

    def __init__(self, db: Database, worker_id: str, *, clock: Callable[[], float] = time.time) -> None:
        self._db = db
        self._worker_id = worker_id
        self._clock = clock
        self._queues: dict[str, _Queue] = {}
        self._settled = asyncio.Event()
        self._rounds = Rounds(db, worker_id, self._introduce)
        self._undoing: set[asyncio.Task[None]] = set()
        self._unwanted: set[str] = set()
        self._is_known = False
        self._places_released_at = 0.0

    async def reserve(self, call_id: str, asks: Sequence[Ask], deadline: float | None) -> Reservation:
        """Reserve all of `asks` for a call, or nothing; see `Ledger`.

        Calls of the same token that wait come in the order in which they came.

        Raises:
            DatabaseUnavailable: it did not answer within `ANSWER_S`, or cannot be used.
        """
        subject, arrived_at = asks[0].cap.subject, time.monotonic()
        if subject not in self._queues:
            reservation = await self._try(call_id, asks)
            if reservation.granted or not (wait_s := _worth_waiting_s(reservation)):
                return reservation
        else:
            wait_s = QUEUE_WAIT_S
        give_up_at = arrived_at + wait_s if deadline is None else min(arrived_at + wait_s, deadline)
        queue = self._queues.setdefault(subject, _Queue())
        queue.waiting += 1
        try:
            return await self._wait(queue, call_id, asks, arrived_at, give_up_at)
        finally:
            queue.waiting -= 1
            if not queue.waiting:
                del self._queues[subject]

    def wake(self) -> None:
        """Calls were settled: those that wait may look again."""
        self._settled.set()
        self._settled = asyncio.Event()

    async def bury(self, worker_id: str) -> None:
        """Release what a worker left that is no more, when all that it recorded is in the database.

        Raises:
            DatabaseUnavailable: do it again.
        """
        await release_worker(self._db, worker_id)
        self.wake()

    async def run(self) -> None:
        """Tell that this worker lives, release what nobody wants, and tidy up, for ever. It outlives a database that does not answer."""
        tidied_at = beat_at = 0.0
        while True:
            try:
                await self._release_unwanted()
                if self._is_known and time.monotonic() >= beat_at + _BEAT_EVERY_S:
                    await self._beat()
                    beat_at = time.monotonic()
                if self._clock() >= tidied_at + _TIDY_EVERY_S:
                    await tidy(self._db, self._clock())
                    tidied_at = self._clock()
            except DatabaseUnavailable as exc:
                log.warning("Limits could not be looked after; it is tried again. %s", exc)
            await asyncio.sleep(_RETRY_S)

    async def aclose(self) -> None:
        """Release what is left: of calls that were never recorded."""
        if self._undoing:
            await asyncio.wait(self._undoing)
        if not self._is_known:
            return
        try:
            await release_worker(self._db, self._worker_id)
        except DatabaseUnavailable:
            log.warning("What is reserved of limits could not be released; it is within a day", exc_info=True)

    async def _wait(
        self, queue: _Queue, call_id: str, asks: Sequence[Ask], arrived_at: float, give_up_at: float
    ) -> Reservation:
        """Try until it is granted or not worth waiting for; who does not come to the turn in time tries once more."""
        has_turn = await _acquire(queue.turn, give_up_at)
        try:
            while True:
                settled = self._settled
                reservation = await self._try(call_id, asks)
                over_at = min(give_up_at, arrived_at + _worth_waiting_s(reservation))
                if reservation.granted or not has_turn or time.monotonic() >= over_at:
                    return reservation
                await self._release_places(reservation)
                await _wait_for(settled, POLL_S)
        finally:
            if has_turn:
                queue.turn.release()

    async def _try(self, call_id: str, asks: Sequence[Ask]) -> Reservation:
        """Try once. Whatever happens to who waits for it, nothing stays reserved that nobody knows of."""
        asked = self._rounds.ask(call_id, asks)
        try:
            async with asyncio.timeout(ANSWER_S):
                return await asyncio.shield(asked.answer)
        except (TimeoutError, asyncio.CancelledError) as exc:
            asked.is_wanted = False
            self._undo(asked)
            if isinstance(exc, TimeoutError):
                raise _unavailable("it does not answer") from exc
            raise
        except DatabaseUnavailable as exc:
            if exc.in_doubt:
                self._unwanted.add(call_id)
            raise _unavailable(exc.message) from exc

    async def _introduce(self) -> None:
        if not self._is_known:
            await self._beat()  # nobody may take what is reserved for that of a dead worker

    def _undo(self, asked: Asked) -> None:
        task = asyncio.create_task(self._release_when_done(asked))
        self._undoing.add(task)
        task.add_done_callback(self._undoing.discard)

    async def _release_when_done(self, asked: Asked) -> None:
        try:
            may_be_there = (await asked.answer).granted
        except DatabaseUnavailable as exc:
            may_be_there = exc.in_doubt
        if may_be_there:
            self._unwanted.add(asked.call_id)
            with contextlib.suppress(DatabaseUnavailable):  # then `run` does it
                await self._release_unwanted()

    async def _release_unwanted(self) -> None:
        if call_ids := list(self._unwanted):
            await release_calls(self._db, call_ids)
            self._unwanted.difference_update(call_ids)
            self.wake()

    async def _release_places(self, reservation: Reservation) -> None:
        """Release those that dead workers hold, once a second at most."""
        if time.monotonic() < self._places_released_at + _RETRY_S:
            return
        for standing in reservation.standings:
            if standing.ask.cap.limit == MAX_CONCURRENT and not standing.fits:
                self._places_released_at = time.monotonic()
                with contextlib.suppress(DatabaseUnavailable):
                    await release_places(self._db, standing.ask.cap.subject, self._now_ms())

    async def _beat(self) -> None:
        await beat(self._db, self._worker_id, self._now_ms())
        self._is_known = True

    def _now_ms(self) -> int:
        return int(self._clock() * 1000)


def _worth_waiting_s(reservation: Reservation) -> float:
    """For how long calls under way may still make room for one that was refused."""
    tight = [standing for standing in reservation.standings if not standing.fits]
    # A request that was made stays made, whatever becomes of it.
    if any(not standing.may_fit or standing.ask.cap.limit == REQUESTS_PER_MINUTE for standing in tight):
        return 0.0
    return QUEUE_WAIT_S if all(standing.ask.cap.limit == MAX_CONCURRENT for standing in tight) else REFUND_WAIT_S


async def _acquire(turn: asyncio.Lock, until: float) -> bool:
    """Whether it is our turn before that moment, on the monotonic clock."""
    try:
        async with asyncio.timeout(until - time.monotonic()):
            return await turn.acquire()
    except TimeoutError:
        return False


async def _wait_for(event: asyncio.Event, most_s: float) -> None:
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(most_s):
            await event.wait()


def _unavailable(reason: str) -> DatabaseUnavailable:
    return DatabaseUnavailable(
        f"This token has limits that need the database, and they cannot be looked at now: {reason}",
        headers=[("retry-after", str(_RETRY_AFTER_S))],
    )
