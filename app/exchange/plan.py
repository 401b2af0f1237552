"""What an import will do, line by line."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

from app.core.audit import sides
from app.core.jsonio import Json, is_same, mark_of
from app.core.smart import definition_of
from app.exchange.document import NAMES
from app.exchange.people import Settings
from app.exchange.section import Entries, Section
from app.smart.definition import written
from app.smart.desk import title_of
from app.smart.exchange import Plan as NamesPlan

Fields = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Line:
    """What becomes of one entry.

    Attributes:
        before, after: its fields, of one that changes those that become another; None where it is not there. What is but a
            value is the field `value`. They may hold what looks like a secret: `shown` is without.
    """

    section: str
    key: str
    action: Literal["added", "changed", "removed"]
    before: Fields | None = None
    after: Fields | None = None

    @property
    def shown(self) -> tuple[Any, Any]:
        """Both sides as they may be shown."""
        return sides(self.before, self.after)


@dataclass(frozen=True, slots=True)
class Part:
    """What is written of one section."""

    section: Section
    put: Mapping[str, Json]
    gone: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Plan:
    """What an import will do.

    Attributes:
        unchanged: how many entries are there already just so.
        warnings: what one should know before, and what is left to do after, a sentence each.
        revisions: of what was there when it was made.
    """

    replace: bool
    lines: tuple[Line, ...]
    unchanged: int
    warnings: tuple[str, ...]
    parts: tuple[Part, ...]
    names: NamesPlan
    revisions: Mapping[str, int]

    @property
    def mark(self) -> str:
        """Tells it from all plans that do anything else."""
        lines = [[line.section, line.key, line.action, line.before, line.after] for line in self.lines]
        return mark_of([self.replace, lines])

    @property
    def counts(self) -> Mapping[str, int]:
        """How many entries are added, changed and removed."""
        return {action: sum(line.action == action for line in self.lines) for action in ("added", "changed", "removed")}


def compare(section: Section, there: Entries, wanted: Entries, *, replace: bool) -> Part:
    """What is to be written so that `wanted` is there, and with `replace` nothing else."""
    put = {key: entry for key, entry in wanted.items() if key not in there or not is_same(there[key], entry)}
    return Part(section, put, tuple(key for key in there if replace and key not in wanted))


def lines_of(part: Part, there: Entries) -> Iterator[Line]:
    """What becomes of the entries of a section."""
    name = part.section.name
    for key, entry in part.put.items():
        if key not in there:
            yield Line(name, key, "added", None, _fields(entry))
        else:
            yield _changed(name, key, _fields(there[key]), _fields(entry))
    for key in part.gone:
        yield Line(name, key, "removed", _fields(there[key]))


def lines_of_names(plan: NamesPlan) -> Iterator[Line]:
    """What becomes of smart models."""
    for model in plan.added:
        yield Line(NAMES, title_of(model), "added", None, written(model))
    for change in plan.changed:
        before, after = (definition_of(model) for model in (change.before.model, change.model))
        yield _changed(NAMES, title_of(change.model), before, after)
    for gone in plan.deleted:
        yield Line(NAMES, title_of(gone.model), "removed", written(gone.model))


def with_environment(line: Line, environment: Callable[[str], Json]) -> Line:
    """A setting that was not set here, or will not be, is as the environment says."""
    if line.section != Settings.name:
        return line
    said = {"environment": environment(line.key)}
    return replace(
        line, before=said if line.before is None else line.before, after=said if line.after is None else line.after
    )


def _changed(section: str, key: str, before: Fields, after: Fields) -> Line:
    both = {*before, *after}
    others = [field for field in sorted(both) if before.get(field) != after.get(field)]
    old, new = ({field: side[field] for field in others if field in side} for side in (before, after))
    return Line(section, key, "changed", old, new)


def _fields(entry: Json) -> Fields:
    return entry if isinstance(entry, dict) else {"value": entry}
