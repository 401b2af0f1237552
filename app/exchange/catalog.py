"""Providers that were added or changed, those that are switched off, what is said of models, and own prices."""

from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import ValidationError

from app.core.audit import hide_secrets
from app.core.jsonio import Json
from app.definitions import HIDDEN, check_definition, is_same_host
from app.exchange.section import Entries, as_object, split_model
from app.faults import faults
from app.metering.rates_form import read_rates, write_rates
from app.overrides import Override
from app.store.catalog import CUSTOM, StoredModel, read_catalog, read_providers
from app.store.db import Database
from app.store.exchange import (
    Write,
    of_changed_providers,
    of_models,
    of_prices,
    of_providers,
    of_switches,
    read_switches,
)
from app.store.prices import ADMIN, list_prices

_PARAMETERS = ("payload_extra_parameters", "payload_default_parameters")
_SAID = ("family", "context_length", "max_output_tokens", "capabilities", "description")


class Providers:
    """Those that were added. Values of headers, and parameters that look like a secret, stay where they are."""

    name = "providers"

    async def read(self, db: Database) -> Entries:
        """Their definitions, by their keys."""
        return {key: _shown(each) for key, each in (await read_providers(db)).providers.items()}

    def check(self, key: str, entry: Any) -> Json:
        """As the configuration has it."""
        check_definition(key, as_object(entry))
        return dict(entry)

    async def write(self, db: Database, put: Mapping[str, Any], gone: Sequence[str]) -> Write:
        """One that is there keeps what the document does not tell of it, unless that would go to another host."""
        there = (await read_providers(db)).providers
        return of_providers({key: _with_hidden(each, there.get(key, {})) for key, each in put.items()}, gone)


class ChangedProviders:
    """Those of the configuration that were changed. Values of headers stay where they are; their names are told."""

    name = "changed_providers"

    async def read(self, db: Database) -> Entries:
        """Their definitions, by their keys."""
        return {key: _shown_changed(each) for key, each in (await read_providers(db)).changed.items()}

    def check(self, key: str, entry: Any) -> Json:
        """As the configuration has it."""
        check_definition(key, as_object(entry))
        return dict(entry)

    async def write(self, db: Database, put: Mapping[str, Any], gone: Sequence[str]) -> Write:
        """A value that the document does not tell is as it is there, or else as the configuration has it, if the host is the same."""
        there = (await read_providers(db)).changed
        return of_changed_providers({key: _as_there(each, there.get(key, {})) for key, each in put.items()}, gone)


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


class Models:
    """What administrators say of models, also that there is one."""

    name = "models"

    async def read(self, db: Database) -> Entries:
        """By `provider/model`."""
        said = (each for each in (await read_catalog(db)).models if each.source == CUSTOM)
        return {f"{each.provider}/{each.model}": _told(each) for each in said}

    def check(self, key: str, entry: Any) -> Json:
        """What can be said of one."""
        return _told(_read_model(key, entry))

    async def write(self, db: Database, put: Mapping[str, Any], gone: Sequence[str]) -> Write:
        """In the place of what was said before."""
        return of_models([_read_model(*each) for each in put.items()], [split_model(key) for key in gone])


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


def _shown(definition: Mapping[str, Any]) -> dict[str, Any]:
    shown: dict[str, Any] = {}
    for field, value in definition.items():
        if field in _PARAMETERS and isinstance(value, dict):
            kept = {name: each for name, each in value.items() if hide_secrets({name: each}) == {name: each}}
            if kept:
                shown[field] = kept
        elif field != "headers":
            shown[field] = value
    return shown


def _with_hidden(definition: Mapping[str, Any], there: Mapping[str, Any]) -> dict[str, Any]:
    if not is_same_host(definition, there):
        return dict(definition)
    shown, whole = _shown(there), dict(definition)
    if "headers" in there:
        whole.setdefault("headers", there["headers"])
    for field in _PARAMETERS:
        hidden = {name: each for name, each in (there.get(field) or {}).items() if name not in shown.get(field, {})}
        if hidden:
            whole[field] = hidden | whole.get(field, {})
    return whole


def _shown_changed(definition: Mapping[str, Any]) -> dict[str, Any]:
    headers = definition.get("headers")
    return _shown(definition) | ({"headers": dict.fromkeys(headers, HIDDEN)} if headers else {})


def _as_there(definition: Mapping[str, Any], there: Mapping[str, Any]) -> dict[str, Any]:
    headers = definition.get("headers", {})
    whole = {field: value for field, value in _with_hidden(definition, there).items() if field != "headers"}
    if not headers:
        return whole
    known = there.get("headers", {}) if is_same_host(definition, there) else {}
    return whole | {
        "headers": {name: known.get(name, each) if each == HIDDEN else each for name, each in headers.items()}
    }


def _read_model(key: str, entry: Any) -> StoredModel:
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
    return StoredModel(provider, model, enabled=enabled, **{field: getattr(override, field) for field in _SAID})


def _told(model: StoredModel) -> Json:
    fields = {field: getattr(model, field) for field in (*_SAID, "enabled")}
    if model.capabilities is not None:
        fields["capabilities"] = list(model.capabilities)
    return {field: value for field, value in fields.items() if value is not None}
