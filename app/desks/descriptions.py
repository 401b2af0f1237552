"""Takes over descriptions of models from the providers' own lists and from OpenRouter's public one, those that were picked."""

from collections.abc import AsyncGenerator, Awaitable, Callable, Collection, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace

from app.core.audit import Became, abridged, changing
from app.core.call import Target
from app.core.errors import UpstreamInvalid
from app.providers.base import HttpProvider
from app.providers.descriptions import OPENROUTER_URL, Found, ask, find_descriptions
from app.providers.registry import Registry
from app.providers.told import Told
from app.store.catalog import StoredModel, put_models, read_catalog
from app.store.db import Database

OPENROUTER = "openrouter (public list)"
SYNCED = "synced"
"""The source of what was looked up."""

ReadOpenRouter = Callable[[str], Awaitable[Sequence[Told]]]
"""Gives OpenRouter's list from an address; raises `UpstreamInvalid` where it cannot be had."""


@dataclass(frozen=True, slots=True)
class Progress:
    """Who was asked, and what came of it; how many were asked by then, and how many are in all."""

    asked: str
    verdict: str
    done: int
    all: int


@dataclass(frozen=True, slots=True)
class Lookup:
    """What was found.

    Attributes:
        skipped: how many listed models stay as they are.
        attempted: what came of asking, by the provider.
    """

    found: list[Found]
    skipped: int
    attempted: Mapping[str, str]


Steps = AsyncGenerator[Progress | Lookup, None]
"""Each who was asked, and last what was found. Whoever does not want to hear all of it closes it."""


async def result_of(steps: Steps) -> Lookup:
    """The last of them."""
    return [step async for step in steps if isinstance(step, Lookup)][-1]


class DescriptionSync:
    """All functions raise `DatabaseUnavailable`.

    Args:
        described: what is said of a model already.
        refresh: has what was written take effect here; other workers look by themselves.
    """

    def __init__(
        self,
        db: Database,
        registry: Registry,
        described: Callable[[Target], str | None],
        read_openrouter: ReadOpenRouter,
        refresh: Callable[[], Awaitable[None]],
    ) -> None:
        self._db = db
        self._registry = registry
        self._described = described
        self._read_openrouter = read_openrouter
        self._refresh = refresh

    async def look(
        self,
        *,
        update_existing: bool = False,
        url: str | None = None,
        listed: Sequence[Told] | None = None,
        only: Collection[str] | None = None,
    ) -> Steps:
        """Ask all providers that can be used, and OpenRouter.

        Args:
            update_existing: also of models that are described already.
            url: where OpenRouter's list is, if not there; a fault of it is an error then.
            listed: that list, where it is known.
            only: the keys of the providers to ask; None for all.

        Raises:
            ValueError: nothing usable is at `url`.
        """
        own: dict[str, Sequence[Told]] = {}
        attempted: dict[str, str] = {}
        states = [state for state in self._registry.states if only is None or state.key in only]
        for number, state in enumerate(states, 1):
            if not state.ready:
                attempted[state.key] = "no_api_key" if state.state.startswith("no key") else state.state
            elif isinstance(provider := self._registry.provider(state.key), HttpProvider):
                own[state.key], attempted[state.key] = await ask(provider)
            yield Progress(state.key, attempted.get(state.key, ""), number, len(states) + 1)
        openrouter, attempted[OPENROUTER] = (listed, "success") if listed is not None else await self._others(url)
        yield Progress(OPENROUTER, attempted[OPENROUTER], len(states) + 1, len(states) + 1)
        described = _nothing if update_existing else self._described
        found = list(find_descriptions(own, openrouter, described))
        yield Lookup(found, sum(map(len, own.values())) - len(found), attempted)

    async def sync(self, picked: Collection[str], *, update_existing: bool = False, url: str | None = None) -> Steps:
        """Look once more, and have said of the models `picked`, as `provider/model`, what is found of them.

        Raises:
            ValueError: as `look`.
        """
        providers = {each.partition("/")[0] for each in picked}
        async with aclosing(self.look(update_existing=update_existing, url=url, only=providers)) as steps:
            async for step in steps:
                if isinstance(step, Lookup):
                    step = replace(step, found=[each for each in step.found if str(each.target) in picked])
                    await self.apply(step.found)
                yield step

    async def apply(self, found: Sequence[Found]) -> None:
        """Have these said of their models, in the place of what was looked up before."""
        stored = (await read_catalog(self._db)).models
        old = {(each.provider, each.model): each.description for each in stored if each.source == SYNCED}
        found = [each for each in found if old.get(each.target.name) != each.text]
        if not found:
            return
        models = [StoredModel(*each.target.name, SYNCED, description=each.text) for each in found]
        before, after = abridged(_told(each, old.get(each.target.name)) for each in found)
        with changing("model.describe", SYNCED, before=before, after=after | {"count": len(found)}):
            await put_models(self._db, models)
        await self._refresh()

    async def _others(self, url: str | None) -> tuple[Sequence[Told], str]:
        try:
            return await self._read_openrouter(url or OPENROUTER_URL), "success"
        except UpstreamInvalid as exc:
            if url is not None:
                raise ValueError(exc.message) from exc
            return [], "error"


def _told(found: Found, old: str | None) -> Became:
    """As the audit log tells it."""
    return str(found.target), {"description": old} if old else None, {"description": found.text, "from": found.origin}


def _nothing(_target: Target) -> None:
    return None
