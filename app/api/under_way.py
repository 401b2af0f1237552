"""The calls that this worker has under way, as an administrator is told of them."""

from collections.abc import Iterator, Sequence
from operator import attrgetter

from app.api.relay import RelayRoute
from app.api.vigil import Vigil
from app.core.redaction import redact
from app.core.usage import NO_USAGE
from app.live.snapshot import LiveCall

_LONGEST_NAME = 200


class UnderWay:
    """Those of all `routes`. Calls only keep what they have anyhow; all else is done when somebody looks."""

    def __init__(self, routes: Sequence[RelayRoute]) -> None:
        self._routes = routes

    def __len__(self) -> int:
        """How many they are."""
        return sum(route.under_way for route in self._routes)

    def calls(self, most: int) -> list[LiveCall]:
        """The oldest of them."""
        vigils = sorted(self._vigils(), key=attrgetter("call.received_at"))
        return [_told(vigil) for vigil in vigils[:most]]

    def find(self, request_id: str) -> LiveCall | None:
        """The one of that id."""
        return next((_told(vigil) for vigil in self._vigils() if vigil.call.id == request_id), None)

    def stop(self, request_id: str) -> bool:
        """End one at once, and let its client be told; False where there is none of that id."""
        return any(vigil.stop() for vigil in self._vigils() if vigil.call.id == request_id)

    def _vigils(self) -> Iterator[Vigil]:
        for route in self._routes:
            yield from route.rounds


def _told(vigil: Vigil) -> LiveCall:
    call, reply = vigil.call, vigil.reply
    target = call.trace.target
    usage = NO_USAGE if reply is None else reply.read_usage()
    return LiveCall(
        id=call.id,
        username=call.principal.username,
        token_id=call.principal.token_id,
        name=redact(call.name[:_LONGEST_NAME]),
        provider=target.provider if target else None,
        model=redact(target.model[:_LONGEST_NAME]) if target else None,
        surface=call.surface,
        streamed=call.streamed,
        started_ms=int(call.received_at * 1000),
        answering=reply is not None,
        prompt_tokens=usage.prompt,
        completion_tokens=usage.completion,
        estimated=usage.estimated,
    )
