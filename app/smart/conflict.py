"""Names that are taken: what else is called so."""

from collections.abc import Iterable
from dataclasses import dataclass

from app.core.naming import normalise
from app.core.smart import Kind, SmartModel
from app.providers.registry import Registry

CONFIGURATION = "configuration"
MODEL = "model"


@dataclass(frozen=True, slots=True)
class Conflict:
    """What has the name already.

    Attributes:
        kind: of a smart model; `configuration` for one of the names in the configuration, `model` for a provider's model.
        name: as it is called there.
    """

    kind: str
    name: str

    def __str__(self) -> str:
        match self.kind:
            case "configuration":
                return f"the name {self.name!r} of the configuration"
            case "model":
                return f"the model {self.name!r} of a provider"
        return f"the {self.kind} {self.name!r}"


class NameTaken(ValueError):
    """Something else is called so; the message is a sentence."""

    def __init__(self, conflict: Conflict) -> None:
        hint = " A redirect may be called so." if conflict.kind == MODEL else ""
        super().__init__(f"The name is taken: it is that of {conflict}.{hint}")
        self.conflict = conflict


def find_conflict(name: str, kind: Kind, others: Iterable[SmartModel], registry: Registry) -> Conflict | None:
    """What the name of a new smart model conflicts with. A redirect may be called as a provider's model is: it leads around it."""
    wanted = normalise(name)
    for other in others:
        if other.name == wanted:
            return Conflict(other.kind, other.name)
    route = registry.find(name)
    if (route is not None and route.name is not None) or registry.why_unusable(name) is not None:
        return Conflict(CONFIGURATION, wanted)
    if kind == "redirect" or not registry.is_listed(name):
        return None
    return Conflict(MODEL, wanted if route is None else str(route.choices[0].target))
