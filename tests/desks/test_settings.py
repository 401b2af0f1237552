"""Settings that administrators change while the gateway runs."""

from collections.abc import Callable

import pytest

from app.catalog import Catalog
from app.desks.settings import InvalidSetting, LiveSettings, NoSuchSetting, SettingsDesk
from app.settings import Settings
from app.store.audit import read_entries
from app.store.db import Database
from app.store.settings import change_settings
from tests.databases import KINDS

ENVIRONMENT = Settings(default_model="acme/a", retention_days=30)


@pytest.fixture(params=KINDS)
def database_kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


class Worker:
    """One of several: it has a database, a catalog that looks at it, and settings of its own."""

    def __init__(self, database: Database) -> None:
        self.live = LiveSettings(ENVIRONMENT)
        self.reloads = 0
        self.catalog = Catalog(database, self.reload, self.live.take)
        self.desk = SettingsDesk(database, ENVIRONMENT, self.catalog.refresh, self.why_unknown)

    def reload(self) -> None:
        self.reloads += 1

    async def why_unknown(self, name: str) -> str | None:
        return None if name.startswith("acme/") else f"There is no model {name!r}."


async def test_two_workers_take_what_one_is_told(database: Database, open_another: Callable[[str], Database]) -> None:
    told, other = Worker(database), Worker(open_another("relay.db"))

    await told.desk.set("retention_days", 7)
    await told.desk.set("default_model", "acme/b")
    await told.desk.set("dns_resolution", True)
    await other.catalog.refresh()

    for worker in (told, other):
        now = worker.live.now
        assert (now.retention_days, now.default_model, now.dns_resolution) == (7, "acme/b", True)
        assert now.bodies_retention_days == ENVIRONMENT.bodies_retention_days
        assert worker.reloads == 0, "no provider is asked anew for a setting"

    await other.desk.set("default_model", None)
    await other.desk.reset("retention_days")
    await told.catalog.refresh()
    assert (told.live.now.default_model, told.live.now.retention_days) == (None, 30)


async def test_each_shows_the_environments_value_too_and_changes_are_in_the_audit_log(database: Database) -> None:
    worker = Worker(database)

    shown = await worker.desk.set("retention_days", 7)
    assert (shown.value, shown.environment, shown.changed is not None) == (7, 30, True)
    assert await worker.desk.set("retention_days", 7) == shown, "that changes nothing"
    shown = await worker.desk.reset("retention_days")
    assert (shown.value, shown.environment, shown.changed) == (30, 30, None)
    await worker.desk.reset("retention_days")

    entries = [(each.action, each.subject, each.before, each.after) for each in await read_entries(database)]
    assert entries == [
        ("setting.change", "retention_days", {"value": 7, "set_here": True}, {"value": 30, "set_here": False}),
        ("setting.change", "retention_days", {"value": 30, "set_here": False}, {"value": 7, "set_here": True}),
    ]


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("retention_days", -1, "a whole number from 0 to 36,500"),
        ("retention_days", True, "a whole number"),
        ("bodies_retention_days", "7", "a whole number"),
        ("dns_resolution", "on", "true or false"),
        ("default_model", 5, "a text"),
        ("default_model", "lost", "There is no model 'lost'"),
    ],
)
async def test_what_cannot_be_is_refused(database: Database, name: str, value: object, words: str) -> None:
    worker = Worker(database)

    with pytest.raises(InvalidSetting, match=words):
        await worker.desk.set(name, value)

    assert await read_entries(database) == []


async def test_what_is_no_live_setting_cannot_be_set(database: Database) -> None:
    with pytest.raises(NoSuchSetting, match="database_url"):
        await Worker(database).desk.set("database_url", "sqlite:///elsewhere")


async def test_what_another_version_left_is_told_and_left_out(
    database: Database, caplog: pytest.LogCaptureFixture
) -> None:
    await change_settings(database, {"retention_days": "many", "unheard_of": 1, "dns_resolution": True})
    worker = Worker(database)

    await worker.catalog.refresh()

    assert (worker.live.now.retention_days, worker.live.now.dns_resolution) == (30, True)
    assert "retention_days" in caplog.text
    assert "unheard_of" in caplog.text
