"""All of monitors, wired together: what users and commands ask of them, and what runs beside."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from functools import wraps

import httpx

from app.monitors.creating import Creation
from app.monitors.desk import MonitorDesk
from app.monitors.ending import Ending
from app.monitors.expiry import Expiry
from app.monitors.feed import EventFeed
from app.monitors.fetching import Fetcher
from app.monitors.forwarding import Forwarder, new_forward_secret
from app.monitors.operators import Lack, OperatorDesk
from app.monitors.parallel import ParallelMonitors
from app.monitors.pending import FETCH_S, PendingUpdates
from app.monitors.reconciling import Reconciler
from app.monitors.sweeping import Sweep
from app.monitors.webhooks import Receiver
from app.settings import InvalidSettings, Settings
from app.settings.monitors import PARALLEL_KEYS, WEBHOOK_SECRET, first_secret, read_webhook_secrets
from app.store.db import Database
from app.webhook_way import UserWebhookWay

LOOK_S = 5.0

FindSecret = Callable[[Sequence[str]], str | None]
Loop = Callable[[], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class MonitorService:
    """The parts of it.

    Attributes:
        is_set_up: whether there is a key to ask Parallel with.
    """

    creation: Creation
    desk: MonitorDesk
    operators: OperatorDesk
    expiry: Expiry
    reconciler: Reconciler
    receiver: Receiver
    fetcher: Fetcher
    pending: PendingUpdates
    feed: EventFeed
    forwarder: Forwarder
    way: UserWebhookWay
    sweep: Sweep
    is_set_up: Callable[[], bool]

    @property
    def loops(self) -> tuple[Loop, ...]:
        """What runs for as long as the gateway does; who has no key of Parallel's pays nothing for most of it."""
        when_set_up = (self.expiry, self.reconciler, self.fetcher, self.forwarder, self.sweep)
        return (self.pending.run, self.feed.run, *(self._when_set_up(each.run) for each in when_set_up))

    def _when_set_up(self, loop: Loop) -> Loop:
        @wraps(loop)
        async def run() -> None:
            while True:
                if self.is_set_up():
                    await loop()
                await asyncio.sleep(LOOK_S)

        return run

    async def aclose(self) -> None:
        """End what has been begun."""
        await self.creation.aclose()
        await self.way.aclose()
        await self.pending.aclose()


def open_monitors(
    settings: Settings,
    database: Database,
    transport: httpx.AsyncBaseTransport,
    find_secret: FindSecret,
    *,
    retention_days: Callable[[], int],
    on_given_up: Callable[[str], None] = lambda _: None,
) -> MonitorService:
    """Makes it; nothing is asked yet.

    Args:
        transport: that of calls to providers, by which Parallel is asked; it is not closed.
        find_secret: gives the first of these variables that is set at the moment.
        retention_days: gives the setting of now.
        on_given_up: called for each event group that is given up, with its id and why.
    """
    own = settings.monitors

    def key() -> str | None:
        try:
            return first_secret(find_secret(PARALLEL_KEYS))
        except InvalidSettings:  # a file that holds it was there at the start
            return None

    def is_set_up() -> bool:
        return key() is not None

    def webhook_secrets() -> Sequence[str]:
        try:
            return read_webhook_secrets(find_secret((WEBHOOK_SECRET,)))
        except InvalidSettings:
            return own.webhook_secrets

    remote = ParallelMonitors(transport, key, own.base_url)
    ending = Ending(database, remote)
    way = UserWebhookWay(settings)
    forwarder = Forwarder(database, way.send)
    creation = Creation(
        database,
        remote,
        ending,
        webhook_url=own.webhook_url,
        per_user=own.per_user,
        lifetime_hours=own.lifetime_hours,
        check_forward_url=way.check,
        new_secret=new_forward_secret,
    )
    desk = MonitorDesk(database, remote, ending, on_replay=forwarder.wake)
    reconciler = Reconciler(database, remote, ending, own.webhook_url, is_set_up=is_set_up)
    feed = EventFeed(database)

    async def on_fetched(*_: object) -> None:
        feed.wake()
        forwarder.wake()

    fetcher = Fetcher(database, remote, is_set_up, on_fetched=on_fetched, on_given_up=on_given_up)
    receiver = Receiver(database, webhook_secrets, insecure=own.webhook_insecure, on_stored=fetcher.wake)
    pending = PendingUpdates(database, lambda username: fetcher.fetch_pending(username, FETCH_S))

    def lacks() -> list[Lack]:
        found = []
        if not is_set_up():
            found.append(Lack(PARALLEL_KEYS[0], "Parallel has no API key: no monitor can be created, ended or asked."))
        if own.webhook_url is None:
            found.append(
                Lack("MONITOR_WEBHOOK_URL", "Parallel has no address to report to: no monitor can be created.")
            )
        if not webhook_secrets() and not own.webhook_insecure:
            found.append(Lack(WEBHOOK_SECRET, "What Parallel reports cannot be verified, and is refused."))
        return found

    operators = OperatorDesk(database, desk, creation, reconciler, lacks=lacks, on_asked=fetcher.wake)
    return MonitorService(
        creation,
        desk,
        operators,
        Expiry(database, ending),
        reconciler,
        receiver,
        fetcher,
        pending,
        feed,
        forwarder,
        way,
        Sweep(database, days=retention_days),
        is_set_up,
    )
