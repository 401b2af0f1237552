"""What an export has in the place of secrets: brought in again, they are here as they were, and what is not here is told."""

from collections.abc import Iterator, Mapping, Sequence

from app.core.jsonio import Json
from app.core.redaction import MARK, redact_json
from app.definitions import is_same_host

LEFT_OUT = "is in no export, and is left out: set it here"
"""Of a value that is hidden as a whole."""
HAS_A_GAP = f"holds {MARK}, which stands for what looked like a secret: write it anew here"
"""Of a text in which something is."""


def as_here(entry: Json, here: Json) -> Json:
    """`entry` with what an export would tell of `here` just so as it is here."""
    if here is not None and redact_json(here) == entry:
        return here
    if isinstance(entry, dict) and isinstance(here, dict):
        return {name: as_here(each, here.get(name)) for name, each in entry.items()}
    return entry


def settled(entry: Json, here: Json) -> tuple[Json, list[str]]:
    """What `entry` comes to where `here` is there: as `as_here`, without what is hidden in it and not here.

    Returns:
        That, and a line for each of its places where something is missing.
    """
    if isinstance(entry, dict) and isinstance(here, dict) and not is_same_host(entry, here):
        here = None  # what is hidden would be sent to somebody else
    whole = as_here(entry, here)
    return _without_hidden(whole, here), list(_gaps(whole, here))


def names_settled(document: Json, here: Mapping[str, Sequence[Mapping[str, Json]]]) -> tuple[Json, list[str]]:
    """The same of lists of definitions by kinds; what is no such document stays as it is."""
    if not isinstance(document, dict):
        return document, []
    whole: dict[str, Json] = {}
    missing: list[str] = []
    for kind, definitions in document.items():
        by_name = {each["name"]: dict(each) for each in here.get(kind, ())}
        whole[kind] = definitions
        if isinstance(definitions, list):
            pairs = [(each, *settled(each, by_name.get(_name(each)))) for each in definitions]
            whole[kind] = [each for _, each, _ in pairs]
            missing += [f"{kind} {_name(entry)}: {line}" for entry, _, lines in pairs for line in lines]
    return whole, missing


def _name(definition: Json) -> str:
    name = definition.get("name") if isinstance(definition, dict) else None
    return name if isinstance(name, str) else ""


def _gaps(value: Json, here: Json, place: str = "") -> Iterator[str]:
    if value == here:
        return
    if isinstance(value, dict):
        old = here if isinstance(here, dict) else {}
        for name, each in value.items():
            yield from _gaps(each, old.get(name), f"{place}.{name}" if place else name)
    elif isinstance(value, list):
        for each in value:
            yield from _gaps(each, None, place)
    elif isinstance(value, str) and MARK in value:
        yield f"{place} {LEFT_OUT if value == MARK and place else HAS_A_GAP}".lstrip()


def _without_hidden(value: Json, here: Json) -> Json:
    if value == here:
        return value
    if isinstance(value, dict):
        old = here if isinstance(here, dict) else {}
        kept = {
            name: _without_hidden(each, old.get(name))
            for name, each in value.items()
            if each != MARK or old.get(name) == MARK
        }
        return {name: each for name, each in kept.items() if each != {} or value[name] == {}}
    return [_without_hidden(each, None) for each in value if each != MARK] if isinstance(value, list) else value
