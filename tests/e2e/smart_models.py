"""Smart models in the database of a gateway, also before its first start, and what they counted."""

import asyncio
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from sqlalchemy import update

from app.core.smart import Kind, SmartModel
from app.store.db import Database, open_database
from app.store.schema import upgrade
from app.store.smart_models import TABLES, StoredSmartModel, put_smart_models, read_smart_models
from tests.e2e.gateway import Gateway

T = TypeVar("T")

LIVE_S = 2.0
"""After so long every worker knows them."""


def add_smart_models(gateway: Gateway | str, *models: SmartModel) -> None:
    """Define them. `gateway` may be the URL of its database."""
    _in_database(gateway, lambda database: put_smart_models(database, models))


def stored_smart_models(gateway: Gateway | str) -> dict[str, StoredSmartModel]:
    """All that there are, by their names."""
    found = _in_database(gateway, lambda database: read_smart_models(database))
    return {each.model.name: each for each in found}


def spoil_smart_model(gateway: Gateway | str, kind: Kind, name: str) -> None:
    """Write what no version of now knows into a row."""

    async def write(database: Database) -> None:
        async with database.begin() as connection:
            await connection.execute(update(TABLES[kind]).filter_by(name=name).values(fallback="of tomorrow"))

    _in_database(gateway, write)


def stats_of(gateway: Gateway | str, name: str) -> dict[str, Any]:
    """What one has counted up to now; it is written once a second."""
    return dict(stored_smart_models(gateway)[name].stats)


def _in_database(gateway: Gateway | str, work: Callable[[Database], Awaitable[T]]) -> T:
    url = gateway if isinstance(gateway, str) else gateway.database_url

    async def run() -> T:
        database = open_database(url)
        try:
            await upgrade(database)
            return await work(database)
        finally:
            await database.aclose()

    with ThreadPoolExecutor(1) as pool:  # the test may have a loop of its own
        return pool.submit(asyncio.run, run()).result()
