"""The outermost stage: sees to it that each call ends in exactly one record, whatever the way it ends."""

import asyncio
import time
from decimal import Decimal

from app.core.call import Call, Target
from app.core.errors import RelayError
from app.core.ports import Handler, Priced, PriceList, Recorder
from app.core.record import CallRecord
from app.core.redaction import redact
from app.core.reply import CLIENT_LEFT, End, Outcome, Reply
from app.core.usage import NO_USAGE, Usage

# What nginx logs for a client that closed the connection before its answer; no status has gone out.
STATUS_CLIENT_GONE = 499

_NOTHING_TO_PAY = Priced(Decimal(0), None)


class Reported:
    """A price list that knows only what providers say themselves."""

    def price(self, target: Target, usage: Usage, at: float) -> Priced:
        """The provider's own figure."""
        return Priced(usage.cost, None if usage.cost is None else "provider")

    def most(self, target: Target, input_tokens: int, output_tokens: int) -> Decimal | None:
        """Nothing is known before."""
        return None


REPORTED = Reported()


class Metering:
    """Records every call at its end."""

    def __init__(self, recorder: Recorder, prices: PriceList = REPORTED) -> None:
        self._recorder = recorder
        self._prices = prices

    async def handle(self, call: Call, call_next: Handler) -> Reply:
        """Pass the call on; record it here if it fails, else when its reply ends."""
        try:
            reply = await call_next(call)
        except RelayError as exc:
            self._record(call, _failed(exc.status, exc.message), charged=exc.charged)
            raise
        except asyncio.CancelledError as exc:
            left = exc.args == (CLIENT_LEFT,)
            self._record(call, _left() if left else _failed(503, "the gateway was shut down"), charged=left)
            raise
        except Exception as exc:
            self._record(call, _failed(500, type(exc).__name__), charged=False)
            raise
        reply.taps.append(_RecordAtEnd(self, call, time.monotonic()))
        return reply

    def _record(self, call: Call, end: End, *, charged: bool, first_byte_at: float | None = None) -> None:
        trace = call.trace
        target = trace.target
        priced = self._price(call, target, end)
        self._recorder.record(
            CallRecord(
                id=call.id,
                received_at=call.received_at,
                token_id=call.principal.token_id,
                username=call.principal.username,
                name=redact(call.name),  # where somebody put a token
                provider=target.provider if target else None,
                model=target.model if target else None,
                surface=call.surface,
                streamed=call.streamed,
                status=end.status,
                outcome=end.outcome,
                usage=end.usage,
                first_byte_ms=None if first_byte_at is None else _ms(first_byte_at - call.started_at),
                total_ms=_ms(end.at - call.started_at),
                client=call.client,
                charged=charged and not call.free,
                attempts=trace.attempts,
                rescued=trace.rescued,
                error=redact(end.error) if end.error else None,
                tags=_union(call.tags, trace.tags),
                end_user=call.end_user,
                alias=trace.alias,
                router=trace.router,
                cache=trace.cache,
                augmentor=trace.augmentor,
                cache_hit=trace.cache_hit,
                cost=priced.cost,
                price_version=priced.version,
                failures=trace.failures,
                holds=trace.holds,
                traceparent=trace.traceparent,
            )
        )

    def _price(self, call: Call, target: Target | None, end: End) -> Priced:
        failed = end.outcome is not Outcome.OK or call.free
        if target is None or (failed and not end.usage.is_any):
            return _NOTHING_TO_PAY
        return self._prices.price(target, end.usage, call.received_at)


class _RecordAtEnd:
    """The tap that waits for the end of one reply."""

    def __init__(self, metering: Metering, call: Call, first_byte_at: float) -> None:
        self._metering = metering
        self._call = call
        self._first_byte_at = first_byte_at

    def feed(self, chunk: bytes) -> None:
        """What went by is counted by whoever read it from the provider."""

    def close(self, end: End) -> None:
        charged = end.begun or end.outcome is Outcome.CLIENT_GONE
        self._metering._record(self._call, end, charged=charged, first_byte_at=self._first_byte_at)


def _left() -> End:
    return End(Outcome.CLIENT_GONE, STATUS_CLIENT_GONE, NO_USAGE, time.monotonic())


def _failed(status: int, error: str) -> End:
    return End(Outcome.ERROR, status, NO_USAGE, time.monotonic(), error)


def _ms(seconds: float) -> int:
    return round(seconds * 1000)


def _union(tags: tuple[str, ...], more: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(sorted({*tags, *more})) if more else tags
