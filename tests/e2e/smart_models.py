"""Smart models for a gateway that runs: put into its database, and waited for."""

import asyncio
import time

import httpx

from app.core.smart import SmartModel
from app.store.db import open_database
from app.store.schema import upgrade
from app.store.smart_models import StoredSmartModel, put_smart_models, read_smart_models
from tests.e2e.gateway import Gateway

WAIT_S = 20.0


def add_smart_models(gateway: Gateway, *models: SmartModel) -> None:
    """Put them into the gateway's database, be it running or not."""

    async def put() -> None:
        database = open_database(gateway.database_url)
        try:
            await upgrade(database)
            await put_smart_models(database, models)
        finally:
            await database.aclose()

    gateway.data_dir.mkdir(parents=True, exist_ok=True)
    asyncio.run(put())


def stored_smart_models(gateway: Gateway) -> list[StoredSmartModel]:
    """What the gateway's database has of them."""

    async def read() -> list[StoredSmartModel]:
        database = open_database(gateway.database_url)
        try:
            return await read_smart_models(database)
        finally:
            await database.aclose()

    return asyncio.run(read())


def wait_for_model(gateway: Gateway, name: str) -> None:
    """Return when the gateway lists a model of that name."""
    until = time.monotonic() + WAIT_S
    headers = {"authorization": f"Bearer {gateway.token}"}
    while httpx.get(f"{gateway.base_url}/v1/models/{name}", headers=headers, trust_env=False).status_code != 200:
        if time.monotonic() > until:
            raise TimeoutError(f"the gateway does not list {name!r}")
        time.sleep(0.05)
