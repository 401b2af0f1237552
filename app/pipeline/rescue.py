"""Carries a stream that broke off on, by asking the next target for the rest."""

import asyncio
import logging
import time
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import replace

from app.core.call import Call
from app.core.errors import RelayError, UpstreamFailure
from app.core.ports import Handler, Rescue
from app.core.reply import End, Outcome, Reply
from app.core.usage import NO_USAGE, Usage

log = logging.getLogger(__name__)


async def rescued(call: Call, rescue: Rescue, ask: Handler) -> Reply:
    """The reply to `call`; where it breaks off, `ask` is asked for the rest of it.

    Raises:
        UpstreamFailure: nothing came that the client could be told.
    """
    stream = _Stream(call, rescue, ask, await ask(rescue.call))
    try:
        await stream.begin()
    except BaseException as exc:
        await stream.give_up(exc)
        raise
    return stream.reply


class _Stream:
    """One stream for the client, made of as many replies as it takes.

    Attributes:
        reply: what the client gets; its taps are those of the reply that is being read.
    """

    def __init__(self, call: Call, rescue: Rescue, ask: Handler, first: Reply) -> None:
        self._call = call
        self._rescue = rescue
        self._ask = ask
        self._current = first
        self._spent = NO_USAGE
        self._begun = False
        self._pieces = self._read()
        self.reply = Reply(
            first.status,
            rescue.media_type,
            b"",
            self._pieces,
            self.aclose,
            self._read_usage,
            taps=list(first.taps),
            headers=first.headers,
            ending=rescue,
        )

    async def begin(self) -> None:
        """Wait for the client's first bytes."""
        self.reply.first = await anext(self._pieces, b"")
        self._begun = True

    async def give_up(self, exc: BaseException) -> None:
        """Tell all taps that nothing came, and end the provider's side."""
        outcome = Outcome.CLIENT_GONE if isinstance(exc, asyncio.CancelledError) else Outcome.CUT
        failure = exc if isinstance(exc, RelayError) else None
        end = End(outcome, self.reply.status, self._read_usage(), time.monotonic(), str(exc), False, failure)
        self.reply.tell(end)
        await self.aclose()

    async def aclose(self) -> None:
        """End the provider's side."""
        try:
            await self._pieces.aclose()
        finally:
            await self._current.aclose()

    async def _read(self) -> AsyncGenerator[bytes, None]:
        while True:
            try:
                async with aclosing(_whole(self._current)) as pieces:
                    async for data in pieces:
                        if out := self._rescue.feed(data):
                            yield out
                if out := self._rescue.close():
                    yield out
                return
            except UpstreamFailure as exc:
                if not await self._carry_on(exc):
                    raise

    async def _carry_on(self, failure: UpstreamFailure) -> bool:
        """Put another target's reply in the place of the one that broke off; False where there is none."""
        used = self._current.read_usage()
        further = self._rescue.carry_on(used)
        if further is None:
            return False
        if further.deadline is not None and self._begun:  # that of the first byte was kept; this one has as long
            further = replace(further, deadline=time.monotonic() + further.deadline - further.started_at)
        trace = self._call.trace
        broken = trace.target
        try:
            following = await self._ask(further)
        except BaseException as exc:
            trace.target = broken  # what the client got, and what it cost, is this one's
            if not isinstance(exc, RelayError):
                raise
            log.info("%s broke off and cannot be carried on: %s", self._call.id, exc.message)
            return False
        log.info("%s broke off and is carried on by %s: %s", self._call.id, trace.target, failure.message)
        await self._replace(following, End(Outcome.CUT, 200, used, time.monotonic(), failure.message, failure=failure))
        trace.rescued = True
        return True

    async def _replace(self, following: Reply, end: End) -> None:
        broken, self._current = self._current, following
        self._spent += end.usage
        for tap in broken.taps:
            self.reply.taps.remove(tap)
            tap.close(end)
        self.reply.taps[:0] = following.taps  # those of outer stages hear of an end last, when all is noted
        self.reply.headers = following.headers  # of no effect once the first bytes are out
        await broken.aclose()

    def _read_usage(self) -> Usage:
        return self._spent + self._current.read_usage()


async def _whole(reply: Reply) -> AsyncGenerator[bytes, None]:
    yield reply.first
    async for data in reply.rest:
        yield data
