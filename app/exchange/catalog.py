"""Providers that were added or changed, those that are switched off, what is said of models, and their prices."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from app.config import InvalidConfig, ProviderConfig
from app.core.jsonio import Json
from app.definitions import changed_entry, check_definition, check_entry, is_same_host, shown
from app.exchange.section import Entries, as_object, split_model
from app.faults import faults
from app.metering.rates_form import read_rates, write_rates
from app.overrides import Override
from app.store.catalog import StoredModel, read_catalog, read_providers
from app.store.db import Database
from app.store.exchange import (
    Write,
    of_changed_providers,
    of_models,
    of_prices,
    of_providers,
    of_switches,
    of_taken_prices,
    read_switches,
)
from app.store.prices import ADMIN, LITELLM, StoredPrice, list_prices

_LONGEST = 50
_SAID = ("family", "context_length", "max_output_tokens", "capabilities", "description")


class Providers:
    """Those that were added. Values of headers, and whatever else looks like a secret, are hidden."""

    name = "providers"

    async def read(self, db: Database) -> Entries:
        """Their definitions, by their keys."""
        return {key: shown(each) for key, each in (await read_providers(db)).providers.items()}

    def check(self, key: str, entry: Any) -> Json:
        """As the configuration has it."""
        check_definition(key, as_object(entry))
        return dict(entry)

    async def write(self, db: Database, put: Mapping[str, Any], gone: Sequence[str]) -> Write:
        """What is hidden in one that is there stays as it is."""
        there = (await read_providers(db)).providers
        return of_providers({key: _whole(each, there.get(key)) for key, each in put.items()}, gone)


class ChangedProviders:
    """Those of the configuration that were changed. A mark stands for what is in the configuration, also in what is kept."""

    name = "changed_providers"

    async def read(self, db: Database) -> Entries:
        """Their definitions, by their keys."""
        return {key: shown(each) for key, each in (await read_providers(db)).changed.items()}

    def check(self, key: str, entry: Any) -> Json:
        """As the configuration has it; whether it may name its variables depends on what it changes, and is looked at with that."""
        check_entry(key, as_object(entry))
        return dict(entry)

    async def write(self, db: Database, put: Mapping[str, Any], gone: Sequence[str]) -> Write:
        """What is hidden in one that is there stays as it is."""
        there = (await read_providers(db)).changed
        return of_changed_providers({key: _whole(each, there.get(key)) for key, each in put.items()}, gone)


class Switches:
    """Providers that are switched off."""

    name = "provider_switches"

    async def read(self, db: Database) -> Entries:
        """`off` by their keys."""
        return dict.fromkeys(await read_switches(db), "off")

    def check(self, key: str, entry: Any) -> Json:
        """There is nothing else that it could be."""
        if entry != "off" or not 0 < len(key) <= 200:
            raise ValueError("must be 'off'")
        return "off"

    async def write(self, db: Database, put: Mapping[str, Any], gone: Sequence[str]) -> Write:
        """Off, and on again."""
        return of_switches(list(put), gone)


@dataclass(frozen=True)
class Models:
    """What one source says of models: administrators, also that there is one, or somebody from whom they took it over."""

    name: str
    source: str

    async def read(self, db: Database) -> Entries:
        """By `provider/model`."""
        said = (each for each in (await read_catalog(db)).models if each.source == self.source)
        return {f"{each.provider}/{each.model}": _told(each) for each in said}

    def check(self, key: str, entry: Any) -> Json:
        """What can be said of one."""
        return _told(_read_model(key, self.source, entry))

    async def write(self, db: Database, put: Mapping[str, Any], gone: Sequence[str]) -> Write:
        """In the place of what was said before."""
        said = [_read_model(key, self.source, entry) for key, entry in put.items()]
        return of_models(said, [StoredModel(*split_model(key), self.source) for key in gone])


class Prices:
    """Those of administrators."""

    name = "prices"

    async def read(self, db: Database) -> Entries:
        """By `provider/model`."""
        own = (each for each in await list_prices(db) if each.source == ADMIN)
        return {f"{each.provider}/{each.model}": dict(each.rates) for each in own}

    def check(self, key: str, entry: Any) -> Json:
        """In the form of rates."""
        split_model(key)
        return write_rates(read_rates(as_object(entry)))

    async def write(self, db: Database, put: Mapping[str, Any], gone: Sequence[str]) -> Write:
        """In the place of those before."""
        return of_prices({split_model(key): each for key, each in put.items()}, [split_model(key) for key in gone])


class TakenPrices:
    """Those that were taken over from LiteLLM's file."""

    name = "litellm_prices"

    async def read(self, db: Database) -> Entries:
        """By `provider/model`; `version` tells of which day they are."""
        taken = (each for each in await list_prices(db) if each.source == LITELLM)
        return {f"{each.provider}/{each.model}": {"version": each.version, "rates": dict(each.rates)} for each in taken}

    def check(self, key: str, entry: Any) -> Json:
        """In the form of rates."""
        split_model(key)
        fields = as_object(entry)
        version = str(fields.get("version"))
        if fields.keys() != {"version", "rates"} or not version.startswith(f"{LITELLM} ") or len(version) > _LONGEST:
            raise ValueError(f"must have 'rates', and a 'version' such as '{LITELLM} 2026-11-23'")
        return {"version": version, "rates": write_rates(read_rates(as_object(fields["rates"])))}

    async def write(self, db: Database, put: Mapping[str, Any], gone: Sequence[str]) -> Write:
        """In the place of those before."""
        taken = [StoredPrice(*split_model(key), LITELLM, each["rates"], each["version"]) for key, each in put.items()]
        return of_taken_prices(taken, [StoredPrice(*split_model(key), LITELLM, {}, "") for key in gone])


async def faults_of_changes(db: Database, put: Mapping[str, Any], file: Mapping[str, ProviderConfig]) -> list[str]:
    """Why what is put in the place of entries of the configuration, `file`, will not be used; a sentence each."""
    there = (await read_providers(db)).changed
    return [
        f"{ChangedProviders.name} {key}: {fault}"
        for key, entry in put.items()
        if (fault := _fault_of_change(key, _whole(entry, there.get(key)), file)) is not None
    ]


def _fault_of_change(key: str, entry: Mapping[str, Any], file: Mapping[str, ProviderConfig]) -> str | None:
    if key not in file:
        return "the configuration has none of that name, so that nothing comes of it"
    try:
        changed_entry(key, entry, file[key])
    except InvalidConfig as exc:
        return f"{exc}; the provider is out of use until that is mended"
    return None


def _whole(entry: Mapping[str, Any], there: Mapping[str, Any] | None) -> Any:
    return entry if there is None or not is_same_host(entry, there) else _unhidden(entry, shown(there), there)


def _unhidden(entry: Any, shown_there: Any, there: Any) -> Any:
    """`entry` with what it has as `shown_there` just so as it is there."""
    if entry == shown_there:
        return there
    if isinstance(entry, Mapping) and isinstance(shown_there, Mapping):
        return {name: _unhidden(each, shown_there.get(name), there.get(name)) for name, each in entry.items()}
    return entry


def _read_model(key: str, source: str, entry: Any) -> StoredModel:
    provider, model = split_model(key)
    said = dict(as_object(entry))
    enabled = said.pop("enabled", None)
    if enabled not in (None, True, False):
        raise ValueError("enabled: must be true or false")
    if unknown := [field for field in said if field not in _SAID]:
        raise ValueError(f"{unknown[0]}: unknown key; there are {', '.join((*_SAID, 'enabled'))}")
    if said.get("capabilities") is not None and isinstance(said["capabilities"], list):
        said["capabilities"] = tuple(said["capabilities"])
    try:
        override = Override.model_validate(said)
    except ValidationError as exc:
        raise ValueError("\n".join(faults(exc, lambda _place: _SAID))) from exc
    return StoredModel(provider, model, source, enabled=enabled, **{field: getattr(override, field) for field in _SAID})


def _told(model: StoredModel) -> Json:
    fields = {field: getattr(model, field) for field in (*_SAID, "enabled")}
    if model.capabilities is not None:
        fields["capabilities"] = list(model.capabilities)
    return {field: value for field, value in fields.items() if value is not None}
