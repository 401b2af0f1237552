"""What there is at one time, put together once and looked up often: providers, their models, and the names that lead to them."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Protocol

from app.config import Config, NameConfig
from app.core.abilities import UNKNOWN, Known
from app.core.call import Choice, Route, Target
from app.core.naming import nearest, normalise
from app.core.ports import Provider
from app.overrides import Overrides
from app.providers.told import Told

_VERSION = re.compile(r"@(?:[0-9]+|default)$")


class Listing(Provider, Protocol):
    """A provider that can tell its models."""

    async def list_models(self) -> list[Told]:
        """What it tells of its models."""


@dataclass(frozen=True)
class ProviderState:
    """One provider as an operator sees it.

    Attributes:
        models: None while it has not told them.
        extra: models that it is said to have beside those.
    """

    key: str
    name: str
    state: str
    models: tuple[str, ...] | None
    extra: tuple[str, ...] = ()

    @property
    def ready(self) -> bool:
        """True where calls can be sent to it."""
        return self.state == "ready"

    @property
    def offered(self) -> Sequence[str]:
        """All its models that are known, each once."""
        return tuple(dict.fromkeys((*(self.models or ()), *self.extra)))


@dataclass(frozen=True)
class ListedModel:
    """A line of the model list: a name of the configuration, or the shortest that leads to `target`.

    Attributes:
        target: the first that `route` holds.
        known: what is known of that target.
        formats: the dialects that its provider speaks, the one first that all others are translated into; empty where it is no
            provider of the configuration.
        kind: of smart model; None where it is none.
    """

    id: str
    target: Target
    route: Route
    known: Known = UNKNOWN
    formats: tuple[str, ...] = ()
    kind: str | None = None

    @property
    def owner(self) -> str:
        """Whose it is: a provider's, by its key, or the gateway's own name; of a smart model, its kind."""
        if self.kind is not None:
            return self.kind
        return self.target.provider if self.route.name is None else "llm-relay"


@dataclass(frozen=True)
class Snapshot:
    """All that is known at one time.

    Attributes:
        providers: for each of a provider's API keys the provider that is asked by it; one where it needs none.
        routes: what each name stands for, as `normalise` gives it.
        listed: all models that can be used, each once.
        spellings: leads from every name that a typing error may be near to, to the one that is listed.
        open_lists: the keys of providers whose models are not known.
        off: why, by each name that leads to models that are switched off, and to no other.
        unusable: why, by each name of the configuration of which no target can be used.
    """

    config: Config
    overrides: Overrides
    providers: dict[str, tuple[Listing, ...]]
    states: tuple[ProviderState, ...]
    routes: dict[str, Route] = field(default_factory=dict)
    listed: tuple[ListedModel, ...] = ()
    spellings: dict[str, str] = field(default_factory=dict)
    open_lists: frozenset[str] = frozenset()
    off: dict[str, str] = field(default_factory=dict)
    unusable: dict[str, str] = field(default_factory=dict)

    def find(self, name: str) -> Route | None:
        """What `name` stands for."""
        route = self.routes.get(normalise(name))
        if (target := self._unlisted(name)) is not None and (route is None or route.name is None):
            # The provider itself will say whether it has the model.
            return Route(self.choices(target)) if self.overrides.known(*target.name).disabled is None else None
        return route

    def is_listed(self, name: str) -> bool:
        """Whether a model or a name is known to be called so, be it usable or not.

        Of a provider whose list is not known it is only what ends like a version, as Google's `claude-opus-4@20250514` does.
        """
        wanted = normalise(name)
        if wanted in self.routes or wanted in self.off or self.why_unusable(name) is not None:
            return True
        return _VERSION.search(wanted) is not None and self._unlisted(name) is not None

    def withheld(self, name: str) -> str | None:
        """Why the model that `name` would stand for is switched off, "" where nobody said; None where it is not."""
        if (target := self._unlisted(name)) is not None:
            return self.overrides.known(*target.name).disabled
        return self.off.get(normalise(name))

    def why_unusable(self, name: str) -> str | None:
        """Why no target of that name of the configuration can be used; None where one can, or there is no such name."""
        wanted = normalise(name)
        return next((why for each, why in self.unusable.items() if normalise(each) == wanted), None)

    def model(self, name: str) -> ListedModel | None:
        """The listed model that `name` leads to, under that name.

        A provider whose list is not known serves any name, but nobody can vouch for it.
        """
        route = self.find(name)
        if route is None:
            return None
        target = route.choices[0].target
        alike = (each for each in self.listed if each.target == target and each.route.name == route.name)
        return next((replace(each, id=name) for each in alike), None)

    def nearest(self, name: str, most: int) -> Sequence[str]:
        """The names most like `name`, best first."""
        close = nearest(normalise(name), self.spellings)
        return list(dict.fromkeys(self.spellings[spelling] for spelling in close))[:most]

    def choices(self, target: Target, weight: float = 1.0, retries: int | None = None) -> tuple[Choice, ...]:
        """`target` once for each API key of its provider; none where that is not ready."""
        entry = self.config.providers.get(target.provider)
        if retries is None:
            retries = entry.retries if entry else 0
        breaker = entry.breaker if entry else True
        count = len(self.providers.get(target.provider, ()))
        return tuple(Choice(_target(*target.name, secret), retries, weight / count, breaker) for secret in range(count))

    def _unlisted(self, name: str) -> Target | None:
        """The target that `name` spells out, where the provider's list is not known: not yet, or it has none to give."""
        key, _, model = name.strip().partition("/")
        return Target(key.lower(), model) if model and key.lower() in self.open_lists else None


@lru_cache(maxsize=4096)
def _target(provider: str, model: str, secret: int) -> Target:
    """The same object in every snapshot: whatever is kept by targets finds it without a look at its texts."""
    return Target(provider, model, secret)


def take_snapshot(
    config: Config, overrides: Overrides, providers: dict[str, tuple[Listing, ...]], states: Sequence[ProviderState]
) -> Snapshot:
    """Put everything together."""
    targets = [Target(state.key, model) for state in states if state.ready for model in state.offered]
    known = {target: overrides.all_known(*target.name) for target in targets}
    there = [target for target in targets if known[target].disabled is None]
    open_lists = frozenset(state.key for state in states if state.ready and state.models is None)
    bare = Snapshot(config, overrides, providers, tuple(states), open_lists=open_lists)
    spellings = _Spellings(targets)
    routes = _index(bare, there, spellings)
    listed = tuple(_list_models(bare, {target: known[target] for target in there}, routes))
    off = {
        name: each.disabled
        for target, each in known.items()
        if each.disabled is not None
        for name in _names(target)
        if name not in routes
    }
    unusable = {
        name: _why_unusable(bare, name, spellings) for name in config.names if not _named(bare, name, spellings)
    }
    return replace(bare, routes=routes, listed=listed, spellings=_spell(listed), off=off, unusable=unusable)


class _Spellings:
    """How providers write the names of their models."""

    def __init__(self, targets: Sequence[Target]) -> None:
        self._exact = frozenset(targets)
        self._alike: dict[tuple[str, str], Target] = {}
        for target in targets:
            self._alike.setdefault((target.provider, normalise(target.model)), target)

    def own(self, target: Target) -> Target:
        """`target` as its provider writes it, where that lists it; else as it is."""
        return target if target in self._exact else self._alike.get((target.provider, normalise(target.model)), target)


def _index(now: Snapshot, targets: Sequence[Target], spellings: _Spellings) -> dict[str, Route]:
    """Every spelling of every model, the more telling ones first; among equals the earlier provider comes first."""
    routes = {normalise(name): route for name in now.config.names if (route := _named(now, name, spellings))}
    spelled = [(now.choices(target), _names(target)) for target in targets]
    for spelling in (0, 1):
        for choices, names in spelled:
            routes.setdefault(names[spelling], Route(choices))
    bare: dict[str, list[Choice]] = {}
    for choices, names in spelled:
        bare.setdefault(names[2], []).extend(choices)
    for name, shared in bare.items():
        routes.setdefault(name, Route(tuple(shared)))
    return routes


def _named(now: Snapshot, name: str, spellings: _Spellings) -> Route | None:
    """What a name of the configuration stands for, with the targets that can be used; None where none can."""
    entry = now.config.names[name]
    choices = [
        choice
        for target, weight in _targets_of(entry, spellings)
        if now.overrides.known(*target.name).disabled is None
        for choice in now.choices(target, weight, entry.retries)
    ]
    if not choices:
        return None
    return Route(tuple(choices), entry.strategy, name, entry.rescue == "continue", entry.tags)


def _why_unusable(now: Snapshot, name: str, spellings: _Spellings) -> str:
    """What keeps each target of that name from being used, each thing once."""
    states = {state.key: state for state in now.states}
    told: dict[str, None] = {}
    for target, _ in _targets_of(now.config.names[name], spellings):
        state = states[target.provider]
        if state.ready:
            reason = now.overrides.known(*target.name).disabled
            told[f"{target} is switched off" + (f" ({reason})" if reason else "")] = None
        else:
            told[f"provider {state.key}: {state.state}"] = None
    return f"none of its targets can be used: {'; '.join(told)}"


def _targets_of(entry: NameConfig, spellings: _Spellings) -> list[tuple[Target, float]]:
    return [(spellings.own(Target(each.provider, each.model)), each.weight) for each in entry.targets]


def _names(target: Target) -> tuple[str, str, str]:
    """Its spellings, the more telling ones first."""
    provider, model = target.name
    return normalise(f"{provider}/{model}"), normalise(f"{provider}-{model}"), normalise(model)


def _list_models(now: Snapshot, known: Mapping[Target, Known], routes: dict[str, Route]) -> Iterator[ListedModel]:
    named = {normalise(name) for name in now.config.names}
    for name in now.config.names:
        if (route := routes.get(normalise(name))) is not None:
            target = route.choices[0].target
            yield ListedModel(name, target, route, now.overrides.all_known(*target.name), _formats(now, target))
    for target, each in known.items():
        bare = normalise(target.model)
        leads_here = bare not in named and routes[bare].choices[0].target == target
        name = target.model if leads_here else str(target)
        if normalise(name) not in named:
            yield ListedModel(name, target, routes[normalise(name)], each, _formats(now, target))


def _formats(now: Snapshot, target: Target) -> tuple[str, ...]:
    entry = now.config.providers.get(target.provider)
    return entry.api_format if entry else ()


def _spell(listed: Sequence[ListedModel]) -> dict[str, str]:
    names = {model.id.lower(): model.id for model in listed}
    return {key.rpartition("/")[2]: name for key, name in names.items()} | names
