"""The one place where names resolve: from what the client put into `model` to the targets that it stands for."""

from dataclasses import replace

from app.core.call import Call, Route
from app.core.errors import PermissionDenied, UnknownModel
from app.core.ports import Directory, Handler
from app.core.reply import Reply


class Names:
    """Finds out what a call is for, and whether its principal may use it."""

    def __init__(self, directory: Directory) -> None:
        self._directory = directory

    async def handle(self, call: Call, call_next: Handler) -> Reply:
        """Pass the call on with its route.

        Raises:
            UnknownModel: no provider has it, and the nearest names are told; or it is switched off, and why.
            PermissionDenied: the token is not for it.
        """
        route = self._directory.find(call.name) or await self._find_later(call.name)
        if route is None:
            raise self._unknown(call)
        # A call on its way is found out by its record; what it was aimed at belongs there also when it is refused.
        call.trace.target = route.choices[0].target
        if call.principal.models:
            route = _allowed(call, route)
        return await call_next(call.routed(route))

    async def _find_later(self, name: str) -> Route | None:
        await self._directory.settled()
        return self._directory.find(name)

    def _unknown(self, call: Call) -> UnknownModel:
        if (reason := self._directory.withheld(call.name)) is not None:
            words = f"The model {call.name!r} is switched off here" + (f": {reason}" if reason else ".")
            return UnknownModel(words, param="model")
        near = list(self._directory.nearest(call.name))
        hint = f" Did you mean {_listed(near)}?" if near else ""
        return UnknownModel(
            f"The model {call.name!r} does not exist here.{hint} GET /v1/models lists all.", param="model"
        )


def _allowed(call: Call, route: Route) -> Route:
    """`route` with the choices that the token is for."""
    choices = route.choices_for(call.principal)
    if not choices:
        raise PermissionDenied(
            f"This token may not use the model {call.name!r}.", param="model", code="model_not_allowed"
        )
    return route if len(choices) == len(route.choices) else replace(route, choices=choices)


def _listed(names: list[str]) -> str:
    quoted = [repr(name) for name in names]
    return quoted[0] if len(quoted) == 1 else f"{', '.join(quoted[:-1])} or {quoted[-1]}"
