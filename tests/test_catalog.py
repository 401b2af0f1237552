"""Providers and models in the database, over what the files say."""

import logging

import pytest

from app.catalog import Catalog
from app.config import Config, InvalidConfig, ProviderConfig
from app.overrides import Layer, Overrides, parse_overrides
from app.store.catalog import (
    StoredModel,
    delete_model,
    delete_provider,
    put_models,
    put_provider,
    switch_provider,
)
from app.store.db import Database

FILE = Config({"acme": ProviderConfig(base_url="http://acme/v1", additional_models=("a",))})


@pytest.fixture
def changes() -> list[str]:
    return []


@pytest.fixture
def catalog(database: Database, changes: list[str]) -> Catalog:
    return Catalog(database, lambda: changes.append("changed"))


async def test_model_that_was_added_is_offered_beside_those_of_the_file(catalog: Catalog, database: Database) -> None:
    await put_models(database, [StoredModel("acme", "b", enabled=True), StoredModel("gone", "c", enabled=True)])
    await catalog.refresh()

    assert catalog.config(FILE).providers["acme"].additional_models == ("a", "b")
    assert list(catalog.config(FILE).providers) == ["acme"]


async def test_saying_something_of_a_model_does_not_offer_it(catalog: Catalog, database: Database) -> None:
    await put_models(database, [StoredModel("acme", "b", context_length=5), StoredModel("acme", "c", enabled=False)])
    await catalog.refresh()

    assert catalog.config(FILE) == FILE


async def test_what_a_sync_said_of_a_model_does_not_offer_it(catalog: Catalog, database: Database) -> None:
    await put_models(database, [StoredModel("acme", "b", "litellm", context_length=5)])
    await catalog.refresh()

    assert catalog.config(FILE) == FILE
    assert catalog.overrides(Overrides()).known("acme", "B").abilities.context_length == 5


async def test_administrators_win_over_the_operators_file_and_that_over_syncs(
    catalog: Catalog, database: Database
) -> None:
    file = Overrides(
        {Layer.OPERATOR: parse_overrides("providers: {acme: {models: {a: {context_length: 2, family: ours}}}}")}
    )
    await put_models(
        database,
        [
            StoredModel("acme", "a", "synced", family="theirs", context_length=1, description="Told elsewhere."),
            StoredModel("acme", "A", context_length=3, enabled=False, capabilities=("vision", "unheard of")),
        ],
    )
    await catalog.refresh()

    known = catalog.overrides(file).known("acme", "a")

    assert (known.abilities.context_length, known.family, known.description) == (3, "ours", "Told elsewhere.")
    assert known.abilities.capabilities == ("vision",)
    assert known.disabled == "an administrator switched it off"


async def test_provider_that_was_added_stands_after_those_of_the_file(catalog: Catalog, database: Database) -> None:
    await put_provider(database, "own", {"base_url": "http://own/v1", "additional_models": ["x"]})
    await catalog.refresh()

    added = catalog.config(FILE).providers

    assert list(added) == ["acme", "own"]
    assert added["own"].additional_models == ("x",)


async def test_provider_of_the_file_is_never_replaced(
    catalog: Catalog, database: Database, caplog: pytest.LogCaptureFixture
) -> None:
    await put_provider(database, "acme", {"base_url": "http://elsewhere/v1"})
    await catalog.refresh()

    assert catalog.config(FILE) == FILE
    assert "acme" in caplog.text


async def test_definition_that_cannot_be_used_is_told_and_left_out(
    catalog: Catalog, database: Database, caplog: pytest.LogCaptureFixture
) -> None:
    await put_provider(database, "own", {"base_urll": "http://own/v1"})
    await catalog.refresh()

    assert catalog.config(FILE) == FILE
    assert "provider own: the one that was added cannot be used: base_urll: unknown key" in caplog.text


async def test_changes_are_told_once_each(catalog: Catalog, database: Database, changes: list[str]) -> None:
    await catalog.refresh()
    assert changes == [], "there is nothing yet"

    await put_models(database, [StoredModel("acme", "b")])
    await catalog.refresh()
    await catalog.refresh()
    assert len(changes) == 1

    assert await delete_model(database, "acme", "b")
    assert not await delete_model(database, "acme", "b")
    assert not await delete_provider(database, "own")
    await catalog.refresh()
    assert len(changes) == 2
    assert catalog.config(FILE) == FILE


async def test_saying_it_again_replaces_what_the_same_source_said(catalog: Catalog, database: Database) -> None:
    await put_models(database, [StoredModel("acme", "a", context_length=1, family="f")])
    await put_models(database, [StoredModel("acme", "a", context_length=2)])
    await catalog.refresh()

    known = catalog.overrides(Overrides()).known("acme", "a")

    assert (known.abilities.context_length, known.family) == (2, None)


async def test_change_that_cannot_be_used_is_told_and_does_not_end_the_watch(
    database: Database, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse() -> None:
        raise InvalidConfig("own.base_url: no host")

    await put_provider(database, "own", {"base_url": "http://own/v1"})
    with caplog.at_level(logging.ERROR):
        await Catalog(database, refuse).refresh()

    assert "own.base_url: no host" in caplog.text


async def test_provider_that_is_switched_off_is_disabled_wherever_it_is_defined(
    catalog: Catalog, database: Database
) -> None:
    await put_provider(database, "own", {"base_url": "http://own"})
    for key in ("acme", "own", "gone"):
        await switch_provider(database, key, on=False)
        await switch_provider(database, key, on=False)
    await catalog.refresh()
    assert {key: each.enabled for key, each in catalog.config(FILE).providers.items()} == {"acme": False, "own": False}

    await switch_provider(database, "acme", on=True)
    await delete_provider(database, "own")
    await put_provider(database, "own", {"base_url": "http://own"})
    await catalog.refresh()

    assert {key: each.enabled for key, each in catalog.config(FILE).providers.items()} == {"acme": True, "own": True}
