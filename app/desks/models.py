"""Models for those who manage them: what is known of each and by whom, what it costs, and what an administrator says."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from app.core.abilities import Known
from app.core.audit import changing
from app.core.call import Target
from app.core.jsonio import Json
from app.core.web import SEARCH_TARGETS
from app.desks.prices import NoSuchModel as NoSuchModel
from app.desks.prices import PriceDesk
from app.metering.prices import Found, Prices
from app.metering.rates_form import write_rates
from app.providers.registry import Registry
from app.store.catalog import CUSTOM, StoredModel, delete_model, put_models, read_catalog
from app.store.db import Database
from app.store.prices import StoredPrice

SAID = ("family", "context_length", "max_output_tokens", "capabilities", "description", "enabled")
"""What an administrator can say of a model."""


Said = StoredModel
"""What one of those who know says of a model."""
Price = StoredPrice
"""A price as it was set or taken over."""


class InvalidModel(ValueError):
    """A name or what is said of it cannot be; the message is a sentence."""


class ModelKnown(ValueError):
    """An administrator says something of it already; the message is a sentence."""


@dataclass(frozen=True, slots=True)
class ModelView:
    """One model.

    Attributes:
        origins: who says each thing that is known.
        listed: it can be called by its name, unless it is switched off.
        said: what an administrator says of it; None where nothing.
        price: in force now.
    """

    target: Target
    known: Known
    origins: Mapping[str, str]
    listed: bool
    said: StoredModel | None
    price: Found

    @property
    def added(self) -> bool:
        """An administrator offers it, whether its provider lists it or not."""
        return self.said is not None and self.said.enabled is True

    @property
    def price_source(self) -> str | None:
        """As `source_of` its price."""
        return source_of(self.price)

    def usd(self, rate: str) -> str | None:
        """As `usd_of` its price."""
        return usd_of(self.price, rate)


def source_of(price: Found) -> str | None:
    """Whose price it is: `admin`, `litellm`, `genai-prices` or `free`; None where none is known."""
    return None if price.rates is None else str(price.version).partition(" ")[0]


def usd_of(price: Found, rate: str) -> str | None:
    """What a million tokens cost, `input` or `output`; None where nobody knows."""
    written = {} if price.rates is None else write_rates(price.rates)
    value = written.get(rate, "0" if source_of(price) == "free" else None)
    return value["base"] if isinstance(value, dict) else value


class ModelDesk:
    """All functions raise `DatabaseUnavailable`.

    Args:
        refresh: has what was written take effect here; other workers look by themselves.
    """

    def __init__(
        self, db: Database, registry: Registry, prices: Prices, refresh: Callable[[], Awaitable[None]]
    ) -> None:
        self._db = db
        self._registry = registry
        self._prices = prices
        self._refresh = refresh
        self.own_prices = PriceDesk(db, refresh)

    async def find(
        self, provider: str | None = None, words: str = "", *, offset: int = 0, limit: int | None = None
    ) -> tuple[list[ModelView], int]:
        """Models of providers that can be used, in their order, and how many there are in all.

        Those of which an administrator says something and that are not listed, as one that he added and switched off, come last.

        Args:
            words: only those whose `provider/model` holds them, whatever the capitals.
        """
        said = await self._all_said()
        listed = {(target.provider, target.model.lower()): (target, True) for target, _ in self._registry.catalog}
        usable = {state.key for state in self._registry.states if state.ready}
        unlisted = {
            key: (Target(each.provider, each.model), False)
            for key, each in said.items()
            if each.provider in usable and key not in listed
        }
        found = [
            (target, is_listed)
            for target, is_listed in (listed | unlisted).values()
            if provider in (None, target.provider) and words.lower() in str(target).lower()
        ]
        page = found[offset : None if limit is None else offset + limit]
        return await self._views(page, said), len(found)

    async def show(self, provider: str, model: str) -> ModelView:
        """One that is listed, or of which an administrator says something.

        Raises:
            NoSuchModel: it is neither.
        """
        wanted = (provider.lower(), model.lower())
        said = await self._all_said()
        targets = (target for target, _ in self._registry.catalog)
        target = next((each for each in targets if (each.provider, each.model.lower()) == wanted), None)
        if target is not None:
            return (await self._views([(target, True)], said))[0]
        if wanted not in said:
            raise NoSuchModel(f"There is no model '{provider}/{model}'.")
        return (await self._views([(Target(wanted[0], said[wanted].model), False)], said))[0]

    async def price_now(self, target: Target) -> Found:
        """What a target costs now."""
        await self._prices.settled()
        # Where it is looked for the first time, that may take some milliseconds.
        return await asyncio.to_thread(self._prices.find, target, time.time())

    async def add(self, provider: str, model: str, said: Mapping[str, Any]) -> StoredModel:
        """As `say`, of a model of which nothing was said.

        Raises:
            ModelKnown: something was.
            InvalidModel: as `say`.
        """
        if await self._said_of(provider.lower(), model) is not None:
            raise ModelKnown(f"Something is said of '{provider}/{model}' here already: change that.")
        return await self.say(provider, model, said, anew=True)

    async def say(self, provider: str, model: str, said: Mapping[str, Any], *, anew: bool = False) -> StoredModel:
        """Say something of a model, by the names of `SAID`; None takes one back, and what is left out stays unless `anew`.

        Raises:
            InvalidModel: there is no such provider, or no model can have that name.
        """
        provider = provider.lower()
        self._check(provider, model)
        before = await self._said_of(provider, model)
        bare = StoredModel(provider, model if before is None else before.model)
        now = replace(bare if anew or before is None else before, **said)
        with changing(
            "model.modify",
            f"{provider}/{now.model}",
            before=_said_fields(before) if before else None,
            after=_said_fields(now),
        ):
            if any(getattr(now, name) is not None for name in SAID):
                await put_models(self._db, [now])
            else:
                await delete_model(self._db, now.provider, now.model)
        await self._refresh()
        return now

    async def take_back(self, provider: str, model: str) -> None:
        """Take back all that was said of a model.

        Raises:
            NoSuchModel: nothing was.
        """
        said = await self._said_of(provider.lower(), model)
        if said is None:
            raise NoSuchModel(f"Nothing was said of '{provider}/{model}' here.")
        with changing("model.reset", f"{said.provider}/{said.model}", before=_said_fields(said)):
            await delete_model(self._db, said.provider, said.model)
        await self._refresh()

    async def set_price(self, provider: str, model: str, rates: Json) -> StoredPrice:
        """Say what a model costs, in the JSON form of rates, in the place of what was said before.

        Raises:
            InvalidModel: there is no such provider, or no model can have that name.
            InvalidRates: they have faults.
        """
        provider = provider.lower()
        if (provider, model) not in SEARCH_TARGETS:
            self._check(provider, model)
        return await self.own_prices.set(provider, model, rates)

    def _check(self, provider: str, model: str) -> None:
        keys = [state.key for state in self._registry.states]
        if provider not in keys:
            raise InvalidModel(f"There is no provider {provider!r}; there are {', '.join(keys)}.")
        if not model.strip() or not model.isprintable() or set(model) & {"*", "?"}:
            raise InvalidModel(f"{model!r} is no name of a model: it is empty, or has *, ? or what cannot be printed.")

    async def _said_of(self, provider: str, model: str) -> StoredModel | None:
        return (await self._all_said()).get((provider, model.lower()))

    async def _all_said(self) -> dict[tuple[str, str], StoredModel]:
        models = (await read_catalog(self._db)).models
        return {(each.provider, each.model.lower()): each for each in models if each.source == CUSTOM}

    async def _views(
        self, targets: Sequence[tuple[Target, bool]], said: Mapping[tuple[str, str], StoredModel]
    ) -> list[ModelView]:
        await self._prices.settled()
        now = time.time()

        def view(target: Target, listed: bool) -> ModelView:
            return ModelView(
                target,
                self._registry.known(target),
                self._registry.origins(target),
                listed,
                said.get((target.provider, target.model.lower())),
                self._prices.find(target, now),
            )

        # Where a price is looked for the first time, that may take some milliseconds each.
        return await asyncio.to_thread(lambda: [view(*each) for each in targets])


def _said_fields(model: StoredModel) -> dict[str, Any]:
    return {name: getattr(model, name) for name in SAID if getattr(model, name) is not None}
