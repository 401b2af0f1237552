"""Which providers there are and which models they have: a snapshot in memory, swapped when the configuration or a list changes."""

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Protocol

import httpx

from app.config import Config, InvalidConfig, ProviderConfig
from app.core.abilities import Known
from app.core.call import Route, Target
from app.core.jsonio import Json
from app.overrides import NOTHING_SAID, Layer, Override, OverrideFile, Overrides, ProviderOverrides
from app.providers.base import HttpProvider
from app.providers.demo import Demo
from app.providers.ollama_server import OllamaServer
from app.providers.parallel import Parallel
from app.providers.perplexity import Perplexity
from app.providers.snapshot import ListedModel, Listing, ProviderState, Snapshot, take_snapshot
from app.providers.told import Told
from app.providers.trial import Trial, try_provider
from app.providers.updates import MonitorUpdates

log = logging.getLogger(__name__)

QUIRKS: dict[str, type[HttpProvider]] = {"perplexity": Perplexity, "parallel": Parallel}
"""Providers with ways of their own, by the name that `quirks` in the configuration gives them."""

BUILT_IN_KEYS = (Demo.key, MonitorUpdates.key)

# Model lists change a few times a week.
REFRESH_S = 3600.0
RETRY_S = 60.0
# How long a call for an unknown model waits for lists that are still on their way after the start.
SETTLE_S = 5.0


class NotReady(LookupError):
    """A provider cannot be asked now; the message is a sentence."""


class BuiltIn(Listing, Protocol):
    """A provider that is inside of the gateway, under a key that no other should have."""

    key: str
    name: str
    models: tuple[str, ...]


FindSecret = Callable[[Sequence[str]], str | None]


class Registry:
    """All providers. Reads are from memory; `run` keeps the model lists fresh.

    Args:
        built_in: those that no configuration has; one whose key is in the configuration gives way.

    Raises:
        InvalidConfig: the address of a provider is none.
        InvalidSettings: a key cannot be read.
    """

    def __init__(
        self,
        config: Config,
        find_secret: FindSecret,
        transport: httpx.AsyncBaseTransport,
        overrides: Overrides = NOTHING_SAID,
        built_in: Sequence[BuiltIn] = (Demo(),),
    ) -> None:
        self._transport = transport
        self._built_in = built_in
        self._discovered: dict[str, tuple[Told, ...]] = {}
        self._trials: dict[str, Trial] = {}
        self._settled = asyncio.Event()
        self._wake = asyncio.Event()
        # For calls that wait to try one again which is no longer there.
        self._retired: dict[str, tuple[Listing, ...]] = {}
        self._now = self._build(config, find_secret, overrides, {})

    def reload(self, config: Config, find_secret: FindSecret, overrides: Overrides = NOTHING_SAID) -> None:
        """Take another configuration; calls that are under way end with the one they began with.

        Raises:
            InvalidConfig: a provider cannot be reached so; all stays as it was.
            InvalidSettings: a key cannot be read; the same.
        """
        before = self._now.config.providers
        discovered = {
            key: models
            for key, models in self._discovered.items()
            if _is_as_before(before.get(key), config.providers.get(key))
        }
        self._retired |= self._now.providers
        self._trials = {
            key: trial
            for key, trial in self._trials.items()
            if _is_as_before(before.get(key), config.providers.get(key))
        }
        self._now = self._build(config, find_secret, overrides, discovered)
        self._discovered = discovered
        self._wake.set()

    def find(self, name: str) -> Route | None:
        """What `name` stands for: a name of the configuration, `provider/model`, `provider-model`, or a model of any provider.

        A model that several providers have by the same name goes to the next one where the first fails.
        """
        return self._now.find(name)

    def is_listed(self, name: str) -> bool:
        """Whether a model or a name is known to be called so, be it usable or not."""
        return self._now.is_listed(name)

    def withheld(self, name: str) -> str | None:
        """Why the model that `name` would stand for is switched off, "" where nobody said; None where it is not."""
        return self._now.withheld(name)

    def why_unusable(self, name: str) -> str | None:
        """Why no target of that name of the configuration can be used; None where one can, or there is no such name."""
        return self._now.why_unusable(name)

    @property
    def unusable(self) -> Mapping[str, str]:
        """Why, by each name of the configuration of which no target can be used."""
        return self._now.unusable

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
        return self._now.nearest(name, most)

    def provider(self, key: str, secret: int = 0) -> Listing:
        """The provider with that key; it must be ready, or have been when its target was found."""
        by_secret = self._now.providers.get(key) or self._retired[key]
        return by_secret[secret % len(by_secret)]  # a reload may have left fewer

    def base_url(self, key: str) -> str | None:
        """Where the provider with that key is; None where there is none, or it is inside of the gateway."""
        entry = self._now.config.providers.get(key)
        return None if entry is None else entry.base_url

    @property
    def entries(self) -> Mapping[str, ProviderConfig]:
        """What the configuration says of its providers, by their keys."""
        return self._now.config.providers

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
        return self._now.model(name)

    def listed(self, target: Target) -> ListedModel | None:
        """The line of the list that is for `target` alone; None where it is not listed."""
        return next((each for each in self._now.listed if each.target == target and each.route.name is None), None)

    async def describe(self, model: ListedModel) -> Mapping[str, Json] | None:
        """What the provider of a listed model says of it, where it has a call for that; see `HttpProvider.describe`."""
        provider = self.provider(model.target.provider)
        return await provider.describe(model.target.model) if isinstance(provider, HttpProvider) else None

    @property
    def catalog(self) -> Sequence[tuple[Target, Known]]:
        """All models of providers that can be used, also those that are switched off, and what is known of each."""
        now = self._now
        targets = (Target(state.key, model) for state in now.states if state.ready for model in state.offered)
        return [(target, now.overrides.all_known(*target.name)) for target in targets]

    def known(self, target: Target) -> Known:
        """What is known of a model, be it offered or not."""
        return self._now.overrides.all_known(*target.name)

    def output_ceiling(self, target: Target) -> int | None:
        """The most tokens that a model writes in one reply; None where nobody said."""
        return self._now.overrides.known(*target.name).abilities.max_output_tokens

    def origins(self, target: Target) -> Mapping[str, str]:
        """Who says each thing that is known of a model; see `Overrides.origins`."""
        return self._now.overrides.origins(*target.name)

    def said_description(self, target: Target) -> str | None:
        """What somebody says that a model is good for; what merely comes with the prices is not meant."""
        return self._now.overrides.known(*target.name).description

    @property
    def trials(self) -> Mapping[str, Trial]:
        """How asking each provider last went here, by their keys; one that was not asked since it is as it is has none."""
        return self._trials

    async def try_out(self, key: str) -> Trial:
        """Ask a provider that is ready now with each of its keys, and take the models that it tells.

        Raises:
            NotReady: it cannot be used, or is none any more.
        """
        entry, providers = self._now.config.providers.get(key), self._now.providers.get(key)
        if providers is None:
            why = next((each.state for each in self._now.states if each.key == key), "there is no such provider")
            raise NotReady(f"{key!r} cannot be used: {why}.")
        base_url, needs_list = ("", False) if entry is None else (entry.base_url, not entry.supported_models)
        trial = await try_provider(providers, base_url=base_url, needs_list=needs_list)
        if self._is_there(key, providers[0]):
            self._trials[key] = trial
        if trial.told is not None and needs_list:
            await self._take(key, providers[0], trial.told)
        return trial

    def ollama(self, key: str) -> OllamaServer | None:
        """The server behind a provider that speaks Ollama's API; None where it is not ready, or speaks another."""
        provider = next(iter(self._now.providers.get(key, ())), None)
        return provider.ollama() if isinstance(provider, HttpProvider) else None

    async def look_up_bundled(self) -> None:
        """Look up what is bundled of all models, in a thread, and have it in the lists."""
        for state in self._now.states:
            await asyncio.to_thread(self._now.overrides.look_up, state.key, state.offered)
        now = self._now
        self._now = take_snapshot(now.config, now.overrides, now.providers, now.states)

    async def discover(self) -> None:
        """Ask every provider for its models once, all at the same time; for commands, which do not `run`."""
        asked = [(key, each[0]) for key, each in self._now.providers.items() if self._asks(key, each[0])]
        await asyncio.gather(*(self._discover(key, provider) for key, provider in asked))

    async def run(self) -> None:
        """Ask each provider for its models, now and then and by itself: one that is dead or slow costs the others nothing."""
        async with asyncio.TaskGroup() as group:
            while True:
                self._wake.clear()
                asked = [(key, each[0]) for key, each in self._now.providers.items() if self._asks(key, each[0])]
                waiting = {key for key, _ in asked}
                tasks = [group.create_task(self._keep_asking(key, provider, waiting)) for key, provider in asked]
                if not waiting:
                    self._settled.set()
                await self._wake.wait()
                for task in tasks:
                    task.cancel()

    async def _keep_asking(self, key: str, provider: Listing, waiting: set[str]) -> None:
        """Ask one provider over and over; `waiting` holds those that were not asked yet."""
        while True:
            has_told = await self._discover(key, provider)
            waiting.discard(key)
            if not waiting:
                self._settled.set()
            await asyncio.sleep(REFRESH_S if has_told else RETRY_S)

    def _asks(self, key: str, provider: Listing) -> bool:
        return isinstance(provider, HttpProvider) and not self._now.config.providers[key].supported_models

    async def _discover(self, key: str, provider: Listing) -> bool:
        """Ask one provider; the last good answer stays where it does not tell."""
        entry = self._now.config.providers.get(key)
        try:
            trial = await try_provider(
                [provider], base_url=entry.base_url if entry else "", needs_list=entry is not None
            )
            if self._is_there(key, provider):
                self._trials[key] = trial
            if trial.told is None:
                log.info("provider %s: its models are not known: %s", key, trial.words)
                return False
            await self._take(key, provider, trial.told)
        except Exception:  # a list that nobody thought of is no reason to ask the others no more
            log.exception("provider %s: its list of models could not be read", key)
            return False
        return True

    async def _take(self, key: str, provider: Listing, told: Sequence[Told]) -> None:
        """Have the models that it told, unless it is another one now."""
        models = tuple({each.model: each for each in told}.values())
        await asyncio.to_thread(self._now.overrides.look_up, key, [each.model for each in models])
        if self._is_there(key, provider) and models and self._discovered.get(key) != models:
            self._discovered[key] = models
            names = tuple(each.model for each in models)
            states = [replace(state, models=names) if state.key == key else state for state in self._now.states]
            overrides = self._now.overrides.having(Layer.LISTED, _as_layer(self._discovered))
            self._now = take_snapshot(self._now.config, overrides, self._now.providers, states)

    def _is_there(self, key: str, provider: Listing) -> bool:
        return provider in self._now.providers.get(key, ())

    def _build(
        self,
        config: Config,
        find_secret: FindSecret,
        overrides: Overrides,
        discovered: Mapping[str, tuple[Told, ...]],
    ) -> Snapshot:
        overrides = overrides.having(Layer.LISTED, _as_layer(discovered)) if discovered else overrides
        providers: dict[str, tuple[Listing, ...]] = {}
        states: list[ProviderState] = []
        for key, entry in config.providers.items():
            state, secrets = _state_of(entry, find_secret)
            told = discovered.get(key)
            models = entry.supported_models or (None if told is None else tuple(each.model for each in told))
            states.append(ProviderState(key, entry.name or key, state, models, entry.additional_models))
            if state == "ready":
                rules = partial(overrides.rules, key)
                try:
                    kind = _kind_of(entry)
                    providers[key] = tuple(kind(key, entry, secret, self._transport, rules) for secret in secrets)
                except httpx.InvalidURL as exc:
                    raise InvalidConfig(f"{key}.base_url: {exc}") from exc
        for each in self._built_in:
            if each.key not in config.providers:
                states.append(ProviderState(each.key, each.name, "ready", each.models))
                providers[each.key] = (each,)
        return take_snapshot(config, overrides, providers, states)


def _is_as_before(before: ProviderConfig | None, now: ProviderConfig | None) -> bool:
    """Whether what it told still holds."""
    return (
        before is not None
        and now is not None
        and before == now.model_copy(update={"additional_models": before.additional_models})
    )


def _as_layer(discovered: Mapping[str, tuple[Told, ...]]) -> OverrideFile:
    """What providers told of their models beside their names."""
    return OverrideFile(
        providers={
            key: ProviderOverrides(
                # Of names that differ in capitals only, which the layers do not tell apart, the first.
                models={each.model.lower(): _said(each) for each in reversed(told) if _can_be_said_of(each)}
            )
            for key, told in discovered.items()
        }
    )


def _can_be_said_of(told: Told) -> bool:
    # In the layers both would stand for any letters.
    return not {"*", "?"} & set(told.model) and bool(_said(told).said())


def _said(told: Told) -> Override:
    return Override(
        context_length=told.context_length,
        max_output_tokens=told.max_output_tokens,
        capabilities=told.capabilities,
        family=told.family,
        description=told.description,
    )


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
