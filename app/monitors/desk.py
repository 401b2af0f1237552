"""Users' monitors: what a user, or an operator for one, can do with them."""

import asyncio
import logging
import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from app.core.errors import RelayError, Unavailable, UpstreamFailure
from app.monitors.asked import MOST_VALUE_CHARACTERS, AskedMonitor
from app.monitors.ending import Ending
from app.monitors.parallel import ParallelMonitors
from app.monitors.remote import EVENT_TYPES, OUR_KEY, USER_KEY, NewMonitor, RemoteMonitor
from app.store.db import Database, DatabaseUnavailable
from app.store.monitors.deliveries import Delivery, find_delivery, list_deliveries, replay_delivery
from app.store.monitors.events import ListedGroup, list_event_groups
from app.store.monitors.rows import (
    Monitor,
    activate,
    add_monitor,
    begin_cancel,
    fail_creation,
    find_monitor,
    list_monitors,
)
from app.store.times import MS_PER_HOUR, now_ms

log = logging.getLogger(__name__)

MOST_LISTED = 1000


class NoSuchMonitor(RelayError):
    """The user has none of that id."""

    status = 404
    type = "invalid_request_error"
    code = "monitor_not_found"


class MonitorNotActive(RelayError):
    """It has ended, or has not begun."""

    status = 409
    type = "invalid_request_error"
    code = "monitor_not_active"


class NoSuchDelivery(RelayError):
    """The monitor has none of that id."""

    status = 404
    type = "invalid_request_error"
    code = "delivery_not_found"


@dataclass(frozen=True, slots=True)
class Created:
    """A new monitor.

    Attributes:
        replaced: those that it took the place of, by what came of cancelling them: why Parallel has not agreed yet, or None.
    """

    monitor: Monitor
    webhook_url: str
    replaced: Sequence[tuple[Monitor, str | None]]


class MonitorDesk:
    """Creates, shows, triggers and ends monitors; each only for the user whose it is.

    Args:
        webhook_url: where Parallel is to report to; None where the operator has not said.
        per_user: the most active ones of a user.
        lifetime_hours: of each.
        check_forward_url: raises `InvalidRequest` where nothing can be passed on to an address.
        new_secret: makes what messages to such an address are signed with.
        on_replay: called when there is something to be sent again.
        clock: milliseconds since 1970.
    """

    def __init__(
        self,
        database: Database,
        remote: ParallelMonitors,
        ending: Ending,
        *,
        webhook_url: str | None,
        per_user: int,
        lifetime_hours: int,
        check_forward_url: Callable[[str], None],
        new_secret: Callable[[], str],
        on_replay: Callable[[], None] = lambda: None,
        clock: Callable[[], int] = now_ms,
    ) -> None:
        self._database = database
        self._remote = remote
        self._ending = ending
        self._webhook_url = webhook_url
        self._per_user = per_user
        self._lifetime_ms = lifetime_hours * MS_PER_HOUR
        self._check_forward_url = check_forward_url
        self._new_secret = new_secret
        self._on_replay = on_replay
        self._clock = clock
        self._under_way: set[asyncio.Task[Created]] = set()

    async def create(
        self,
        username: str,
        asked: AskedMonitor,
        *,
        token_id: str | None = None,
        webhook_url: str | None = None,
        event_types: Sequence[str] = EVENT_TYPES,
    ) -> Created:
        """A new monitor of `username`, in the place of the oldest where there are as many as a user may have.

        It is made to its end also where nobody waits for it any more: half a monitor would be nobody's.

        Raises:
            InvalidRequest: it cannot be had so.
            Unavailable: monitors are not set up here, or the database does not answer.
            RelayError: Parallel refused, or did not answer. All is as it was before.
        """
        webhook_url = webhook_url or self._webhook_url
        if webhook_url is None:
            raise Unavailable(
                "Monitors are not set up here: MONITOR_WEBHOOK_URL, where Parallel is to report to, is not set.",
                code="monitors_not_set_up",
            )
        secret = None
        if asked.forward_url is not None:
            self._check_forward_url(asked.forward_url)
            secret = self._new_secret()
        now = self._clock()
        monitor = Monitor(
            f"mon_{secrets.token_hex(12)}",
            username,
            asked.query,
            asked.frequency,
            asked.processor,
            "creating",
            now,
            now + self._lifetime_ms,
            token_id,
            forward_url=asked.forward_url,
            forward_secret=secret,
        )
        new = NewMonitor(
            asked.query,
            asked.frequency,
            asked.processor,
            asked.output_schema,
            webhook_url,
            tuple(event_types),
            {**(asked.metadata or {}), OUR_KEY: monitor.id, USER_KEY: username[:MOST_VALUE_CHARACTERS]},
        )
        task = asyncio.create_task(self._create(monitor, new, webhook_url))
        self._under_way.add(task)
        task.add_done_callback(self._ended)
        return await asyncio.shield(task)

    async def _create(self, monitor: Monitor, new: NewMonitor, webhook_url: str) -> Created:
        await add_monitor(self._database, monitor)
        try:
            remote = await self._create_there(monitor, new)
        except RelayError as exc:
            await self._note_failure(monitor, exc.message)
            raise
        try:
            replaced = await activate(self._database, monitor, remote.id, most=self._per_user, now=self._clock())
        except DatabaseUnavailable as exc:
            if not exc.in_doubt:  # else it may be active, and the reconciler finds out
                await self._undo(monitor, remote.id, str(exc))
            raise
        if replaced is None:
            await self._undo(monitor, remote.id, "it took too long")
            raise Unavailable("The monitor took too long to be created, and was undone. Try again.")
        monitor = replace(monitor, status="active", parallel_id=remote.id)
        log.info("monitor %s of %s is active: every %s", remote.id, monitor.username, monitor.frequency)
        return Created(monitor, webhook_url, [(each, await self._try_to_end(each)) for each in replaced])

    async def _create_there(self, monitor: Monitor, new: NewMonitor) -> RemoteMonitor:
        """Where Parallel's answer was lost on the way, it is looked up whether the monitor is there all the same."""
        try:
            return await self._remote.create(new)
        except UpstreamFailure as exc:
            if not exc.in_doubt:
                raise
            log.warning("monitor %s may have been created, and is looked for: %s", monitor.id, exc.message)
            try:
                there = await self._remote.list_active()
            except RelayError:
                raise exc from None
            found = [each for each in there if each.metadata.get(OUR_KEY) == monitor.id]
            if not found:
                raise
            return found[0]

    def _ended(self, task: asyncio.Task[Created]) -> None:
        self._under_way.discard(task)
        if not task.cancelled() and (exc := task.exception()) is not None and not isinstance(exc, RelayError):
            log.error("a monitor could not be created by a fault of ours", exc_info=exc)

    async def aclose(self) -> None:
        """Wait for what is being created."""
        if self._under_way:
            await asyncio.wait(self._under_way)

    async def list_all(self, username: str | None) -> list[Monitor]:
        """Those of a user, or of all users; the newest first."""
        return await list_monitors(self._database, username, MOST_LISTED)

    async def show(self, username: str | None, handle: str) -> Monitor:
        """One by its id, or by Parallel's.

        Raises:
            NoSuchMonitor: there is none, or it is another user's.
        """
        monitor = await find_monitor(self._database, handle)
        if monitor is None or username not in (None, monitor.username):
            raise NoSuchMonitor(f"There is no monitor {handle!r}. GET /v1/monitors lists yours.", param="monitor_id")
        return monitor

    async def cancel(self, username: str | None, handle: str) -> Monitor:
        """End one. Where Parallel does not agree now, it is `cancelling`, and Parallel is asked again.

        Raises:
            NoSuchMonitor: as `show`.
            MonitorNotActive: it is being created.
        """
        monitor = await self.show(username, handle)
        if monitor.status == "creating":
            raise MonitorNotActive(f"The monitor {handle!r} is being created. Try again in a moment.")
        if await begin_cancel(self._database, monitor.id, "user", self._clock()):
            monitor = await self.show(username, monitor.id)
            await self._try_to_end(monitor)
        return await self.show(username, monitor.id)

    async def trigger(self, username: str | None, handle: str) -> Monitor:
        """Have one run now, beside its usual runs.

        Raises:
            NoSuchMonitor: as `show`.
            MonitorNotActive: it does not run at all.
            RelayError: Parallel refused, or did not answer.
        """
        monitor = await self.show(username, handle)
        if monitor.status != "active" or monitor.parallel_id is None:
            raise MonitorNotActive(f"The monitor {handle!r} is {monitor.status}, and runs no more.")
        await self._remote.trigger(monitor.parallel_id)
        return monitor

    async def events(self, username: str | None, handle: str, most: int) -> list[ListedGroup]:
        """The last event groups of one, the newest first.

        Raises:
            NoSuchMonitor: as `show`.
        """
        monitor = await self.show(username, handle)
        return await list_event_groups(self._database, monitor.id, most)

    async def deliveries(self, username: str | None, handle: str, most: int) -> list[Delivery]:
        """What was passed on of one, or is to be; the newest first.

        Raises:
            NoSuchMonitor: as `show`.
        """
        monitor = await self.show(username, handle)
        return await list_deliveries(self._database, monitor.id, most)

    async def replay(self, username: str | None, handle: str, delivery_id: str) -> Delivery:
        """Have one sent again, however it ended.

        Raises:
            NoSuchMonitor: as `show`.
            NoSuchDelivery: there is none of that id.
        """
        monitor = await self.show(username, handle)
        found = await find_delivery(self._database, delivery_id)
        if found is None or found.monitor_id != monitor.id:
            raise NoSuchDelivery(f"The monitor {handle!r} has no delivery {delivery_id!r}.", param="delivery_id")
        await replay_delivery(self._database, delivery_id, self._clock())
        self._on_replay()
        return await find_delivery(self._database, delivery_id) or found

    async def _try_to_end(self, monitor: Monitor) -> str | None:
        try:
            return await self._ending.end(monitor)
        except DatabaseUnavailable as exc:
            return exc.message

    async def _note_failure(self, monitor: Monitor, why: str) -> None:
        try:
            await fail_creation(self._database, monitor.id, why, now=self._clock())
        except DatabaseUnavailable as exc:
            log.warning("monitor %s: that it could not be created is not kept: %s", monitor.id, exc)

    async def _undo(self, monitor: Monitor, parallel_id: str, why: str) -> None:
        """Cancel at Parallel what could not be kept here; where that fails too, the reconciler does it."""
        log.warning("monitor %s was created at Parallel, but could not be kept (%s): it is cancelled", parallel_id, why)
        try:
            await self._remote.cancel(parallel_id)
        except RelayError as exc:
            log.warning("monitor %s could not be cancelled either, and will be later: %s", parallel_id, exc.message)
            return
        await self._note_failure(monitor, "The database could not keep it.")
