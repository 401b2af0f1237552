"""The way that a call would go, told step by step; nothing is sent, counted or kept."""

import time
from collections.abc import Mapping
from dataclasses import dataclass

from app.core.book import Entry, target_of
from app.core.call import Call, Route, Step, Target
from app.core.errors import InvalidRequest, RelayError
from app.core.explained import CandidateView, Explained
from app.core.jsonio import Json, dumps
from app.core.naming import normalise
from app.core.ports import Explains
from app.core.principal import Principal
from app.pipeline.names import Names, admit, permitted

# Routers that choose among routers have many ways; nobody reads more.
_MOST_WAYS = 200

_LED = {
    "default": "It stands for nothing; the default model (DEFAULT_MODEL) answers.",
    "updates": "The last message asks for updates (MONITOR_WORDS): what the user's monitors found is the answer.",
}
"""Why a call is led on where there is no smart model of that name, by the kind of step."""


@dataclass(frozen=True, slots=True)
class Way:
    """One name, and what a call for it would do.

    Attributes:
        wanted: the name.
        step: the smart model that it stands for, or the default model; None where that is none.
        notes: what decides there, a sentence each.
        candidates: what it would choose among.
        asks: the models of helper calls that would be made.
        leads_to: the ways from here, the likeliest first; more than one where only a helper call tells which.
        targets: of a provider's model or a name of the configuration, in the order in which they would be asked.
        error: what the client would be told, where it ends in one.
    """

    wanted: str
    step: Step | None = None
    notes: tuple[str, ...] = ()
    candidates: tuple[CandidateView, ...] = ()
    asks: tuple[str, ...] = ()
    leads_to: "tuple[Way, ...]" = ()
    targets: tuple[Target, ...] = ()
    error: str | None = None

    @property
    def resolved(self) -> str:
        """The likeliest way, as `x-relay-resolved` would tell it."""
        parts, way = [], self
        if self.step is not None and self.step.name != normalise(self.wanted):  # a pattern, or the default
            parts.append(self.wanted)
        while way.step is not None:
            parts.append(str(way.step))
            if not way.leads_to:
                break
            way = way.leads_to[0]
        return ">".join([*parts, *map(str, way.targets[:1])])


class Explainer:
    """Walks the way of calls by the names that there are now."""

    def __init__(self, names: Names) -> None:
        self._names = names

    async def explain(self, payload: Mapping[str, Json], principal: Principal | None = None) -> Way:
        """The way of a request as of `/v1/chat/completions`. Without a principal, nobody is kept from anything.

        Raises:
            InvalidRequest: it names no model.
        """
        name = payload.get("model")
        if not isinstance(name, str) or not name.strip():
            raise InvalidRequest("The request must name its model.", param="request.model")
        name, _ = await self._names.split(name)
        return await _Walk(self._names, checks=principal is not None).go(_call(name, payload, principal or _ANYBODY))


_ANYBODY = Principal(token_id="", username="", daily_limit=0)


class _Walk:
    """One walk.

    Args:
        checks: whether the principal may use each name.
    """

    def __init__(self, names: Names, *, checks: bool) -> None:
        self._names = names
        self._checks = checks
        self._left = _MOST_WAYS

    async def go(self, call: Call) -> Way:
        """From the name that `call` wants now."""
        wanted = call.wanted
        self._left -= 1
        if self._left < 0:
            return Way(wanted, notes=("There are more ways than can be told.",))
        try:
            found = await self._names.resolve(call)
            if isinstance(found, Entry):
                return await self._through(call, found)
            if isinstance(found, Route):
                return Way(wanted, targets=_targets(permitted(call, found) if self._checks else found))
        except RelayError as exc:
            return Way(wanted, error=exc.message)
        step = found.way[-1]
        return Way(wanted, step, (_LED[step.kind],), leads_to=(await self.go(found),))

    async def _through(self, call: Call, entry: Entry) -> Way:
        model = entry.model
        stage: object = self._names.stages.get(model.kind)
        notes: tuple[str, ...] = ()
        if self._checks:
            admit(model, call.principal)
        elif model.allowed_tokens:
            notes = (f"Only for the tokens {', '.join(model.allowed_tokens)}.",)
        if isinstance(stage, Explains):
            told = await stage.explain(call, entry)
        else:
            told = Explained((target_of(model, call.wanted),))
        ways = [await self.go(call.led(model.kind, model.name, name)) for name in told.next]
        step = Step(model.kind, model.name, told.next[0] if told.next else "")
        return Way(call.wanted, step, (*notes, *told.notes), told.candidates, told.asks, tuple(ways))


def _targets(route: Route) -> tuple[Target, ...]:
    # Of a provider with several keys each is a choice of its own.
    return tuple(dict.fromkeys(Target(*choice.target.name) for choice in route.choices))


def _call(name: str, payload: Mapping[str, Json], principal: Principal) -> Call:
    return Call(
        id="explained",
        principal=principal,
        surface="chat",
        dialect="openai",
        name=name,
        body=dumps(dict(payload)),
        payload=payload,
        streamed=payload.get("stream") is True,
        wants_usage=False,
        started_at=time.monotonic(),
        received_at=time.time(),
        client="",
        tags=principal.tags,
    )
