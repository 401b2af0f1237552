"""The document as a whole: written, compared with what there is, and brought in."""

from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from app.core.audit import changing
from app.core.jsonio import Json
from app.core.redaction import redact_json
from app.core.web import SEARCH_TARGETS
from app.exchange.blanks import as_here, names_as_here
from app.exchange.catalog import ChangedProviders, Models, Prices, Providers, Switches
from app.exchange.people import Settings, Tokens, Users
from app.exchange.section import Entries, Section, split_model
from app.smart.checks import Coming
from app.smart.conflict import NameTaken
from app.smart.definition import InvalidName
from app.smart.desk import SmartDesk
from app.smart.exchange import Plan as NamesPlan
from app.smart.exchange import export_names, plan_import
from app.store.audit import note
from app.store.db import Database
from app.store.exchange import of_names, write_all
from app.store.smart_models import NameExists

FORMAT = "llm-relay-export"
VERSION = 1
NAMES = "names"

_SECTIONS: tuple[Section, ...] = (
    Settings(),
    Providers(),
    ChangedProviders(),
    Switches(),
    Models(),
    Prices(),
    Users(),
    Tokens(),
)
_HEAD = ("format", "version")
_MOST_NOTED = 500
"""Entries that the audit log is told of by name."""


class InvalidDocument(ValueError):
    """It cannot be brought in; the message has a line for each fault."""


@dataclass(frozen=True, slots=True)
class Line:
    """What becomes of one entry.

    Attributes:
        fields: of one that changes, those that will be another; empty where it is but a value.
    """

    section: str
    key: str
    action: Literal["added", "changed", "removed"]
    fields: tuple[str, ...] = ()


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
        warnings: what one should know before, a sentence each.
    """

    replace: bool
    lines: tuple[Line, ...]
    unchanged: int
    warnings: tuple[str, ...]
    parts: tuple[Part, ...]
    names: NamesPlan

    def count(self, action: str) -> int:
        """How many entries are added, changed or removed."""
        return sum(line.action == action for line in self.lines)


class ExchangeDesk:
    """All functions raise `DatabaseUnavailable`.

    Args:
        refresh: has what was written take effect here; other workers look by themselves.
    """

    def __init__(self, db: Database, names: SmartDesk, refresh: Callable[[], Awaitable[None]]) -> None:
        self._db = db
        self._names = names
        self._refresh = refresh

    async def export(self) -> dict[str, Any]:
        """The document, which changes only where something in it does. The audit log is told."""
        document: dict[str, Any] = {"format": FORMAT, "version": VERSION}
        for section in _SECTIONS:
            document[section.name] = redact_json(dict(sorted((await section.read(self._db)).items())))
        document[NAMES] = redact_json(dict(export_names(await self._names.list_all())))
        await note(self._db, "config.export", "everything")
        return document

    async def plan(self, document: Any, *, replace: bool = False) -> Plan:
        """What to do so that what `document` holds is there; with `replace`, of the sections that it has nothing else is.

        Raises:
            InvalidDocument: it has faults.
        """
        wanted = _read(document)
        parts, lines, unchanged = [], list[Line](), 0
        there: dict[str, Entries] = {}
        for section in _SECTIONS:
            there[section.name] = await section.read(self._db)
            if section.name in wanted:
                here = there[section.name]
                entries = {key: as_here(entry, here.get(key)) for key, entry in wanted[section.name].items()}
                part, same = _compare(section, here, entries, replace=replace)
                parts.append(part)
                lines += _lines(part, here)
                unchanged += same
        definitions = names_as_here(document.get(NAMES), export_names(await self._names.list_all()))
        names = await self._plan_names(definitions, wanted, replace=replace and NAMES in document)
        warnings = (*self._warnings(there, parts), *names.warnings, *names.lacking)
        return Plan(replace, (*lines, *_name_lines(names)), unchanged + names.unchanged, warnings, tuple(parts), names)

    async def apply(self, plan: Plan) -> None:
        """Do it, all or nothing.

        Raises:
            InvalidDocument: somebody else has given a smart model one of the names meanwhile.
        """
        if not plan.lines:
            return
        names, after = plan.names, _noted(plan)
        writes = [await part.section.write(self._db, part.put, part.gone) for part in plan.parts]
        changed = {change.before.id: change.model for change in names.changed}
        writes.append(of_names(names.added, changed, names.deleted))
        with changing("config.import", "replace" if plan.replace else "merge", after=after):
            try:
                await write_all(self._db, writes)
            except NameExists as exc:
                raise InvalidDocument(f"{NAMES}: {exc}") from exc
        await self._refresh()

    async def _plan_names(self, definitions: Any, wanted: Mapping[str, Entries], *, replace: bool) -> NamesPlan:
        settings = wanted.get("settings", {})
        default = settings.get("default_model")
        coming = Coming(
            providers=wanted.get("providers", {}).keys(),
            models={key.lower() for key in wanted.get("models", {})},
            token_ids=wanted.get("tokens", {}).keys(),
            default_model=default if isinstance(default, str) else None,
        )
        try:
            return await plan_import(
                self._names.expecting(coming), {} if definitions is None else definitions, replace=replace
            )
        except (InvalidName, NameTaken) as exc:
            raise InvalidDocument("\n".join(f"{NAMES}: {line}" for line in str(exc).splitlines())) from exc

    def _warnings(self, there: Mapping[str, Entries], parts: list[Part]) -> Iterator[str]:
        by_name = {part.section.name: part for part in parts}
        entries, known = self._names.registry.entries, {state.key for state in self._names.registry.states}
        if providers := by_name.get("providers"):
            known |= providers.put.keys()
            for key in providers.put:
                if key in entries and key not in there["providers"]:
                    yield f"providers {key}: the configuration has one of that name, which counts"
        for key in by_name["changed_providers"].put if "changed_providers" in by_name else ():
            if key not in entries:
                yield f"changed_providers {key}: the configuration has none of that name, so that nothing comes of it"
        for name in ("models", "prices"):
            for key in by_name[name].put if name in by_name else ():
                if split_model(key)[0] not in known and split_model(key) not in SEARCH_TARGETS:
                    yield f"{name} {key}: there is no such provider here"
        if tokens := by_name.get("tokens"):
            if new := len(tokens.put.keys() - there["tokens"].keys()):
                yield f"tokens: {new} come without their texts, which no export has: nobody can call with one until it has been rotated"
            if tokens.gone:
                yield f"tokens: {len(tokens.gone)} are removed, and whoever calls with one of them is refused from then on"


def _noted(plan: Plan) -> dict[str, Any]:
    """For the audit log: how many, and which."""
    written = [
        f"{line.action}: {line.section} {line.key}" + (f" ({', '.join(line.fields)})" if line.fields else "")
        for line in plan.lines[:_MOST_NOTED]
    ]
    return {each: plan.count(each) for each in ("added", "changed", "removed")} | {"entries": written}


def _read(document: Any) -> dict[str, Entries]:
    if not isinstance(document, dict) or document.get("format") != FORMAT:
        raise InvalidDocument(f"This is no export of LLM Relay: its 'format' is not {FORMAT!r}.")
    if document.get("version") != VERSION:
        raise InvalidDocument(
            f"The document has version {document.get('version')!r}; this gateway reads version {VERSION}."
        )
    sections = {section.name: section for section in _SECTIONS}
    wanted: dict[str, Entries] = {}
    faults: list[str] = []
    for name, entries in document.items():
        if name in sections:
            wanted[name] = _check_all(sections[name], entries, faults)
        elif name not in (*_HEAD, NAMES):
            faults.append(f"{name}: unknown key; there are {', '.join((*sections, NAMES))}")
    if faults:
        raise InvalidDocument("\n".join(faults))
    return wanted


def _check_all(section: Section, entries: Any, faults: list[str]) -> Entries:
    if not isinstance(entries, dict):
        faults.append(f"{section.name}: must be an object")
        return {}
    checked: Entries = {}
    for key, entry in entries.items():
        try:
            checked[key] = section.check(key, entry)
        except ValueError as exc:
            faults += [f"{section.name}.{key}: {line}" for line in str(exc).splitlines()]
    return checked


def _compare(section: Section, there: Entries, wanted: Entries, *, replace: bool) -> tuple[Part, int]:
    put = {key: entry for key, entry in wanted.items() if key not in there or there[key] != entry}
    gone = tuple(key for key in there if replace and key not in wanted)
    return Part(section, put, gone), len(wanted) - len(put)


def _lines(part: Part, there: Entries) -> Iterator[Line]:
    name = part.section.name
    for key, entry in part.put.items():
        if key not in there:
            yield Line(name, key, "added")
        else:
            yield Line(name, key, "changed", _differing(there[key], entry))
    for key in part.gone:
        yield Line(name, key, "removed")


def _differing(before: Json, now: Json) -> tuple[str, ...]:
    if not (isinstance(before, dict) and isinstance(now, dict)):
        return ()
    return tuple(field for field in sorted({*before, *now}) if before.get(field) != now.get(field))


def _name_lines(plan: NamesPlan) -> Iterator[Line]:
    for model in plan.added:
        yield Line(NAMES, f"{model.kind} {model.name}", "added")
    for change in plan.changed:
        yield Line(NAMES, f"{change.model.kind} {change.model.name}", "changed", change.fields)
    for gone in plan.deleted:
        yield Line(NAMES, f"{gone.kind} {gone.model.name}", "removed")
