"""Providers for those who manage them: which there are and whether they can be used, and those that are added while the gateway runs."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

from app.config import Config, ProviderConfig, check_provider
from app.config import InvalidConfig as InvalidConfig
from app.core.audit import changing
from app.desks.definitions import check_definition, restored, shown
from app.providers.registry import BUILT_IN_KEYS, Registry
from app.providers.snapshot import ProviderState
from app.providers.trial import Trial
from app.store.catalog import delete_provider, put_provider, read_providers, switch_provider
from app.store.db import Database

Source = Literal["config", "added", "built in"]
SWITCHED_OFF = "switched off"
"""The state of a provider that an administrator has switched off."""


class NoSuchProvider(LookupError):
    """There is none of that key; the message is a sentence."""


class FixedProvider(ValueError):
    """It is in the configuration file, or built in, and cannot be changed here; the message is a sentence."""


class ProviderExists(ValueError):
    """There is one of that key already; the message is a sentence."""


@dataclass(frozen=True, slots=True)
class ProviderView:
    """One provider. What its entry holds of headers and parameters may be secret.

    Attributes:
        entry: None of one that is built in, or was added and cannot be used.
        trial: how asking it last went here, if it was asked.
    """

    state: ProviderState
    source: Source
    entry: ProviderConfig | None
    trial: Trial | None = None


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
        """All of them, in the order in which they are searched; then those that were added and cannot be used."""
        entries, stored = self._registry.entries, await read_providers(self._db)
        views = [
            ProviderView(
                replace(state, state=SWITCHED_OFF) if state.key in stored.switched_off else state,
                self._source_of(state.key),
                entries.get(state.key),
                self._registry.trial(state.key),
            )
            for state in self._registry.states
        ]
        for key, definition in (stored.providers or {}).items():
            if key not in entries and (fault := _fault_of(key, definition)) is not None:
                views.append(ProviderView(ProviderState(key, key, f"cannot be used: {fault}", None), "added", None))
        return views

    async def show(self, key: str) -> ProviderView:
        """One of them.

        Raises:
            NoSuchProvider: there is none of that key.
        """
        for view in await self.list_all():
            if view.state.key == key:
                return view
        raise NoSuchProvider(f"There is no provider {key!r}.")

    async def definition(self, key: str) -> dict[str, Any]:
        """The entry of one that was added, for a form; `put` takes back what is hidden in it.

        Raises:
            NoSuchProvider: there is none of that key.
            FixedProvider: it was not added.
        """
        stored = (await read_providers(self._db)).providers or {}
        if key not in stored:
            raise self._not_added(key, "changed")
        return shown(stored[key])

    async def add(self, key: str, definition: Mapping[str, Any]) -> ProviderConfig:
        """As `put`, where there is none of that key.

        Raises:
            ProviderExists: there is.
            InvalidConfig: as `put`.
        """
        stored = (await read_providers(self._db)).providers or {}
        if key in stored or key in self._read_file().providers or key in BUILT_IN_KEYS:
            raise ProviderExists(f"There is a provider {key!r} already.")
        return await self.put(key, definition)

    async def put(self, key: str, definition: Mapping[str, Any]) -> ProviderConfig:
        """Add a provider, or change one that was added, by an entry as the configuration has it.

        Raises:
            FixedProvider: it is in the configuration.
            InvalidConfig: the key cannot be one, or the entry has faults.
        """
        if key in self._read_file().providers:
            raise FixedProvider(f"{key!r} is in the configuration file already: change it there.")
        before = ((await read_providers(self._db)).providers or {}).get(key)
        definition = restored(definition, before or {})
        entry = check_definition(key, definition)
        action = "provider.add" if before is None else "provider.modify"
        with changing(action, key, before=before and shown(before), after=shown(definition)):
            await put_provider(self._db, key, definition)
        await self._refresh()
        return entry

    async def delete(self, key: str) -> None:
        """Remove one that was added.

        Raises:
            FixedProvider: it was not added.
            NoSuchProvider: there is none of that key.
        """
        before = ((await read_providers(self._db)).providers or {}).get(key)
        if before is None:
            raise self._not_added(key, "removed")
        with changing("provider.delete", key, before=shown(before)):
            await delete_provider(self._db, key, and_switch=key not in self._read_file().providers)
        await self._refresh()

    async def switch(self, key: str, *, on: bool) -> None:
        """Have a provider be used or not, wherever it is defined; no worker uses it a second after it was switched off.

        Raises:
            NoSuchProvider: there is none of that key.
            FixedProvider: it is built in, or its entry says by itself that it is not to be used.
        """
        stored = await read_providers(self._db)
        if on and self._is_off_by_itself(key, stored.providers or {}):
            where = "config.json" if key in self._read_file().providers else "its entry"
            raise FixedProvider(f'{key!r} is disabled by "enabled": false in {where}: change it there.')
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

    def _is_off_by_itself(self, key: str, stored: Mapping[str, Mapping[str, Any]]) -> bool:
        entry = self._read_file().providers.get(key)
        return not entry.enabled if entry else stored.get(key, {}).get("enabled") is False

    def _not_added(self, key: str, done: str) -> FixedProvider | NoSuchProvider:
        if key in self._read_file().providers or key in BUILT_IN_KEYS:
            return FixedProvider(f"{key!r} was not added: a provider of the configuration file is {done} there.")
        return NoSuchProvider(f"There is no provider {key!r}.")

    def _source_of(self, key: str) -> Source:
        if key in self._read_file().providers:
            return "config"
        return "added" if key in self._registry.entries else "built in"


def _fault_of(key: str, definition: Mapping[str, Any]) -> str | None:
    try:
        check_provider(key, definition)
    except InvalidConfig as exc:
        return "; ".join(str(exc).splitlines())
    return None
