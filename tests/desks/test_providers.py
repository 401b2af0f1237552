"""Providers of the configuration that are changed over it: what counts, what is kept of it, and what never leaves the file."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest

from app.catalog import Catalog
from app.config import Config, InvalidConfig, ProviderConfig, check_provider
from app.core.jsonio import dumps
from app.desks.providers import NoSuchProvider, ProviderDesk, ProviderExists
from app.providers.registry import Registry
from app.store.audit import read_entries
from app.store.catalog import read_providers
from app.store.db import Database
from tests.databases import KINDS

SECRET = "literal-of-the-file"
FILE = {
    "base_url": "http://acme.test/v1",
    "api_key_env": "ACME_KEY",
    "headers": {"authorization": SECRET, "x-org": SECRET},
    "payload_default_parameters": {"api_key": SECRET, "note": "with sk-0123456789abcdef in it", "top_p": 0.5},
    "supported_models": ["one"],
}
ELSEWHERE = {"base_url": "http://elsewhere.test/v1", "supported_models": ["one"]}


@pytest.fixture(params=KINDS)
def database_kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@dataclass
class Worker:
    """What of a worker knows of providers; `write` is an operator's change of the file."""

    db: Database
    file: Config = field(default_factory=lambda: config_of(FILE))

    def __post_init__(self) -> None:
        transport = httpx.MockTransport(lambda _request: httpx.Response(500))
        self.registry = Registry(self.file, lambda _names: "key", transport)
        self.catalog = Catalog(self.db, self.reload)
        self.desk = ProviderDesk(self.db, self.registry, lambda: self.file, self.catalog.refresh)

    def reload(self) -> None:
        self.registry.reload(self.catalog.config(self.file), lambda _names: "key")

    def write(self, definition: Mapping[str, Any] | None) -> None:
        self.file = config_of(definition)
        self.reload()

    @property
    def entry(self) -> ProviderConfig:
        return self.registry.entries["acme"]


def config_of(definition: Mapping[str, Any] | None) -> Config:
    return Config({} if definition is None else {"acme": check_provider("acme", definition)})


@pytest.fixture
def worker(database: Database) -> Worker:
    return Worker(database)


async def test_change_counts_in_all_workers_until_it_is_taken_back(worker: Worker, database: Database) -> None:
    other = Worker(database)

    await worker.desk.put("acme", ELSEWHERE)
    await other.catalog.refresh()

    assert worker.entry == other.entry == check_provider("acme", ELSEWHERE)
    view = await other.desk.show("acme")
    assert (view.source, view.state.state) == ("config", "ready")
    assert view.changes == ("base_url", "api_key_env", "payload_default_parameters", "headers")
    other.write(FILE | {"name": "Acme"})
    assert other.entry.base_url == ELSEWHERE["base_url"], "also after a reload of the file"
    await other.desk.reset("acme")
    await worker.catalog.refresh()
    assert (worker.entry, other.entry.name) == (config_of(FILE).providers["acme"], "Acme")
    assert (await worker.desk.show("acme")).changes is None


async def test_secrets_of_the_file_stay_there_and_in_force(worker: Worker, database: Database) -> None:
    definition = await worker.desk.definition("acme")

    await worker.desk.put("acme", definition | {"retries": 5})
    again = await worker.desk.definition("acme")
    await worker.desk.put("acme", again | {"headers": again["headers"] | {"x-own": "own-secret"}})
    await worker.desk.put("acme", await worker.desk.definition("acme") | {"name": "Ours"})

    file = config_of(FILE).providers["acme"]
    assert worker.entry.headers == {**file.headers, "x-own": "own-secret"}
    assert worker.entry.payload_default_parameters == file.payload_default_parameters
    assert (worker.entry.retries, worker.entry.name) == (5, "Ours")
    kept = dumps(dict((await read_providers(database)).changed)).decode()
    written = [(each.before, each.after) for each in await read_entries(database, action="provider.modify")]
    for text in (dumps(definition).decode(), dumps(again).decode(), kept, repr(written)):
        assert SECRET not in text
        assert "sk-0123" not in text
    assert "own-secret" in kept
    assert "own-secret" not in repr(written)
    assert [(after["retries"], before.get("retries")) for before, after in written][-1] == (5, None)


async def test_secret_that_is_another_now_is_kept_and_only_that_it_is_is_told(
    worker: Worker, database: Database
) -> None:
    for secret in ("new-secret-1", "new-secret-2"):
        definition = await worker.desk.definition("acme")
        name = next(iter(definition["headers"]))
        await worker.desk.put("acme", definition | {"headers": definition["headers"] | {name: secret}})
        assert worker.entry.headers[name] == secret

    last = (await read_entries(database, action="provider.modify"))[0]
    assert last.after["headers"][name] == "[redacted] (changed)"
    assert "new-secret" not in repr(last)


async def test_of_two_who_add_the_same_one_at_once_one_is_refused(worker: Worker) -> None:
    adding = [worker.desk.add("own", ELSEWHERE | {"name": name}) for name in "abcd"]

    results = await asyncio.gather(*adding, return_exceptions=True)

    assert sum(isinstance(result, ProviderExists) for result in results) == 3
    assert [entry.action for entry in await read_entries(worker.db)] == ["provider.add"]


@pytest.mark.parametrize("base_url", ["http://[", "https://[redacted]/v1"])
async def test_address_that_is_none_is_told_also_beside_what_is_hidden(worker: Worker, base_url: str) -> None:
    definition = await worker.desk.definition("acme")

    with pytest.raises(InvalidConfig, match="base_url"):
        await worker.desk.put("acme", definition | {"base_url": base_url})


async def test_true_is_another_value_than_one(worker: Worker) -> None:
    base = {"base_url": "https://own.test/v1", "payload_extra_parameters": {"logprobs": 1}}
    await worker.desk.put("own", base)

    await worker.desk.put("own", base | {"payload_extra_parameters": {"logprobs": True}})

    assert worker.registry.entries["own"].payload_extra_parameters == {"logprobs": True}
    assert worker.registry.entries["own"].payload_extra_parameters["logprobs"] is True


@pytest.mark.parametrize(
    "definition",
    [
        ELSEWHERE | {"headers": {"authorization": "[redacted]"}},
        ELSEWHERE | {"payload_default_parameters": {"api_key": "[redacted]"}},
        {"base_url": "https://acme.test/v1", "headers": {"x-org": "[redacted]"}},
        FILE | {"headers": {"x-new": "[redacted]"}},
        FILE | {"payload_default_parameters": {"note": "without [redacted] in it"}},
        FILE | {"api_key_env": "DATABASE_URL"},
    ],
)
async def test_no_secret_of_the_file_goes_anywhere_else(worker: Worker, definition: dict[str, Any]) -> None:
    with pytest.raises(InvalidConfig):
        await worker.desk.put("acme", definition)

    await worker.catalog.refresh()
    assert worker.entry == config_of(FILE).providers["acme"]


async def test_own_header_of_a_change_goes_to_no_other_host_either(worker: Worker) -> None:
    await worker.desk.put("acme", ELSEWHERE | {"headers": {"x-own": "own-secret"}})

    with pytest.raises(InvalidConfig, match="another host"):
        await worker.desk.put("acme", FILE | {"headers": {"x-own": "[redacted]"}})


async def test_change_is_not_used_where_the_file_gives_what_it_takes_to_another_host_now(worker: Worker) -> None:
    await worker.desk.put("acme", await worker.desk.definition("acme") | {"retries": 5})

    worker.write(FILE | {"base_url": "http://moved.test/v1"})
    view = await worker.desk.show("acme")

    assert view.state.state.startswith("cannot be used: base_url: is another host")
    assert (worker.entry.enabled, view.changes) == (False, ()), "nor is the file's: it was not wanted"
    await worker.desk.reset("acme")
    assert worker.entry.base_url == "http://moved.test/v1"


async def test_what_makes_no_difference_is_no_change(worker: Worker, database: Database) -> None:
    same = await worker.desk.definition("acme") | {"api_format": ["openai"], "retries": 2}

    await worker.desk.put("acme", same)
    await worker.desk.reset("acme")
    assert not (await read_providers(database)).changed
    assert not [each for each in await read_entries(database) if each.action.startswith("provider.")]

    await worker.desk.put("acme", same | {"retries": 3})
    await worker.desk.put("acme", same)
    assert not (await read_providers(database)).changed
    (entry,) = await read_entries(database, action="provider.reset")
    assert entry.before["retries"] == 3
    assert "retries" not in entry.after


async def test_change_that_the_file_has_by_now_too_is_taken_back(worker: Worker, database: Database) -> None:
    await worker.desk.put("acme", ELSEWHERE)
    worker.write(ELSEWHERE)

    await worker.desk.reset("acme")

    assert not (await read_providers(database)).changed


async def test_change_of_what_the_file_has_no_more_brings_nothing_back(worker: Worker) -> None:
    await worker.desk.put("acme", ELSEWHERE)

    worker.write(None)
    view = await worker.desk.show("acme")

    assert "acme" not in worker.registry.entries
    assert view.source == "gone"
    assert await worker.desk.definition("acme") == ELSEWHERE
    assert view.state.state == "cannot be used: config.json, over which it was changed, has it no more"
    await worker.desk.reset("acme")
    with pytest.raises(NoSuchProvider):
        await worker.desk.show("acme")


async def test_provider_that_the_file_disables_is_enabled_by_a_change(worker: Worker) -> None:
    worker.write({"enabled": False})

    await worker.desk.put("acme", ELSEWHERE)
    await worker.desk.switch("acme", on=False)
    assert (await worker.desk.show("acme")).state.state == "switched off"
    await worker.desk.switch("acme", on=True)

    assert (await worker.desk.show("acme")).state.state == "ready"
