"""Queries on what administrators and syncs have said of models, and on the providers that were added or changed. Every change tells the snapshots."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Row, Table, delete, insert, select, text, update
from sqlalchemy.ext.asyncio import AsyncConnection

from app.store.db import Database
from app.store.revisions import bump_revision, revision_of
from app.store.settings import settings_of
from app.store.tables import CHANGED_PROVIDERS, CUSTOM_PROVIDERS, MODELS
from app.store.times import now_ms

SUBJECT = "catalog"
"""What models and providers are called among the revisions."""

CUSTOM = "custom"
"""The source of what administrators say."""

# No start makes this table, which few use: so it is spelled out here.
SWITCHED_OFF = "SELECT provider FROM provider_switches ORDER BY provider"
SWITCH_OFF = (
    "INSERT INTO provider_switches (provider, switched_at) VALUES (:provider, :now) ON CONFLICT (provider) DO NOTHING"
)
SWITCH_ON = "DELETE FROM provider_switches WHERE provider = :provider"


@dataclass(frozen=True, slots=True)
class StoredModel:
    """A row of `models`: what one source says of a model. None says nothing.

    `provider` is a key of the configuration, `model` the provider's own name.
    """

    provider: str
    model: str
    source: str = CUSTOM
    family: str | None = None
    context_length: int | None = None
    max_output_tokens: int | None = None
    capabilities: tuple[str, ...] | None = None
    description: str | None = None
    enabled: bool | None = None


@dataclass(frozen=True, slots=True)
class StoredCatalog:
    """All of it at one time.

    Attributes:
        providers: definitions as in the configuration, by key.
        changed: the same of those that are there, in the place of its own.
        switched_off: the keys of providers that are not to be used, wherever they are defined.
        settings: values that administrators set, by name.
    """

    models: Sequence[StoredModel] = ()
    providers: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    changed: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    switched_off: frozenset[str] = frozenset()
    settings: Mapping[str, Any] = field(default_factory=dict)


class KeyTaken(ValueError):
    """There is a provider of that key."""


_FIELDS = tuple(StoredModel.__dataclass_fields__)


async def read_catalog(db: Database) -> StoredCatalog:
    """All of it, in the order of the names."""
    async with db.read() as connection:
        models = await connection.execute(
            select(*(MODELS.c[name] for name in _FIELDS)).order_by(MODELS.c.provider, MODELS.c.model, MODELS.c.source)
        )
        settings = {each.name: each.value for each in await settings_of(connection)}
        return StoredCatalog([_stored(row) for row in models], *await _providers(connection), settings)


async def read_providers(db: Database) -> StoredCatalog:
    """The same without the models, which may be thousands."""
    async with db.read() as connection:
        return StoredCatalog((), *await _providers(connection))


async def read_catalog_newer_than(db: Database, revision: int) -> tuple[int, StoredCatalog] | None:
    """The revision and all of it; None while the revision is still the one given."""
    now = await revision_of(db, SUBJECT)
    return None if now == revision else (now, await read_catalog(db))


async def put_models(db: Database, models: Sequence[StoredModel]) -> None:
    """Say this of `models`, in the place of what the same source said before."""
    async with db.begin() as connection:
        await bump_revision(connection, SUBJECT)
        for model in models:
            values = values_of(model)
            keys = {name: values.pop(name) for name in ("provider", "model", "source")}
            await _put(connection, MODELS, keys, values)


async def apply_models(db: Database, models: Sequence[StoredModel], gone: Sequence[StoredModel]) -> None:
    """Put in `models`, each in the place of what the same source said before, and take out `gone`; all or nothing."""
    key = ("provider", "model", "source")
    async with db.begin() as connection:
        await bump_revision(connection, SUBJECT)
        for model in (*models, *gone):
            await connection.execute(delete(MODELS).filter_by(**{name: getattr(model, name) for name in key}))
        if models:
            await connection.execute(insert(MODELS), [values_of(model) for model in models])


async def delete_model(db: Database, provider: str, model: str, source: str = CUSTOM) -> bool:
    """Forget what `source` said of a model; False where it said nothing."""
    return await _delete(db, MODELS, {"provider": provider, "model": model, "source": source})


async def add_provider(db: Database, key: str, definition: Mapping[str, Any]) -> None:
    """Add a provider.

    Raises:
        KeyTaken: one of that key was added already.
    """
    async with db.begin() as connection:
        await bump_revision(connection, SUBJECT)
        if key in await _definitions(connection, CUSTOM_PROVIDERS):
            raise KeyTaken
        row = {"key": key, "definition": dict(definition), "updated_at": now_ms()}
        await connection.execute(insert(CUSTOM_PROVIDERS).values(row))


async def put_provider(db: Database, key: str, definition: Mapping[str, Any]) -> None:
    """Change a provider that was added, or add it."""
    async with db.begin() as connection:
        await bump_revision(connection, SUBJECT)
        await _put(connection, CUSTOM_PROVIDERS, {"key": key}, {"definition": dict(definition), "updated_at": now_ms()})


async def delete_provider(db: Database, key: str, *, and_switch: bool = True) -> bool:
    """Remove a provider that was added; False where there is none. What was said of its models stays.

    Args:
        and_switch: whether it was off is forgotten too; not where another one of that key is there.
    """
    async with db.begin() as connection:
        await bump_revision(connection, SUBJECT)
        found = bool((await connection.execute(delete(CUSTOM_PROVIDERS).filter_by(key=key))).rowcount)
        if found and and_switch:
            await connection.execute(text(SWITCH_ON), {"provider": key})
        return found


async def put_changed_provider(db: Database, key: str, definition: Mapping[str, Any]) -> None:
    """Have this count in the place of what the configuration says of a provider."""
    async with db.begin() as connection:
        await bump_revision(connection, SUBJECT)
        await _put(
            connection, CHANGED_PROVIDERS, {"key": key}, {"definition": dict(definition), "updated_at": now_ms()}
        )


async def delete_changed_provider(db: Database, key: str) -> bool:
    """Have the configuration count again; False where it did."""
    return await _delete(db, CHANGED_PROVIDERS, {"key": key})


async def switch_provider(db: Database, key: str, *, on: bool) -> None:
    """Have a provider be used or not."""
    async with db.begin() as connection:
        await bump_revision(connection, SUBJECT)
        if on:
            await connection.execute(text(SWITCH_ON), {"provider": key})
        else:
            await connection.execute(text(SWITCH_OFF), {"provider": key, "now": now_ms()})


async def have_lists_read(db: Database) -> None:
    """Have all workers ask the providers anew for what models they have."""
    async with db.begin() as connection:
        await bump_revision(connection, SUBJECT)


async def _providers(
    connection: AsyncConnection,
) -> tuple[dict[str, Mapping[str, Any]], dict[str, Mapping[str, Any]], frozenset[str]]:
    added, changed = await _definitions(connection, CUSTOM_PROVIDERS), await _definitions(connection, CHANGED_PROVIDERS)
    return added, changed, frozenset((await connection.execute(text(SWITCHED_OFF))).scalars())


async def _definitions(connection: AsyncConnection, table: Table) -> dict[str, Mapping[str, Any]]:
    rows = await connection.execute(select(table.c.key, table.c.definition).order_by(table.c.key))
    return {row.key: row.definition for row in rows}


async def _put(
    connection: AsyncConnection, table: Table, keys: Mapping[str, object], values: Mapping[str, object]
) -> None:
    # Transactions that bump the revision run one after the other, so that nobody comes between these two.
    changed = await connection.execute(update(table).filter_by(**keys).values(**values))
    if not changed.rowcount:
        await connection.execute(insert(table).values(**keys, **values))


async def _delete(db: Database, table: Table, keys: Mapping[str, object]) -> bool:
    async with db.begin() as connection:
        await bump_revision(connection, SUBJECT)
        return bool((await connection.execute(delete(table).filter_by(**keys))).rowcount)


def values_of(model: StoredModel) -> dict[str, Any]:
    """A row of it."""
    values = {name: getattr(model, name) for name in _FIELDS} | {"updated_at": now_ms()}
    if model.capabilities is not None:
        values["capabilities"] = list(model.capabilities)
    return values


def _stored(row: Row[Any]) -> StoredModel:
    values = dict(zip(_FIELDS, row, strict=True))
    capabilities = values["capabilities"]
    return StoredModel(**values | {"capabilities": None if capabilities is None else tuple(capabilities)})
