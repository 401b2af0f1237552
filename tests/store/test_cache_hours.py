"""What caches save, by the hour in which they saved it: exact, in every period, and together with their totals."""

from decimal import Decimal

from sqlalchemy import text

from app.core.money import to_pico_usd
from app.smart.stats import Stats
from app.store.cache_hours import CacheSums, sum_cache_hours
from app.store.db import Database
from app.store.selection import Selection
from app.store.smart_models import delete_smart_model, put_smart_models, read_smart_models
from app.store.times import MS_PER_DAY, MS_PER_HOUR
from tests.smart import make_smart
from tests.store.test_verify import verify

DAY = 20_000
PENNY = Decimal("0.010000000001")


async def test_savings_are_of_the_hours_in_which_they_were_counted(database: Database) -> None:
    await put_smart_models(database, [make_smart("cache", name, embedder=None) for name in ("faq", "other")])
    faq, other = await read_smart_models(database, "cache")
    now = DAY * MS_PER_DAY
    stats = Stats(database, clock=lambda: now)
    count = stats.counter("cache")

    count(faq.id, total_requests=1)
    count(faq.id, cache_hits=1, tokens_saved=40, cost_saved=PENNY)
    now += MS_PER_HOUR
    count(faq.id, total_requests=1, cache_hits=1, tokens_saved=2, cost_saved=None)
    now += MS_PER_DAY
    count(other.id, total_requests=1, cache_hits=1, tokens_saved=7, cost_saved=PENNY)
    await stats.flush()
    count(faq.id, total_requests=1)
    await stats.flush()

    pence = to_pico_usd(PENNY)
    assert await sum_cache_hours(database, Selection(DAY, DAY)) == CacheSums(2, 2, 42, pence)
    assert await sum_cache_hours(database, Selection(DAY, DAY + 1)) == CacheSums(4, 3, 49, 2 * pence)
    assert await sum_cache_hours(database, Selection(DAY - 9, DAY - 1)) == CacheSums(0, 0, 0, 0)
    (faq, _) = await read_smart_models(database, "cache")
    assert faq.stats == {"total_requests": 3, "cache_hits": 2, "tokens_saved": 42, "cost_saved": PENNY}
    async with database.read() as connection:
        assert (await connection.execute(text("SELECT count(*) FROM cache_hours"))).scalar() == 4
    assert await verify(database) == []


async def test_savings_of_a_cache_that_is_gone_stay_in_their_period(database: Database) -> None:
    await put_smart_models(database, [make_smart("cache", "faq", embedder=None)])
    (faq,) = await read_smart_models(database, "cache")
    stats = Stats(database, clock=lambda: DAY * MS_PER_DAY)
    stats.counter("cache")(faq.id, total_requests=1, cache_hits=1, tokens_saved=40, cost_saved=PENNY)
    await stats.flush()

    await delete_smart_model(database, "cache", faq.id)

    assert (await sum_cache_hours(database, Selection(DAY, DAY))).cache_hits == 1
    assert await verify(database) == []


async def test_more_by_the_hour_than_in_all_is_told(database: Database) -> None:
    await put_smart_models(database, [make_smart("cache", "faq", embedder=None)])
    (faq,) = await read_smart_models(database, "cache")
    stats = Stats(database)
    stats.counter("cache")(faq.id, cache_hits=2)
    await stats.flush()
    async with database.begin() as connection:
        await connection.execute(text("UPDATE smart_caches SET cache_hits = 1"))

    (difference,) = await verify(database)

    assert difference.check == "what a cache counted by the hour is part of its total"
    assert (difference.where, difference.expected, difference.found) == (
        "cache faq",
        "cache_hits 1 at most",
        "cache_hits 2",
    )
