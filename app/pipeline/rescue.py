"""Carries a stream that broke off on, by asking the next target for the rest."""

import asyncio
import logging
import time
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import replace

from app.core.call import Broken, Call
from app.core.errors import RelayError, UpstreamFailure
from app.core.ports import Handler, Rescue
from app.core.reply import End, Outcome, Reply
from app.core.usage import Usage

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
        self._current_since = time.monotonic()
        self._current_is_noted = False
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
            delivered=first.delivered,
            once=first.once,
        )

    async def begin(self) -> None:
        """Wait for the client's first bytes."""
        self.reply.first = await anext(self._pieces, b"")
        self._begun = True

    async def give_up(self, exc: BaseException) -> None:
        """Tell all taps that nothing came, and end the provider's side."""
        if not self._current_is_noted:
            self._call.trace.used = self._current.read_usage()
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
        part = self._broken_part(failure)
        further = None if part is None else self._rescue.carry_on(part.usage)
        if part is None or further is None:
            return False
        if further.deadline is not None and self._begun:  # that of the first byte was kept; this one has as long
            further = replace(further, deadline=time.monotonic() + further.deadline - further.started_at)
        trace = self._call.trace
        attempts = trace.attempts
        try:
            following = await self._ask(further)
        except BaseException as exc:
            if trace.attempts > attempts:
                self._note_failure(part, exc)
            if not isinstance(exc, RelayError):
                raise
            log.info("%s broke off and cannot be carried on: %s", self._call.id, exc.message)
            return False
        log.info("%s broke off and is carried on by %s: %s", self._call.id, trace.target, failure.message)
        trace.broken += (part,)
        end = End(Outcome.CUT, 200, part.usage, part.ended_at, failure.message, failure=failure)
        await self._replace(following, end)
        trace.rescued = True
        return True

    def _broken_part(self, failure: UpstreamFailure) -> Broken | None:
        trace, now = self._call.trace, time.monotonic()
        if trace.target is None:
            return None
        used = self._current.read_usage()
        return Broken(trace.target, used, self._current_since, now, failure.message, trace.warnings)

    def _note_failure(self, part: Broken, exc: BaseException) -> None:
        """Nobody carries on what broke off: it is what the client got, where it got any of it."""
        trace = self._call.trace
        if not self._begun:
            trace.broken += (part,)
            self._current_is_noted = True
            return
        if trace.used is not None and trace.target is not None:  # the next one was at work when its call was ended
            now = time.monotonic()
            trace.broken += (Broken(trace.target, trace.used, part.ended_at, now, str(exc), trace.warnings),)
            trace.used = None
        trace.target, trace.warnings = part.target, part.warnings

    async def _replace(self, following: Reply, end: End) -> None:
        broken, self._current = self._current, following
        self._current_since = time.monotonic()
        for tap in broken.taps:
            self.reply.taps.remove(tap)
            tap.close(end)
        self.reply.taps[:0] = following.taps  # those of outer stages hear of an end last, when all is noted
        self.reply.headers = following.headers  # of no effect once the first bytes are out
        self.reply.delivered, self.reply.once = following.delivered, following.once
        await broken.aclose()

    def _read_usage(self) -> Usage:
        """Of the reply that is being read; what broke off before is recorded apart."""
        return self._current.read_usage()


async def _whole(reply: Reply) -> AsyncGenerator[bytes, None]:
    yield reply.first
    async for data in reply.rest:
        yield data
