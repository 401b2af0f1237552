"""Quota within one process, where two workers are two objects on the same database."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest
from sqlalchemy import text

from app.auth.quota import Admission, Quota
from app.core.errors import QuotaExceeded
from app.core.principal import Principal
from app.store.db import Database, DatabaseUnavailable
from app.store.quota import read_used

MIDNIGHT = 20_000 * 86_400
TOKEN = "AAAAAAAA"


class Clock:
    """Seconds since the epoch, as the test says."""

    def __init__(self) -> None:
        self.now = MIDNIGHT + 100.0

    def __call__(self) -> float:
        return self.now


class Workers:
    """Makes workers and closes them."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock
        self.made: list[Quota] = []

    def new(self) -> Quota:
        self.made.append(Quota(self._database, f"worker {len(self.made)}", clock=self._clock))
        return self.made[-1]


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def workers(database: Database, clock: Clock) -> AsyncIterator[Workers]:
    workers = Workers(database, clock)
    yield workers
    for quota in workers.made:
        await quota.aclose()


@pytest.fixture
def reporting(monkeypatch: pytest.MonkeyPatch) -> None:
    """Reports come quickly, and idleness alone returns nothing."""
    monkeypatch.setattr("app.auth.quota._IDLE_REPORTS", 1_000_000)
    monkeypatch.setattr("app.auth.quota._REPORT_EVERY_S", 0.02)
    monkeypatch.setattr("app.auth.quota._RECALL_POLL_S", 0.01)


def holder(limit: int) -> Principal:
    return Principal(token_id=TOKEN, username="ann", daily_limit=limit)


async def admit_all(quota: Quota, principal: Principal, most: int = 100_000) -> list[Admission]:
    admitted: list[Admission] = []
    try:
        while len(admitted) < most:
            admitted.append(await quota.admit(principal))
    except QuotaExceeded:
        pass
    return admitted


async def read_taken(database: Database) -> int:
    async with database.read() as connection:
        return int((await connection.execute(text("SELECT coalesce(sum(taken), 0) FROM quota_days"))).scalar_one())


async def test_as_many_calls_as_allowed_are_admitted(workers: Workers) -> None:
    admitted = await admit_all(workers.new(), holder(300))

    assert len(admitted) == 300
    assert [admission.remaining for admission in admitted] == list(range(299, -1, -1))


async def test_limit_of_nothing_admits_nothing(workers: Workers) -> None:
    assert await admit_all(workers.new(), holder(0)) == []


async def test_refusal_says_when_to_come_again(workers: Workers, clock: Clock) -> None:
    clock.now = MIDNIGHT + 86_400 - (6 * 3600 + 12 * 60 + 3)

    with pytest.raises(QuotaExceeded) as error:
        await workers.new().admit(holder(0))

    assert (error.value.status, error.value.code) == (429, "rate_limit_exceeded")
    assert dict(error.value.headers) == {
        "retry-after": "22323",
        "x-should-retry": "false",
        "x-ratelimit-limit-requests": "0",
        "x-ratelimit-remaining-requests": "0",
        "x-ratelimit-reset-requests": "6h12m3s",
    }


@pytest.mark.parametrize(("left_s", "words"), [(1, "1s"), (60, "1m0s"), (3600, "1h0m0s"), (86_400, "24h0m0s")])
async def test_admission_says_what_is_left(workers: Workers, clock: Clock, left_s: int, words: str) -> None:
    clock.now = MIDNIGHT + 86_400 - left_s

    admission = await workers.new().admit(holder(5))

    assert dict(admission.headers()) == {
        "x-ratelimit-limit-requests": "5",
        "x-ratelimit-remaining-requests": "4",
        "x-ratelimit-reset-requests": words,
    }


async def test_stock_serves_without_asking_the_database(workers: Workers, monkeypatch: pytest.MonkeyPatch) -> None:
    quota = workers.new()
    await quota.admit(holder(1_000_000))
    monkeypatch.setattr("app.auth.quota.lease_units", None)

    taken = [quota.take(holder(1_000_000)) for _ in range(999)]

    assert None not in taken
    assert quota.take(holder(1_000_000)) is None


async def test_calls_that_wait_together_share_one_lease(workers: Workers, monkeypatch: pytest.MonkeyPatch) -> None:
    from app.store import quota as queries

    wanted: list[int] = []

    async def count(*arguments: object, **options: object) -> queries.Leased:
        wanted.append(options["wanted"])  # type: ignore[arg-type]
        return await lease(*arguments, **options)  # type: ignore[arg-type]

    lease = queries.lease_units
    monkeypatch.setattr("app.auth.quota.lease_units", count)
    quota = workers.new()

    await asyncio.gather(*(quota.admit(holder(50)) for _ in range(50)))

    assert wanted == [50]


async def test_unit_given_back_admits_one_call_more_even_if_given_twice(workers: Workers) -> None:
    quota = workers.new()
    admitted = await admit_all(quota, holder(3))

    quota.give_back(admitted[0])
    quota.give_back(admitted[0])

    assert len(await admit_all(quota, holder(3))) == 1


@pytest.mark.usefixtures("reporting")
async def test_unit_given_back_in_one_worker_admits_a_call_in_another(workers: Workers) -> None:
    one, other = workers.new(), workers.new()
    admitted = await admit_all(one, holder(3))

    one.give_back(admitted[0])
    await one.report()
    waiting = asyncio.create_task(other.admit(holder(3)))
    while not waiting.done():
        await asyncio.sleep(0.01)
        await one.report()

    assert (await waiting).remaining == 0


async def test_day_begins_anew_at_midnight_utc(workers: Workers, clock: Clock) -> None:
    quota = workers.new()
    assert len(await admit_all(quota, holder(5))) == 5

    clock.now = MIDNIGHT + 86_400

    assert len(await admit_all(quota, holder(5))) == 5


async def test_stock_of_yesterday_admits_nothing_today(workers: Workers, clock: Clock, database: Database) -> None:
    quota = workers.new()
    await quota.admit(holder(1000))

    clock.now = MIDNIGHT + 86_400

    assert quota.take(holder(1000)) is None
    assert (await quota.admit(holder(1000))).remaining == 999
    await quota.report()
    assert await read_used(database, 20_000, int(clock.now * 1000)) == {TOKEN: 1}


async def test_unit_of_yesterday_goes_back_to_yesterday(workers: Workers, clock: Clock, database: Database) -> None:
    quota = workers.new()
    admitted = await admit_all(quota, holder(5))
    clock.now = MIDNIGHT + 86_400
    today = await admit_all(quota, holder(5))

    quota.give_back(admitted[0])
    await quota.report()

    assert len(today) == 5
    assert await admit_all(quota, holder(5)) == []
    assert await read_used(database, 20_000, int(clock.now * 1000)) == {TOKEN: 4}


@pytest.mark.usefixtures("reporting")
async def test_stock_of_another_worker_is_recalled_before_a_call_is_refused(workers: Workers) -> None:
    holding, asking = workers.new(), workers.new()
    await holding.admit(holder(1000))
    running = asyncio.create_task(holding.run())

    admitted = await admit_all(asking, holder(1000))

    running.cancel()
    assert len(admitted) == 999


@pytest.mark.usefixtures("reporting")
async def test_after_a_recall_nobody_keeps_stock(workers: Workers, database: Database) -> None:
    one, other = workers.new(), workers.new()
    await one.admit(holder(1000))
    admitted = await admit_all(other, holder(1000), most=985)
    running = asyncio.create_task(one.run())
    admitted += await admit_all(other, holder(1000))
    running.cancel()
    for admission in admitted:
        other.give_back(admission)
    await other.report()
    assert await read_taken(database) == 1

    await one.admit(holder(1000))

    assert one.take(holder(1000)) is None


@pytest.mark.usefixtures("reporting")
async def test_raised_limit_ends_the_recall(workers: Workers) -> None:
    one, other = workers.new(), workers.new()
    await one.admit(holder(1000))
    running = asyncio.create_task(one.run())
    await admit_all(other, holder(1000))
    running.cancel()

    await one.admit(holder(100_000))

    assert one.take(holder(100_000)) is not None


async def test_holder_that_does_not_answer_a_recall_is_not_waited_for_for_ever(
    workers: Workers, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.auth.quota._RECALL_WAIT_S", 0.2)
    await workers.new().admit(holder(1000))

    async with asyncio.timeout(10):
        admitted = await admit_all(workers.new(), holder(1000))

    assert len(admitted) == 1000 - 15


async def test_stock_of_a_dead_worker_is_not_waited_for(workers: Workers, clock: Clock) -> None:
    await workers.new().admit(holder(1000))
    asking = workers.new()
    clock.now += 6

    async with asyncio.timeout(10):
        admitted = await admit_all(asking, holder(1000))
        started = asyncio.get_running_loop().time()
        assert await admit_all(asking, holder(1000)) == []

    assert len(admitted) == 1000 - 15
    assert asyncio.get_running_loop().time() - started < 1


async def test_raised_limit_admits_more_at_once(workers: Workers) -> None:
    quota = workers.new()
    await admit_all(quota, holder(5))

    assert len(await admit_all(quota, holder(8))) == 3


async def test_lowered_limit_stops_calls_also_from_stock(workers: Workers) -> None:
    quota = workers.new()
    await admit_all(quota, holder(1000), most=100)

    assert await admit_all(quota, holder(100)) == []
    assert await admit_all(quota, holder(50)) == []
    assert len(await admit_all(quota, holder(103))) == 3


@pytest.mark.usefixtures("reporting")
@pytest.mark.parametrize("used", [(3, 4), (10, 0), (0, 1), (1, 0)])
async def test_lowered_limit_holds_over_all_workers(workers: Workers, used: tuple[int, int]) -> None:
    one, other = workers.new(), workers.new()
    before = len(await admit_all(one, holder(1000), most=used[0])) + len(
        await admit_all(other, holder(1000), most=used[1])
    )
    running = [asyncio.create_task(quota.run()) for quota in (one, other)]

    after = await asyncio.gather(*(admit_all(quota, holder(20)) for quota in (one, other)))

    for task in running:
        task.cancel()
    assert before + sum(len(admitted) for admitted in after) == 20


async def test_idle_stock_goes_back(workers: Workers, database: Database) -> None:
    quota = workers.new()
    await quota.admit(holder(1000))
    assert await read_taken(database) == 15

    for _ in range(12):
        await quota.report()

    assert await read_taken(database) == 1


async def test_stock_in_use_stays(workers: Workers, database: Database) -> None:
    quota = workers.new()

    for _ in range(12):
        await quota.admit(holder(1000))
        await quota.report()

    assert await read_taken(database) == 15


async def test_worker_that_closes_gives_everything_back(workers: Workers, database: Database) -> None:
    quota = workers.new()
    await quota.admit(holder(1000))

    await quota.aclose()

    async with database.read() as connection:
        assert (await connection.execute(text("SELECT taken FROM quota_days"))).scalars().all() == [1]
        assert (await connection.execute(text("SELECT * FROM quota_leases"))).all() == []


async def test_use_of_today_is_without_stock(workers: Workers, database: Database, clock: Clock) -> None:
    quota = workers.new()
    for _ in range(3):
        await quota.admit(holder(1000))
    await quota.report()

    assert await read_used(database, 20_000, int(clock.now * 1000)) == {TOKEN: 3}


async def test_caller_that_leaves_while_units_come_takes_none_with_it(workers: Workers) -> None:
    quota = workers.new()
    leaving = [asyncio.create_task(quota.admit(holder(20))) for _ in range(10)]
    await asyncio.sleep(0)
    for task in leaving:
        task.cancel()
    await asyncio.gather(*leaving, return_exceptions=True)

    assert len(await admit_all(quota, holder(20))) == 20


async def test_used_up_day_does_not_ask_the_database_for_each_call(
    workers: Workers, monkeypatch: pytest.MonkeyPatch
) -> None:
    quota = workers.new()
    await admit_all(quota, holder(5))
    monkeypatch.setattr("app.auth.quota.lease_units", None)

    for _ in range(100):
        assert await admit_all(quota, holder(5)) == []


async def test_database_that_is_away_is_told_and_loses_no_unit(
    workers: Workers, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    quota = workers.new()
    await quota.admit(holder(1000))

    async def fail(*_: object, **__: object) -> None:
        raise DatabaseUnavailable("away")

    with monkeypatch.context() as patch:
        patch.setattr("app.auth.quota.lease_units", fail)
        patch.setattr("app.auth.quota.report_stock", fail)
        for _ in range(12):
            with pytest.raises(DatabaseUnavailable):
                await quota.report()
        refused = await asyncio.gather(
            *(quota.admit(replace(holder(1000), token_id=f"other {n % 3}")) for n in range(9)), return_exceptions=True
        )

    assert all(isinstance(error, DatabaseUnavailable) for error in refused)
    assert len(await admit_all(quota, holder(1000))) == 999
    assert await read_taken(database) == 1000


async def test_old_days_are_forgotten(workers: Workers, database: Database, clock: Clock) -> None:
    await workers.new().admit(holder(1000))

    clock.now += 30 * 86_400
    await workers.new().report()

    assert await read_taken(database) == 0
    async with database.read() as connection:
        assert (await connection.execute(text("SELECT * FROM quota_leases"))).all() == []


async def test_tokens_do_not_share_their_days(workers: Workers) -> None:
    quota = workers.new()
    await admit_all(quota, holder(3))

    assert len(await admit_all(quota, replace(holder(3), token_id="BBBBBBBB"))) == 3
