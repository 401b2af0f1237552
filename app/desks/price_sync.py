"""Takes over LiteLLM's price file: what it would change is shown first, and only what was picked is taken."""

import asyncio
import hashlib
import time
from collections.abc import Awaitable, Callable, Collection, Sized
from dataclasses import dataclass
from datetime import UTC, datetime

from app.core.audit import Became, abridged, changing
from app.metering import litellm_facts, price_sync
from app.metering.litellm import URL, litellm_names, read_price_file
from app.metering.litellm import InvalidPriceFile as InvalidPriceFile
from app.metering.litellm_facts import FactChange
from app.metering.price_sync import Difference
from app.metering.prices import Prices
from app.metering.rates_form import write_rates
from app.providers.download import Unfetchable as Unfetchable
from app.store.catalog import apply_models, read_catalog
from app.store.db import Database
from app.store.prices import apply_prices, list_prices

MAX_BYTES = 64 * 1024 * 1024  # it has some 3 MB
DEFAULT_URL = URL


class FileChanged(ValueError):
    """It is not the file that was looked at; the message is a sentence."""


@dataclass(frozen=True)
class PriceDiff:
    """What a price file would change.

    Attributes:
        version: tells this file from others.
        prices: of models whose price would be another.
        facts: what would be known of models.
        faults: a sentence for each model whose prices cannot be used.
    """

    version: str
    prices: list[Difference]
    facts: list[FactChange]
    faults: list[str]

    def picked(self, prices: Collection[str] | None, facts: Collection[str] | None) -> "PriceDiff":
        """Only what is of those models, as `provider/model`; None is all of them."""
        return PriceDiff(
            self.version,
            [each for each in self.prices if prices is None or f"{each.provider}/{each.model}" in prices],
            [each for each in self.facts if facts is None or f"{each.provider}/{each.model}" in facts],
            self.faults,
        )


class PriceSync:
    """All functions raise `DatabaseUnavailable`.

    Args:
        fetch: gives what is at an address; raises `Unfetchable`.
        refresh: has what was written take effect here; other workers look by themselves.
    """

    def __init__(
        self,
        db: Database,
        prices: Prices,
        fetch: Callable[[str], Awaitable[bytes]],
        refresh: Callable[[], Awaitable[None]],
    ) -> None:
        self._db = db
        self._prices = prices
        self._fetch = fetch
        self._refresh = refresh

    async def look(
        self, url: str | None = None, *, text: bytes | None = None, advance: Callable[[int], None] = lambda _: None
    ) -> PriceDiff:
        """What the file would change: that at `url`, LiteLLM's own where none is given, or `text`.

        Args:
            advance: is told of each difference.

        Raises:
            Unfetchable: the file cannot be had.
            InvalidPriceFile: it is none.
        """
        body = await self._fetch(url or URL) if text is None else text
        bundled = await self._prices.load()
        names = {key: litellm_names(each, bundled) for key, each in self._prices.sources.items()}
        prices, models = await list_prices(self._db), (await read_catalog(self._db)).models

        def compare() -> PriceDiff:
            file = read_price_file(body, names)
            found = []
            for each in price_sync.differences(self._prices, prices, file, time.time()):
                found.append(each)
                advance(1)
            version = hashlib.sha256(body).hexdigest()[:16]
            return PriceDiff(version, found, list(litellm_facts.changes(models, file.facts)), file.faults)

        # Thousands of prices are looked up.
        return await asyncio.to_thread(compare)

    async def apply(self, diff: PriceDiff) -> None:
        """Take over all that a diff holds."""
        rows = price_sync.rows_of(diff.prices, datetime.now(UTC).date().isoformat())
        if diff.prices:
            before, after = abridged(map(_price_told, diff.prices))
            with changing("price.sync", "litellm", before=before, after=after | _told(diff.version, diff.prices)):
                await apply_prices(self._db, *rows)
        if diff.facts:
            before, after = abridged((f"{each.provider}/{each.model}", *each.sides) for each in diff.facts)
            with changing("model.sync", "litellm", before=before, after=after | _told(diff.version, diff.facts)):
                await apply_models(self._db, *litellm_facts.rows_of(diff.facts))
        await self._refresh()

    async def sync(self, url: str | None, version: str, prices: Collection[str], facts: Collection[str]) -> PriceDiff:
        """Fetch the file once more, and take over what was picked of what `look` showed.

        Raises:
            FileChanged: it is another one than that of `version`.
            Unfetchable, InvalidPriceFile: as `look`.
        """
        diff = await self.look(url)
        if diff.version != version:
            raise FileChanged("The file is another one now: look at it again.")
        picked = diff.picked(prices, facts)
        await self.apply(picked)
        return picked


def _told(version: str, changes: Sized) -> dict[str, object]:
    return {"file": version, "count": len(changes)}


def _price_told(each: Difference) -> Became:
    """As the audit log tells it: what is in force before and after, but for a price of the operator's own."""
    old, new = (None if rates is None else write_rates(rates) for rates in (each.old, each.new))
    return f"{each.provider}/{each.model}", old, new
