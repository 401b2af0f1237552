"""Which providers there are and which models they have: a snapshot in memory, swapped when the configuration or a list changes."""

import asyncio
import heapq
import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from difflib import get_close_matches
from functools import lru_cache
from itertools import pairwise
from typing import Protocol

import httpx

from app.config import Config, ProviderConfig
from app.core.call import Choice, Route, Target
from app.core.errors import RelayError
from app.core.ports import Provider
from app.providers.base import HttpProvider
from app.providers.demo import MODEL as DEMO_MODEL
from app.providers.demo import Demo
from app.providers.parallel import Parallel
from app.providers.perplexity import Perplexity

log = logging.getLogger(__name__)

QUIRKS: dict[str, type[HttpProvider]] = {"perplexity": Perplexity, "parallelai": Parallel}
"""Providers with ways of their own, by their key in the configuration. All others are plain."""

# Model lists change a few times a week.
REFRESH_S = 3600.0
RETRY_S = 60.0
# Of so many likely names the nearest are found exactly; to do that with all would hold up other calls for 50 ms.
_LIKELY = 24
# How long a call for an unknown model waits for lists that are still on their way after the start.
SETTLE_S = 5.0

FindSecret = Callable[[Sequence[str]], str | None]


class Listing(Provider, Protocol):
    """A provider that can tell its models."""

    async def list_models(self) -> list[str]:
        """The names of its models."""


@dataclass(frozen=True)
class ProviderState:
    """One provider as an operator sees it. `models` is None while it has not told them."""

    key: str
    name: str
    state: str
    models: tuple[str, ...] | None

    @property
    def ready(self) -> bool:
        """True where calls can be sent to it."""
        return self.state == "ready"


@dataclass(frozen=True)
class ListedModel:
    """A line of the model list: the shortest name that leads to `target`."""

    id: str
    target: Target


@dataclass(frozen=True)
class _Snapshot:
    """`spellings` leads from every name that a typing error may be near to, to the one that is listed."""

    config: Config
    providers: dict[str, Listing]
    states: tuple[ProviderState, ...]
    routes: dict[str, Route] = field(default_factory=dict)
    listed: tuple[ListedModel, ...] = ()
    spellings: dict[str, str] = field(default_factory=dict)
    open_lists: frozenset[str] = frozenset()


class Registry:
    """All providers. Reads are from memory; `run` keeps the model lists fresh."""

    def __init__(self, config: Config, find_secret: FindSecret, transport: httpx.AsyncBaseTransport) -> None:
        self._transport = transport
        self._discovered: dict[str, tuple[str, ...]] = {}
        self._settled = asyncio.Event()
        self._wake = asyncio.Event()
        self._retired: dict[str, Listing] = {}  # for calls that wait to try one again which is no longer there
        self._now = self._build(config, find_secret, {})

    def reload(self, config: Config, find_secret: FindSecret) -> None:
        """Take another configuration; calls that are under way end with the one they began with.

        Raises:
            InvalidSettings: a key cannot be read; all stays as it was.
        """
        before = self._now.config.providers
        discovered = {
            key: models for key, models in self._discovered.items() if config.providers.get(key) == before.get(key)
        }
        self._retired |= self._now.providers
        self._now = self._build(config, find_secret, discovered)
        self._discovered = discovered
        self._wake.set()

    def find(self, name: str) -> Route | None:
        """What `name` stands for: `provider/model`, `provider-model`, or a model of any provider, in any case.

        A model that several providers have by the same name goes to the next one where the first fails.
        """
        now = self._now
        key, _, model = name.strip().partition("/")
        if model and key.lower() in now.open_lists:
            # Its list is not known (not yet, or it has none to give): the provider itself will say whether it has the model.
            return Route((_choice(now.config, Target(key.lower(), model)),))
        return now.routes.get(normalise(name))

    async def settled(self) -> None:
        """Return when every provider has been asked once, at the latest after `SETTLE_S`."""
        if not self._settled.is_set():
            try:
                async with asyncio.timeout(SETTLE_S):
                    await self._settled.wait()
            except TimeoutError:
                self._settled.set()

    def nearest(self, name: str, most: int = 3) -> Sequence[str]:
        """The names most like `name`, best first."""
        wanted = normalise(name)
        alike = heapq.nlargest(
            _LIKELY, self._now.spellings, key=lambda spelling: len(_pairs(wanted) & _pairs(spelling))
        )
        close = get_close_matches(wanted, alike, n=_LIKELY, cutoff=0.0)
        return list(dict.fromkeys(self._now.spellings[spelling] for spelling in close))[:most]

    def provider(self, key: str) -> Listing:
        """The provider with that key; it must be ready, or have been when its target was found."""
        return self._now.providers.get(key) or self._retired[key]

    @property
    def states(self) -> Sequence[ProviderState]:
        """All providers of the configuration, with those that cannot be used and why."""
        return self._now.states

    @property
    def models(self) -> Sequence[ListedModel]:
        """All models that can be used, each once."""
        return self._now.listed

    def model(self, name: str) -> ListedModel | None:
        """The listed model that `name` leads to, under that name.

        A provider whose list is not known serves any name, but nobody can vouch for it.
        """
        route = self.find(name)
        target = route.choices[0].target if route else None
        return ListedModel(name, target) if target and any(each.target == target for each in self.models) else None

    async def run(self) -> None:
        """Ask providers for their models, now and then; a dead one costs the others nothing."""
        while True:
            self._wake.clear()
            asked = [(key, provider) for key, provider in self._now.providers.items() if self._asks(key, provider)]
            answers = await asyncio.gather(*(self._discover(key, provider) for key, provider in asked))
            self._settled.set()
            try:
                async with asyncio.timeout(REFRESH_S if all(answers) else RETRY_S):
                    await self._wake.wait()
            except TimeoutError:
                pass

    def _asks(self, key: str, provider: Listing) -> bool:
        return isinstance(provider, HttpProvider) and not self._now.config.providers[key].supported_models

    async def _discover(self, key: str, provider: Listing) -> bool:
        """Ask one provider; the last good answer stays where it does not tell."""
        try:
            models = tuple(dict.fromkeys(await provider.list_models()))
        except RelayError as exc:
            log.info("provider %s: its models are not known: %s", key, exc.message)
            return False
        if self._now.providers.get(key) is provider and models and self._discovered.get(key) != models:
            self._discovered[key] = models
            states = [replace(state, models=models) if state.key == key else state for state in self._now.states]
            self._now = _take_snapshot(self._now.config, self._now.providers, states)
        return True

    def _build(self, config: Config, find_secret: FindSecret, discovered: Mapping[str, tuple[str, ...]]) -> _Snapshot:
        providers: dict[str, Listing] = {}
        states: list[ProviderState] = []
        for key, entry in config.providers.items():
            state, secret = _state_of(entry, find_secret)
            models = entry.supported_models or discovered.get(key)
            states.append(ProviderState(key, entry.name or key, state, models))
            if state == "ready":
                kind = QUIRKS.get(key, HttpProvider)
                providers[key] = kind(key, entry, secret, self._transport)
        if Demo.key not in config.providers:
            states.append(ProviderState(Demo.key, Demo.name, "ready", (DEMO_MODEL,)))
            providers[Demo.key] = Demo()
        return _take_snapshot(config, providers, states)


def normalise(name: str) -> str:
    """A name as it is looked up: trimmed, lower case, without one trailing `:latest`."""
    return name.strip().lower().removesuffix(":latest")


def _take_snapshot(config: Config, providers: dict[str, Listing], states: Sequence[ProviderState]) -> _Snapshot:
    routes = _index(config, states)
    listed = tuple(_list_models(states, routes))
    return _Snapshot(
        config=config,
        providers=providers,
        states=tuple(states),
        routes=routes,
        listed=listed,
        spellings=_spell(listed),
        open_lists=frozenset(state.key for state in states if state.ready and state.models is None),
    )


def _state_of(entry: ProviderConfig, find_secret: FindSecret) -> tuple[str, str | None]:
    if not entry.enabled:
        return "disabled", None
    if not entry.api_key_env:
        return "ready", None
    secret = find_secret(entry.api_key_env)
    return ("ready" if secret else f"no key: set {' or '.join(entry.api_key_env)}"), secret


def _index(config: Config, states: Sequence[ProviderState]) -> dict[str, Route]:
    """Every spelling of every model, the more telling ones first; among equals the earlier provider comes first."""
    ready = [
        _choice(config, Target(state.key, model)) for state in states if state.ready for model in state.models or ()
    ]
    routes: dict[str, Route] = {}
    for spelling in ("{0.provider}/{0.model}", "{0.provider}-{0.model}"):
        for choice in ready:
            routes.setdefault(normalise(spelling.format(choice.target)), Route((choice,)))
    bare: dict[str, list[Choice]] = {}
    for choice in ready:
        bare.setdefault(normalise(choice.target.model), []).append(choice)
    for name, choices in bare.items():
        routes.setdefault(name, Route(tuple(choices)))
    return routes


def _choice(config: Config, target: Target) -> Choice:
    entry = config.providers.get(target.provider)
    return Choice(target, retries=entry.retries, breaker=entry.breaker) if entry else Choice(target)


def _spell(listed: Sequence[ListedModel]) -> dict[str, str]:
    names = {model.id.lower(): model.id for model in listed}
    return {key.rpartition("/")[2]: name for key, name in names.items()} | names


@lru_cache(maxsize=8192)
def _pairs(name: str) -> frozenset[str]:
    """Its neighbouring letters: what two names share of them tells cheaply whether a closer look is worth it."""
    return frozenset(map("".join, pairwise(name)))


def _list_models(states: Sequence[ProviderState], routes: dict[str, Route]) -> Iterator[ListedModel]:
    for state in states:
        for model in (state.models or ()) if state.ready else ():
            target = Target(state.key, model)
            leads_here = routes[normalise(model)].choices[0].target == target
            yield ListedModel(model if leads_here else str(target), target)
