"""Descriptions that are looked for, step by step, and taken over as far as they were picked."""

from collections.abc import Sequence

import httpx

from app.config import Config, ProviderConfig
from app.desks.descriptions import OPENROUTER, DescriptionSync, Lookup, Progress, result_of
from app.providers.registry import Registry
from app.providers.told import Told
from app.store.audit import read_entries
from app.store.catalog import read_catalog
from app.store.db import Database

ONE, TWO = "The first model, which answers at once.", "The second model, which thinks for long."


def open_desk(database: Database) -> tuple[DescriptionSync, list[str]]:
    """Two providers with two models each; and the hosts of those that were asked."""
    asked: list[str] = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(request.url.host)
        models = [{"id": "one", "description": ONE}, {"id": "two", "description": TWO}]
        return httpx.Response(200, json={"data": models})

    async def openrouter(_url: str) -> Sequence[Told]:
        return []

    async def refresh() -> None:
        """Nobody is here who would have to look."""

    entries = {key: ProviderConfig(base_url=f"http://{key}.test/v1") for key in ("acme", "beta")}
    registry = Registry(Config(entries), lambda _names: None, httpx.MockTransport(answer))
    return DescriptionSync(database, registry, lambda _target: None, openrouter, refresh), asked


async def test_each_who_was_asked_is_told_before_what_was_found(database: Database) -> None:
    desk, _ = open_desk(database)

    *before, last = [step async for step in desk.look()]

    progress = [step for step in before if isinstance(step, Progress)]
    assert [(each.asked, each.done) for each in progress if each.verdict == "success"] == [
        ("acme", 1),
        ("beta", 2),
        (OPENROUTER, progress[-1].all),
    ]
    assert len(progress) == len(before) == progress[-1].all
    assert isinstance(last, Lookup)
    assert sorted(str(each.target) for each in last.found) == ["acme/one", "acme/two", "beta/one", "beta/two"]
    assert await read_entries(database) == []


async def test_what_was_picked_is_taken_over_and_nothing_else(database: Database) -> None:
    desk, asked = open_desk(database)

    taken = await result_of(desk.sync({"acme/two", "acme/gone"}))

    assert [(str(each.target), each.text) for each in taken.found] == [("acme/two", TWO)]
    assert asked == ["acme.test"]
    models = (await read_catalog(database)).models
    assert [(each.provider, each.model, each.source, each.description) for each in models] == [
        ("acme", "two", "synced", TWO)
    ]
    assert [each.action for each in await read_entries(database)] == ["model.describe"]
