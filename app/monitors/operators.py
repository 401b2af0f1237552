"""What operators do with the monitors of all users. Each change of theirs stands in the audit log."""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass

from app.core.audit import changing
from app.core.cursors import InvalidCursor, read_cursor, write_cursor
from app.core.errors import InvalidRequest, RelayError
from app.monitors.asked import AskedMonitor
from app.monitors.creating import Created, Creation
from app.monitors.desk import STATUSES, MonitorDesk
from app.monitors.reconciling import Reconciled, Reconciler
from app.monitors.remote import EVENT_TYPES
from app.store.audit import acting
from app.store.db import Database
from app.store.monitors.deliveries import Delivery
from app.store.monitors.events import ListedGroup, find_event_group
from app.store.monitors.fetches import ask_again
from app.store.monitors.pages import Filter as Filter
from app.store.monitors.pages import Place, read_monitors
from app.store.monitors.rows import Monitor
from app.store.monitors.webhooks import TakenWebhook, last_webhooks
from app.store.times import now_ms
from app.store.tokens import list_tokens


class NoSuchEventGroup(RelayError):
    """The monitor has none of that id that is not here yet."""

    status = 404
    type = "invalid_request_error"
    code = "event_group_not_found"


@dataclass(frozen=True, slots=True)
class Lack:
    """A setting without which monitors do not work, and what does not."""

    setting: str
    words: str


@dataclass(frozen=True, slots=True)
class MonitorPage:
    """Some monitors; `next_cursor` is where the next page begins, None where this is the last."""

    monitors: Sequence[Monitor]
    next_cursor: str | None


class OperatorDesk:
    """All functions raise `DatabaseUnavailable`.

    Args:
        lacks: what is not set up now.
        on_asked: called when an event group is to be asked for again.
        clock: milliseconds since 1970.
    """

    def __init__(
        self,
        database: Database,
        desk: MonitorDesk,
        creation: Creation,
        reconciler: Reconciler,
        *,
        lacks: Callable[[], Sequence[Lack]],
        on_asked: Callable[[], None] = lambda: None,
        clock: Callable[[], int] = now_ms,
    ) -> None:
        self._database = database
        self._desk = desk
        self._creation = creation
        self._reconciler = reconciler
        self.lacks = lacks
        self._on_asked = on_asked
        self._clock = clock

    async def page(self, wanted: Filter, *, cursor: str | None = None, limit: int = 50) -> MonitorPage:
        """Monitors of all users, the newest first.

        Raises:
            InvalidRequest: there is no such status, or no page gave that cursor.
        """
        if wanted.status and wanted.status not in STATUSES:
            raise InvalidRequest(f"'status' must be one of {', '.join(STATUSES)}.", param="status")
        after = None if cursor is None else _read_cursor(cursor)
        found = await read_monitors(self._database, wanted, after=after, most=limit + 1)
        shown = found[:limit]
        return MonitorPage(shown, _write_cursor(shown[-1]) if len(found) > limit else None)

    async def create(
        self,
        username: str,
        asked: AskedMonitor,
        *,
        webhook_url: str | None = None,
        event_types: Sequence[str] = EVENT_TYPES,
    ) -> Created:
        """One for a user.

        Raises:
            InvalidRequest: nobody of that name has a token, or it cannot be had so.
            Unavailable, RelayError: as `Creation.create`.
        """
        if username not in {token.username for token in await list_tokens(self._database)}:
            raise InvalidRequest(f"There is no user {username!r} with a token.", param="username")
        return await self._creation.create(username, asked, webhook_url=webhook_url, event_types=event_types)

    async def show(self, handle: str) -> Monitor:
        """One by its id, or by Parallel's.

        Raises:
            NoSuchMonitor: there is none.
        """
        return await self._desk.show(None, handle)

    async def cancel(self, handle: str) -> Monitor:
        """End one, as `MonitorDesk.cancel` does.

        Raises:
            NoSuchMonitor: there is none.
            MonitorNotActive: it is being created.
        """
        monitor = await self.show(handle)
        if monitor.status != "active":
            return await self._desk.cancel(None, handle)
        after = {"username": monitor.username, "status": "cancelling"}
        with changing("monitor.cancel", monitor.handle, before=after | {"status": monitor.status}, after=after):
            return await self._desk.cancel(None, handle)

    async def trigger(self, handle: str) -> Monitor:
        """Have one run now, beside its usual runs.

        Raises:
            NoSuchMonitor, MonitorNotActive, RelayError: as `MonitorDesk.trigger`.
        """
        monitor = await self._desk.running(None, handle)
        async with acting(self._database, "monitor.trigger", monitor.handle, after={"username": monitor.username}):
            return await self._desk.trigger(None, handle)

    async def reconcile(self) -> Reconciled:
        """Bring the monitors here and those at Parallel together, as a running gateway does hourly.

        Raises:
            RelayError: Parallel or the database does not answer; what was done until then stays done.
        """
        async with acting(self._database, "monitor.reconcile", "all") as told:
            done = await self._reconciler.reconcile()
            told |= asdict(done)
        return done

    async def events(self, handle: str, most: int) -> tuple[Monitor, list[ListedGroup]]:
        """One, and its last event groups, the newest first.

        Raises:
            NoSuchMonitor: there is none.
        """
        monitor = await self.show(handle)
        return monitor, await self._desk.events(None, monitor.id, most)

    async def fetch_again(self, handle: str, event_group_id: str) -> None:
        """Have an event group that is not here asked for at once, also where it was given up.

        Raises:
            NoSuchMonitor: there is none.
            NoSuchEventGroup: the monitor has none of that id, or it is here.
        """
        monitor = await self.show(handle)
        group = await find_event_group(self._database, event_group_id)
        if group is not None and group.monitor_id == monitor.id and group.fetched_at is None:
            with changing("monitor.fetch", monitor.handle, after={"event_group": group.id, "was": group.state}):
                if await ask_again(self._database, monitor.id, group.id, self._clock()):
                    self._on_asked()
                    return
        raise NoSuchEventGroup(
            f"The monitor {handle!r} has no report {event_group_id!r} that is still to be fetched.",
            param="event_group_id",
        )

    async def webhooks(self, handle: str | None, most: int) -> list[TakenWebhook]:
        """What Parallel told of a monitor, or of all: the newest first.

        Raises:
            NoSuchMonitor: there is none.
        """
        if handle is None:
            return await last_webhooks(self._database, None, most)
        monitor = await self.show(handle)
        return [] if monitor.parallel_id is None else await last_webhooks(self._database, monitor.parallel_id, most)

    async def deliveries(self, handle: str, most: int) -> list[Delivery]:
        """What was passed on of one, or is to be; the newest first.

        Raises:
            NoSuchMonitor: there is none.
        """
        return await self._desk.deliveries(None, handle, most)

    async def replay(self, handle: str, delivery_id: str) -> Delivery:
        """Have one sent again, however it ended.

        Raises:
            NoSuchMonitor, NoSuchDelivery: there is none.
        """
        found = await self._desk.find_delivery(None, handle, delivery_id)
        with changing(
            "monitor.replay",
            delivery_id,
            before={"status": found.status},
            after={"status": "pending", "monitor": handle},
        ):
            return await self._desk.replay(None, handle, delivery_id)


def _write_cursor(last: Monitor) -> str:
    return write_cursor(last.created_at, last.id)


def _read_cursor(cursor: str) -> Place:
    try:
        created_at, monitor_id = read_cursor(cursor, int, str)
    except InvalidCursor as exc:
        raise InvalidRequest(str(exc), param="cursor") from None
    return created_at, monitor_id
