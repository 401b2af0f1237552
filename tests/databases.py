"""The databases of a test: files, or databases of a PostgreSQL server. Tests of what is kept run on both."""

import asyncio
import contextlib
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Protocol

import pytest

from app.store.db import open_database
from app.store.schema import upgrade
from tests.postgres import Operator, Postgres

SQLITE, POSTGRESQL = "sqlite", "postgresql"
KINDS = (SQLITE, POSTGRESQL)

sqlite_only = pytest.mark.parametrize("database_kind", [SQLITE])
postgresql_only = pytest.mark.parametrize("database_kind", [POSTGRESQL])


class Databases(Protocol):
    """Those of one test, by the names that they have in it."""

    def url(self, name: str) -> str:
        """Of a database that is empty when its name is used for the first time."""

    def prepare(self, name: str) -> None:
        """Have our tables in it."""


class Files:
    """SQLite's. `template` is a file with our tables, of which a copy is made sooner than they are."""

    def __init__(self, folder: Path, template: Path) -> None:
        self._folder = folder
        self._template = template

    def url(self, name: str) -> str:
        """A file of that name."""
        return f"sqlite:///{self._folder / name}"

    def prepare(self, name: str) -> None:
        """Copy the template."""
        shutil.copy(self._template, self._folder / name)


class Prepared:
    """Databases on the server that have our tables, with nothing in them. They are used again, as making one takes long.

    Who makes it calls `close`.
    """

    def __init__(self, server: Postgres) -> None:
        self._server = server
        self._operator = Operator(server)
        self._template = server.create()
        make_template(server.url(self._template))
        self._shape = self._operator.run(self._template, _SHAPE)
        tables = self._operator.run(self._template, _TABLES)
        self._empty_all = ";".join(f"DELETE FROM {table}" for table in tables)
        self._operator.forget(self._template)  # which nobody may use while it is copied
        self._free: list[str] = []

    def take(self) -> str:
        """One that nobody uses."""
        return self._free.pop() if self._free else self._server.create(self._template)

    def give_back(self, name: str) -> None:
        """Empty it for the next, whoever is still connected; one whose tables were changed is not used again."""
        if self._empty(name):
            self._free.append(name)
        else:
            self._operator.forget(name)
            self._server.drop(name)

    def close(self) -> None:
        """The databases go with the server."""
        self._operator.close()

    def _empty(self, name: str) -> bool:
        self._operator.run(name, _END_OTHERS)
        if self._operator.run(name, _SHAPE) != self._shape:
            return False
        self._operator.execute(name, self._empty_all)
        return True


class ServerDatabases:
    """PostgreSQL's. Who makes it calls `drop`."""

    def __init__(self, server: Postgres, prepared: Prepared) -> None:
        self._server = server
        self._prepared = prepared
        self._made: dict[str, str] = {}
        self._borrowed: set[str] = set()

    def url(self, name: str) -> str:
        """A database of its own."""
        if name not in self._made:
            self._made[name] = self._server.create()
        return self._server.url(self._made[name])

    def prepare(self, name: str) -> None:
        """Borrow one."""
        if name not in self._made:
            self._made[name] = self._prepared.take()
            self._borrowed.add(name)

    def run(self, name: str, sql: str) -> str:
        """What psql says to a statement there; nothing where it fails."""
        with contextlib.suppress(RuntimeError):
            return self._server.run(sql, self._made[name])
        return ""

    def drop(self) -> None:
        """Remove them all."""
        for name, made in self._made.items():
            if name in self._borrowed:
                self._prepared.give_back(made)
            else:
                self._server.drop(made)


_END_OTHERS = """
SELECT pg_terminate_backend(pid, 5000)::text FROM pg_stat_activity
WHERE datname = current_database() AND pid <> pg_backend_pid()
"""
_TABLES = "SELECT tablename FROM pg_tables WHERE schemaname = 'public' AND tablename <> 'alembic_version'"
_SHAPE = """
SELECT table_name || '.' || column_name || ' ' || data_type FROM information_schema.columns WHERE table_schema = 'public'
UNION ALL SELECT version_num FROM alembic_version
UNION ALL SELECT indexdef FROM pg_indexes WHERE schemaname = 'public'
UNION ALL SELECT conname FROM pg_constraint WHERE connamespace = 'public'::regnamespace
UNION ALL SELECT proname FROM pg_proc WHERE pronamespace = 'public'::regnamespace
UNION ALL SELECT tgname FROM pg_trigger WHERE NOT tgisinternal
UNION ALL SELECT setconfig::text FROM pg_db_role_setting ORDER BY 1
"""
"""What a test may have left beside rows."""


def make_template(url: str) -> None:
    """Put our tables into an empty database."""

    async def make_tables() -> None:
        database = open_database(url)
        try:
            await upgrade(database)
        finally:
            await database.aclose()

    with ThreadPoolExecutor(1) as outside_of_any_loop:
        outside_of_any_loop.submit(asyncio.run, make_tables()).result()
