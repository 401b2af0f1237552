"""Prices that an administrator sets or removes."""

from collections.abc import Awaitable, Callable

from app.core.audit import changing
from app.core.jsonio import Json
from app.metering.rates_form import read_rates, write_rates
from app.store.db import Database
from app.store.prices import ADMIN, StoredPrice, delete_price, list_prices, set_price


class NoSuchModel(LookupError):
    """There is none of that name, or nothing was said of it; the message is a sentence."""


class PriceDesk:
    """All functions raise `DatabaseUnavailable`.

    Args:
        refresh: has what was written take effect here; other workers look by themselves.
    """

    def __init__(self, db: Database, refresh: Callable[[], Awaitable[None]]) -> None:
        self._db = db
        self._refresh = refresh

    async def list_all(self) -> list[StoredPrice]:
        """Those of administrators, and those that were taken over."""
        return await list_prices(self._db)

    async def show(self, provider: str, model: str, source: str = ADMIN) -> StoredPrice:
        """The price of a model by one source.

        Raises:
            NoSuchModel: there is none.
        """
        price = await self._find(provider, model, source)
        if price is None:
            raise NoSuchModel(f"There is no price of '{provider}/{model}' by {source!r}.")
        return price

    async def set(self, provider: str, model: str, rates: Json) -> StoredPrice:
        """Say what a model costs, in the JSON form of rates, in the place of what was said before.

        Raises:
            InvalidRates: they have faults.
        """
        written = write_rates(read_rates(rates))
        before = await self._find(provider, model, ADMIN)
        with changing("price.set", f"{provider}/{model}", before=before.rates if before else None, after=written):
            await set_price(self._db, provider, model, written)
        await self._refresh()
        return await self.show(provider, model)

    async def delete(self, provider: str, model: str, source: str = ADMIN) -> None:
        """Remove the price of a model by one source.

        Raises:
            NoSuchModel: there is none.
        """
        before = await self.show(provider, model, source)
        with changing("price.delete", f"{before.provider}/{before.model}", before=before.rates):
            await delete_price(self._db, before.provider, before.model, source)
        await self._refresh()

    async def _find(self, provider: str, model: str, source: str) -> StoredPrice | None:
        wanted = (provider.lower(), model.lower(), source)
        prices = await list_prices(self._db)
        return next((each for each in prices if (each.provider, each.model.lower(), each.source) == wanted), None)
