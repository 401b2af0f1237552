"""Providers for those who manage them: which there are and whether they can be used, and those that are added while the gateway runs."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from app.config import Config, ProviderConfig, check_provider
from app.config import InvalidConfig as InvalidConfig
from app.providers.registry import BUILT_IN_KEYS, Registry
from app.providers.snapshot import ProviderState
from app.store.catalog import delete_provider, put_provider
from app.store.db import Database

Source = Literal["config", "added", "built in"]


class NoSuchProvider(LookupError):
    """There is none of that key; the message is a sentence."""


class FixedProvider(ValueError):
    """It is in the configuration file, or built in, and cannot be changed here; the message is a sentence."""


@dataclass(frozen=True, slots=True)
class ProviderView:
    """One provider. What its entry holds of headers and parameters may be secret.

    Attributes:
        entry: None of one that is built in.
    """

    state: ProviderState
    source: Source
    entry: ProviderConfig | None


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

    def list_all(self) -> list[ProviderView]:
        """All of them, in the order in which they are searched."""
        entries = self._registry.entries
        return [
            ProviderView(state, self._source_of(state.key), entries.get(state.key)) for state in self._registry.states
        ]

    def show(self, key: str) -> ProviderView:
        """One of them.

        Raises:
            NoSuchProvider: there is none of that key.
        """
        for view in self.list_all():
            if view.state.key == key:
                return view
        raise NoSuchProvider(f"There is no provider {key!r}.")

    async def put(self, key: str, definition: Mapping[str, Any]) -> ProviderConfig:
        """Add a provider, or change one that was added, by an entry as the configuration has it.

        Raises:
            FixedProvider: it is in the configuration.
            InvalidConfig: the key cannot be one, or the entry has faults.
        """
        if key in self._read_file().providers:
            raise FixedProvider(f"{key!r} is in the configuration file already: change it there.")
        entry = check_provider(key, definition)
        if not entry.base_url:
            raise InvalidConfig("base_url: is missing", param="base_url")
        await put_provider(self._db, key, definition)
        await self._refresh()
        return entry

    async def delete(self, key: str) -> None:
        """Remove one that was added.

        Raises:
            FixedProvider: it was not added.
            NoSuchProvider: there is none of that key.
        """
        if not await delete_provider(self._db, key):
            if key in self._read_file().providers or key in BUILT_IN_KEYS:
                raise FixedProvider(f"{key!r} was not added: a provider of the configuration file is removed there.")
            raise NoSuchProvider(f"There is no provider {key!r}.")
        await self._refresh()

    def _source_of(self, key: str) -> Source:
        if key in self._read_file().providers:
            return "config"
        return "added" if key in self._registry.entries else "built in"
