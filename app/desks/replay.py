"""Routers tried on calls of the log, for the API and the commands: what another definition would have chosen."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from app.core.book import Book, Entry
from app.core.ports import PriceList
from app.core.smart import Router
from app.metering.bodies import unseal_bodies
from app.metering.sealing import InvalidKey, NotUnsealed
from app.providers.registry import Registry
from app.smart.desk import SmartDesk, Stored, title_of
from app.smart.replay import Fate, Past, Replay, Tally, past_of_row
from app.store.audit import note
from app.store.bodies import StoredBodies, find_bodies
from app.store.calls import Wanted
from app.store.db import Database
from app.store.pages import read_calls
from app.store.selection import Selection
from app.store.smart_models import read_smart_models

_PAGE = 500


class NotReplayed(ValueError):
    """What calls asked cannot be read; the message is a sentence."""


@dataclass(frozen=True, slots=True)
class Replayed:
    """What became of them.

    Attributes:
        flips: those that would go elsewhere, the newest first, as many as were asked for.
        is_cut: there were more calls than were to be looked at.
    """

    tally: Tally
    flips: Sequence[Fate]
    is_cut: bool


class ReplayDesk:
    """All functions raise `DatabaseUnavailable`.

    Args:
        names: reads and checks definitions.
        dialects: by the names of surfaces.
        find_key: gives the key of what is kept of calls' bodies, where there is one; raises `InvalidKey`.
    """

    def __init__(
        self,
        db: Database,
        names: SmartDesk,
        registry: Registry,
        prices: PriceList,
        dialects: Mapping[str, str],
        find_key: Callable[[], bytes],
    ) -> None:
        self._db = db
        self._names = names
        self._registry = registry
        self._prices = prices
        self._dialects = dialects
        self._find_key = find_key

    async def open(self, key: str, definition: Any = None, *, asks: bool = False) -> Replay:
        """What decides anew in a router's place, by another definition where one is given.

        Raises:
            NoSuchName: there is no such router.
            InvalidName, NameTaken: the definition cannot be.
        """
        stored = await self._names.show(key, "router")
        model = stored.model if definition is None else await self._names.validate("router", definition, stored)
        others = await read_smart_models(self._db)
        entry = Entry(stored.id, model, stored.learned)
        rest = (Entry(each.id, each.model, each.learned) for each in others if not _is_same(each, stored))
        if not isinstance(model, Router):
            raise TypeError(f"{model.name} is no router")
        return Replay(self._registry, Book([*rest, entry]), self._prices, entry, asks=asks)

    async def run(
        self,
        key: str,
        selection: Selection,
        definition: Any = None,
        *,
        name: str | None = None,
        asks: bool = False,
        most: int | None = None,
        most_flips: int = 0,
    ) -> Replayed:
        """Decide anew about calls of a period, the newest first. The audit log tells of how many, and how many bodies that opened.

        Args:
            selection: the period; its filters are not looked at.
            definition: in the place of the router's own.
            name: calls for this name, in place of those that came through the router.
            asks: designators are asked, which costs what it costs.
            most: calls at most.

        Raises:
            NotReplayed: what calls asked was encrypted with another key.
            NoSuchName, InvalidName, NameTaken: as `open`.
        """
        replay = await self.open(key, definition, asks=asks)
        router = (await self._names.show(key, "router")).model
        wanted = {"names": [name]} if name else {"routers": [router.name]}
        flips: list[Fate] = []
        bodies = 0
        try:
            async for past, was_sealed in self._pasts(replace(selection, filters=wanted)):
                bodies += was_sealed
                if most is not None and replay.tally.calls >= most:
                    return Replayed(replay.tally, flips, is_cut=True)
                fate = await replay.decide(past)
                if fate.is_flip and len(flips) < most_flips:
                    flips.append(fate)
            return Replayed(replay.tally, flips, is_cut=False)
        finally:
            told = {"name": name, "calls": replay.tally.calls, "bodies_read": bodies, "asks_designators": asks}
            await note(self._db, "router.replay", title_of(router), after=told)

    async def _pasts(self, selection: Selection) -> AsyncIterator[tuple[Past, bool]]:
        """Each call, and whether what it asked was kept and had to be opened."""
        page = Wanted(selection)
        while True:
            rows, after = await read_calls(self._db, page, _PAGE)
            for row in rows:
                stored = await find_bodies(self._db, row["id"])
                body = None if stored is None else await self._open_body(stored)
                yield past_of_row(row, body, self._dialects), stored is not None
            if after is None:
                return
            page = replace(page, after=after)

    async def _open_body(self, stored: StoredBodies) -> bytes | None:
        """What a call asked, where it was kept as a whole."""
        try:
            bodies = unseal_bodies(await asyncio.to_thread(self._find_key), stored)
        except (InvalidKey, NotUnsealed) as exc:
            raise NotReplayed(str(exc)) from exc
        return bodies.request if len(bodies.request) == bodies.request_bytes else None


def _is_same(one: Stored, other: Stored) -> bool:
    return (one.kind, one.id) == (other.kind, other.id)
