"""Definitions of smart models as somebody wrote them: checked by themselves, with words for each fault."""

from collections.abc import Iterable, Mapping
from typing import Any

from pydantic import BaseModel, ValidationError

from app.core.redaction import redact
from app.core.smart import CLASSES, Candidate, Kind, Rule, SmartModel
from app.faults import Place, dotted, faults, first_place

PLURALS: Mapping[Kind, str] = {
    "alias": "aliases",
    "redirect": "redirects",
    "router": "routers",
    "cache": "caches",
    "augmentor": "augmentors",
}
"""What several of a kind are called, in paths and files."""

_NESTED: Mapping[str, type[BaseModel]] = {"candidates": Candidate, "rules": Rule}


class InvalidName(ValueError):
    """A definition cannot be; the message has a line for each fault: the field, and what would mend it.

    Attributes:
        param: the first field that is at fault; None where that is none.
    """

    def __init__(self, message: str, *, param: str | None = None) -> None:
        super().__init__(redact(message))
        self.param = param


def read_definition(kind: Kind, written: Any, above: Place = ()) -> SmartModel:
    """The smart model that was written down in the form of JSON.

    Args:
        above: where that stands, should it be a part of something.

    Raises:
        InvalidName: it has faults; all are named.
    """
    model = CLASSES[kind]

    def known(place: Place) -> Iterable[str]:
        part = place[len(above) :]
        owner = _NESTED.get(str(part[0])) if part else model
        return owner.model_fields if owner else ()

    check_object(written, above)
    try:
        return model.model_validate(written)
    except ValidationError as exc:
        lines = "\n".join(faults(exc, known, above=above))
        raise InvalidName(lines, param=first_place(exc, lambda place: [*above, *place])) from exc


def check_object(written: Any, above: Place = ()) -> None:
    """Raise `InvalidName` where that is no object of JSON."""
    if not isinstance(written, Mapping):
        place = f"{dotted(above)}: " if above else ""
        hint = "; is the body application/json?" if isinstance(written, bytes) else ""
        raise InvalidName(f"{place}must be an object{hint}", param=dotted(above) or None)


def written(model: SmartModel) -> dict[str, Any]:
    """What has to be written down of it: all that is not as it would be anyway."""
    return model.model_dump(mode="json", exclude_defaults=True)
