"""The story of one call: its way, what went wrong, who asked, and what its cost is made of."""

from decimal import Decimal

from app.core.record import Failure
from app.core.usage import Usage
from app.metering.prices import Prices
from app.metering.rows import insert_records
from app.metering.story import Stories
from app.store.db import Database
from app.store.hosts import StoredHost, write_hosts
from app.store.prices import set_price
from tests.calls import make_record

USED = Usage(input=1000, cache_read=500, output=200)
COSTS = {"input_tokens": "0.002", "cache_read_tokens": "0.0001", "output_tokens": "0.0016"}


def no_key() -> bytes:
    raise AssertionError("nothing is kept here")


async def test_cost_is_told_by_class_as_long_as_prices_make_it_up(database: Database) -> None:
    prices = Prices(database, {})
    rates = {"input": "2", "cache_read": "0.2", "output": "8"}
    await set_price(database, "openai", "gpt-x", rates)
    await prices.refresh()
    cost = sum(map(Decimal, COSTS.values()), Decimal(0))
    await insert_records(database, [make_record(usage=USED, cost=cost, price_version="admin 1")])
    stories = Stories(database, prices, no_key)

    story = await stories.tell("req_0123456789")
    await set_price(database, "openai", "gpt-x", rates | {"output": "9"})
    await prices.refresh()
    later = await stories.tell("req_0123456789")

    assert story is not None
    assert story.costs == COSTS
    assert later is not None
    assert later.costs == {}


async def test_way_failures_and_host_are_told(database: Database) -> None:
    failure = Failure("timeout", "xai", "grok", 0, "x" * 1000, 12, 340)
    record = make_record(way=("fast", "cache:kept"), similarity=0.97, failures=(failure,), asked_ms=360)
    await insert_records(database, [record])
    await write_hosts(database, {"192.0.2.7": StoredHost("host.example", 1)})

    story = await Stories(database, None, no_key).tell(record.id)

    assert story is not None
    assert (story.call["way"], story.call["similarity"], story.call["asked_ms"]) == (["fast", "cache:kept"], 0.97, 360)
    (told,) = story.call["failures"]
    assert (told["kind"], told["began_ms"], told["took_ms"], len(told["message"])) == ("timeout", 12, 340, 500)
    assert (story.hostname, story.has_bodies, story.helpers) == ("host.example", False, [])
    assert await Stories(database, None, no_key).bodies(record.id) is None
