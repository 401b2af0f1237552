"""Providers for those who manage them: which there are, whether they can be used, and how they are added and changed while the gateway runs."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from app.config import Config, ProviderConfig
from app.config import InvalidConfig as InvalidConfig
from app.core.audit import changing
from app.core.jsonio import is_same
from app.definitions import changed_entry, check_definition, definition_of, restored, shown
from app.desks.provider_list import SWITCHED_OFF as SWITCHED_OFF
from app.desks.provider_list import ProviderView as ProviderView
from app.desks.provider_list import list_providers
from app.providers.registry import BUILT_IN_KEYS, Registry
from app.providers.trial import Trial
from app.store.catalog import (
    KeyTaken,
    StoredCatalog,
    add_provider,
    delete_changed_provider,
    delete_provider,
    put_changed_provider,
    put_provider,
    read_providers,
    switch_provider,
)
from app.store.db import Database


class NoSuchProvider(LookupError):
    """There is none of that key; the message is a sentence."""


class FixedProvider(ValueError):
    """It is in the configuration file, or built in, and that cannot be done with it here; the message is a sentence."""


class ProviderExists(ValueError):
    """There is one of that key already; the message is a sentence."""


class ProviderDesk:
    """All functions raise `DatabaseUnavailable`.

    Args:
        read_file: gives what the configuration says by itself.
        refresh: has what was written take effect here; other workers look by themselves.
    """

    def __init__(
        self,
        db: Database,
        registry: Registry,
        read_file: Callable[[], Config],
        refresh: Callable[[], Awaitable[None]],
    ) -> None:
        self._db = db
        self._registry = registry
        self._read_file = read_file
        self._refresh = refresh

    async def list_all(self) -> list[ProviderView]:
        """All of them, in the order in which they are searched; then those that were added or changed and cannot be used."""
        stored = await read_providers(self._db)
        return list(list_providers(self._registry, self._read_file().providers, stored))

    async def show(self, key: str) -> ProviderView:
        """One of them.

        Raises:
            NoSuchProvider: there is none of that key.
        """
        for view in await self.list_all():
            if view.state.key == key:
                return view
        raise _none_of(key)

    async def definition(self, key: str) -> dict[str, Any]:
        """The entry of one, for a form; `put` takes back what is hidden in it.

        Raises:
            NoSuchProvider: there is none of that key.
            FixedProvider: it is built in.
        """
        stored, file = await read_providers(self._db), self._read_file().providers
        if key in file:
            return shown(stored.changed.get(key) or definition_of(file[key]))
        if (own := stored.providers.get(key) or stored.changed.get(key)) is not None:
            return shown(own)
        if key in BUILT_IN_KEYS:
            raise FixedProvider(f"{key!r} is built in: it has no entry.")
        raise _none_of(key)

    async def add(self, key: str, definition: Mapping[str, Any]) -> ProviderConfig:
        """As `put`, where there is none of that key.

        Raises:
            ProviderExists: there is.
            InvalidConfig: as `put`.
        """
        if key in self._read_file().providers or key in BUILT_IN_KEYS:
            raise _one_already(key)
        definition = restored(definition, {})
        entry = check_definition(key, definition)
        with changing("provider.add", key, after=definition):
            try:
                await add_provider(self._db, key, definition)
            except KeyTaken as exc:
                raise _one_already(key) from exc
        await self._refresh()
        return entry

    async def put(self, key: str, definition: Mapping[str, Any]) -> ProviderConfig:
        """Add a provider, or change one, by an entry as the configuration has it.

        Of one that the configuration defines this counts in the place of all of its entry, until `reset`; what is hidden of that
        stays there, and goes to its host only.

        Raises:
            InvalidConfig: the key cannot be one, or the entry has faults.
        """
        stored = await read_providers(self._db)
        if (entry := self._read_file().providers.get(key)) is not None:
            return await self._change(key, definition, entry, stored.changed.get(key))
        before = stored.providers.get(key)
        definition = restored(definition, before or {})
        entry = check_definition(key, definition)
        action = "provider.add" if before is None else "provider.modify"
        with changing(action, key, before=before, after=definition):
            await put_provider(self._db, key, definition)
        await self._refresh()
        return entry

    async def reset(self, key: str) -> None:
        """Have what the configuration says of one count again; of one that is gone from there, nothing is left.

        Raises:
            NoSuchProvider: there is none of that key.
        """
        before = (await read_providers(self._db)).changed.get(key)
        if before is None:
            await self.show(key)
            return
        file = self._read_file().providers.get(key)
        after = {} if file is None else shown(definition_of(file))
        # Also where the two are the same by now.
        with changing("provider.reset", key, before=shown(before), after=after | {"changed_here": False}):
            await delete_changed_provider(self._db, key)
        await self._refresh()

    async def delete(self, key: str) -> None:
        """Remove one that was added.

        Raises:
            FixedProvider: it was not added.
            NoSuchProvider: there is none of that key.
        """
        before = (await read_providers(self._db)).providers.get(key)
        if before is None:
            if key in self._read_file().providers or key in BUILT_IN_KEYS:
                raise FixedProvider(f"{key!r} was not added: a provider of the configuration file is removed there.")
            raise _none_of(key)
        with changing("provider.delete", key, before=before):
            await delete_provider(self._db, key, and_switch=key not in self._read_file().providers)
        await self._refresh()

    async def switch(self, key: str, *, on: bool) -> None:
        """Have a provider be used or not, wherever it is defined; no worker uses it a second after it was switched off.

        Raises:
            NoSuchProvider: there is none of that key.
            FixedProvider: it is built in, or its entry says by itself that it is not to be used.
        """
        stored = await read_providers(self._db)
        if on and self._is_off_by_itself(key, stored):
            raise FixedProvider(f'{key!r} is disabled by "enabled": false in its entry: change that.')
        if (await self.show(key)).source == "built in":
            raise FixedProvider(f"{key!r} is built in: switch its models off instead.")
        if on != (key in stored.switched_off):
            return
        action = "provider.enable" if on else "provider.disable"
        with changing(action, key, before={"enabled": not on}, after={"enabled": on}):
            await switch_provider(self._db, key, on=on)
        await self._refresh()

    async def test(self, key: str) -> Trial:
        """Ask a provider for its models, with each of its keys; what it tells is taken.

        Raises:
            NoSuchProvider: there is none of that key.
        """
        state = (await self.show(key)).state
        if not state.ready:
            return Trial("not asked", f"is not asked: {state.state}")
        return await self._registry.try_out(key)

    async def _change(
        self, key: str, definition: Mapping[str, Any], file: ProviderConfig, before: Mapping[str, Any] | None
    ) -> ProviderConfig:
        """Have one of the configuration be another, or as it is there where nothing differs."""
        definition = dict(definition) if before is None else restored(definition, before)
        entry = changed_entry(key, definition, file)
        there = definition_of(file)
        if is_same(entry.model_dump(mode="json"), file.model_dump(mode="json")):
            await self.reset(key)
            return entry
        with changing("provider.modify", key, before=_whole(before, there), after=restored(definition, there)):
            await put_changed_provider(self._db, key, definition)
        await self._refresh()
        return entry

    def _is_off_by_itself(self, key: str, stored: StoredCatalog) -> bool:
        file = self._read_file().providers.get(key)
        if file is not None and key not in stored.changed:
            return not file.enabled
        definition = stored.changed[key] if file is not None else stored.providers.get(key, {})
        return definition.get("enabled") is False


def _whole(changed: Mapping[str, Any] | None, file: Mapping[str, Any]) -> Mapping[str, Any]:
    """What counted in the place of the file's entry, with what is hidden in it."""
    try:
        return file if changed is None else restored(changed, file)
    except InvalidConfig:  # the file has moved on, and it did not count
        return changed or file


def _one_already(key: str) -> ProviderExists:
    return ProviderExists(f"There is a provider {key!r} already.")


def _none_of(key: str) -> NoSuchProvider:
    return NoSuchProvider(f"There is no provider {key!r}.")
