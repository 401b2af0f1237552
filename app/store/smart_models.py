"""Queries on the definitions of smart models, and on what they count. Every change of a definition tells the snapshots."""

import logging
import secrets
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pydantic import ValidationError
from sqlalchemy import Row, Table, delete, insert, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from app.core.money import from_pico_usd
from app.core.smart import CLASSES, KINDS, Kind, SmartModel, definition_of
from app.store.cache_hours import COUNTS, add_to_hour
from app.store.db import Database
from app.store.revisions import bump_revision, revision_of
from app.store.tables import ALIASES, REDIRECTS, SMART_AUGMENTORS, SMART_CACHES, SMART_ROUTERS
from app.store.times import from_ms, now_ms

log = logging.getLogger(__name__)

SUBJECT = "smart_models"
"""What they are called among the revisions."""

TABLES: Mapping[Kind, Table] = {
    "redirect": REDIRECTS,
    "router": SMART_ROUTERS,
    "cache": SMART_CACHES,
    "augmentor": SMART_AUGMENTORS,
    "alias": ALIASES,
}
STATS: Mapping[Kind, tuple[str, ...]] = {
    "cache": COUNTS,
    "augmentor": ("total_requests", "augmented_requests", "search_requests", "scrape_requests"),
}
"""The columns of what each kind counts; `cost_saved` is in pico-USD."""


class NameExists(ValueError):
    """Two of one kind would have the same name; the message is a sentence."""


@dataclass(frozen=True, slots=True)
class StoredSmartModel:
    """A smart model, with what the database knows beside its definition.

    Attributes:
        id: unique within its kind.
        stats: what it counted, by the names in `STATS`; money in USD.
        learned: of a router, what it learned.
    """

    id: str
    model: SmartModel
    created_at: datetime
    updated_at: datetime
    stats: Mapping[str, Any]
    learned: Mapping[str, Any] | None = None

    @property
    def kind(self) -> Kind:
        """Which kind it is."""
        return self.model.kind


@dataclass(frozen=True, slots=True)
class UnreadableSmartModel:
    """A row that this version cannot read, as one of a newer version or written by hand.

    Attributes:
        definition: what it has where a definition would be; empty where a column of it is no JSON.
    """

    id: str
    kind: Kind
    name: str
    definition: Mapping[str, Any]


async def read_smart_models(db: Database, kind: Kind | None = None) -> list[StoredSmartModel]:
    """All of them, or those of one kind, by their names. What this version cannot read is left out, and the log says so."""
    return [each for each in await _read(db, kind) if isinstance(each, StoredSmartModel)]


async def read_unreadable_smart_models(db: Database, kind: Kind | None = None) -> list[UnreadableSmartModel]:
    """Those that are left out, by their names."""
    return [each for each in await _read(db, kind) if isinstance(each, UnreadableSmartModel)]


async def _read(db: Database, kind: Kind | None) -> list[StoredSmartModel | UnreadableSmartModel]:
    async with db.read() as connection:
        found: list[StoredSmartModel | UnreadableSmartModel] = []
        for each in KINDS if kind is None else (kind,):
            try:
                rows = await connection.execute(select(TABLES[each]).order_by(TABLES[each].c.name))
                found += [_stored(each, row) for row in rows]
            except ValueError:  # SQLite takes for JSON whatever somebody writes there
                found += await _read_singly(connection, each)
        return found


async def _read_singly(connection: AsyncConnection, kind: Kind) -> list[StoredSmartModel | UnreadableSmartModel]:
    table = TABLES[kind]
    found: list[StoredSmartModel | UnreadableSmartModel] = []
    for key, name in (await connection.execute(select(table.c.id, table.c.name).order_by(table.c.name))).all():
        try:
            row = (await connection.execute(select(table).filter_by(id=key))).first()
        except ValueError:
            log.error("The %s %r (id %s) cannot be read, and is left out: it holds what is no JSON", kind, name, key)
            found.append(UnreadableSmartModel(key, kind, name, {}))
        else:
            found += [] if row is None else [_stored(kind, row)]
    return found


async def read_smart_models_newer_than(db: Database, revision: int) -> tuple[int, list[StoredSmartModel]] | None:
    """The revision and all of them; None while the revision is still the one given."""
    now = await revision_of(db, SUBJECT)
    return None if now == revision else (now, await read_smart_models(db))


async def put_smart_models(
    db: Database,
    added: Sequence[SmartModel],
    changed: Mapping[str, SmartModel] | None = None,
    deleted: Iterable[StoredSmartModel] = (),
    known: int | None = None,
) -> None:
    """Remove some, add some, and give others, by their ids, another definition: all or nothing.

    Args:
        known: the revision of what the change is made up from; None where that does not matter.

    Raises:
        NameExists: a name is taken within its kind.
        ChangedMeanwhile: they have another revision by now.
    """
    async with db.begin() as connection:
        await bump_revision(connection, SUBJECT, known)
        await write_smart_models(connection, added, changed, deleted)


async def write_smart_models(
    connection: AsyncConnection,
    added: Sequence[SmartModel],
    changed: Mapping[str, SmartModel] | None = None,
    deleted: Iterable[StoredSmartModel] = (),
) -> None:
    """The same, in a transaction that has bumped the revision.

    Raises:
        NameExists: as `put_smart_models`.
    """
    now = now_ms()
    try:
        for gone in deleted:
            await connection.execute(delete(TABLES[gone.kind]).filter_by(id=gone.id))
        for model in added:
            values = definition_of(model) | {"id": secrets.token_hex(4), "created_at": now, "updated_at": now}
            await connection.execute(insert(TABLES[model.kind]).values(values))
        for key, model in (changed or {}).items():
            values = definition_of(model) | {"updated_at": now}
            await connection.execute(update(TABLES[model.kind]).filter_by(id=key).values(values))
    except IntegrityError as exc:
        raise NameExists("That name is taken within its kind.") from exc


async def delete_smart_model(db: Database, kind: Kind, key: str) -> bool:
    """Remove one; False where there is none of that id."""
    async with db.begin() as connection:
        await bump_revision(connection, SUBJECT)
        return bool((await connection.execute(delete(TABLES[kind]).filter_by(id=key))).rowcount)


async def put_learned(db: Database, key: str, learned: Mapping[str, Any] | None) -> None:
    """Keep what the router with that id learned."""
    async with db.begin() as connection:
        await bump_revision(connection, SUBJECT)
        await connection.execute(update(SMART_ROUTERS).filter_by(id=key).values(learned=learned))


async def add_to_stats(db: Database, kind: Kind, counts: Mapping[tuple[str, int], Mapping[str, int]]) -> None:
    """Add to what smart models of a kind counted, by their ids and the hours since 1970; snapshots are not told."""
    table = TABLES[kind]
    async with db.begin() as connection:
        # In one order, so that no two workers wait for each other crosswise.
        for (key, hour), more in sorted(counts.items()):
            values = {name: table.c[name] + count for name, count in more.items()}
            await connection.execute(update(table).filter_by(id=key).values(values))
            if kind == "cache":
                await add_to_hour(connection, key, hour, more)


def _stored(kind: Kind, row: Row[Any]) -> StoredSmartModel | UnreadableSmartModel:
    values = dict(row._mapping)
    stats = {name: values.pop(name) for name in STATS.get(kind, ())}
    key, learned = values.pop("id"), values.pop("learned", None)
    times = values.pop("created_at"), values.pop("updated_at")
    try:
        if "cost_saved" in stats:
            stats["cost_saved"] = from_pico_usd(stats["cost_saved"])
        model = CLASSES[kind].model_validate(values)
        return StoredSmartModel(key, model, from_ms(times[0]), from_ms(times[1]), stats, learned)
    except ValidationError as exc:  # as of another version, or written by hand: no reason to do without all others
        why = ", ".join(".".join(map(str, fault["loc"])) or "it" for fault in exc.errors(include_url=False))
    except (ValueError, TypeError, ArithmeticError, OSError):
        why = "a time, or what it has counted"
    log.error("The %s %r (id %s) cannot be read, and is left out; at fault: %s", kind, values["name"], key, why)
    return UnreadableSmartModel(key, kind, str(values["name"]), values)
