"""What a price file changes against what is in force, and that it comes true."""

from app.core.call import Target
from app.core.usage import Usage
from app.metering.litellm import PriceFile
from app.metering.price_sync import Difference, Kind, differences, rows_of
from app.metering.prices import Prices
from app.metering.rates import Rates
from app.store.db import Database
from app.store.prices import apply_prices, list_prices, set_price
from tests.metering.prices import rates
from tests.metering.test_prices import AT, SOURCES, bundled


async def look(database: Database, **models: Rates) -> list[Difference]:
    prices = Prices(database, SOURCES, load=bundled)
    await prices.load()
    file = PriceFile({("acme", model): price for model, price in models.items()})
    return list(differences(prices, await list_prices(database), file, AT))


async def cost_of(database: Database, model: str, usage: Usage) -> object:
    prices = Prices(database, SOURCES, load=bundled)
    await prices.load()
    await prices.refresh()
    return prices.price(Target("acme", model), usage, AT).cost


async def test_difference_comes_true_once(database: Database) -> None:
    models = {"acme-1": rates(output=3), "free": rates(input=0), "acme-1-same": rates(input=1)}

    found = await look(database, **models)
    await apply_prices(database, *rows_of(found, "2026-11-22"))

    assert [(each.kind, each.model, list(each.lines())) for each in found] == [
        (Kind.CHANGED, "acme-1", [("output", "", "3")]),
        (Kind.NEW, "free", [("input", "", "0")]),
    ]
    assert [(row.model, row.version) for row in await list_prices(database)] == [
        ("acme-1", "litellm 2026-11-22"),
        ("free", "litellm 2026-11-22"),
    ]
    # What the file does not say is as before.
    assert await cost_of(database, "acme-1", Usage(input=1_000_000, output=1_000_000)) == 4
    assert await cost_of(database, "free", Usage(input=9)) == 0
    assert await look(database, **models) == []


async def test_rate_that_says_what_is_so_anyway_is_no_difference(database: Database) -> None:
    assert await look(database, **{"acme-1": rates(input=1, cache_read=1, input_audio="1.0")}) == []


async def test_model_that_is_no_longer_listed_loses_its_price(database: Database) -> None:
    await apply_prices(database, *rows_of(await look(database, old=rates(input=5), kept=rates(input=6)), "2026-01-01"))

    found = await look(database, kept=rates(input=6))
    await apply_prices(database, *rows_of(found, "2026-11-22"))

    assert [(each.kind, each.model, list(each.lines())) for each in found] == [(Kind.GONE, "old", [("input", "5", "")])]
    assert [(row.model, row.version) for row in await list_prices(database)] == [("kept", "litellm 2026-01-01")]


async def test_operators_own_price_stays_in_force(database: Database) -> None:
    await set_price(database, "acme", "acme-1", {"input": "9"})

    found = await look(database, **{"acme-1": rates(input=4)})
    await apply_prices(database, *rows_of(found, "2026-11-22"))

    assert [(each.own, list(each.lines())) for each in found] == [(True, [("input", "1", "4")])]
    assert await cost_of(database, "acme-1", Usage(input=1_000_000)) == 9


async def test_tiers_and_variants_are_told_apart(database: Database) -> None:
    tiered = rates(input={"base": 1, "above": {"200000": 2}}, variants={"batch": {"input": "0.5"}})

    (found,) = await look(database, **{"acme-1": tiered})

    assert list(found.lines()) == [("input", "1", "1 (>200000: 2)"), ("batch input", "", "0.5")]
