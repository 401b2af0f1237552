"""Tells the operator's webhook of new critical alerts, as Standard Webhooks says, once over all workers and machines.

https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
"""

import asyncio
import hashlib
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime

from app.core.errors import Unavailable
from app.core.jsonio import Json, dumps
from app.core.moments import write_moment
from app.metering.alerts import CRITICAL, Alert
from app.store.alerts import MS_PER_HOUR, AlertHour, claim_alerts, release_alerts
from app.store.db import Database
from app.store.times import from_ms, now_ms

log = logging.getLogger(__name__)

Send = Callable[[bytes, Mapping[str, str]], Awaitable[str | None]]
"""Posts a body with headers; why it did not arrive, or None where it did."""

MESSAGE_TYPE = "alerts.critical"
LOOK_S = 5.0
PAUSES_S = (5.0, 30.0, 120.0, 600.0)
"""Between the attempts of one message."""
# What was within the list's period is no news; what is older than an hour need not be told in the night.
QUIET_MS = 24 * MS_PER_HOUR
NEW_MS = MS_PER_HOUR


class AlertWebhook:
    """Looks for new critical alerts and tells of them.

    Args:
        secret: `whsec_` and the key in base64.
        clock: milliseconds since 1970.
    """

    def __init__(
        self,
        database: Database,
        send: Send,
        secret: str,
        *,
        clock: Callable[[], int] = now_ms,
        pauses_s: Sequence[float] = PAUSES_S,
        look_s: float = LOOK_S,
    ) -> None:
        self._database = database
        self._send = send
        self._secret = secret
        self._clock = clock
        self._pauses_s = pauses_s
        self._look_s = look_s

    async def run(self) -> None:
        """Tell for as long as the gateway runs. What cannot be told before it stops is left to others."""
        while True:
            if hours := await self._claim():
                await self._tell(hours)
            await asyncio.sleep(self._look_s)

    async def _claim(self) -> list[AlertHour]:
        now = self._clock()
        try:
            return await claim_alerts(self._database, CRITICAL, since=now - NEW_MS, now=now, quiet_ms=QUIET_MS)
        except Unavailable:
            return []

    async def _tell(self, hours: Sequence[AlertHour]) -> None:
        try:
            why = await self._deliver(_id_of(hours), _body_of(hours, from_ms(self._clock())))
        except asyncio.CancelledError:
            await release_alerts(self._database, hours)
            raise
        if why is not None:
            names = ", ".join(str(each.key) for each in hours)
            log.error("the alert webhook was not reached (%s) and is not told of %s", why, names)

    async def _deliver(self, message_id: str, body: bytes) -> str | None:
        """Send, again after a pause where it did not arrive; why the last attempt failed, or None."""
        for pause_s in (*self._pauses_s, None):
            why = await self._send(body, self._signed(message_id, body))
            if why is None or pause_s is None:
                break
            log.warning("the alert webhook was not reached (%s), tried again in %g s", why, pause_s)
            await asyncio.sleep(pause_s)
        return why

    def _signed(self, message_id: str, body: bytes) -> dict[str, str]:
        """The headers of one attempt: receivers refuse a time that is long over."""
        from standardwebhooks import Webhook  # 60 ms, for which nobody has to wait at the start

        at = from_ms(self._clock())
        return {
            "webhook-id": message_id,
            "webhook-timestamp": str(int(at.timestamp())),
            "webhook-signature": Webhook(self._secret).sign(message_id, at, body.decode()),
        }


def _id_of(hours: Sequence[AlertHour]) -> str:
    """The same for the same alerts, so that a receiver knows a message that it gets twice."""
    names = "\n".join(sorted(f"{each.key}/{each.hour}" for each in hours))
    return f"alert_{hashlib.sha256(names.encode()).hexdigest()[:32]}"


def _body_of(hours: Sequence[AlertHour], now: datetime) -> bytes:
    alerts: list[Json] = [
        Alert(each.key, each.count, each.first_at, each.last_at, each.message).told() for each in hours
    ]
    timestamp = write_moment(now)
    return dumps({"type": MESSAGE_TYPE, "timestamp": timestamp, "data": {"alerts": alerts}})
