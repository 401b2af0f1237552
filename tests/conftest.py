"""A database of its own for each test that asks for one; and what takes longest comes first."""

import functools
import gc
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import httpx
import pytest

from app.store.db import Database, open_database
from tests.databases import SQLITE, Databases, Files, Prepared, ServerDatabases, make_template
from tests.postgres import Postgres, running_postgres

# Twenty thousand tests are there until the end: to look through them for garbage again and again takes a quarter of the time.
gc.disable()

# Of several workers none is to be left alone with these in the end.
SLOW_FOLDERS = ("browser", "e2e", "contract", "store")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tests of real gateways, of all pairs and of both databases before all others; else they stay in their order."""
    root = Path(__file__).parent
    items.sort(key=lambda item: item.path.relative_to(root).parts[0] not in SLOW_FOLDERS)


def pytest_collection_finish() -> None:
    """From here on garbage is collected, but of what is there already nothing is."""
    gc.freeze()
    gc.enable()


@pytest.fixture(scope="session", autouse=True)
def _clients_share_what_they_trust() -> Iterator[None]:
    """Each client of httpx would read all authorities again, which takes longer than most calls to a server on loopback."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("httpx._transports.default.create_ssl_context", functools.cache(httpx.create_ssl_context))
        yield


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """A server for all tests of this process."""
    with running_postgres() as server:
        yield server


@pytest.fixture(scope="session")
def prepared_databases(postgres: Postgres) -> Iterator[Prepared]:
    prepared = Prepared(postgres)
    yield prepared
    prepared.close()


@pytest.fixture
def server_databases(postgres: Postgres, prepared_databases: Prepared) -> Iterator[ServerDatabases]:
    """The test's own databases on the server, whatever kind its others are."""
    made = ServerDatabases(postgres, prepared_databases)
    yield made
    made.drop()


@pytest.fixture
def database_kind() -> str:
    """What the test's databases are; a folder of tests that are about them says: both."""
    return SQLITE


@pytest.fixture(scope="session")
def files_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    template = tmp_path_factory.mktemp("template") / "relay.db"
    make_template(f"sqlite:///{template}")
    return template


@pytest.fixture
def databases(request: pytest.FixtureRequest, database_kind: str, tmp_path: Path, files_template: Path) -> Databases:
    if database_kind == SQLITE:
        return Files(tmp_path, files_template)
    of_server: ServerDatabases = request.getfixturevalue("server_databases")
    return of_server


@pytest.fixture
def database_url(databases: Databases) -> str:
    return databases.url("relay.db")


@pytest.fixture
async def open_another(databases: Databases) -> AsyncIterator[Callable[[str], Database]]:
    """Opens the database of a name, as often as it is asked; all are closed in the end."""
    opened: list[Database] = []

    def open_named(name: str) -> Database:
        opened.append(open_database(databases.url(name)))
        return opened[-1]

    yield open_named
    for database in opened:
        await database.aclose()


@pytest.fixture
def database(databases: Databases, open_another: Callable[[str], Database]) -> Database:
    databases.prepare("relay.db")
    return open_another("relay.db")
