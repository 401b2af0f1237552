"""The databases of a test: files, or databases of a PostgreSQL server. Tests of what is kept run on both."""

import asyncio
import contextlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Protocol

import pytest

from app.store.db import open_database
from app.store.schema import upgrade
from tests.postgres import Postgres

SQLITE, POSTGRESQL = "sqlite", "postgresql"
KINDS = (SQLITE, POSTGRESQL)

sqlite_only = pytest.mark.parametrize("database_kind", [SQLITE])
postgresql_only = pytest.mark.parametrize("database_kind", [POSTGRESQL])


class Databases(Protocol):
    """Those of one test, by the names that they have in it."""

    def url(self, name: str) -> str:
        """Of a database that is empty when its name is used for the first time."""

    def prepare(self, name: str) -> None:
        """Have our tables in it, if that is quick; else the test makes them."""


class Files:
    """SQLite's."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def url(self, name: str) -> str:
        """A file of that name."""
        return f"sqlite:///{self._folder / name}"

    def prepare(self, name: str) -> None:
        """Leave it to the test."""


class ServerDatabases:
    """PostgreSQL's. Who makes it calls `drop`.

    Args:
        template: a database with our tables, of which a copy is made sooner than they are.
    """

    def __init__(self, server: Postgres, template: str) -> None:
        self._server = server
        self._template = template
        self._made: dict[str, str] = {}

    def url(self, name: str) -> str:
        """A database of its own."""
        if name not in self._made:
            self._made[name] = self._server.create()
        return self._server.url(self._made[name])

    def prepare(self, name: str) -> None:
        """Copy the template."""
        if name not in self._made:
            self._made[name] = self._server.create(self._template)

    def run(self, name: str, sql: str) -> str:
        """What psql says to a statement there; nothing where it fails."""
        with contextlib.suppress(RuntimeError):
            return self._server.run(sql, self._made[name])
        return ""

    def drop(self) -> None:
        """Remove them all."""
        for made in self._made.values():
            self._server.drop(made)


def make_template(server: Postgres) -> str:
    """A database that has our tables."""
    name = server.create()

    async def make_tables() -> None:
        database = open_database(server.url(name))
        try:
            await upgrade(database)
        finally:
            await database.aclose()

    with ThreadPoolExecutor(1) as outside_of_any_loop:
        outside_of_any_loop.submit(asyncio.run, make_tables()).result()
    return name
