"""Smart models as one document, to be kept in a file: written so that it changes only where they do, and read back."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

from app.core.audit import Became, abridged, changing
from app.core.jsonio import Json, mark_of
from app.core.smart import KINDS, Kind, SmartModel, definition_of
from app.smart.checks import find_faults
from app.smart.definition import PLURALS, InvalidName, read_definition, written
from app.smart.desk import SmartDesk, Stored, Unreadable, title_of
from app.store.revisions import ChangedMeanwhile, revision_of
from app.store.smart_models import SUBJECT, put_smart_models

Key = tuple[Kind, str]


class PlanOutdated(ValueError):
    """What is there is not what it was when somebody looked at what the import does; the message is a sentence."""

    def __init__(self) -> None:
        super().__init__(
            "What is there has changed since you looked at what the import does: look at it again. Nothing was imported."
        )


@dataclass(frozen=True, slots=True)
class Change:
    """What becomes of one that is there.

    Attributes:
        fields: those that will be another.
    """

    before: Stored
    model: SmartModel
    fields: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Plan:
    """What an import will do.

    Attributes:
        revision: of what was there when it was made.
        unchanged: how many are there already just so.
        warnings: what is wrong with those that come, and may come right elsewhere: a line each.
        lacking: what those that come lack and can do without, if not well: a line each.
    """

    added: tuple[SmartModel, ...]
    changed: tuple[Change, ...]
    deleted: tuple[Stored, ...]
    revision: int
    unchanged: int
    warnings: tuple[str, ...]
    lacking: tuple[str, ...] = ()

    @property
    def is_empty(self) -> bool:
        """Nothing will change."""
        return not (self.added or self.changed or self.deleted)

    @property
    def mark(self) -> str:
        """Tells it from all plans that do anything else."""
        return mark_of([list(each) for each in _became(self)])


def export_names(stored: Sequence[Stored]) -> dict[str, list[dict[str, Json]]]:
    """The document: lists of definitions by kinds, sorted by their names, each with what is not as it would be anyway."""
    models = sorted((each.model for each in stored), key=lambda model: model.name)
    by_kind = {PLURALS[kind]: [written(model) for model in models if model.kind == kind] for kind in KINDS}
    return {plural: definitions for plural, definitions in by_kind.items() if definitions}


async def plan_import(desk: SmartDesk, document: Any, *, replace: bool = False) -> Plan:
    """What to do so that what `document` holds is there; with `replace`, nothing else is.

    Raises:
        InvalidName: a definition has faults by itself, or would lead in a circle, or a helper would be a smart model.
        NameTaken: something else is called as one that would be added.
    """
    wanted = _read(document)
    revision = await revision_of(desk.db, SUBJECT)  # before all that it is of
    stored = await desk.list_all()
    there: dict[Key, Stored] = {(each.kind, each.model.name): each for each in stored}
    await desk.settled()
    _refuse_unreadable(wanted, await desk.list_unreadable())
    deleted = tuple(each for key, each in there.items() if replace and key not in wanted)
    staying = [each.model for key, each in there.items() if key not in wanted and each not in deleted]
    added = [model for key, model in wanted.items() if key not in there]
    changed = [
        Change(there[key], model, fields)
        for key, model in wanted.items()
        if key in there and (fields := _differing(there[key].model, model))
    ]
    everything = [*staying, *wanted.values()]
    for model in added:
        desk.check_name(model, [each for each in everything if each is not model])
    new = [*added, *(change.model for change in changed)]
    warnings = await _check(desk, new, everything)
    lacking = [f"{each.kind} {each.name}: {fault}" for each in new for fault in await desk.warnings_of(each)]
    unchanged = len(wanted) - len(new)
    return Plan(tuple(added), tuple(changed), deleted, revision, unchanged, tuple(warnings), tuple(lacking))


def _refuse_unreadable(wanted: Mapping[Key, SmartModel], unreadable: Sequence[Unreadable]) -> None:
    """A name that has a row nobody can read cannot be taken, and what that row says not be changed."""
    faults = [
        f"{PLURALS[each.kind]}: {each.name!r} stands in the database and cannot be read ({each.why}); remove that first"
        for each in unreadable
        if (each.kind, each.name) in wanted
    ]
    if faults:
        raise InvalidName("\n".join(faults))


async def import_names(desk: SmartDesk, document: Any, *, replace: bool = False, seen: str | None = None) -> Plan:
    """Plan it and do it.

    Args:
        seen: the `mark` of the plan that somebody looked at.

    Raises:
        InvalidName, NameTaken: as `plan_import`.
        PlanOutdated: it would do anything else than that, or as `apply_import`.
    """
    plan = await plan_import(desk, document, replace=replace)
    if seen not in (None, plan.mark):
        raise PlanOutdated
    await apply_import(desk, plan)
    return plan


async def apply_import(desk: SmartDesk, plan: Plan) -> None:
    """Do it, all or nothing.

    Raises:
        PlanOutdated: somebody has changed some of them since it was made.
    """
    if plan.is_empty:
        return
    changed = {change.before.id: change.model for change in plan.changed}
    before, after = abridged(_became(plan))
    try:
        with changing("name.import", "names", before=before, after=after):
            await put_smart_models(desk.db, plan.added, changed, plan.deleted, known=plan.revision)
    except ChangedMeanwhile as exc:
        raise PlanOutdated from exc
    await desk.refresh()


def _became(plan: Plan) -> Iterator[Became]:
    for gone in plan.deleted:
        yield title_of(gone.model), written(gone.model), None
    for change in plan.changed:
        yield title_of(change.model), written(change.before.model), written(change.model)
    for model in plan.added:
        yield title_of(model), None, written(model)


def _read(document: Any) -> dict[Key, SmartModel]:
    if not isinstance(document, Mapping):
        raise InvalidName(f"The document must be an object of lists: {', '.join(PLURALS.values())}.")
    kinds = {plural: kind for kind, plural in PLURALS.items()}
    models: dict[Key, SmartModel] = {}
    faults: list[str] = []
    for plural, definitions in document.items():
        if plural not in kinds:
            near = get_close_matches(str(plural), kinds, n=1, cutoff=0.0)[0]
            faults.append(f"{plural}: unknown key; did you mean {near!r}? Known are {', '.join(kinds)}")
        elif not isinstance(definitions, list):
            faults.append(f"{plural}: must be a list")
        else:
            _read_each(kinds[plural], plural, definitions, models, faults)
    if faults:
        raise InvalidName("\n".join(faults))
    return models


def _read_each(
    kind: Kind, plural: str, definitions: Sequence[Any], models: dict[Key, SmartModel], faults: list[str]
) -> None:
    for index, definition in enumerate(definitions):
        try:
            model = read_definition(kind, definition, (plural, index))
        except InvalidName as exc:
            faults.append(str(exc))
            continue
        if any(model.name == name for _, name in models):
            faults.append(f"{plural}[{index}].name: {model.name!r} stands there twice")
        models[kind, model.name] = model


async def _check(desk: SmartDesk, new: Sequence[SmartModel], everything: Sequence[SmartModel]) -> list[str]:
    warnings: list[str] = []
    refused: list[str] = []
    for model in new:
        around = await desk.look_around([each for each in everything if each is not model])
        for fault in find_faults(model, around):
            (warnings if fault.is_elsewhere else refused).append(f"{model.kind} {model.name}: {fault}")
    if refused:
        raise InvalidName("\n".join(refused))
    return warnings


def _differing(before: SmartModel, now: SmartModel) -> tuple[str, ...]:
    old, new = definition_of(before), definition_of(now)
    return tuple(field for field in new if new[field] != old[field])
