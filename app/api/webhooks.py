"""`/webhooks/parallel-monitor`: where Parallel tells of monitors."""

import logging

from fastapi import APIRouter, Request
from starlette.responses import Response

from app.api.body import ClientGone, read_body
from app.api.client_address import ReadAddress
from app.api.listing import respond_json
from app.auth.address_limit import AddressLimiter
from app.core.errors import BodyTooLarge, RateLimited, RelayError
from app.metering.monitors import MonitorSignals
from app.monitors.signature import NotSigned
from app.monitors.webhooks import NotSetUp, Receipt, Receiver

log = logging.getLogger(__name__)

MOST_BODY_BYTES = 256 * 1024

_GONE_STATUS = 400  # nobody reads it


def webhooks_router(
    receiver: Receiver, limiter: AddressLimiter, read_address: ReadAddress, signals: MonitorSignals
) -> APIRouter:
    """The route. `limiter` counts the webhooks of each address, good and bad; `signals` tells operators of them."""
    router = APIRouter(tags=["monitors"])

    @router.post(
        "/webhooks/parallel-monitor",
        summary="Takes a webhook of Parallel's",
        description="Signed as Standard Webhooks says: `webhook-id`, `webhook-timestamp`, `webhook-signature`. It takes no token.",
    )
    async def parallel_monitor(request: Request) -> Response:
        address = read_address(request.scope)
        try:
            await _count(limiter, address)
            receipt = await receiver.take(dict(request.scope["headers"]), await _read_raw(request))
        except ClientGone:
            return Response(status_code=_GONE_STATUS)
        except RelayError as exc:
            # Of these there may be many, and the operator is told of them elsewhere or by the first one.
            level = logging.INFO if isinstance(exc, RateLimited | NotSetUp) else logging.WARNING
            log.log(level, "a webhook from %s was refused: %d %s", address, exc.status, exc)
            signals.webhook_refused(exc.message if isinstance(exc, NotSetUp | NotSigned) else None)
            raise
        signals.webhook_taken(receipt.status)
        return respond_json(_write(receipt))

    return router


async def _count(limiter: AddressLimiter, address: str) -> None:
    if seconds := limiter.seconds_blocked(address):
        raise RateLimited(
            f"Too many webhooks a minute from this address (setting WEBHOOKS_PER_MINUTE). Try again in {seconds} s.",
            headers=[("retry-after", str(seconds))],
        )
    await limiter.note(address)


async def _read_raw(request: Request) -> bytes:
    """The body as it was sent, which is what was signed; also where it is compressed."""
    declared = request.headers.get("content-length", "").encode("latin-1")
    try:
        return await read_body(request.receive, encoding=b"", declared=declared, limit=MOST_BODY_BYTES)
    except BodyTooLarge:
        raise BodyTooLarge(f"A webhook has at most {MOST_BODY_BYTES} bytes.") from None


def _write(receipt: Receipt) -> dict[str, str]:
    group = receipt.event_group_id
    return {"status": receipt.status} if group is None else {"status": receipt.status, "event_group_id": group}
