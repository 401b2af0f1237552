"""The whole story of one call: as it is logged, those that were made for it, who asked, and what its cost is made of."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from app.core.call import Target
from app.core.money import to_pico_usd, write_usd
from app.core.usage import COUNTS, Usage
from app.metering.bodies import Bodies, unseal_bodies
from app.metering.prices import PROVIDER, Prices
from app.metering.requests import Requests, View
from app.store.audit import note
from app.store.bodies import find_bodies, has_bodies
from app.store.db import Database
from app.store.hosts import read_hosts
from app.store.rollups import CLASSES


@dataclass(frozen=True, slots=True)
class Story:
    """One call.

    Attributes:
        call, helpers: as `Requests.one` gives them.
        hostname: what its client's address was called; None where that is not known.
        costs: in USD, by class of usage, where they make up its cost by the prices of now; empty where they do not.
        has_bodies: what it asked and got is kept.
    """

    call: View
    helpers: list[View]
    hostname: str | None
    costs: Mapping[str, str]
    has_bodies: bool


class Stories:
    """Tells of single calls. All functions raise `DatabaseUnavailable`.

    Args:
        prices: None where nobody asks what costs are made of.
        find_key: gives the key of kept bodies; it raises `InvalidKey`.
    """

    def __init__(self, db: Database, prices: Prices | None, find_key: Callable[[], bytes]) -> None:
        self._db = db
        self._requests = Requests(db)
        self._prices = prices
        self._find_key = find_key

    async def tell(self, call_id: str) -> Story | None:
        """All that is known of a call; None where there is none of that id."""
        found = await self._requests.one(call_id)
        if found is None:
            return None
        call, helpers = found
        host = (await read_hosts(self._db, [call["client"]])).get(call["client"])
        return Story(
            call,
            helpers,
            None if host is None else host.hostname,
            self._costs(call),
            await has_bodies(self._db, call_id),
        )

    async def bodies(self, call_id: str) -> Bodies | None:
        """What a call asked and got; None where it is not kept. The audit log tells of each look.

        Raises:
            InvalidKey, NotUnsealed: it cannot be read.
        """
        stored = await find_bodies(self._db, call_id)
        if stored is None:
            return None
        bodies = unseal_bodies(self._find_key(), stored)
        await note(self._db, "request.bodies", call_id)
        return bodies

    def _costs(self, call: View) -> Mapping[str, str]:
        """Stored prices have no dates: what is not what the call cost then is not told."""
        if self._prices is None or not call["cost"] or not call["model"] or call["price_version"] == PROVIDER:
            return {}
        arrived = datetime.fromisoformat(call["received_at"]).timestamp()
        rates = self._prices.find(Target(call["provider"], call["model"]), arrived).rates
        parts = {} if rates is None else rates.parts(_usage_of(call))
        is_all = to_pico_usd(sum(parts.values(), Decimal(0))) == to_pico_usd(Decimal(call["cost"]))
        columns = dict(zip(COUNTS, CLASSES, strict=True))
        return {columns[name]: write_usd(cost) for name, cost in parts.items()} if is_all else {}


def _usage_of(call: View) -> Usage:
    counts = dict(zip(COUNTS, (call[name] for name in CLASSES), strict=True))
    return Usage(**counts, tier=call["service_tier"] or "")
