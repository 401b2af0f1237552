"""What an administrator may know of the gateway itself: what it is, where its data are, and how much of it there is."""

import asyncio
import os
import platform
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import urlsplit

from app import __version__
from app.core.errors import CacheUnavailable
from app.core.smart import Cache
from app.dashboard.assets import FOLDER, VENDOR
from app.parts import Parts
from app.store.census import read_server_version, read_size
from app.store.schema import version_of
from app.store.smart_models import read_smart_models
from app.store.tokens import list_tokens

_ANSWER_S = 5.0


@dataclass(frozen=True, slots=True)
class Collection:
    """What a cache keeps. `cache` is its name; None where it belongs to none that is there."""

    name: str
    cache: str | None
    entries: int


@dataclass(frozen=True, slots=True)
class CacheStatus:
    """Where semantic caches keep their entries.

    Attributes:
        configured: there is a Chroma server; else it is a file.
        url: of the server, without user and password; or the path of the file.
        available: it answers.
    """

    configured: bool
    url: str
    prefix: str
    available: bool
    error: str | None
    collections: Sequence[Collection]


@dataclass(frozen=True, slots=True)
class Database:
    """Which one it is; `where` has neither user nor password."""

    server: str
    where: str
    bytes: int
    schema: str | None


@dataclass(frozen=True, slots=True)
class Disk:
    """Where the data lie."""

    folder: str
    free: int
    total: int


@dataclass(frozen=True, slots=True)
class Counts:
    """How much of it there is: providers, and those that can be used; models, and those that are switched on; tokens."""

    providers: int
    configured: int
    models: int
    active: int
    tokens: int


@dataclass(frozen=True, slots=True)
class Journal:
    """Calls that the database does not have yet, in bytes."""

    bytes: int
    limit: int


@dataclass(frozen=True, slots=True)
class System:
    """All of it.

    Attributes:
        worker: the process that answers.
        workers: how many there are on this machine.
        started: when the process that answers did.
        pages: what the pages load, and whether it is installed.
    """

    version: str
    python: str
    platform: str
    worker: int
    workers: int
    started: datetime
    database: Database
    disk: Disk
    journal: Journal
    counts: Counts
    pages: dict[str, bool]


class SystemDesk:
    """All functions raise `DatabaseUnavailable`."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    async def show(self) -> System:
        """How it is now."""
        db, writer, folder = self._parts.database, self._parts.meters.writer, self._parts.settings.data_dir
        usage = await asyncio.to_thread(shutil.disk_usage, folder)
        return System(
            version=__version__,
            python=f"{platform.python_implementation()} {platform.python_version()}",
            platform=platform.platform(),
            worker=os.getpid(),
            workers=await self._parts.meters.exposition.count_workers(),
            started=self._parts.started,
            database=Database(await read_server_version(db), db.where, await read_size(db), await version_of(db)),
            disk=Disk(str(folder), usage.free, usage.total),
            journal=Journal(writer.backlog_bytes, writer.limit_bytes),
            counts=await self.count(),
            pages={name: (FOLDER / "vendor" / name).exists() for name in VENDOR},
        )

    async def count(self) -> Counts:
        """How much there is."""
        registry = self._parts.registry
        return Counts(
            providers=len(registry.states),
            configured=sum(state.ready for state in registry.states),
            models=len(registry.catalog),
            active=sum(known.disabled is None for _, known in registry.catalog),
            tokens=len(await list_tokens(self._parts.database)),
        )

    async def caches(self) -> CacheStatus:
        """Where caches keep their entries, and how many there are."""
        settings, error, found = self._parts.settings, None, list[Collection]()
        try:
            async with asyncio.timeout(_ANSWER_S):
                found = await self._collections()
        except CacheUnavailable as exc:
            error = exc.message
        except TimeoutError:
            error = f"It did not answer within {_ANSWER_S:g} s."
        url = _without_user(settings.chroma_url) if settings.chroma_url else str(settings.data_dir / "vectors.db")
        return CacheStatus(
            configured=settings.chroma_url is not None,
            url=url,
            prefix=settings.chroma_collection_prefix,
            available=error is None,
            error=error,
            collections=found,
        )

    async def _collections(self) -> list[Collection]:
        caches = self._parts.smart.caches
        by_collection = {
            caches.collection_of(each.id, each.model): each.model.name
            for each in await read_smart_models(self._parts.database, "cache")
            if isinstance(each.model, Cache)
        }
        return [
            Collection(name, by_collection.get(name), await caches.store.count(name))
            for name in await caches.store.collections()
        ]


def _without_user(url: str) -> str:
    parts = urlsplit(url)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2], query="", fragment="").geturl()
