"""Providers, models and settings as administrators and syncs have put them into the database, over what the files say."""

import asyncio
import logging
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import get_args

from app.config import Config, InvalidConfig, ProviderConfig, check_provider
from app.core.abilities import Capability
from app.core.jsonio import Json
from app.definitions import changed_entry
from app.overrides import Layer, Override, OverrideFile, Overrides, ProviderOverrides
from app.store.catalog import CUSTOM, StoredCatalog, StoredModel, read_catalog_newer_than
from app.store.db import Database, DatabaseUnavailable

log = logging.getLogger(__name__)

POLL_S = 1.0

_LAYERS = {"litellm": Layer.LITELLM, "synced": Layer.SYNCED, CUSTOM: Layer.CUSTOM}
_CAPABILITIES: tuple[Capability, ...] = get_args(Capability)


@dataclass(frozen=True)
class LeftOut:
    """A provider that was added, or changed over what the file says, and is not used so.

    Attributes:
        faults: why it cannot be, one a line; none where the file has a provider of that name, which comes first, or has the one no
            more that was changed.
        is_change: the file has it, or had. One whose change has faults is not used at all: as the file says it was not wanted.
    """

    key: str
    faults: tuple[str, ...] = ()
    is_change: bool = False

    def __str__(self) -> str:
        """What of it is left out, and why."""
        what = "what was changed of it" if self.is_change else "the one that was added"
        if self.faults:
            return f"{what} cannot be used: {'; '.join(self.faults)}"
        why = "defines it no more" if self.is_change else "has one of that name, which counts"
        return f"{what} is left out: the configuration {why}"


class Catalog:
    """All of it, in memory. `refresh` once before the first call, then `run` beside it.

    Args:
        changed: is called when a provider or a model has changed. Raises `InvalidConfig` or `InvalidSettings` where that cannot be
            used.
        take_settings: is called with what administrators set, when that has changed.
    """

    def __init__(
        self,
        db: Database,
        changed: Callable[[], None],
        take_settings: Callable[[Mapping[str, Json]], None] = lambda _: None,
    ) -> None:
        self._db = db
        self._changed = changed
        self._take_settings = take_settings
        self._revision = 0
        self._now = StoredCatalog([], {})

    def config(self, file: Config) -> Config:
        """What `file` says, with the providers and models that were added or changed. What is left out is told in the log."""
        config, left_out = self.merge(file)
        for one in left_out:
            log.log(logging.ERROR if one.faults else logging.WARNING, "provider %s: %s", one.key, one)
        return config

    def merge(self, file: Config) -> tuple[Config, list[LeftOut]]:
        """The same, and what is left out of it. A provider of the file is never replaced by one that was added."""
        providers = dict(file.providers)
        left_out: list[LeftOut] = []
        for key, definition in self._now.changed.items():
            if key not in file.providers:
                left_out.append(LeftOut(key, is_change=True))
                continue
            try:
                providers[key] = changed_entry(key, definition, file.providers[key])
            except InvalidConfig as exc:
                left_out.append(LeftOut(key, tuple(str(exc).splitlines()), is_change=True))
                providers[key] = _out_of_use(providers[key])
        for key, definition in self._now.providers.items():
            if key in file.providers:
                left_out.append(LeftOut(key))
                continue
            try:
                providers[key] = check_provider(key, definition)
            except InvalidConfig as exc:
                left_out.append(LeftOut(key, tuple(str(exc).splitlines())))
        for key, names in _added_models(self._now.models).items():
            if (entry := providers.get(key)) is not None:
                models = tuple(dict.fromkeys((*entry.additional_models, *names)))
                providers[key] = entry.model_copy(update={"additional_models": models})
        for key in self._now.switched_off & providers.keys():
            providers[key] = _out_of_use(providers[key])
        return Config(providers, file.names), left_out

    def overrides(self, files: Overrides) -> Overrides:
        """What the files say of models, with the layers of the database."""
        for source, layer in _LAYERS.items():
            if said := [model for model in self._now.models if model.source == source]:
                files = files.having(layer, _as_file(said))
        return files

    @property
    def changed(self) -> Collection[str]:
        """The providers of which something else counts than the files say."""
        return self._now.changed.keys()

    @property
    def settings(self) -> Mapping[str, Json]:
        """What administrators set in the place of the environment."""
        return self._now.settings

    async def refresh(self) -> None:
        """Read all of it anew where it changed.

        Raises:
            DatabaseUnavailable: it stays as it was.
        """
        if (newer := await read_catalog_newer_than(self._db, self._revision)) is None:
            return
        before, (self._revision, self._now) = self._now, newer
        if self._now.settings != before.settings:
            self._take_settings(self._now.settings)
            if replace(self._now, settings=before.settings) == before:
                return
        try:
            self._changed()
        except ValueError as exc:  # of the configuration or the settings
            log.error("models or providers were changed but cannot be used so: %s", exc)

    async def run(self) -> None:
        """Refresh once a second, for ever. It outlives a database that does not answer."""
        while True:
            await asyncio.sleep(POLL_S)
            try:
                await self.refresh()
            except DatabaseUnavailable as exc:
                log.warning("Models and providers could not be read; those known stay in force. %s", exc)


def _out_of_use(entry: ProviderConfig) -> ProviderConfig:
    return entry.model_copy(update={"enabled": False})


def _added_models(models: Iterable[StoredModel]) -> dict[str, list[str]]:
    added: dict[str, list[str]] = {}
    for model in models:
        if model.source == CUSTOM and model.enabled:
            added.setdefault(model.provider, []).append(model.model)
    return added


def _as_file(models: Iterable[StoredModel]) -> OverrideFile:
    said: dict[str, dict[str, Override]] = {}
    for model in models:
        said.setdefault(model.provider, {})[model.model.lower()] = _as_override(model)
    return OverrideFile(providers={key: ProviderOverrides(models=each) for key, each in said.items()})


def _as_override(model: StoredModel) -> Override:
    return Override(
        disabled=None if model.enabled is None else not model.enabled,
        reason="an administrator switched it off" if model.enabled is False else None,
        context_length=model.context_length,
        max_output_tokens=model.max_output_tokens,
        capabilities=None
        if model.capabilities is None
        else tuple(each for each in _CAPABILITIES if each in model.capabilities),
        family=model.family,
        description=model.description,
    )
