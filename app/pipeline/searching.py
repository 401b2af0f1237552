"""Searches by services that are no model: each is metered and limited as a helper call, and leaves a record."""

import time
from collections.abc import Sequence

from app.core.call import Call, Choice, Route, Target
from app.core.errors import UpstreamError, UpstreamFailure, UpstreamUnreachable
from app.core.reply import JSON_TYPE, End, Outcome, Reply
from app.core.web import SEARCH, Found, SearchFailed, SearchProvider
from app.pipeline.asking import Asking, child_of
from app.pipeline.failures import failure_of
from app.pipeline.stage import Stage, chain


class Searcher:
    """Searches for calls of clients.

    Args:
        stages: that each search goes through: metering, and limits.
    """

    def __init__(self, stages: Sequence[Stage]) -> None:
        self._stages = stages

    async def search(
        self, parent: Call, key: str, provider: SearchProvider, query: str, most: int, deadline: float
    ) -> Found:
        """What `provider` finds; its record names `key` as the provider, and `search` as the model.

        Raises:
            RelayError: it failed, or a limit of the caller's leaves no room.
        """
        found: list[Found] = []

        async def send(call: Call) -> Reply:
            found.append(await _send(call, provider, query, most))
            return Reply(200, JSON_TYPE, b"", read_usage=lambda: found[0].usage)

        route = Route((Choice(Target(key, SEARCH)),))
        left_s = max(0.0, deadline - time.monotonic())
        # The query stands in nobody's record; estimates and limits need none.
        child = child_of(parent, route, Asking(f"{key}/{SEARCH}", SEARCH, SEARCH, {}, SEARCH, left_s))
        reply = await chain(self._stages, send)(child)
        reply.tell(End(Outcome.OK, reply.status, reply.read_usage(), time.monotonic()))
        return found[0]


async def _send(call: Call, provider: SearchProvider, query: str, most: int) -> Found:
    trace = call.trace
    trace.attempts += 1
    try:
        return await provider.search(query, most, call.deadline or time.monotonic())
    except SearchFailed as exc:
        failure = _failure(exc)
        if trace.target is not None:
            trace.failures += (failure_of(failure, trace.target),)
        raise failure from exc


def _failure(exc: SearchFailed) -> UpstreamFailure:
    return UpstreamError(str(exc), status=exc.status) if exc.status else UpstreamUnreachable(str(exc))
