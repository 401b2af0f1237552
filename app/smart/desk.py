"""Smart models for those who manage them: which there are, and how one is added, changed and removed."""

import copy
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from app.core.audit import changing
from app.core.naming import normalise
from app.core.redaction import redact
from app.core.smart import Augmentor, Kind, SmartModel, definition_of
from app.providers.registry import Registry
from app.smart.checks import Coming, Fault, Surroundings, find_faults, find_warnings, why_unknown
from app.smart.conflict import Conflict, NameTaken, find_conflict
from app.smart.definition import InvalidName, check_object, read_definition
from app.smart.search_setup import Lacks
from app.store.db import Database
from app.store.smart_models import (
    NameExists,
    StoredSmartModel,
    UnreadableSmartModel,
    delete_smart_model,
    put_smart_models,
    read_smart_models,
    read_unreadable_smart_models,
)
from app.store.tokens import list_tokens

Stored = StoredSmartModel
"""A smart model, with what the database knows of it."""


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A smart model of the database that this version cannot read, and that does nothing.

    Attributes:
        why: what is at fault, in words.
    """

    id: str
    kind: Kind
    name: str
    why: str


class NoSuchName(LookupError):
    """There is none of that id or name; the message is a sentence."""


def _nothing(_augmentor: Augmentor) -> None:
    return None


class SmartDesk:
    """All functions raise `DatabaseUnavailable`.

    Args:
        default_model: gives the setting of now; None where there is none.
        refresh: has what was written take effect here; other workers look by themselves.
        settled: returns when providers have told which models they have, or have had their time.
        lacks: what is not set up that the searches of an augmentor need.
    """

    def __init__(
        self,
        db: Database,
        registry: Registry,
        default_model: Callable[[], str | None],
        *,
        refresh: Callable[[], Awaitable[None]],
        settled: Callable[[], Awaitable[None]],
        lacks: Lacks = _nothing,
    ) -> None:
        self.db = db
        self.registry = registry
        self._default_model = default_model
        self.refresh = refresh
        self.settled = settled
        self._lacks = lacks
        self._coming = Coming()

    async def list_all(self, kind: Kind | None = None, owner_tag: str | None = None) -> list[Stored]:
        """All of them, or those of one kind or with that owner tag, by kinds and names."""
        found = await read_smart_models(self.db, kind)
        return [each for each in found if owner_tag is None or owner_tag in each.model.owner_tags]

    async def show(self, key: str, kind: Kind | None = None) -> Stored:
        """The one with that id, or else that name.

        Raises:
            NoSuchName: there is none of that kind.
        """
        found = await read_smart_models(self.db, kind)
        for each in found:
            if each.id == key:
                return each
        for each in found:
            if each.model.name == normalise(key):
                return each
        if (unreadable := await self._find_unreadable(key, kind)) is not None:
            raise NoSuchName(redact(f"The {unreadable.kind} {unreadable.name!r} cannot be read: {unreadable.why}."))
        raise NoSuchName(redact(f"There is no {kind or 'smart model'} {key!r}."))

    async def list_unreadable(self, kind: Kind | None = None, owner_tag: str | None = None) -> list[Unreadable]:
        """Those that cannot be read; for arguments and order see `list_all`."""
        return [
            Unreadable(each.id, each.kind, each.name, _why_unreadable(each))
            for each in await read_unreadable_smart_models(self.db, kind)
            if owner_tag is None or owner_tag in _list(each.definition.get("owner_tags"))
        ]

    async def add(self, kind: Kind, definition: Mapping[str, Any]) -> Stored:
        """Make one.

        Raises:
            InvalidName: the definition has faults, by itself or beside what there is.
            NameTaken: something else is called so.
        """
        model = await self.validate(kind, definition)
        with changing("name.add", title_of(model), after=definition_of(model)):
            await self._put(model, added=[model])
        return await self.show(model.name, kind)

    async def change(self, kind: Kind, key: str, changes: Mapping[str, Any], *, anew: bool = False) -> Stored:
        """Change what is given; all else stays, or is as if it had never been said where it is made `anew`.

        What is wrong with it already and stays as it is hinders no change.

        Raises:
            NoSuchName: there is none of that kind.
            InvalidName, NameTaken: as `add`.
        """
        check_object(changes)
        before = await self.show(key, kind)
        model = await self.validate(kind, changes if anew else definition_of(before.model) | dict(changes), before)
        fields = {"before": definition_of(before.model), "after": definition_of(model)}
        with changing("name.change", title_of(before.model), **fields):
            await self._put(model, changed={before.id: model})
        return await self.show(before.id, kind)

    async def delete(self, kind: Kind | None, key: str) -> Stored | Unreadable:
        """Remove one, and give what it was. What cannot be read can be removed all the same.

        Raises:
            NoSuchName: there is none of that kind.
        """
        gone: Stored | Unreadable
        try:
            gone = await self.show(key, kind)
        except NoSuchName:
            if (unreadable := await self._find_unreadable(key, kind)) is None:
                raise
            gone = unreadable
        before = definition_of(gone.model) if isinstance(gone, StoredSmartModel) else {"unreadable": gone.why}
        title = title_of(gone.model) if isinstance(gone, StoredSmartModel) else f"{gone.kind} {gone.name}"
        with changing("name.delete", title, before=before):
            await delete_smart_model(self.db, gone.kind, gone.id)
        await self.refresh()
        return gone

    async def validate(self, kind: Kind, definition: Any, before: Stored | None = None) -> SmartModel:
        """The smart model that `add` would make, or `change` in the place of `before`; nothing is written.

        Raises:
            InvalidName, NameTaken: as `add`.
        """
        model = read_definition(kind, definition)
        await self.settled()
        others = [each.model for each in await self.list_all() if before is None or not _is_same(each, before)]
        if before is None or before.model.name != model.name:
            self.check_name(model, others)
        around = await self.look_around(others)
        known = [] if before is None else find_faults(before.model, around)
        refuse([fault for fault in find_faults(model, around) if fault not in known])
        return model

    async def find_broken(self) -> list[tuple[Stored, list[Fault]]]:
        """Those of them in which something is wrong, as things are now."""
        stored = await self.list_all()
        found = []
        for each in stored:
            others = [other.model for other in stored if other is not each]
            if faults := find_faults(each.model, await self.look_around(others)):
                found.append((each, faults))
        return found

    async def warnings_of(self, model: SmartModel) -> list[Fault]:
        """What it lacks and can do without, if not well."""
        return find_warnings(model, await self.look_around([]))

    async def find_lacking(self) -> list[tuple[Stored, list[Fault]]]:
        """Those of them that lack something which they can do without, if not well."""
        around = await self.look_around([])
        found = ((each, find_warnings(each.model, around)) for each in await self.list_all())
        return [(each, warnings) for each, warnings in found if warnings]

    def expecting(self, coming: Coming) -> "SmartDesk":
        """The desk that takes for there what is on its way."""
        other = copy.copy(self)
        other._coming = coming
        return other

    async def why_unknown(self, name: str) -> str | None:
        """That there is nothing of that name, as a sentence; None where there is."""
        await self.settled()
        why = why_unknown(name, await self.look_around([each.model for each in await self.list_all()]))
        return None if why is None else redact(f"{why[0].upper()}{why[1:]}")

    async def look_around(self, others: Sequence[SmartModel]) -> Surroundings:
        """What definitions are held against."""
        token_ids = {token.id for token in await list_tokens(self.db)}
        return Surroundings(self.registry, others, token_ids, self._default_model(), self._lacks, self._coming)

    def check_name(self, model: SmartModel, others: Sequence[SmartModel]) -> None:
        """Raise `NameTaken` where something else is called as `model` is."""
        if (conflict := find_conflict(model.name, model.kind, others, self.registry)) is not None:
            raise NameTaken(conflict)

    async def _find_unreadable(self, key: str, kind: Kind | None) -> Unreadable | None:
        found = await self.list_unreadable(kind)
        by_name = (each for each in found if normalise(each.name) == normalise(key))
        return next((each for each in found if each.id == key), None) or next(by_name, None)

    async def _put(
        self, model: SmartModel, added: Sequence[SmartModel] = (), changed: Mapping[str, SmartModel] | None = None
    ) -> None:
        try:
            await put_smart_models(self.db, added, changed)
        except NameExists as exc:  # somebody else was faster
            raise NameTaken(Conflict(model.kind, model.name)) from exc
        await self.refresh()


def title_of(model: SmartModel) -> str:
    """What the audit log calls it."""
    return f"{model.kind} {model.name}"


def refuse(faults: Sequence[Fault]) -> None:
    """Raise `InvalidName` where there are any."""
    if faults:
        raise InvalidName("\n".join(map(str, faults)), param=faults[0].field)


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _why_unreadable(row: UnreadableSmartModel) -> str:
    if not row.definition:
        return "a column of it holds what is no JSON"
    try:
        read_definition(row.kind, row.definition)
    except InvalidName as exc:
        return "; ".join(str(exc).splitlines())
    return "a time, or what it has counted, is no number that can be"


def _is_same(one: Stored, other: Stored) -> bool:
    return (one.kind, one.id) == (other.kind, other.id)
