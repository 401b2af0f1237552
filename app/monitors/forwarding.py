"""Passes event groups on to the addresses that their users gave, as Standard Webhooks says, until each has arrived.

https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
"""

import asyncio
import base64
import contextlib
import logging
import random
import secrets
from collections.abc import Awaitable, Callable, Mapping
from typing import Protocol

from app.core.errors import Unavailable
from app.monitors.messages import message_of
from app.store.db import Database
from app.store.monitors.deliveries import (
    Attempt,
    Parcel,
    claim_deliveries,
    note_delivered,
    note_failure,
    queue_deliveries,
    release_delivery,
)
from app.store.times import MS_PER_DAY, from_ms, now_ms

log = logging.getLogger(__name__)

LOOK_S = 5.0
AT_ONCE = 8
FIRST_PAUSE_MS = 5_000
LONGEST_PAUSE_MS = 3_600_000
GIVE_UP_MS = MS_PER_DAY
# More than an attempt may take; who claimed it and is no more has it for so long.
LEASE_MS = 60_000
# What was fetched while nobody ran is looked for at the start; then what transactions and clocks may be late by.
_FIRST_LOOK_MS = 7 * MS_PER_DAY
_LOOK_BACK_MS = 900_000
_GONE = 410


class Posted(Protocol):
    """What came of a message."""

    @property
    def status(self) -> int | None:
        """That was answered; None where none was."""

    @property
    def why(self) -> str | None:
        """Why it did not arrive; None where it did."""


Send = Callable[[str, bytes, Mapping[str, str]], Awaitable[Posted]]
"""Posts a body to an address, with headers. It ends in good time, and never tells the address."""


def new_forward_secret() -> str:
    """What one monitor's messages are signed with: 32 bytes by lot, as Standard Webhooks writes them."""
    return f"whsec_{base64.b64encode(secrets.token_bytes(32)).decode()}"


class Forwarder:
    """Sends what is due, as do the forwarders of other workers: each message goes out by one of them at a time.

    One message of a user at a time, so that a receiver that is slow delays nobody but its user.

    Args:
        clock: milliseconds since 1970.
        first_pause_ms: after the first attempt that fails; each pause is as long as all before it.
    """

    def __init__(
        self,
        database: Database,
        send: Send,
        *,
        clock: Callable[[], int] = now_ms,
        look_s: float = LOOK_S,
        first_pause_ms: int = FIRST_PAUSE_MS,
    ) -> None:
        self._database = database
        self._send = send
        self._clock = clock
        self._look_s = look_s
        self._first_pause_ms = first_pause_ms
        self._look_back_ms = _FIRST_LOOK_MS
        self._woken = asyncio.Event()
        self._busy: dict[str, asyncio.Task[None]] = {}

    def wake(self) -> None:
        """Something was fetched, or is to be sent again: look at once."""
        self._woken.set()

    async def run(self) -> None:
        """Send for as long as the gateway runs. What is on its way when it stops is sent again by others."""
        try:
            while True:
                self._woken.clear()
                for parcel in await self._claim():
                    self._busy[parcel.username] = asyncio.create_task(self._deliver(parcel))
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(self._look_s):
                        await self._woken.wait()
        finally:
            tasks, self._busy = list(self._busy.values()), {}
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _claim(self) -> list[Parcel]:
        now = self._clock()
        try:
            await queue_deliveries(self._database, since=now - self._look_back_ms, now=now)
            self._look_back_ms = _LOOK_BACK_MS
            free = AT_ONCE - len(self._busy)
            return await claim_deliveries(
                self._database, now=now, until=now + LEASE_MS, most=free, busy=self._busy.keys()
            )
        except Unavailable:
            return []

    async def _deliver(self, parcel: Parcel) -> None:
        try:
            await self._attempt(parcel)
        except Unavailable as exc:
            log.warning("what came of delivery %s is not kept, and it is sent again: %s", parcel.id, exc)
        except asyncio.CancelledError:
            with contextlib.suppress(Unavailable):
                await release_delivery(self._database, parcel, self._clock())
            raise
        finally:
            self._busy.pop(parcel.username, None)
            self.wake()

    async def _attempt(self, parcel: Parcel) -> None:
        status, why = await self._post(parcel)
        attempt = Attempt(self._clock(), status, why)
        if why is None:
            await note_delivered(self._database, parcel, attempt)
            return
        retry_at = None if status == _GONE else self._retry_at(parcel, attempt.at)
        await note_failure(self._database, parcel, attempt, retry_at)
        if retry_at is None:
            log.warning("delivery %s was given up after %d attempts (%s)", parcel.id, parcel.attempts, why)
        else:
            log.info("delivery %s did not arrive (%s) and is tried again", parcel.id, why)

    async def _post(self, parcel: Parcel) -> tuple[int | None, str | None]:
        try:
            body = message_of(parcel.group)
            posted = await self._send(parcel.url, body, self._signed(parcel, body))
        except Exception:
            log.exception("delivery %s failed by a fault of ours", parcel.id)
            return None, "a fault of the gateway"
        return posted.status, posted.why

    def _retry_at(self, parcel: Parcel, now: int) -> int | None:
        """As long from now as it has been tried, which doubles that time, and a fifth more or less; None where that is too late."""
        pause = min(max(self._first_pause_ms, now - parcel.begun_at), LONGEST_PAUSE_MS)
        retry_at = now + round(pause * random.uniform(0.8, 1.2))
        return retry_at if retry_at < parcel.begun_at + GIVE_UP_MS else None

    def _signed(self, parcel: Parcel, body: bytes) -> dict[str, str]:
        """The headers of one attempt: receivers refuse a time that is long over."""
        from standardwebhooks import Webhook  # 60 ms, for which nobody has to wait at the start

        at = from_ms(self._clock())
        return {
            "webhook-id": parcel.id,
            "webhook-timestamp": str(int(at.timestamp())),
            "webhook-signature": Webhook(parcel.secret).sign(parcel.id, at, body.decode()),
        }
