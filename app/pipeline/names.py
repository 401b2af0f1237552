"""The one place where names resolve: from what the client put into `model` to the targets that it stands for."""

import logging
import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from types import MappingProxyType

from app.core.book import LONGEST_WAY, NO_BOOK, Book, Entry, is_pattern
from app.core.call import Call, Route, Step, Trace
from app.core.errors import PermissionDenied, RelayError, UnknownModel
from app.core.naming import nearest, normalise
from app.core.ports import Directory, Handler, Shelf, SmartStage
from app.core.principal import Principal
from app.core.reply import Reply
from app.core.smart import MAX_NAME_LENGTH, OTHER_NAMES, Kind, SmartModel
from app.pipeline.updates import KIND, SPEED, UpdateRule

log = logging.getLogger(__name__)

RESOLVED = "x-relay-resolved"
_UNFIT = re.compile(r"[^ -~]")
DEFAULT = "default"
"""The kind of step by which the default model stands in."""
# A name that is told as likely should leave room for others: what is near by its letters may be far from what was meant.
_SUGGESTED, _MOST_SMART, _LOOKED_AT, _VERY_LIKE = 3, 2, 24, 0.6


class _EmptyShelf:
    book = NO_BOOK


EMPTY_SHELF = _EmptyShelf()
"""Where there are no smart models."""


class Names:
    """Finds out what a call is for, and whether its principal may use it.

    A smart model is a handler: it may lead the call to another name, which is resolved here in its turn.

    Args:
        stages: what each kind of smart model does.
        default: gives the name that stands in now for names that are unknown; None where they are refused.
        reserve: reserves what a call takes of limits before a stage makes calls for it. Again for the same call it does nothing.
        updates: the rule of `speed`; None where there are no monitors.
    """

    def __init__(
        self,
        directory: Directory,
        shelf: Shelf = EMPTY_SHELF,
        stages: Mapping[Kind, SmartStage] = MappingProxyType({}),
        default: Callable[[], str | None] = lambda: None,
        reserve: Callable[[Call], Awaitable[None]] | None = None,
        updates: UpdateRule | None = None,
    ) -> None:
        self._directory = directory
        self._shelf = shelf
        self.stages = stages
        self._default = default
        self._reserve = reserve
        self._updates = updates

    def handle(self, call: Call, call_next: Handler) -> Awaitable[Reply]:
        """Pass the call on with its route.

        Raises:
            UnknownModel: no provider has it, and the nearest names are told; or it is switched off, and why; or the smart models
                that it leads to lead nowhere, or in a circle.
            PermissionDenied: the token is not for it.
        """
        name = call.name
        if self._shelf.book.find(name) is None and (self._updates is None or not self._updates.is_for(name)):
            route = self._directory.find(name)
            if route is not None:
                return self._pass_on(call, route, call_next)
        return self._lead(call, call_next)

    async def _lead(self, call: Call, call_next: Handler) -> Reply:
        """The reply to a call on whose way smart models may be; the client is told which they were."""
        try:
            reply = await self._enter(call, call, call_next)
        except RelayError as exc:
            if call.trace.way:
                exc.headers = (*exc.headers, (RESOLVED, resolved(call)))
            raise
        if call.trace.way:
            reply.headers.append((RESOLVED.encode(), resolved(call).encode()))
        return reply

    async def _enter(self, call: Call, asked: Call, call_next: Handler) -> Reply:
        """Resolve the name that is wanted now; of a smart model, have its stage handle the call.

        Args:
            asked: the call as its client made it: stages on its way may have put more into `call`.
        """
        trace = call.trace
        trace.way = call.way
        found = await self.resolve(call, asked)
        if isinstance(found, Entry):
            model = found.model
            admit(model, call.principal)
            _note(trace, model)
            trace.way = (*call.way, Step(model.kind, model.name, ""))  # where it leads is told when it does
            if self._reserve is not None and model.kind not in OTHER_NAMES:
                await self._reserve(call)
            return await self.stages[model.kind].handle(call, found, lambda led: self._enter(led, asked, call_next))
        if isinstance(found, Route):
            return await self._pass_on(call, found, call_next)
        if found.way[-1].kind == DEFAULT:
            log.info("%s: %r is not there; the default model %r answers", call.id, call.wanted, found.wanted)
        return await self._enter(found, asked, call_next)

    async def resolve(self, call: Call, asked: Call | None = None) -> Entry | Route | Call:
        """What the name that `call` wants now stands for; where that is nothing, the call that is led to the default model; where
        it is `speed` and updates are asked for, the call that is led to these.

        Whether its principal may use it is not looked at.

        Args:
            asked: the call as its client made it, where that is another.

        Raises:
            UnknownModel: as `handle`.
        """
        entry = self._shelf.book.find(call.wanted)
        if entry is not None:
            _check_way(call, entry.model)
            return entry
        if (
            self._updates is not None
            and self._updates.is_for(call.wanted)
            and self._is_for_updates(call, asked or call)
        ):
            return call.led(KIND, SPEED, self._updates.target)
        return await self._find(call.wanted) or self._stand_in(call)

    def _is_for_updates(self, call: Call, asked: Call) -> bool:
        """Whether a call for `speed` is one for updates: not where an operator gave that name to something, or switched them off,
        nor where it came without a token, or its token is for what Parallel calls so alone."""
        rule, route = self._updates, self._directory.find(SPEED)
        if rule is None or (route is not None and route.name is not None) or self._directory.find(rule.target) is None:
            return False
        if call.principal.anonymous:
            return False
        may_use, names = call.principal.may_use, (step.name for step in call.way)
        return may_use(SPEED, *rule.names, *names) and rule.asks(asked)

    def _stand_in(self, call: Call) -> Call:
        """`call` for a name that stands for nothing, led to the default model where that may stand in."""
        wanted, default = call.wanted, self._default()
        is_off = self._directory.withheld(wanted) is not None or self._directory.why_unusable(wanted) is not None
        tried = any(step.kind == DEFAULT for step in call.way)
        may = not is_off if not call.way else _falls_back(self._shelf.book, call.way[-1])
        if default is None or tried or not may:
            raise self._unknown(call)
        return call.led(DEFAULT, default, default)

    def _pass_on(self, call: Call, route: Route, call_next: Handler) -> Awaitable[Reply]:
        # A call on its way is found out by its record; what it was aimed at belongs there also when it is refused.
        trace, principal = call.trace, call.principal
        trace.target = route.choices[0].target
        if trace.alias is None:
            trace.alias = route.name
        if route.tags:
            trace.tags += route.tags
        if principal.models:
            route = permitted(call, route)
        return call_next(call.routed(route))

    async def check(self, name: str, principal: Principal) -> None:
        """Raise what `handle` would raise of a call by `principal` for `name`, before it is led anywhere."""
        if (entry := self._shelf.book.find(name)) is not None:
            admit(entry.model, principal)
            return
        route = await self._find(name)
        if route is None:
            raise self._unknown_by(name, principal)
        _allowed(name, principal, route)

    async def check_tagged(self, name: str, principal: Principal) -> None:
        """The same of a name that may have a tag behind it."""
        await self.check((await self.split(name))[0], principal)

    async def split(self, name: str) -> tuple[str, str]:
        """The name of a model and the tag behind its last `@`; all of it and "" where a model is called so as it stands."""
        model, _, tag = name.rpartition("@")
        if not model.strip() or model.endswith("/") or self._is_called(name):  # as Cloudflare's @cf/…
            return name, ""
        await self._directory.settled()
        return (name, "") if self._is_called(name) else (model, tag)

    def _is_called(self, name: str) -> bool:
        return self._shelf.book.has(name) or self._directory.is_listed(name)

    async def _find(self, name: str) -> Route | None:
        route = self._directory.find(name)
        if route is None:
            await self._directory.settled()
            route = self._directory.find(name)
        return route

    def _unknown(self, call: Call) -> UnknownModel:
        if not call.way:
            return self._unknown_by(call.name, call.principal)
        step, why = call.way[-1], self._unknown_by(call.wanted, call.principal)
        return UnknownModel(f"{_spoken(step)} leads to {step.target!r}. {why.message}", param="model")

    def _unknown_by(self, name: str, principal: Principal) -> UnknownModel:
        if (reason := self._directory.withheld(name)) is not None:
            words = f"The model {name!r} is switched off here" + (f": {reason}" if reason else ".")
            return UnknownModel(words, param="model")
        if self._directory.why_unusable(name) is not None:  # which is the operator's, and told in the log
            return UnknownModel(f"The model {name!r} cannot be used now; the gateway's log says why.", param="model")
        near = self._nearest(name, principal)
        hint = f" Did you mean {_listed(near)}?" if near else ""
        return UnknownModel(f"The model {name!r} does not exist here.{hint} The list of models has all.", param="model")

    def _nearest(self, name: str, principal: Principal) -> list[str]:
        """The three names most like `name` that the token may use: of smart models what is very like it, then others."""
        smart = (
            entry.model.name
            for entry in self._shelf.book.entries
            if not is_pattern(entry.model) and _is_open(entry.model, principal)
        )
        like = nearest(normalise(name), smart, _VERY_LIKE)[:_MOST_SMART]
        for each in self._directory.nearest(name, _LOOKED_AT):
            route = self._directory.find(each)
            if each not in like and route is not None and route.choices_for(principal):
                like.append(each)
        return like[:_SUGGESTED]


def resolved(call: Call) -> str:
    """The way of a call, as clients are told it: `research>router:auto>openai/gpt-4.1-mini`. Fit for a header: `?` stands for what is not."""
    trace = call.trace
    way = [str(step) for step in trace.way]
    if way and trace.way[0].name != normalise(call.name):  # a pattern, or the default
        way.insert(0, call.name[:MAX_NAME_LENGTH])
    if trace.target is not None and not trace.cache_hit:
        way.append(str(trace.target))
    return _UNFIT.sub("?", ">".join(way))


def admit(model: SmartModel, principal: Principal) -> None:
    """Raise `PermissionDenied` where the token is not among those that the smart model is for."""
    if not model.may_be_used_by(principal.token_id, principal.username):
        raise PermissionDenied(
            f"This token may not use the model {model.name!r}.", param="model", code="model_not_allowed"
        )


def _is_open(model: SmartModel, principal: Principal) -> bool:
    return model.may_be_used_by(principal.token_id, principal.username) and principal.may_use(model.name)


def permitted(call: Call, route: Route) -> Route:
    """`route` with the choices that the call's token is for: all where it is for a smart model on the way.

    Raises:
        PermissionDenied: there are none.
    """
    principal = call.principal
    if any(principal.may_use(step.name) for step in call.way):
        return route
    return _allowed(call.wanted, principal, route)


def _check_way(call: Call, model: SmartModel) -> None:
    if any((step.kind, step.name) == (model.kind, model.name) for step in call.way):
        chain = " > ".join([*map(str, call.way), str(Step(model.kind, model.name, ""))])
        raise UnknownModel(f"The name {call.name!r} leads in a circle: {chain}.", param="model", code="model_cycle")
    if len(call.way) >= LONGEST_WAY:
        words = f"The name {call.name!r} leads on and on: through more than {LONGEST_WAY} smart models."
        raise UnknownModel(words, param="model", code="model_cycle")


def _note(trace: Trace, model: SmartModel) -> None:
    """What the record tells of the way: of each kind the first name."""
    match model.kind:
        case "router":
            trace.router = trace.router or model.name
        case "cache":
            trace.cache = trace.cache or model.name
        case "augmentor":
            trace.augmentor = trace.augmentor or model.name
        case _:
            trace.alias = trace.alias or model.name
    if model.tags:
        trace.tags += model.tags


def _falls_back(book: Book, step: Step) -> bool:
    entry = book.find(step.name)
    return entry is not None and entry.model.fallback == "default"


def _spoken(step: Step) -> str:
    return f"The {step.kind} {step.name!r}" if step.kind != DEFAULT else "The default model (DEFAULT_MODEL)"


def _allowed(name: str, principal: Principal, route: Route) -> Route:
    """`route` with the choices that the token is for."""
    choices = route.choices_for(principal)
    if not choices:
        raise PermissionDenied(f"This token may not use the model {name!r}.", param="model", code="model_not_allowed")
    return route if len(choices) == len(route.choices) else replace(route, choices=choices)


def _listed(names: list[str]) -> str:
    quoted = [repr(name) for name in names]
    return quoted[0] if len(quoted) == 1 else f"{', '.join(quoted[:-1])} or {quoted[-1]}"
