"""The webhooks of a stand-in: signed by Standard Webhooks, and sent again until they are taken."""

import asyncio
import base64
import hashlib
import hmac
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime

import httpx
from standardwebhooks import Webhook

FIRST_PAUSE_S = 5.0
GIVE_UP_S = 48 * 3600.0
"""Parallel's pace: the first pause, which doubles, and the time after which it sends no more."""

_TIMEOUT_S = 10.0


@dataclass
class Delivery:
    """One message, and how its sending went.

    Attributes:
        id: its `webhook-id`, the same at each attempt.
        statuses: of the answers; 0 where there was none.
        ended: it was taken, or given up.
    """

    id: str
    type: str
    url: str
    body: bytes
    statuses: list[int] = field(default_factory=list)
    ended: threading.Event = field(default_factory=threading.Event)

    @property
    def taken(self) -> bool:
        """The receiver answered with 2xx in the end."""
        return bool(self.statuses) and 200 <= self.statuses[-1] < 300


def sign(
    webhook_id: str, body: bytes, secrets: Iterable[str], *, legacy: bool = False, now_s: int | None = None
) -> dict[str, str]:
    """The headers of a message, with a signature by each of `secrets`.

    Args:
        legacy: as of older accounts, whose whole secret is the key as it is written.
        now_s: seconds since 1970.
    """
    now_s = int(time.time()) if now_s is None else now_s
    at = datetime.fromtimestamp(now_s, UTC)
    return {
        "webhook-id": webhook_id,
        "webhook-timestamp": str(now_s),
        "webhook-signature": " ".join(
            _sign_legacy(secret, webhook_id, now_s, body)
            if legacy
            else Webhook(secret).sign(webhook_id, at, body.decode())
            for secret in secrets
        ),
        "content-type": "application/json",
    }


async def deliver(delivery: Delivery, headers: Callable[[], dict[str, str]], pace: float) -> None:
    """Post it until it is taken.

    Args:
        headers: makes them anew for each attempt, which is signed with its own time.
        pace: by which Parallel's pauses are multiplied.
    """
    pause_s, slept_s = FIRST_PAUSE_S, 0.0
    try:
        async with httpx.AsyncClient(trust_env=False, verify=False, timeout=_TIMEOUT_S) as client:
            while True:
                try:
                    reply = await client.post(delivery.url, content=delivery.body, headers=headers())
                    delivery.statuses.append(reply.status_code)
                except httpx.HTTPError:
                    delivery.statuses.append(0)
                if delivery.taken or slept_s + pause_s > GIVE_UP_S:
                    return
                await asyncio.sleep(pause_s * pace)
                slept_s += pause_s
                pause_s *= 2
    finally:
        delivery.ended.set()


def _sign_legacy(secret: str, webhook_id: str, now_s: int, body: bytes) -> str:
    signed = f"{webhook_id}.{now_s}.".encode() + body
    return "v1," + base64.b64encode(hmac.new(secret.encode(), signed, hashlib.sha256).digest()).decode()
