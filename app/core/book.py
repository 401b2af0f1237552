"""All smart models at one time, and how a name is looked up among them."""

from collections.abc import Iterable, Sequence
from fnmatch import fnmatchcase

from app.core.frozen import frozen
from app.core.naming import normalise
from app.core.smart import KINDS, OTHER_NAMES, Redirect, SmartModel

_MOST_BEHIND = 200


@frozen
class Entry:
    """A smart model that is found by its name, with what its stage needs beside its definition.

    Attributes:
        id: unique within its kind.
        learned: of a router, what it learned; None before.
    """

    id: str
    model: SmartModel
    learned: object = None


class Book:
    """The enabled ones, by name. What stands for a name is looked for in the order of `KINDS`.

    A name may be that of several kinds only where it came by another way than the desk, which refuses it.

    Attributes:
        entries: those that are found by any name.
    """

    def __init__(self, entries: Iterable[Entry] = ()) -> None:
        enabled = [entry for entry in entries if entry.model.enabled]
        self._by_name: dict[str, Entry] = {}
        self._behind: dict[str, tuple[Sequence[SmartModel], frozenset[str]]] = {}
        for entry in sorted(enabled, key=lambda entry: KINDS.index(entry.model.kind)):
            if not is_pattern(entry.model):
                self._by_name.setdefault(entry.model.name, entry)
        # The longer pattern says more, and comes first.
        self._patterns = sorted(
            (entry for entry in enabled if is_pattern(entry.model)),
            key=lambda entry: (-len(entry.model.name), entry.model.name),
        )
        self.entries: Sequence[Entry] = [
            entry for entry in enabled if is_pattern(entry.model) or self._by_name[entry.model.name] is entry
        ]

    def has(self, name: str) -> bool:
        """Whether one of them is called just so."""
        return normalise(name) in self._by_name

    def find(self, name: str) -> Entry | None:
        """What `name`, as a client spells it, stands for among them; None where it stands for none.

        An exact name comes before all patterns. A pattern whose target is what it fits leads nowhere else, and is passed over.
        """
        if not self.entries:
            return None
        wanted = normalise(name)
        if (entry := self._by_name.get(wanted)) is not None:
            return entry
        for entry in self._patterns:
            if fnmatchcase(wanted, entry.model.name) and normalise(target_of(entry.model, wanted)) != wanted:
                return entry
        return None

    def follow(self, name: str) -> str:
        """The name that `name` leads to by aliases and redirects alone; where those lead in a circle, one of them."""
        seen: set[str] = set()
        while (entry := self.find(name)) is not None and entry.model.kind in OTHER_NAMES:
            if entry.id in seen:
                break
            seen.add(entry.id)
            name = target_of(entry.model, name)
        return normalise(name)

    def behind(self, name: str) -> Sequence[SmartModel]:
        """All smart models that a call for `name` may come through."""
        return self._ways(name)[0]

    def reach(self, name: str) -> frozenset[str]:
        """`name`, and all names that a call for it may be led to."""
        return self._ways(name)[1]

    def _ways(self, name: str) -> tuple[Sequence[SmartModel], frozenset[str]]:
        known = self._behind.get(name)
        if known is None:
            known = self._behind[name] = self._walk(name)
        return known

    def _walk(self, name: str) -> tuple[Sequence[SmartModel], frozenset[str]]:
        names, reached = [name], {name}
        models: list[SmartModel] = []
        seen: set[tuple[str, str, str]] = set()
        while names and len(seen) < _MOST_BEHIND:  # patterns can lead on for ever
            name = names.pop()
            entry = self.find(name)
            if entry is None:
                continue
            key = (entry.model.kind, entry.id, normalise(name) if is_pattern(entry.model) else "")
            if key not in seen:
                seen.add(key)
                targets = targets_of(entry.model, name)
                names += targets
                reached.update(targets)
                models.append(entry.model)
        return tuple(models), frozenset(reached)


def is_pattern(model: SmartModel) -> bool:
    """Whether it is a redirect of more names than one."""
    return isinstance(model, Redirect) and model.is_pattern


def target_of(model: SmartModel, name: str) -> str:
    """The name that a redirect leads `name` to, with what stands for its `*`; the main target of any other kind."""
    target = model.targets[0]
    if not isinstance(model, Redirect) or "*" not in target:
        return target
    before, _, after = model.outline.partition("*")
    wanted = name.strip()[: len(normalise(name))]
    carried = wanted[len(before) : len(wanted) - len(after)]  # in the client's capitals: providers may care
    return target.replace("*", carried)


def targets_of(model: SmartModel, name: str) -> tuple[str, ...]:
    """All names that it may lead `name` to, the main one first."""
    return (target_of(model, name),) if isinstance(model, Redirect) else model.targets


NO_BOOK = Book()
LONGEST_WAY = 20
"""As many smart models may a call come through: no sensible chain is longer."""
