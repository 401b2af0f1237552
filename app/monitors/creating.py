"""Creates monitors: whichever step fails, or is cut off, exactly one of a user's that was active stays so, or the new one is."""

import asyncio
import logging
import secrets
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace

from app.core.audit import changing
from app.core.errors import RelayError, Unavailable, UpstreamFailure
from app.monitors.asked import MOST_VALUE_CHARACTERS, AskedMonitor
from app.monitors.ending import Ending
from app.monitors.parallel import ParallelMonitors
from app.monitors.remote import EVENT_TYPES, OUR_KEY, USER_KEY, NewMonitor, RemoteMonitor
from app.store.db import Database, DatabaseUnavailable
from app.store.monitors.rows import Monitor, activate, add_monitor, fail_creation
from app.store.times import MS_PER_HOUR, now_ms

log = logging.getLogger(__name__)

STOP_S = 2.0
"""How long a stop waits for what is being created; a reconciler puts right what is cut off."""


@dataclass(frozen=True, slots=True)
class Created:
    """A new monitor.

    Attributes:
        replaced: those that it took the place of, by what came of cancelling them: why Parallel has not agreed yet, or None.
    """

    monitor: Monitor
    webhook_url: str
    replaced: Sequence[tuple[Monitor, str | None]]


class Creation:
    """Records what is to be, asks Parallel, makes it active in the place of the oldest, and cancels that one last.

    Args:
        webhook_url: where Parallel is to report to; None where the operator has not said.
        per_user: the most active ones of a user.
        lifetime_hours: of each.
        check_forward_url: raises `InvalidRequest` where nothing can be passed on to an address.
        new_secret: makes what messages to such an address are signed with.
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
            with _noted(monitor, remote.id):
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
        return Created(monitor, webhook_url, [(each, await self._ending.try_to_end(each)) for each in replaced])

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
        """Wait a little for what is being created."""
        if self._under_way:
            await asyncio.wait(self._under_way, timeout=STOP_S)

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


def _noted(monitor: Monitor, parallel_id: str) -> AbstractContextManager[object]:
    """That an operator made it is written down with it; what users make is theirs."""
    if monitor.token_id is not None:
        return nullcontext()
    told = ("username", "query", "frequency", "processor")
    after = {name: getattr(monitor, name) for name in told} | {"forwarded": monitor.forward_url is not None}
    return changing("monitor.create", parallel_id, after=after)
