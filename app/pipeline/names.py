"""The one place where names resolve: from what the client put into `model` to the targets that it stands for."""

from collections.abc import Awaitable
from dataclasses import replace

from app.core.call import Call, Route
from app.core.errors import PermissionDenied, UnknownModel
from app.core.ports import Directory, Handler
from app.core.principal import Principal
from app.core.reply import Reply


class Names:
    """Finds out what a call is for, and whether its principal may use it."""

    def __init__(self, directory: Directory) -> None:
        self._directory = directory

    def handle(self, call: Call, call_next: Handler) -> Awaitable[Reply]:
        """Pass the call on with its route.

        Raises:
            UnknownModel: no provider has it, and the nearest names are told; or it is switched off, and why.
            PermissionDenied: the token is not for it.
        """
        route = self._directory.find(call.name)
        return self._found_later(call, call_next) if route is None else self._pass_on(call, route, call_next)

    async def _found_later(self, call: Call, call_next: Handler) -> Reply:
        return await self._pass_on(call, await self._find(call.name), call_next)

    def _pass_on(self, call: Call, route: Route, call_next: Handler) -> Awaitable[Reply]:
        # A call on its way is found out by its record; what it was aimed at belongs there also when it is refused.
        call.trace.target = route.choices[0].target
        call.trace.alias = route.name
        if route.tags:
            call.trace.tags += route.tags
        if call.principal.models:
            route = _allowed(call.name, call.principal, route)
        return call_next(call.routed(route))

    async def check(self, name: str, principal: Principal) -> None:
        """Raise what `handle` would raise of a call by `principal` for `name`."""
        _allowed(name, principal, await self._find(name))

    async def check_tagged(self, name: str, principal: Principal) -> None:
        """The same of a name that may have a tag behind it."""
        await self.check((await self.split(name))[0], principal)

    async def split(self, name: str) -> tuple[str, str]:
        """The name of a model and the tag behind its last `@`; all of it and "" where a model is called so as it stands."""
        model, _, tag = name.rpartition("@")
        if not model.strip() or model.endswith("/") or self._directory.is_listed(name):  # as Cloudflare's @cf/…
            return name, ""
        await self._directory.settled()
        return (name, "") if self._directory.is_listed(name) else (model, tag)

    async def _find(self, name: str) -> Route:
        route = self._directory.find(name)
        if route is None:
            await self._directory.settled()
            route = self._directory.find(name)
        if route is None:
            raise self._unknown(name)
        return route

    def _unknown(self, name: str) -> UnknownModel:
        if (reason := self._directory.withheld(name)) is not None:
            words = f"The model {name!r} is switched off here" + (f": {reason}" if reason else ".")
            return UnknownModel(words, param="model")
        if self._directory.why_unusable(name) is not None:  # which is the operator's, and told in the log
            return UnknownModel(f"The model {name!r} cannot be used now; the gateway's log says why.", param="model")
        near = list(self._directory.nearest(name))
        hint = f" Did you mean {_listed(near)}?" if near else ""
        return UnknownModel(f"The model {name!r} does not exist here.{hint} The list of models has all.", param="model")


def _allowed(name: str, principal: Principal, route: Route) -> Route:
    """`route` with the choices that the token is for."""
    choices = route.choices_for(principal)
    if not choices:
        raise PermissionDenied(f"This token may not use the model {name!r}.", param="model", code="model_not_allowed")
    return route if len(choices) == len(route.choices) else replace(route, choices=choices)


def _listed(names: list[str]) -> str:
    quoted = [repr(name) for name in names]
    return quoted[0] if len(quoted) == 1 else f"{', '.join(quoted[:-1])} or {quoted[-1]}"
