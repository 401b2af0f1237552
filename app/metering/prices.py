"""What targets cost: the provider's own figure, or else the operator's prices, a list that he took over, or the bundled ones."""

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Protocol

from app.core.abilities import UNKNOWN as UNKNOWN_MODEL
from app.core.abilities import Known
from app.core.call import Target
from app.core.frozen import frozen
from app.core.ports import Priced
from app.core.record import CallRecord
from app.core.usage import NO_USAGE, Usage
from app.metering.bundled import ALWAYS, Bundled, load_bundled
from app.metering.rates import NOTHING, Rates
from app.store.db import Database, DatabaseUnavailable
from app.store.prices import ADMIN, LITELLM, StoredPrice, read_prices_newer_than

log = logging.getLogger(__name__)

FREE = "free"
"""What stands in the place of a list's id where nothing costs anything; also the version of that price."""

PENDING = "pending"
"""The version in a record that is to be priced when the bundled prices have been loaded."""

PROVIDER = "provider"
"""The version where the cost is the provider's own figure."""

_POLL_S = 1.0
# The import competes with the start for the interpreter.
_LOAD_AFTER_S = 0.5
# A gateway meets some hundred models; clients can make names up.
_MOST_REMEMBERED = 2048
# How long a call with a budget waits for prices that are still on their way after the start.
_SETTLE_S = 5.0
_STRONGEST_LAST = (LITELLM, ADMIN)


@frozen
class PriceSource:
    """Where the bundled prices of a provider are found.

    Attributes:
        list_id: of the list, or `FREE`; None for the one that belongs to its address.
    """

    base_url: str
    list_id: str | None = None


class ProviderEntry(Protocol):
    """What an entry of the configuration says of its provider's prices."""

    @property
    def base_url(self) -> str:
        """Where it is."""

    @property
    def prices(self) -> str | None:
        """The id of its list, where it is said."""


@dataclass(frozen=True, slots=True)
class Found:
    """What is known of a target's price.

    Attributes:
        rates: None where there is none.
        version: which prices these are; None where there are none.
        since, until: when they hold, in seconds since the epoch.
    """

    rates: Rates | None
    version: str | None
    since: float = ALWAYS[0]
    until: float = ALWAYS[1]


UNKNOWN = Found(None, None)
_PENDING = Found(None, PENDING)
_FREE = Found(NOTHING, FREE)


class Prices:
    """All prices, in memory. `run` beside it reads the database's and loads the bundled ones, some moments after the start.

    Args:
        sources: of the providers, by their keys.
        clock: seconds since the epoch.
        load: gives the bundled prices, in a thread.
    """

    def __init__(
        self,
        db: Database,
        sources: Mapping[str, PriceSource],
        *,
        clock: Callable[[], float] = time.time,
        load: Callable[[], Bundled] = load_bundled,
    ) -> None:
        self._db = db
        self._clock = clock
        self._load = load
        self._loading = asyncio.Lock()
        self._bundled: Bundled | None = None
        self._failed = False
        self.loaded = asyncio.Event()
        """Is set when the bundled prices are there, or cannot be."""
        self._sources: Mapping[str, PriceSource] = sources
        self._revision = -1
        self._stored: dict[tuple[str, str], Found] = {}
        self._found: dict[tuple[str, str], Found] = {}

    @property
    def sources(self) -> Mapping[str, PriceSource]:
        """Of the providers, by their keys."""
        return self._sources

    def price(self, target: Target, usage: Usage, at: float) -> Priced:
        """The cost of `usage` at a moment: the provider's own figure where it reported one.

        It is not known where nothing was counted, unless the model is free. The version is `PENDING` while the bundled prices
        are not loaded.
        """
        if usage.cost is not None:
            return Priced(usage.cost, PROVIDER)
        found = self._found.get((target.provider, target.model))
        if found is None or not found.since <= at < found.until:
            found = self.find(target, at)
        if found.rates is None:
            return Priced(None, found.version)
        cost = found.rates.cost(usage)
        if not cost and not usage.is_any and not found.rates.are_free:
            return Priced(None, found.version)
        return Priced(cost, found.version)

    def most(self, target: Target, input_tokens: int, output_tokens: int, pieces: Usage = NO_USAGE) -> Decimal | None:
        """The most that a call of so many tokens and `pieces` can cost now, in USD; None where no price of these is known."""
        rates = self.find(target, self._clock()).rates
        return None if rates is None else rates.most(input_tokens, output_tokens, pieces)

    def is_priced(self, target: Target) -> bool:
        """Whether a price is known of it now, be it for tokens or for anything else."""
        return self.find(target, self._clock()).rates is not None

    def find(self, target: Target, at: float) -> Found:
        """What is known of the price of a target at a moment."""
        name = (target.provider, target.model)
        found = self._found.get(name)
        if found is None or not found.since <= at < found.until:
            found = self._stored.get(_key(*name)) or self.find_bundled(*name, at)
            if found is not _PENDING:
                if len(self._found) >= _MOST_REMEMBERED:
                    self._found.clear()
                self._found[name] = found
        return found

    def find_bundled(self, provider: str, model: str, at: float) -> Found:
        """The same, without what the database says."""
        source = self._sources.get(provider)
        if source is None or source.list_id == FREE:
            return UNKNOWN if source is None else _FREE
        if self._bundled is None:
            return UNKNOWN if self._failed else _PENDING
        list_id = source.list_id or self._bundled.list_at(source.base_url)
        dated = list_id and self._bundled.rates(list_id, model, at)
        return Found(dated.rates, self._bundled.version, dated.since, dated.until) if dated else UNKNOWN

    def known(self, provider: str, model: str) -> Known:
        """What the bundled lists tell of a model beside its price; nothing while they are not loaded.

        To look for a model the first time may take some milliseconds.
        """
        source = self._sources.get(provider)
        if self._bundled is None or source is None or source.list_id == FREE:
            return UNKNOWN_MODEL
        list_id = source.list_id or self._bundled.list_at(source.base_url)
        return self._bundled.known(list_id, model) if list_id else UNKNOWN_MODEL

    async def settle(self, records: Sequence[CallRecord]) -> Sequence[CallRecord]:
        """The same records, all with what can be known of their cost; waits for the bundled prices where one needs them."""
        if not any(record.price_version == PENDING for record in records):
            return records
        await self.load()
        return [self.priced(record) for record in records]

    def priced(self, record: CallRecord) -> CallRecord:
        """The same record, with its cost where that was pending and can be known by now."""
        if record.price_version != PENDING or record.provider is None or record.model is None:
            return record
        priced = self.price(Target(record.provider, record.model), record.usage, record.received_at)
        return record._replace(cost=priced.cost, price_version=priced.version)

    def reload(self, sources: Mapping[str, PriceSource]) -> None:
        """Take other providers."""
        self._sources = sources
        self._found = {}
        self._warn_of_lists()

    async def refresh(self) -> None:
        """Read the database's prices anew where they changed.

        Raises:
            DatabaseUnavailable: the snapshot stays as it was.
        """
        if (newer := await read_prices_newer_than(self._db, self._revision)) is not None:
            self._revision, prices = newer
            self._stored = _by_name(prices)
            self._found = {}

    async def load(self) -> Bundled | None:
        """Load the bundled prices, once; None where they cannot be."""
        async with self._loading:
            if self._bundled is None and not self._failed:
                try:
                    self._bundled = await asyncio.to_thread(self._load)
                except Exception:
                    log.exception("The bundled prices cannot be loaded; calls have the cost that other prices give.")
                    self._failed = True
                self._found = {}
                self.loaded.set()
                self._warn_of_lists()
        return self._bundled

    async def settled(self) -> None:
        """Return when the bundled prices are loaded or cannot be, at the latest after some seconds."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_SETTLE_S):
                await self.loaded.wait()

    async def run(self) -> None:
        """Load what is bundled, and read what changed once a second, for ever. It outlives a database that does not answer."""
        await asyncio.sleep(_LOAD_AFTER_S)
        await self.load()
        while True:
            try:
                await self.refresh()
            except DatabaseUnavailable as exc:
                log.warning("Prices could not be read; those known stay in force. %s", exc)
            await asyncio.sleep(_POLL_S)

    def _warn_of_lists(self) -> None:
        for words in unknown_lists(self._sources, self._bundled):
            log.warning("%s", words)


def sources_of(providers: Mapping[str, ProviderEntry]) -> dict[str, PriceSource]:
    """Where the bundled prices of configured providers are found."""
    return {key: PriceSource(entry.base_url, entry.prices) for key, entry in providers.items()}


def unknown_lists(sources: Mapping[str, PriceSource], bundled: Bundled | None) -> Iterable[str]:
    """A sentence for each provider whose list there is none of."""
    known = bundled.ids if bundled else None
    for key, source in sources.items():
        if known is not None and source.list_id not in (None, FREE, *known):
            yield f"{key}.prices: there is no list {source.list_id!r}; there are {FREE!r}, {', '.join(map(repr, known))}"


def _key(provider: str, model: str) -> tuple[str, str]:
    return provider, model.lower().removesuffix(":latest")


def _by_name(prices: Iterable[StoredPrice]) -> dict[tuple[str, str], Found]:
    found: dict[tuple[str, str], Found] = {}
    ordered = sorted(prices, key=lambda each: _STRONGEST_LAST.index(each.source))
    if not ordered:
        return found
    # Its models take longer than anything else of a start, and most gateways have no prices of their own.
    from app.metering.rates_form import InvalidRates, read_rates

    for price in ordered:
        try:
            found[_key(price.provider, price.model)] = Found(read_rates(dict(price.rates)), price.version)
        except InvalidRates as exc:
            log.error("The price of %s/%s by %s is left out: %s", price.provider, price.model, price.source, exc)
    return found
