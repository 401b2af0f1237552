"""A database of its own for each test that asks for one."""

from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from app.store.db import Database, open_database
from app.store.schema import upgrade


@pytest.fixture
def database_url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'relay.db'}"


@pytest.fixture
async def open_another(tmp_path: Path) -> AsyncIterator[Callable[[str], Database]]:
    """Opens the file of a name, as often as it is asked; all are closed in the end."""
    opened: list[Database] = []

    def open_file(name: str) -> Database:
        opened.append(open_database(f"sqlite:///{tmp_path / name}"))
        return opened[-1]

    yield open_file
    for database in opened:
        await database.aclose()


@pytest.fixture
async def database(open_another: Callable[[str], Database]) -> Database:
    database = open_another("relay.db")
    await upgrade(database)
    return database
