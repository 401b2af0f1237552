"""What an export has in the place of texts that look like secrets: brought in again, they are here as they were."""

from collections.abc import Mapping, Sequence

from app.core.jsonio import Json
from app.core.redaction import redact_json


def as_here(entry: Json, here: Json) -> Json:
    """`entry` with what an export would tell of `here` just so as it is here."""
    if here is not None and redact_json(here) == entry:
        return here
    if isinstance(entry, dict) and isinstance(here, dict):
        return {name: as_here(each, here.get(name)) for name, each in entry.items()}
    return entry


def names_as_here(document: Json, here: Mapping[str, Sequence[Mapping[str, Json]]]) -> Json:
    """The same of lists of definitions by kinds; what is no such document stays as it is."""
    if not isinstance(document, dict):
        return document
    return {kind: _definitions_as_here(each, here.get(kind, ())) for kind, each in document.items()}


def _definitions_as_here(definitions: Json, here: Sequence[Mapping[str, Json]]) -> Json:
    if not isinstance(definitions, list):
        return definitions
    by_name = {each["name"]: dict(each) for each in here}
    return [
        as_here(each, by_name.get(each.get("name")))
        if isinstance(each, dict) and isinstance(each.get("name"), str)
        else each
        for each in definitions
    ]
