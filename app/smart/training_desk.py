"""Routers taught by outcomes, for whoever manages them: what one learned is kept, or only told."""

import asyncio
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean

from app.core.audit import changing
from app.core.book import Book, Entry
from app.core.ports import PriceList
from app.core.smart import Router
from app.core.usage import Usage
from app.pipeline.routing.learned import DEFAULT_MAX_LOSS, write_learned
from app.smart.desk import SmartDesk, title_of
from app.smart.offline import target_of_each
from app.smart.outcomes import Outcomes, read_outcomes
from app.smart.training import NotTrained, Training, train
from app.store.smart_models import put_learned, read_smart_models

_SAMPLE = Usage(input=500, output=500, requests=1)
"""By what a prompt costs candidates are compared where the outcomes do not say it."""


@dataclass(frozen=True, slots=True)
class Trained:
    """What a router learned; `max_loss` is how many percent of the answers may be worse."""

    training: Training
    max_loss: float


class TrainingDesk:
    """All functions raise `NoSuchName` and `DatabaseUnavailable`."""

    def __init__(self, desk: SmartDesk, prices: PriceList) -> None:
        self._desk = desk
        self._prices = prices

    async def train(self, key: str, lines: Iterable[str], *, dry_run: bool = False) -> Trained:
        """Have the router with that id or name learn of `lines`, as `read_outcomes` takes them.

        Args:
            dry_run: nothing is kept.

        Raises:
            InvalidOutcomes: a line is none.
            NotTrained: the outcomes do not allow it, or what a candidate costs is not known.
        """
        stored = await self._desk.show(key, "router")
        router = stored.model
        if not isinstance(router, Router):
            raise TypeError(f"{router.name} is no router")
        rows = list(read_outcomes(lines, [candidate.model for candidate in router.candidates]))
        max_loss = router.max_quality_loss or DEFAULT_MAX_LOSS
        training = await asyncio.to_thread(train, rows, await self._costs(router, rows), max_loss)
        if not dry_run:
            with changing("router.train", title_of(router), after={"prompts": len(rows), "max_quality_loss": max_loss}):
                await put_learned(self._desk.db, stored.id, write_learned(training.learned))
        return Trained(training, max_loss)

    async def _costs(self, router: Router, rows: Sequence[Outcomes]) -> Mapping[str, float]:
        """What a prompt costs with each candidate: by the outcomes where they say it of all, else by the prices that are known."""
        names = {name for row in rows for name in row.quality}
        told = {name: [row.costs[name] for row in rows if name in row.costs] for name in names}
        if names and all(told.values()):
            return {name: fmean(costs) for name, costs in told.items()}
        prices = await self._price_each(router)
        if unknown := sorted(names - prices.keys()):
            raise NotTrained(
                f"What {', '.join(unknown)} costs is not known: set a price (llm-relay models price set …), or give"
                " 'costs' in the data, for all candidates."
            )
        return {name: prices[name] for name in names}

    async def _price_each(self, router: Router) -> Mapping[str, float]:
        book = Book(Entry(each.id, each.model) for each in await read_smart_models(self._desk.db))
        targets, now = target_of_each(self._desk.registry, book, router), time.time()
        costs = {name: self._prices.price(target, _SAMPLE, now).cost for name, target in targets.items()}
        return {name: float(cost) for name, cost in costs.items() if cost is not None}
