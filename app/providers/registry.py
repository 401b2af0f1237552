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

QUIRKS: dict[str, type[HttpProvider]] = {"perplexity": Perplexity, "parallel": Parallel}
"""Providers with ways of their own, by the name that `quirks` in the configuration gives them."""

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
    """A line of the model list: a name of the configuration, or the shortest that leads to `target`.

    `target` is the first that `route` holds.
    """

    id: str
    target: Target
    route: Route

    @property
    def owner(self) -> str:
        """Whose it is: a provider's, by its key, or the gateway's own name."""
        return self.target.provider if self.route.name is None else "llm-relay"


@dataclass(frozen=True)
class _Snapshot:
    """All that is known at one time.

    Attributes:
        providers: for each of a provider's API keys the provider that is asked by it; one where it needs none.
        spellings: leads from every name that a typing error may be near to, to the one that is listed.
        open_lists: the keys of providers whose models are not known.
    """

    config: Config
    providers: dict[str, tuple[Listing, ...]]
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
        self._retired: dict[
            str, tuple[Listing, ...]
        ] = {}  # for calls that wait to try one again which is no longer there
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
        """What `name` stands for: a name of the configuration, `provider/model`, `provider-model`, or a model of any provider.

        A model that several providers have by the same name goes to the next one where the first fails.
        """
        now = self._now
        route = now.routes.get(normalise(name))
        key, _, model = name.strip().partition("/")
        if model and key.lower() in now.open_lists and (route is None or route.name is None):
            # Its list is not known (not yet, or it has none to give): the provider itself will say whether it has the model.
            return Route(_choices(now, key.lower(), model))
        return route

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

    def provider(self, key: str, secret: int = 0) -> Listing:
        """The provider with that key; it must be ready, or have been when its target was found."""
        by_secret = self._now.providers.get(key) or self._retired[key]
        return by_secret[secret % len(by_secret)]  # a reload may have left fewer

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
        if route is None:
            return None
        target = route.choices[0].target
        is_listed = route.name is not None or any(each.target == target for each in self.models)
        return ListedModel(name, target, route) if is_listed else None

    async def run(self) -> None:
        """Ask providers for their models, now and then; a dead one costs the others nothing."""
        while True:
            self._wake.clear()
            asked = [(key, each[0]) for key, each in self._now.providers.items() if self._asks(key, each[0])]
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
        if provider in self._now.providers.get(key, ()) and models and self._discovered.get(key) != models:
            self._discovered[key] = models
            states = [replace(state, models=models) if state.key == key else state for state in self._now.states]
            self._now = _take_snapshot(self._now.config, self._now.providers, states)
        return True

    def _build(self, config: Config, find_secret: FindSecret, discovered: Mapping[str, tuple[str, ...]]) -> _Snapshot:
        providers: dict[str, tuple[Listing, ...]] = {}
        states: list[ProviderState] = []
        for key, entry in config.providers.items():
            state, secrets = _state_of(entry, find_secret)
            models = entry.supported_models or discovered.get(key)
            states.append(ProviderState(key, entry.name or key, state, models))
            if state == "ready":
                kind = _kind_of(entry)
                providers[key] = tuple(kind(key, entry, secret, self._transport) for secret in secrets)
        if Demo.key not in config.providers:
            states.append(ProviderState(Demo.key, Demo.name, "ready", (DEMO_MODEL,)))
            providers[Demo.key] = (Demo(),)
        return _take_snapshot(config, providers, states)


def normalise(name: str) -> str:
    """A name as it is looked up: trimmed, lower case, without one trailing `:latest`."""
    return name.strip().lower().removesuffix(":latest")


def _take_snapshot(
    config: Config, providers: dict[str, tuple[Listing, ...]], states: Sequence[ProviderState]
) -> _Snapshot:
    open_lists = frozenset(state.key for state in states if state.ready and state.models is None)
    bare = _Snapshot(config, providers, tuple(states), open_lists=open_lists)
    routes = _index(bare)
    listed = tuple(_list_models(bare, routes))
    return replace(bare, routes=routes, listed=listed, spellings=_spell(listed))


def _state_of(entry: ProviderConfig, find_secret: FindSecret) -> tuple[str, Sequence[str | None]]:
    """Whether a provider can be used, and its API keys; one None where it needs none."""
    if not entry.enabled:
        return "disabled", ()
    if not entry.api_key_env:
        return "ready", (None,)
    secrets = split_secrets(find_secret(entry.api_key_env))
    return ("ready" if secrets else f"no key: set {' or '.join(entry.api_key_env)}"), secrets


def split_secrets(value: str | None) -> list[str]:
    """The API keys in the value of a variable: one, or several with commas between them."""
    return list(dict.fromkeys(filter(None, (secret.strip() for secret in (value or "").split(",")))))


def _kind_of(entry: ProviderConfig) -> type[HttpProvider]:
    """What knows the entry's ways: by `quirks`, or else by the host; mostly it has none."""
    if entry.quirks:
        return QUIRKS[entry.quirks]
    host = httpx.URL(entry.base_url).host
    return next((kind for kind in QUIRKS.values() if kind.host == host), HttpProvider)


def _index(now: _Snapshot) -> dict[str, Route]:
    """Every spelling of every model, the more telling ones first; among equals the earlier provider comes first."""
    routes = {normalise(name): route for name in now.config.names if (route := _named(now, name)) is not None}
    ready = [Target(state.key, model) for state in now.states if state.ready for model in state.models or ()]
    for spelling in ("{0.provider}/{0.model}", "{0.provider}-{0.model}"):
        for target in ready:
            routes.setdefault(normalise(spelling.format(target)), Route(_choices(now, target.provider, target.model)))
    bare: dict[str, list[Choice]] = {}
    for target in ready:
        bare.setdefault(normalise(target.model), []).extend(_choices(now, target.provider, target.model))
    for name, choices in bare.items():
        routes.setdefault(name, Route(tuple(choices)))
    return routes


def _named(now: _Snapshot, name: str) -> Route | None:
    """What a name of the configuration stands for, with the targets that can be used; None where none can."""
    entry = now.config.names[name]
    choices = [
        choice
        for each in entry.targets
        for choice in _choices(now, each.provider, each.model, each.weight, entry.retries)
    ]
    return Route(tuple(choices), entry.strategy, name, entry.rescue == "continue") if choices else None


def _choices(
    now: _Snapshot, provider: str, model: str, weight: float = 1.0, retries: int | None = None
) -> tuple[Choice, ...]:
    """A target once for each API key of its provider; none where that is not ready."""
    entry = now.config.providers.get(provider)
    if retries is None:
        retries = entry.retries if entry else 0
    breaker = entry.breaker if entry else True
    count = len(now.providers.get(provider, ()))
    return tuple(Choice(Target(provider, model, secret), retries, weight / count, breaker) for secret in range(count))


def _spell(listed: Sequence[ListedModel]) -> dict[str, str]:
    names = {model.id.lower(): model.id for model in listed}
    return {key.rpartition("/")[2]: name for key, name in names.items()} | names


@lru_cache(maxsize=8192)
def _pairs(name: str) -> frozenset[str]:
    """Its neighbouring letters: what two names share of them tells cheaply whether a closer look is worth it."""
    return frozenset(map("".join, pairwise(name)))


def _list_models(now: _Snapshot, routes: dict[str, Route]) -> Iterator[ListedModel]:
    named = {normalise(name) for name in now.config.names}
    for name in now.config.names:
        if (route := routes.get(normalise(name))) is not None:
            yield ListedModel(name, route.choices[0].target, route)
    for state in now.states:
        for model in (state.models or ()) if state.ready else ():
            target, bare = Target(state.key, model), normalise(model)
            leads_here = bare not in named and routes[bare].choices[0].target == target
            name = model if leads_here else str(target)
            if normalise(name) not in named:
                yield ListedModel(name, target, routes[normalise(name)])
