"""The document as a whole: written, compared with what there is, and brought in."""

from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from typing import Any

from app.config import Config
from app.core.audit import abridged, changing
from app.core.jsonio import Json
from app.core.redaction import redact_json
from app.core.web import SEARCH_TARGETS
from app.exchange.blanks import names_settled, settled
from app.exchange.catalog import ChangedProviders, faults_of_changes
from app.exchange.document import FORMAT, MARKED, NAMES, OF_MODELS, SECTIONS, VERSION, read_document
from app.exchange.document import InvalidDocument as InvalidDocument
from app.exchange.plan import Line as Line
from app.exchange.plan import Part, compare, lines_of, lines_of_names, with_environment
from app.exchange.plan import Plan as Plan
from app.exchange.section import Entries, Section, split_model
from app.smart.checks import Coming
from app.smart.conflict import NameTaken
from app.smart.definition import InvalidName
from app.smart.desk import SmartDesk
from app.smart.exchange import Plan as NamesPlan
from app.smart.exchange import PlanOutdated as PlanOutdated
from app.smart.exchange import export_names, plan_import
from app.store.audit import note
from app.store.db import Database
from app.store.exchange import of_names, read_revisions, write_all
from app.store.revisions import ChangedMeanwhile


class ExchangeDesk:
    """All functions raise `DatabaseUnavailable`.

    Args:
        refresh: has what was written take effect here; other workers look by themselves.
        environment: gives what a setting is, by its name, where nothing is set here.
        read_file: gives what the configuration says by itself.
    """

    def __init__(
        self,
        db: Database,
        names: SmartDesk,
        refresh: Callable[[], Awaitable[None]],
        environment: Callable[[str], Json],
        read_file: Callable[[], Config],
    ) -> None:
        self._db = db
        self._names = names
        self._refresh = refresh
        self._environment = environment
        self._read_file = read_file

    async def export(self) -> dict[str, Any]:
        """The document, which changes only where something in it does. The audit log is told."""
        document: dict[str, Any] = {"format": FORMAT, "version": VERSION}
        for section in SECTIONS:
            document[section.name] = redact_json(dict(sorted((await section.read(self._db)).items())))
        document[NAMES] = redact_json(dict(export_names(await self._names.list_all())))
        await note(self._db, "config.export", "everything")
        return document

    async def plan(self, document: Any, *, replace: bool = False) -> Plan:
        """What to do so that what `document` holds is there; with `replace`, of the sections that it has nothing else is.

        Raises:
            InvalidDocument: it has faults.
        """
        wanted = read_document(document)
        revisions = await read_revisions(self._db)  # before all that they are of
        parts, lines, missing, unchanged = [], list[Line](), list[str](), 0
        there: dict[str, Entries] = {}
        for section in SECTIONS:
            there[section.name] = await section.read(self._db)
            if section.name in wanted:
                here = there[section.name]
                wanted[section.name], lacking = _settle(section, wanted[section.name], here)
                part = compare(section, here, wanted[section.name], replace=replace)
                parts.append(part)
                lines += (with_environment(line, self._environment) for line in lines_of(part, here))
                missing += lacking
                unchanged += len(wanted[section.name]) - len(part.put)
        definitions, lacking = names_settled(document.get(NAMES, {}), export_names(await self._names.list_all()))
        names = await self._plan_names(definitions, wanted, replace=replace and NAMES in document)
        changed = next((part.put for part in parts if part.section.name == ChangedProviders.name), {})
        faults = await faults_of_changes(self._db, changed, self._read_file().providers)
        told = (*self._warnings(there, parts), *faults, *missing, *lacking, *names.warnings, *names.lacking)
        lines += lines_of_names(names)
        warnings = tuple(dict.fromkeys(told))
        return Plan(replace, tuple(lines), unchanged + names.unchanged, warnings, tuple(parts), names, revisions)

    async def bring_in(self, document: Any, *, replace: bool = False, seen: str | None = None) -> Plan:
        """Plan it and do it.

        Args:
            seen: the `mark` of the plan that somebody looked at.

        Raises:
            InvalidDocument: as `plan` and `apply`.
            PlanOutdated: it would do anything else than that, or as `apply`.
        """
        plan = await self.plan(document, replace=replace)
        if seen not in (None, plan.mark):
            raise PlanOutdated
        await self.apply(plan)
        return plan

    async def apply(self, plan: Plan) -> None:
        """Do it, all or nothing.

        Raises:
            PlanOutdated: somebody has changed something since it was made.
        """
        if not plan.lines:
            return
        names = plan.names
        writes = [await part.section.write(self._db, part.put, part.gone) for part in plan.parts]
        changed = {change.before.id: change.model for change in names.changed}
        writes.append(of_names(names.added, changed, names.deleted))
        before, after = abridged((f"{line.section} {line.key}", line.before, line.after) for line in plan.lines)
        after["counts"] = plan.counts
        with changing("config.import", "replace" if plan.replace else "merge", before=before, after=after):
            try:
                await write_all(self._db, writes, plan.revisions)
            except ChangedMeanwhile as exc:
                raise PlanOutdated from exc
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
            return await plan_import(self._names.expecting(coming), definitions, replace=replace)
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
        for name in OF_MODELS:
            for key in by_name[name].put if name in by_name else ():
                if split_model(key)[0] not in known and split_model(key) not in SEARCH_TARGETS:
                    yield f"{name} {key}: there is no such provider here"
        if tokens := by_name.get("tokens"):
            if new := sorted(tokens.put.keys() - there["tokens"].keys()):
                yield f"tokens {_listed(new)}: no export has the text of a token, so nobody can call with it until it is rotated here"
            if tokens.gone:
                yield f"tokens {_listed(tokens.gone)}: whoever calls with one that is removed is refused from then on"


_MOST_LISTED = 10


def _listed(keys: Sequence[str]) -> str:
    more = len(keys) - _MOST_LISTED
    return ", ".join(keys[:_MOST_LISTED]) + (f" and {more} more" if more > 0 else "")


def _settle(section: Section, wanted: Entries, there: Entries) -> tuple[Entries, list[str]]:
    """The entries as they will be here, and a line for each place where something is missing."""
    entries: dict[str, Json] = {}
    missing: list[str] = []
    if section.name in MARKED:
        return wanted, missing
    for key, entry in wanted.items():
        entries[key], lines = settled(entry, there.get(key))
        missing += [f"{section.name} {key}: {line}" for line in lines]
    return entries, missing
