"""Brings what is known here of monitors and what Parallel has together, after whatever came between."""

import asyncio
import logging
import secrets
from collections.abc import Callable
from dataclasses import dataclass, field

from app.core.errors import RelayError, Unavailable
from app.monitors.ending import Ending
from app.monitors.failures import UnknownMonitor
from app.monitors.parallel import ParallelMonitors
from app.monitors.remote import ACTIVE, OUR_KEY, RemoteMonitor
from app.store.db import Database
from app.store.monitors.rows import (
    Monitor,
    fail_creation,
    find_monitor,
    finish_cancel,
    is_creation_overdue,
    monitors_with,
)
from app.store.rounds import begin_round
from app.store.times import MS_PER_HOUR, now_ms

log = logging.getLogger(__name__)

ROUND = "monitor-reconciling"
# What is younger may still be on its way: a create call has no longer than this.
GRACE_MS = 5 * 60_000
LOOK_S = 60.0
_LOST = "The gateway stopped before Parallel's answer was kept."


@dataclass(frozen=True, slots=True)
class Reconciled:
    """What was done.

    Attributes:
        closed: handles of monitors that Parallel does not know as active any more, closed here.
        cancelled: Parallel's ids of monitors that were active there but not here, cancelled there.
        failed: those that could not be cancelled or looked at, and why; they are tried again.
        given_up: ids of monitors that never came to be.
    """

    closed: list[str] = field(default_factory=list)
    cancelled: list[str] = field(default_factory=list)
    failed: dict[str, str] = field(default_factory=dict)
    given_up: list[str] = field(default_factory=list)


class Reconciler:
    """Compares both sides: at the start, hourly, and when an operator says so.

    A monitor at Parallel is ours where its metadata says so and either the database knows it or it reports to our address: an
    account may serve several gateways, and others' monitors are left alone.

    Args:
        webhook_url: where our monitors report to.
        is_set_up: whether Parallel can be asked at all.
        clock: milliseconds since 1970.
    """

    def __init__(
        self,
        database: Database,
        remote: ParallelMonitors,
        ending: Ending,
        webhook_url: str | None,
        *,
        is_set_up: Callable[[], bool] = lambda: True,
        clock: Callable[[], int] = now_ms,
    ) -> None:
        self._database = database
        self._remote = remote
        self._ending = ending
        self._webhook_url = webhook_url
        self._is_set_up = is_set_up
        self._clock = clock
        self._holder = secrets.token_hex(8)
        self._needed_since = clock()

    async def run(self) -> None:
        """Reconcile once after the start, then hourly and after creations that were cut off, for as long as the gateway runs; one worker does it for all."""
        while True:
            try:
                if (done := await self.look()) is not None:
                    tell(done)
            except Unavailable as exc:
                log.warning("monitors are reconciled later: %s", exc)
            except RelayError as exc:
                log.warning("monitors are reconciled later: %s", exc.message)
            await asyncio.sleep(LOOK_S)

    async def look(self) -> Reconciled | None:
        """Do it if it is time, or a creation was cut off, unless another worker has; None where it was not done.

        Raises:
            RelayError: as `reconcile`; it is time until it has gone well.
        """
        now = self._clock()
        since = max(self._needed_since, now - MS_PER_HOUR)
        if not self._is_set_up():
            return None
        if await is_creation_overdue(self._database, now - GRACE_MS):
            since = max(since, now - round(LOOK_S * 1000))
        if not await begin_round(self._database, ROUND, self._holder, now=now, since=since):
            return None
        self._needed_since = now + 1
        done = await self.reconcile()
        self._needed_since = 0
        return done

    async def reconcile(self) -> Reconciled:
        """Do it now.

        Raises:
            RelayError: Parallel or the database does not answer; what was done until then stays done.
        """
        done, began = Reconciled(), self._clock()
        there = {each.id: each for each in await self._remote.list_active()}
        for remote in there.values():
            await self._look_at_theirs(remote, began, done)
        for monitor in await monitors_with(self._database, "active"):
            if monitor.parallel_id not in there and monitor.created_at < began:
                await self._look_at_ours(monitor, done)
        for monitor in await monitors_with(self._database, "creating"):
            if monitor.created_at < began - GRACE_MS:
                await fail_creation(self._database, monitor.id, _LOST, now=self._clock())
                done.given_up.append(monitor.id)
        return done

    async def _look_at_theirs(self, remote: RemoteMonitor, began: int, done: Reconciled) -> None:
        """One that is active there: cancelled where it is not here."""
        our_id = remote.metadata.get(OUR_KEY)
        if our_id is None:
            return
        monitor = await find_monitor(self._database, remote.id) or await find_monitor(self._database, our_id)
        if monitor is None:
            if self._webhook_url is not None and remote.webhook_url == self._webhook_url:
                await self._cancel_there(remote.id, done)
            return
        if monitor.status == "creating" and monitor.created_at < began - GRACE_MS:
            await fail_creation(self._database, monitor.id, _LOST, now=self._clock(), parallel_id=remote.id)
            monitor = await find_monitor(self._database, monitor.id) or monitor
            if monitor.status == "cancelling":  # else it has come to be all the same
                _keep(done, remote.id, await self._ending.end(monitor))
        elif monitor.status in ("cancelled", "failed") or monitor.parallel_id not in (None, remote.id):
            await self._cancel_there(remote.id, done)

    async def _cancel_there(self, parallel_id: str, done: Reconciled) -> None:
        """Cancel what is still active there: since the list was read, others may have."""
        try:
            if (await self._remote.get(parallel_id)).status != ACTIVE:
                return
            await self._remote.cancel(parallel_id)
        except UnknownMonitor:
            return
        except RelayError as exc:
            _keep(done, parallel_id, exc.message)
            return
        _keep(done, parallel_id, None)

    async def _look_at_ours(self, monitor: Monitor, done: Reconciled) -> None:
        """One that is active here, but was not in the list: closed where Parallel says once more that it is not."""
        try:
            status = (await self._remote.get(monitor.parallel_id or "")).status
        except UnknownMonitor:
            status = "gone"
        except RelayError as exc:  # no reason to leave the others as they are
            _keep(done, monitor.handle, exc.message)
            return
        if status != ACTIVE and await finish_cancel(self._database, monitor.id, self._clock(), "gone"):
            done.closed.append(monitor.handle)


def tell(done: Reconciled) -> None:
    """Say in the log what was done, if anything."""
    for handle in done.closed:
        log.warning("monitor %s is not active at Parallel any more: closed", handle)
    for parallel_id in done.cancelled:
        log.warning("monitor %s was active at Parallel, but not here: cancelled there", parallel_id)
    for parallel_id, why in done.failed.items():
        log.error("monitor %s cannot be reconciled now: %s", parallel_id, why)
    for monitor_id in done.given_up:
        log.warning("monitor %s never came to be: the gateway stopped while it was created", monitor_id)


def _keep(done: Reconciled, parallel_id: str, why: str | None) -> None:
    if why is None:
        done.cancelled.append(parallel_id)
    else:
        done.failed[parallel_id] = why
