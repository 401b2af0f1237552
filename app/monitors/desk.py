"""Users' monitors: what a user, or an operator for one, can do with them."""

import logging
from collections.abc import Callable
from typing import get_args

from app.core.errors import RelayError
from app.monitors.ending import Ending
from app.monitors.parallel import ParallelMonitors
from app.store.db import Database
from app.store.monitors.deliveries import Delivery, find_delivery, list_deliveries, replay_delivery
from app.store.monitors.events import ListedGroup, list_event_groups
from app.store.monitors.rows import (
    Monitor,
    Status,
    begin_cancel,
    find_monitor,
    list_monitors,
)
from app.store.times import now_ms

log = logging.getLogger(__name__)

MOST_LISTED = 1000
STATUSES: tuple[Status, ...] = get_args(Status)


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


class MonitorDesk:
    """Shows, triggers and ends monitors; each only for the user whose it is.

    Args:
        on_replay: called when there is something to be sent again.
        clock: milliseconds since 1970.
    """

    def __init__(
        self,
        database: Database,
        remote: ParallelMonitors,
        ending: Ending,
        *,
        on_replay: Callable[[], None] = lambda: None,
        clock: Callable[[], int] = now_ms,
    ) -> None:
        self._database = database
        self._remote = remote
        self._ending = ending
        self._on_replay = on_replay
        self._clock = clock

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
            await self._ending.try_to_end(monitor)
        return await self.show(username, monitor.id)

    async def trigger(self, username: str | None, handle: str) -> Monitor:
        """Have one run now, beside its usual runs.

        Raises:
            NoSuchMonitor: as `show`.
            MonitorNotActive: it does not run at all.
            RelayError: Parallel refused, or did not answer.
        """
        monitor = await self.running(username, handle)
        await self._remote.trigger(monitor.parallel_id or "")
        return monitor

    async def running(self, username: str | None, handle: str) -> Monitor:
        """One that runs, and so has Parallel's id.

        Raises:
            NoSuchMonitor, MonitorNotActive: as `trigger`.
        """
        monitor = await self.show(username, handle)
        if monitor.status != "active" or monitor.parallel_id is None:
            raise MonitorNotActive(f"The monitor {handle!r} is {monitor.status}, and runs no more.")
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

    async def find_delivery(self, username: str | None, handle: str, delivery_id: str) -> Delivery:
        """One of them.

        Raises:
            NoSuchMonitor: as `show`.
            NoSuchDelivery: there is none of that id.
        """
        monitor = await self.show(username, handle)
        found = await find_delivery(self._database, delivery_id)
        if found is None or found.monitor_id != monitor.id:
            raise NoSuchDelivery(f"The monitor {handle!r} has no delivery {delivery_id!r}.", param="delivery_id")
        return found

    async def replay(self, username: str | None, handle: str, delivery_id: str) -> Delivery:
        """Have one sent again, however it ended.

        Raises:
            NoSuchMonitor, NoSuchDelivery: as `find_delivery`.
        """
        found = await self.find_delivery(username, handle, delivery_id)
        await replay_delivery(self._database, delivery_id, self._clock())
        self._on_replay()
        return await find_delivery(self._database, delivery_id) or found
