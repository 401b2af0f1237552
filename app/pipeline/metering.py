"""The outermost stage: sees to it that each call ends in exactly one record, whatever the way it ends, and that its client is told."""

import asyncio
import time
from collections.abc import AsyncGenerator, Callable
from decimal import Decimal
from functools import lru_cache

from app.core.call import Broken, Call, Target
from app.core.errors import CallStopped, RelayError
from app.core.ports import Handler, OpenReceipt, Priced, PriceList, Receipt, Recorder
from app.core.receipt import Bill
from app.core.record import CallRecord, helper_holds
from app.core.redaction import redact
from app.core.reply import CLIENT_LEFT, STOPPED, End, Outcome, Reply
from app.core.usage import NO_USAGE, Usage

# What nginx logs for a client that closed the connection before its answer; no status has gone out.
STATUS_CLIENT_GONE = 499

_NOTHING_TO_PAY = Priced(Decimal(0), None)
# Most calls have one of few names; what clients make up is not worth the room.
_LONG_NAME = 100
_redacted_names = lru_cache(maxsize=1024)(redact)


class Reported:
    """A price list that knows only what providers say themselves."""

    def price(self, target: Target, usage: Usage, at: float) -> Priced:
        """The provider's own figure."""
        return Priced(usage.cost, None if usage.cost is None else "provider")


REPORTED = Reported()


class Metering:
    """Records every call at its end.

    Args:
        open_receipt: for streams; whole replies tell of their cost in headers.
    """

    def __init__(
        self,
        recorder: Recorder,
        prices: PriceList = REPORTED,
        open_receipt: OpenReceipt = lambda _call, _media_type, _bill: None,
    ) -> None:
        self._recorder = recorder
        self._prices = prices
        self._open_receipt = open_receipt

    async def handle(self, call: Call, call_next: Handler) -> Reply:
        """Pass the call on; record it here if it fails, else when its reply ends."""
        try:
            reply = await call_next(call)
        except RelayError as exc:
            self._record(call, _failed(call, exc.status, exc.message), charged=exc.charged)
            raise
        except asyncio.CancelledError as exc:
            left = exc.args == (CLIENT_LEFT,)
            self._record(call, _left(call) if left else _ended(call, exc), charged=left)
            raise
        except Exception as exc:
            self._record(call, _failed(call, 500, type(exc).__name__), charged=False)
            raise
        metered = _Metered(self, call, reply.read_usage, time.monotonic())
        reply.taps.append(metered)
        if call.receipt != "none":
            self._tell(call, reply, metered)
        return reply

    def price(self, call: Call, usage: Usage) -> Priced:
        """What `usage` of the target that `call` went to costs."""
        target = call.trace.target
        if target is None or (call.free and not usage.is_any):
            return _NOTHING_TO_PAY
        return self._prices.price(target, usage, call.received_at)

    def price_end(self, call: Call, end: End) -> Priced:
        """The same of all that it used; nothing where it failed and nothing is known of its use."""
        got_nothing = end.outcome is not Outcome.OK and not end.usage.is_any
        return _NOTHING_TO_PAY if got_nothing else self.price(call, end.usage)

    def bill(self, call: Call, usage: Usage, priced: Priced) -> Bill:
        """That, and what those parts of its stream used that others carried on: the sum of all its records."""
        cost = priced.cost
        for part in call.trace.broken:
            usage = usage.plus(part.usage)
            more = self._prices.price(part.target, part.usage, call.received_at).cost
            cost = None if cost is None or more is None else cost + more
        return Bill(usage, cost)

    def _tell(self, call: Call, reply: Reply, metered: "_Metered") -> None:
        if not call.streamed:
            settled = metered.settle()
            reply.read_usage = lambda: settled.usage
            reply.headers += settled.headers()
            return
        receipt = self._open_receipt(call, reply.media_type, metered.bill)
        if receipt is None:
            return
        reply.closing = receipt.close
        if receipt.in_chunks:
            _lead_through(reply, receipt)

    def _record(
        self,
        call: Call,
        end: End,
        *,
        charged: bool,
        first_byte_at: float | None = None,
        priced: Priced | None = None,
    ) -> None:
        trace, principal = call.trace, call.principal
        target = trace.target
        if priced is None:
            priced = self.price_end(call, end)
        # In the order of the fields: by their names it would take three times as long, and every call comes by here.
        record = CallRecord(
            call.id,
            call.received_at,
            principal.token_id,
            principal.username,
            _without_keys(call.name),
            target.provider if target else None,
            _without_keys(target.model) if target else None,
            call.surface,
            call.streamed,
            end.status,
            end.outcome,
            end.usage,
            None if first_byte_at is None else _ms(first_byte_at - call.started_at),
            _ms(end.at - call.started_at),
            call.client,
            charged and not call.free and call.parent_id is None,
            trace.attempts,
            trace.rescued,
            redact(end.error) if end.error else None,
            _union(call.tags, trace.tags) if trace.tags else call.tags,
            call.end_user,
            trace.alias,
            trace.router,
            trace.cache,
            trace.augmentor,
            trace.cache_hit,
            priced.cost,
            priced.version,
            _redacted((*trace.notes, *trace.gaps, *trace.warnings))
            if trace.warnings or trace.notes or trace.gaps
            else (),
            trace.failures,
            trace.holds,
            trace.traceparent,
            call.parent_id,
            call.helper,
            None if trace.asked_at is None else _ms(trace.asked_at - call.started_at),
            _redacted(tuple(map(str, trace.way))) if trace.way else (),
            trace.similarity,
        )
        self._recorder.record(record, *(self._parts(call) if trace.broken else ()))

    def _parts(self, call: Call) -> list[CallRecord]:
        return [self._part(call, part, number) for number, part in enumerate(call.trace.broken, 1)]

    def _part(self, call: Call, part: Broken, number: int) -> CallRecord:
        """A part of a stream that another target carried on, as a call of its own: it has its own target, usage and cost."""
        priced, trace = self._prices.price(part.target, part.usage, call.received_at), call.trace
        return CallRecord(
            id=f"{call.id}.{number}",
            parent_id=call.id,
            helper="broken",
            received_at=call.received_at,
            token_id=call.principal.token_id,
            username=call.principal.username,
            name=_without_keys(call.name),
            provider=part.target.provider,
            model=_without_keys(part.target.model),
            surface=call.surface,
            streamed=True,
            status=200,
            outcome=Outcome.CUT,
            usage=part.usage,
            first_byte_ms=None,
            total_ms=_ms(part.ended_at - part.began_at),
            client=call.client,
            charged=False,
            error=redact(part.error) if part.error else None,
            tags=_union(call.tags, trace.tags),
            end_user=call.end_user,
            alias=trace.alias,
            router=trace.router,
            cache=trace.cache,
            augmentor=trace.augmentor,
            cost=priced.cost,
            price_version=priced.version,
            warnings=_redacted(part.warnings),
            holds=helper_holds(trace.holds),
            asked_ms=_ms(part.began_at - call.started_at),
        )


class _Metered:
    """Knows what a reply used and costs, and as its tap waits for its end.

    It does not hold the reply, which holds it: in a ring the two, and all that belongs to the call, would wait for the garbage
    collector, and the next call would find no memory that is still in the processor's cache.
    """

    __slots__ = ("_call", "_first_byte_at", "_metering", "_priced", "_read_usage", "_usage")

    def __init__(self, metering: Metering, call: Call, read_usage: Callable[[], Usage], first_byte_at: float) -> None:
        self._metering = metering
        self._call = call
        self._read_usage = read_usage
        self._first_byte_at = first_byte_at
        self._usage: Usage | None = None  # what was recorded, or will be, and its price
        self._priced: Priced | None = None

    def feed(self, chunk: bytes) -> None:
        """What went by is counted by whoever read it from the provider."""

    def close(self, end: End) -> None:
        charged = end.begun or end.outcome is Outcome.CLIENT_GONE
        if self._priced is None:
            self._usage, self._priced = end.usage, self._metering.price_end(self._call, end)
        self._metering._record(self._call, end, charged=charged, first_byte_at=self._first_byte_at, priced=self._priced)

    def bill(self) -> Bill:
        """What was used up to now."""
        usage, priced = self._usage, self._priced
        if usage is None or priced is None:
            usage = self._read_usage()
            priced = self._metering.price(self._call, usage)
        return self._metering.bill(self._call, usage, priced)

    def settle(self) -> Bill:
        """The same of a whole reply, of which no more comes, and which is of one target: this is what will be recorded."""
        self._usage = usage = self._read_usage()
        self._priced = priced = self._metering.price(self._call, usage)
        return Bill(usage, priced.cost)


def _lead_through(reply: Reply, receipt: Receipt) -> None:
    """Let `receipt` see all bytes of `reply`."""
    rest, aclose = reply.rest, reply.aclose

    async def read() -> AsyncGenerator[bytes, None]:
        async for data in rest:
            if out := receipt.feed(data):
                yield out

    async def close() -> None:
        try:
            await pieces.aclose()
        finally:
            await aclose()

    pieces = read()
    reply.first, reply.rest, reply.aclose = receipt.feed(reply.first), pieces, close


def _left(call: Call) -> End:
    return End(Outcome.CLIENT_GONE, STATUS_CLIENT_GONE, call.trace.used or NO_USAGE, time.monotonic())


def _failed(call: Call, status: int, error: str) -> End:
    return End(Outcome.ERROR, status, call.trace.used or NO_USAGE, time.monotonic(), error)


def _ended(call: Call, cancelled: asyncio.CancelledError) -> End:
    if cancelled.args == (STOPPED,):
        return _failed(call, CallStopped.status, STOPPED)
    return _failed(call, 503, "the gateway was shut down" if call.parent_id is None else "it was waited for no longer")


def _without_keys(name: str) -> str:
    """The name of a model, or of a parameter, where somebody may have put a token."""
    return _redacted_names(name) if len(name) < _LONG_NAME else redact(name)


def _redacted(names: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(map(redact, names))


def _ms(seconds: float) -> int:
    return round(seconds * 1000)


def _union(tags: tuple[str, ...], more: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(sorted({*tags, *more}))
