"""Searches as helper calls: their records, their cost, and the limits that keep them from being made."""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from app.core.call import Target
from app.core.errors import BudgetExhausted, LimitReached, UpstreamFailure
from app.core.limits import Ask, Reservation, Standing
from app.core.money import PICO_USD
from app.core.ports import Estimate, Priced
from app.core.principal import Limits as Said
from app.core.record import CallRecord
from app.core.usage import NO_USAGE, Usage
from app.core.web import Found, SearchFailed, SearchResult
from app.dialects.estimate import estimate
from app.pipeline.limits import Limits
from app.pipeline.metering import Metering
from app.pipeline.searching import Searcher
from tests.calls import PRINCIPAL, make_call

RESULT = SearchResult("https://a.example/", "A", "found")


class Records:
    def __init__(self) -> None:
        self.all: list[CallRecord] = []

    def record(self, *records: CallRecord) -> None:
        self.all += records


class Prices:
    """A search costs half a cent."""

    def price(self, target: Target, usage: Usage, at: float) -> Priced:
        return Priced(Decimal("0.005") * usage.searches, "test")

    def most(self, target: Target, input_tokens: int, output_tokens: int, pieces: Usage) -> Decimal | None:
        assert (input_tokens, output_tokens) == (0, 0)
        return Decimal("0.005") * pieces.searches

    def is_priced(self, target: Target) -> bool:
        return True

    async def settled(self) -> None:
        """All are there."""


class Ledger:
    def __init__(self, used: int) -> None:
        self.used = used
        self.asked: list[Ask] = []

    async def reserve(self, call_id: str, asks: Sequence[Ask], deadline: float | None) -> Reservation:
        self.asked += asks
        standings = tuple(Standing(ask, self.used, 0) for ask in asks)
        return Reservation(all(standing.fits for standing in standings), standings)


class Service:
    def __init__(self, usage: Usage = NO_USAGE, error: SearchFailed | None = None) -> None:
        self.usage = usage
        self.error = error
        self.asked: list[tuple[str, int]] = []

    async def search(self, query: str, most: int, deadline: float) -> Found:
        self.asked.append((query, most))
        assert deadline > time.monotonic()
        if self.error is not None:
            raise self.error
        return Found([RESULT], self.usage)


async def search(service: Service, records: Records, ledger: Ledger | None = None, **limits: Any) -> Found:
    stages: list[Any] = [Metering(records, Prices())]
    if ledger is not None:
        stages.append(Limits(ledger, estimate, Prices()))
    parent = make_call(principal=replace(PRINCIPAL, limits=Said(**limits)), tags=("team-a",))
    parent.trace.augmentor = "web"
    return await Searcher(stages).search(parent, "parallel", service, "Ulm", 4, time.monotonic() + 5)


async def test_search_leaves_a_record_with_what_it_used_and_cost() -> None:
    records, service = Records(), Service(Usage(searches=1, requests=1))

    found = await search(service, records)

    assert (found.results, service.asked) == ([RESULT], [("Ulm", 4)])
    (record,) = records.all
    assert (record.provider, record.model, record.name, record.helper) == (
        "parallel",
        "search",
        "parallel/search",
        "search",
    )
    assert (record.id, record.parent_id) == ("req_0123456789.search1", "req_0123456789")
    assert (record.usage.searches, record.cost, record.outcome) == (1, Decimal("0.005"), "ok")
    assert (record.augmentor, record.tags, record.charged, record.attempts) == ("web", ("team-a",), False, 1)


@pytest.mark.parametrize(("status", "kind"), [(401, "auth_error"), (429, "rate_limit"), (None, "unreachable")])
async def test_search_that_fails_is_in_the_record_and_told_to_the_operator(status: int | None, kind: str) -> None:
    records = Records()

    with pytest.raises(UpstreamFailure, match="Parallel failed"):
        await search(Service(error=SearchFailed("Parallel failed", status)), records)

    (record,) = records.all
    assert (record.outcome.value, record.error, record.cost) == ("error", "Parallel failed", Decimal(0))
    assert [(each.kind, each.provider, each.model) for each in record.failures] == [(kind, "parallel", "search")]


async def test_search_reserves_its_price_and_takes_none_of_the_requests_a_minute() -> None:
    records, ledger = Records(), Ledger(used=0)

    await search(
        Service(), records, ledger, budget_per_day=Decimal(1), requests_per_minute=3, tokens_per_day=9, max_concurrent=1
    )

    assert {(ask.cap.limit, ask.amount) for ask in ledger.asked} == {
        ("budget_per_day", PICO_USD // 200),
        ("tokens_per_day", 0),
    }
    assert {(hold.limit, hold.amount) for hold in records.all[0].holds} == {
        (ask.cap.limit, ask.amount) for ask in ledger.asked
    }


@pytest.mark.parametrize(
    ("limits", "error", "words"),
    [
        ({"budget_per_day": Decimal("0.001")}, BudgetExhausted, "0.001 USD"),
        ({"tokens_per_day": 3}, LimitReached, "of 3 tokens a day"),
    ],
)
async def test_limit_that_leaves_no_room_for_the_call_leaves_none_for_its_search(
    limits: dict[str, Any], error: type[LimitReached], words: str
) -> None:
    service = Service()

    with pytest.raises(error, match=words):
        await search(service, Records(), Ledger(used=3), **limits)

    assert service.asked == []


def test_search_is_estimated_as_one_search_without_tokens() -> None:
    assert estimate(make_call(dialect="search")) == Estimate(0, 0, pieces=Usage(searches=1))


async def test_search_that_nobody_waits_for_any_more_is_recorded_as_such() -> None:
    records = Records()

    class Hangs(Service):
        async def search(self, query: str, most: int, deadline: float) -> Found:
            await asyncio.Event().wait()
            raise AssertionError("nobody sets it")

    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.01):
            await search(Hangs(), records)

    assert [(record.outcome.value, record.error) for record in records.all] == [
        ("error", "it was waited for no longer")
    ]
