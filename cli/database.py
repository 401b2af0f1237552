"""How commands come by what a running server has: its database, and its providers with all that was said of them."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import typer

from cli.output import fail

if TYPE_CHECKING:
    import httpx

    from app.catalog import LeftOut
    from app.config import Config
    from app.metering.prices import Prices
    from app.overrides import Overrides
    from app.providers.registry import Registry
    from app.settings import Settings
    from app.store.db import Database

T = TypeVar("T")


@dataclass(frozen=True)
class Directory:
    """The providers and models as a server that starts now would have them, before any was asked for its list.

    Attributes:
        file: what the configuration says by itself.
        settings: with what administrators set.
        environment: without that.
        overrides: what is said of models, but not by the lists.
        prices: none is there until they are loaded and refreshed.
        left_out: the providers that were added or changed and are not used so.
    """

    db: "Database"
    settings: "Settings"
    environment: "Settings"
    file: "Config"
    registry: "Registry"
    overrides: "Overrides"
    transport: "httpx.AsyncBaseTransport"
    prices: "Prices"
    left_out: "Sequence[LeftOut]"


def on_database(
    env_file: Path | None, work: "Callable[[Database], Awaitable[T]]", *, upgrades: bool = True, makes_file: bool = True
) -> T:
    """Do `work` on the server's database.

    A setting, a file or an argument that cannot be used is a ValueError; that and a database that is away are told, with status 1.

    Args:
        upgrades: it is brought to the schema of this version before.
        makes_file: an SQLite database is made where there is none yet; else that is told.
    """
    return with_settings(env_file, lambda db, _: work(db), upgrades=upgrades, makes_file=makes_file)


def with_settings(
    env_file: Path | None,
    work: "Callable[[Database, Settings], Awaitable[T]]",
    *,
    upgrades: bool = True,
    makes_file: bool = True,
) -> T:
    """The same with the server's settings."""
    from app.core.errors import RelayError
    from app.settings import load_settings
    from app.store.db import UnusableDatabase, open_database
    from app.store.schema import upgrade

    async def do() -> T:
        settings = load_settings(env_file)
        if not makes_file:
            _require_file(settings.database_url)
        db = open_database(settings.database_url)
        try:
            if upgrades:
                await upgrade(db)
            return await work(db, settings)
        finally:
            await db.aclose()

    try:
        return asyncio.run(do())
    except RelayError as exc:
        fail(exc.message)
    except (ValueError, UnusableDatabase) as exc:
        fail(str(exc))
    except KeyboardInterrupt:
        fail("Interrupted.")


def on_directory(
    env_file: Path | None, work: "Callable[[Directory], Awaitable[T]]", *, shows_left_out: bool = False
) -> T:
    """The same with the server's providers and models.

    Args:
        shows_left_out: `work` tells of providers that cannot be used; else that is done here, on standard error.
    """

    async def do(db: "Database", settings: "Settings") -> T:
        async with _directory(settings, db) as directory:
            _tell(one for one in directory.left_out if not (shows_left_out and one.faults))
            return await work(directory)

    return with_settings(env_file, do)


class Refused(ValueError):
    """The command cannot do that; the message is for the operator."""


def run_on_prices(env_file: Path | None, work: "Callable[[Settings, Config, Database, Prices], Awaitable[T]]") -> T:
    """The same with all prices loaded, as the server has them."""
    from app.catalog import Catalog
    from app.config import load_config
    from app.metering.prices import Prices
    from app.pricing import price_sources

    async def do(db: "Database", settings: "Settings") -> T:
        catalog = Catalog(db, lambda: None)
        await catalog.refresh()
        config, left_out = catalog.merge(load_config(settings.config_path))
        _tell(left_out)
        prices = Prices(db, price_sources(config))
        await prices.load()
        await prices.refresh()
        return await work(settings, config, db, prices)

    return with_settings(env_file, do)


def _tell(left_out: "Iterable[LeftOut]") -> None:
    for one in left_out:
        remedy = f"{'reset' if one.is_change else 'delete'} {one.key} removes it."
        typer.echo(f"The provider {one.key}: {one}. llm-relay providers {remedy}", err=True)


def _require_file(url: str) -> None:
    """To open an SQLite database makes its file; a command that only looks leaves the disk as it is."""
    path = Path(url.removeprefix("sqlite:///"))
    if url.startswith("sqlite:///") and not path.exists():
        fail(f"There is no database yet: {str(path)!r} is made at the first start.")


@asynccontextmanager
async def _directory(settings: "Settings", db: "Database") -> AsyncIterator[Directory]:
    from app.built_in import built_in_providers
    from app.catalog import Catalog
    from app.config import load_config
    from app.desks.settings import settings_with
    from app.metering.prices import FREE, Prices, PriceSource, sources_of
    from app.monitors.pending import PendingUpdates
    from app.overrides import load_overrides
    from app.providers.registry import BUILT_IN_KEYS, Registry
    from app.providers.transport import open_transport

    file, files = load_config(settings.config_path), load_overrides(settings.overrides_path)
    catalog = Catalog(db, lambda: None)
    await catalog.refresh()
    config, left_out = catalog.merge(file)
    prices = Prices(db, dict.fromkeys(BUILT_IN_KEYS, PriceSource("", FREE)) | sources_of(config.providers))
    overrides = catalog.overrides(files).over(prices.known)
    transport = open_transport(ca_file=str(settings.ca_file) if settings.ca_file else None, environ=settings.environ)
    try:
        registry = Registry(
            config, settings.secret, transport, overrides, built_in_providers(settings, PendingUpdates(db))
        )
        yield Directory(
            db,
            settings_with(settings, catalog.settings),
            settings,
            file,
            registry,
            overrides,
            transport,
            prices,
            left_out,
        )
    finally:
        await transport.aclose()
