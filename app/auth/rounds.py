"""Asks the database for what calls want of their limits: those of one token that come meanwhile, all by the next transaction.

Who waits for the row of a token's limit is then one of each worker, not one of each call: a crowd of callers would wait for
one another longer than a call may wait for an answer.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass

from app.core.limits import Ask, Reservation
from app.store.db import Database
from app.store.limits import reserve, reserve_together

_NOTHING = Reservation(False, ())


@dataclass(slots=True, eq=False)
class Asked:
    """What one call asks for. Who does not wait for the answer any more says so, and looks after what may be reserved then.

    Attributes:
        answer: also the error, where the database did not answer.
    """

    call_id: str
    asks: Sequence[Ask]
    answer: asyncio.Future[Reservation]
    is_wanted: bool = True


class Rounds:
    """One transaction at a time for each token.

    Args:
        prepare: awaited before each.
    """

    def __init__(self, db: Database, worker_id: str, prepare: Callable[[], Awaitable[None]]) -> None:
        self._db = db
        self._worker_id = worker_id
        self._prepare = prepare
        self._next: dict[str, list[Asked]] = {}
        self._under_way: set[asyncio.Task[None]] = set()

    def ask(self, call_id: str, asks: Sequence[Ask]) -> Asked:
        """Let a call come with the next round of its token."""
        asked = Asked(call_id, asks, asyncio.get_running_loop().create_future())
        subject = asks[0].cap.subject
        if subject in self._next:
            self._next[subject].append(asked)
        else:
            self._next[subject] = [asked]
            task = asyncio.create_task(self._run(subject))
            self._under_way.add(task)
            task.add_done_callback(self._under_way.discard)
        return asked

    async def _run(self, subject: str) -> None:
        while calls := self._next[subject]:
            self._next[subject] = []
            try:
                await self._answer(calls)
            except Exception as exc:
                for asked in calls:
                    if not asked.answer.done():
                        asked.answer.set_exception(exc)
                        asked.answer.exception()  # who left does not look
        del self._next[subject]

    async def _answer(self, calls: Sequence[Asked]) -> None:
        await self._prepare()
        together = await self._reserve_together(calls) if len(calls) > 1 else {}
        for asked in calls:
            reservation = together.get(asked.call_id)
            if reservation is None:  # not all of them fit; some may
                reservation = await self._reserve(asked) if asked.is_wanted else _NOTHING
            asked.answer.set_result(reservation)

    async def _reserve_together(self, calls: Sequence[Asked]) -> Mapping[str, Reservation]:
        def read_asks() -> dict[str, Sequence[Ask]]:
            return {asked.call_id: asked.asks for asked in calls if asked.is_wanted}

        return await reserve_together(self._db, self._worker_id, read_asks)

    async def _reserve(self, asked: Asked) -> Reservation:
        return await reserve(self._db, self._worker_id, asked.call_id, asked.asks, lambda: asked.is_wanted)
