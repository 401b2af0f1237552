"""Tells what all workers have under way, and stops a call at whichever of them.

Nothing is written while nobody looks: each worker asks the database once a second whether somebody does.
"""

import asyncio
import contextlib
import logging
from collections.abc import AsyncGenerator, Callable, Mapping
from typing import Protocol

from app.core.audit import changing
from app.core.call import Target
from app.live.snapshot import LiveCall, ProviderReach, Snapshot, TargetHealth, read_snapshot, together, write_snapshot
from app.pipeline.board import Health
from app.providers.trial import Trial
from app.store.audit import acting
from app.store.db import Database, DatabaseUnavailable
from app.store.live import ask_stop, delete_live, note_stopped, read_live, read_wishes, watch, write_live
from app.store.times import now_ms

log = logging.getLogger(__name__)

LOOK_S = 1.0
_ALL_TELL_S = 1.5 * LOOK_S
"""After so long all workers have seen that somebody looks."""
# A look is told of for so long: more than a worker that is busy takes from one question to the next.
_WATCH_MS = 8_000
_RENEW_MS = 3_000
_FRESH_MS = 8_000
_STOP_MS = 8_000
"""A call that no worker has stopped by then had ended when that was asked."""
_MOST_CALLS = 200
_MOST_TARGETS = 100


class UnderWay(Protocol):
    """The calls of this worker."""

    def __len__(self) -> int:
        """How many they are."""

    def calls(self, most: int) -> list[LiveCall]:
        """The oldest of them."""

    def find(self, request_id: str) -> LiveCall | None:
        """The one of that id."""

    def stop(self, request_id: str) -> bool:
        """End one at once; False where there is none of that id."""


class NoSuchCall(Exception):
    """It has ended, or never was."""


class LiveCalls:
    """`run` beside the calls, `close` as soon as the gateway begins to stop, `aclose` at the end.

    Args:
        healths: how the targets have done at this worker.
        trials: how asking providers last went here, by their keys.
    """

    def __init__(
        self,
        db: Database,
        worker_id: str,
        under_way: UnderWay,
        healths: Callable[[], Mapping[Target, Health]],
        trials: Callable[[], Mapping[str, Trial]],
    ) -> None:
        self._db = db
        self._worker_id = worker_id
        self._under_way = under_way
        self._healths = healths
        self._trials = trials
        self._is_written = False
        self._renewed_at = 0
        self._closed = asyncio.Event()

    async def run(self) -> None:
        """Look once a second, for ever. It outlives a database that does not answer."""
        while True:
            await asyncio.sleep(LOOK_S)
            with contextlib.suppress(DatabaseUnavailable):
                await self._look()

    def close(self) -> None:
        """End what all follow."""
        self._closed.set()

    async def aclose(self) -> None:
        """Leave nothing behind."""
        if self._is_written:
            await delete_live(self._db, self._worker_id)

    async def now(self) -> Snapshot:
        """Of all workers. The first look takes a second or two, in which all of them write theirs.

        Raises:
            DatabaseUnavailable: the others cannot be asked.
        """
        if not await self._watch():
            await asyncio.sleep(_ALL_TELL_S)
        return await self._read()

    async def follow(self) -> AsyncGenerator[Snapshot, None]:
        """The same, at once and then each second, until `close`. What the database cannot tell is left out."""
        while not self._closed.is_set():
            try:
                await self._watch()
                snapshot = await self._read()
            except DatabaseUnavailable:
                snapshot = self._own()
            yield snapshot
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(LOOK_S):
                    await self._closed.wait()

    async def stop(self, request_id: str) -> None:
        """End a call. At another worker it happens within a second or two.

        Raises:
            NoSuchCall: no worker has it.
            DatabaseUnavailable: it is not stopped.
        """
        if (own := self._under_way.find(request_id)) is not None:
            async with acting(self._db, "call.stop", request_id, before=_told(own)):
                if not self._under_way.stop(request_id):
                    raise NoSuchCall(request_id)
            return
        call = await self._find(request_id)
        with changing("call.stop", request_id, before=_told(call)):
            await ask_stop(self._db, request_id, now_ms())

    async def _look(self) -> None:
        now = now_ms()
        is_watched, stops = await read_wishes(self._db, now)
        stopped = [id_ for id_ in stops if self._under_way.stop(id_)]
        if stopped:
            log.info("stopped by an administrator: %s", ", ".join(stopped))
        ended = [id_ for id_, asked_at in stops.items() if asked_at < now - _STOP_MS]
        if stopped or ended:
            await note_stopped(self._db, [*stopped, *ended])
        own = self._own() if is_watched else Snapshot()
        if not own.is_empty:
            self._is_written = True
            await write_live(self._db, self._worker_id, now, write_snapshot(own))
        elif self._is_written:
            await delete_live(self._db, self._worker_id)
            self._is_written = False

    async def _find(self, request_id: str) -> LiveCall:
        """At any worker; looked for twice, as the others may just have begun to tell."""
        for wait_s in (_ALL_TELL_S, 0.0):
            for call in (await self.now()).calls:
                if call.id == request_id:
                    return call
            await asyncio.sleep(wait_s)
        raise NoSuchCall(request_id)

    async def _watch(self) -> bool:
        """Whether the others have been telling for a while."""
        now = now_ms()
        if now - self._renewed_at < _RENEW_MS:
            return True
        watched = await watch(self._db, now=now, until=now + _WATCH_MS)
        self._renewed_at = now
        return watched

    async def _read(self) -> Snapshot:
        others = []
        for written in await read_live(self._db, but=self._worker_id, since=now_ms() - _FRESH_MS):
            with contextlib.suppress(TypeError, KeyError):  # another version wrote it
                others.append(read_snapshot(written))
        return together([self._own(), *others])

    def _own(self) -> Snapshot:
        targets = [_health(target, health) for target, health in self._healths().items()]
        targets.sort(key=lambda each: (each.state == "closed", -each.calls))
        reaches = [_reach(key, trial) for key, trial in self._trials().items()]
        return Snapshot(len(self._under_way), self._under_way.calls(_MOST_CALLS), targets[:_MOST_TARGETS], reaches)


def _health(target: Target, health: Health) -> TargetHealth:
    first_byte_s = health.first_byte_s
    return TargetHealth(
        target.provider,
        target.model,
        target.secret + 1,
        health.state,
        health.calls,
        health.failures,
        health.under_way,
        None if first_byte_s is None else round(first_byte_s * 1000, 1),
        round(health.retry_s, 1),
    )


def _reach(provider: str, trial: Trial) -> ProviderReach:
    models = None if trial.told is None else len(trial.told)
    return ProviderReach(provider, trial.can_be_used, trial.words, models, trial.at, trial.ms)


def _told(call: LiveCall) -> dict[str, object]:
    return {"username": call.username, "name": call.name, "provider": call.provider, "model": call.model}
