"""Whose price counts for a call, and how a change of prices reaches the workers."""

import asyncio
import threading
from collections.abc import Callable
from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from genai_prices.types import (
    ClauseStartsWith,
    ConditionalPrice,
    ModelInfo,
    ModelPrice,
    Provider,
    StartDateConstraint,
)

from app.core.call import Target
from app.core.ports import Priced
from app.core.record import CallRecord
from app.core.reply import Outcome
from app.core.usage import NO_USAGE, Usage
from app.metering import prices as module
from app.metering.bundled import Bundled
from app.metering.prices import FREE, PENDING, Prices, PriceSource
from app.store.db import Database
from app.store.prices import LITELLM, StoredPrice, apply_prices, delete_price, set_price

MILLION = 1_000_000
USAGE = Usage(input=MILLION)
AT = 1_780_000_000.0  # in May 2026
ACME = Target("acme", "Acme-1")
SOURCES = {
    "acme": PriceSource("https://api.acme.example/v1"),
    "mirror": PriceSource("https://mirror.example", "acme"),
    "local": PriceSource("http://127.0.0.1:11434", FREE),
    "other": PriceSource("https://other.example"),
}


def bundled() -> Bundled:
    """A list in which Acme-1 costs 1 USD, and 2 USD from June on."""
    prices = [
        ConditionalPrice(prices=ModelPrice(input_mtok=Decimal(1))),
        ConditionalPrice(StartDateConstraint(date(2026, 6, 1)), prices=ModelPrice(input_mtok=Decimal(2))),
    ]
    model = ModelInfo(id="acme-1", match=ClauseStartsWith("acme-1"), prices=prices)
    return Bundled([Provider("acme", "Acme", r"https://api\.acme\.", models=[model])], "made 1")


async def loaded(database: Database, **options: Any) -> Prices:
    prices = Prices(database, SOURCES, load=bundled, clock=lambda: AT, **options)
    await prices.load()
    await prices.refresh()
    return prices


def record(target: Target | None = ACME, usage: Usage = USAGE, version: str | None = PENDING) -> CallRecord:
    return CallRecord(
        id="r1",
        received_at=AT,
        token_id="Ab3dEf9h",
        username="alice",
        name="n",
        provider=target.provider if target else None,
        model=target.model if target else None,
        surface="chat",
        streamed=False,
        status=200,
        outcome=Outcome.OK,
        usage=usage,
        first_byte_ms=None,
        total_ms=1,
        client="192.0.2.7",
        charged=True,
        price_version=version,
    )


async def test_providers_own_figure_wins_over_all(database: Database) -> None:
    await set_price(database, "acme", "acme-1", {"input": 9})
    prices = await loaded(database)

    assert prices.price(ACME, USAGE._replace(cost=Decimal("0.5")), AT) == Priced(Decimal("0.5"), "provider")
    assert prices.price(ACME, USAGE._replace(cost=Decimal(0)), AT) == Priced(Decimal(0), "provider")


async def test_operators_price_wins_over_the_synced_one_and_that_over_the_bundled_one(database: Database) -> None:
    prices = await loaded(database)
    assert prices.price(ACME, USAGE, AT) == Priced(Decimal(1), "made 1")

    await apply_prices(database, [StoredPrice("acme", "acme-1", LITELLM, {"input": "3"}, "litellm 2026-11-22")], [])
    await prices.refresh()
    assert prices.price(ACME, USAGE, AT) == Priced(Decimal(3), "litellm 2026-11-22")

    mine = await set_price(database, "acme", "ACME-1", {"input": "5"})
    await prices.refresh()
    assert prices.price(ACME, USAGE, AT) == Priced(Decimal(5), mine.version)
    assert mine.version == "admin 2"

    await delete_price(database, "acme", "acme-1", "admin")
    await prices.refresh()
    assert prices.price(ACME, USAGE, AT).version == "litellm 2026-11-22"


async def test_price_counts_at_the_time_of_the_call(database: Database) -> None:
    prices = await loaded(database)
    june = 1_780_272_000.0

    costs = [prices.price(ACME, USAGE, at).cost for at in (AT, june - 1, june, AT, june + 1)]

    assert costs == [1, 1, 2, 1, 2]


@pytest.mark.parametrize("model", ["Acme-1", "acme-1:latest", "acme-1-2026-01-01"])
async def test_list_may_be_another_providers(database: Database, model: str) -> None:
    prices = await loaded(database)

    assert prices.price(Target("mirror", model), USAGE, AT) == Priced(Decimal(1), "made 1")


async def test_local_server_costs_nothing(database: Database) -> None:
    prices = await loaded(database)
    everything = Usage(input=5, searches=3, audio_ms=2)

    assert prices.price(Target("local", "llama"), everything, AT) == Priced(Decimal(0), FREE)
    assert prices.most(Target("local", "llama"), 5, 5) == 0


@pytest.mark.parametrize("target", [Target("other", "acme-1"), Target("acme", "acme-2"), Target("gone", "acme-1")])
async def test_unknown_price_is_no_price(database: Database, target: Target) -> None:
    prices = await loaded(database)

    assert prices.price(target, USAGE, AT) == Priced(None, None)
    assert prices.most(target, 1, 1) is None


async def test_class_without_a_rate_has_no_cost_but_the_version_that_lacks_it(database: Database) -> None:
    prices = await loaded(database)

    assert prices.price(ACME, Usage(input=1, output=1), AT) == Priced(None, "made 1")


async def test_answer_of_which_nothing_was_counted_has_no_cost_unless_the_model_is_free(database: Database) -> None:
    await set_price(database, "acme", "moderation", {"input": 0})
    prices = await loaded(database)

    assert prices.price(ACME, NO_USAGE, AT) == Priced(None, "made 1")
    assert prices.price(Target("local", "m"), NO_USAGE, AT).cost == 0
    assert prices.price(Target("acme", "moderation"), NO_USAGE, AT).cost == 0


async def test_most_is_by_the_prices_of_now(database: Database) -> None:
    prices = await loaded(database)

    assert prices.most(ACME, 3 * MILLION, 0) == 3


async def test_price_by_the_request_alone_is_one_though_it_tells_nothing_of_tokens(database: Database) -> None:
    await set_price(database, "acme", "acme-1", {"request": 9})
    prices = await loaded(database)

    assert prices.is_priced(ACME)
    assert prices.most(ACME, 1, 1) is None
    assert not prices.is_priced(Target("other", "x"))


async def test_who_needs_a_price_can_wait_for_the_bundled_ones_but_not_for_ever(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    prices = Prices(database, SOURCES, load=bundled, clock=lambda: AT)
    monkeypatch.setattr(module, "_SETTLE_S", 0.01)
    await prices.settled()
    assert prices.most(ACME, MILLION, 0) is None

    monkeypatch.setattr(module, "_SETTLE_S", 60)
    async with asyncio.TaskGroup() as group:
        waiting = group.create_task(prices.settled())
        await asyncio.sleep(0)
        assert not waiting.done()
        group.create_task(prices.load())

    assert prices.most(ACME, MILLION, 0) == 1


async def test_cost_waits_for_nothing_and_is_put_in_later(database: Database) -> None:
    prices = Prices(database, SOURCES, load=bundled)
    pending = prices.price(ACME, USAGE, AT)
    assert pending == Priced(None, PENDING)
    assert prices.most(ACME, 1, 1) is None
    assert prices.price(Target("local", "x"), USAGE, AT).cost == 0

    (settled,) = await prices.settle([record(version=pending.version)])

    assert (settled.cost, settled.price_version) == (Decimal(1), "made 1")
    assert settled._replace(cost=None, price_version=PENDING) == record()


async def test_operators_price_needs_no_list(database: Database) -> None:
    await set_price(database, "acme", "acme-1", {"input": 9})
    prices = Prices(database, SOURCES, load=bundled)
    await prices.refresh()

    assert prices.price(ACME, USAGE, AT).cost == 9


async def test_record_that_waits_for_no_price_stays_as_it_is(database: Database) -> None:
    loads: list[int] = []

    def load() -> Bundled:
        loads.append(1)
        return bundled()

    prices = Prices(database, SOURCES, load=load)
    records = [record(version=None), record(version="admin 3"), record(target=None, version=None)]

    assert await prices.settle(records) == records
    assert not loads


async def test_prices_are_loaded_once_in_a_thread(database: Database) -> None:
    threads: list[str] = []

    def load() -> Bundled:
        threads.append(threading.current_thread().name)
        return bundled()

    prices = Prices(database, SOURCES, load=load)
    await asyncio.gather(prices.load(), prices.settle([record()]), prices.load())

    assert len(threads) == 1
    assert threads[0] != threading.main_thread().name


async def test_prices_that_cannot_be_loaded_leave_the_others(
    database: Database, caplog: pytest.LogCaptureFixture
) -> None:
    def load() -> Bundled:
        raise ImportError("no such package")

    await set_price(database, "acme", "mine", {"input": 4})
    prices = Prices(database, SOURCES, load=load)
    await prices.refresh()

    settled = await prices.settle([record(), record(Target("acme", "mine"))])

    assert [each.cost for each in settled] == [None, 4]
    assert [each.price_version for each in settled] == [None, "admin 1"]
    assert "no such package" in caplog.text


async def test_change_is_live_in_every_worker_within_two_seconds(
    database: Database, open_another: Callable[[str], Database], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_LOAD_AFTER_S", 0.0)
    other = Prices(open_another("relay.db"), SOURCES, load=bundled, clock=lambda: AT)
    running = asyncio.create_task(other.run())
    await other.load()
    assert other.price(ACME, USAGE, AT).cost == 1

    await set_price(database, "acme", "Acme-1", {"input": 7})

    try:
        async with asyncio.timeout(2):
            while other.price(ACME, USAGE, AT).cost != 7:  # noqa: ASYNC110 - a snapshot tells nobody that it changed
                await asyncio.sleep(0.01)
    finally:
        running.cancel()


async def test_other_providers_are_taken_at_a_reload(database: Database, caplog: pytest.LogCaptureFixture) -> None:
    prices = await loaded(database)
    assert prices.price(Target("other", "acme-1"), USAGE, AT).cost is None

    prices.reload({"other": PriceSource("https://other.example", "acme"), "odd": PriceSource("https://x", "acne")})

    assert prices.price(Target("other", "acme-1"), USAGE, AT).cost == 1
    assert "odd.prices: there is no list 'acne'; there are 'free', 'acme'" in caplog.text


async def test_price_that_cannot_be_read_is_told_and_left_out(
    database: Database, caplog: pytest.LogCaptureFixture
) -> None:
    await set_price(database, "acme", "acme-1", {"inptu": 4})

    prices = await loaded(database)

    assert prices.price(ACME, USAGE, AT).cost == 1
    assert "acme/acme-1 by admin is left out: inptu" in caplog.text


async def test_names_that_clients_make_up_do_not_fill_the_memory(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_MOST_REMEMBERED", 10)
    prices = await loaded(database)

    for number in range(100):
        prices.price(Target("acme", f"made-up-{number}"), USAGE, AT)

    assert len(prices._found) <= 10
