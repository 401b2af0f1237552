"""What comes too often from an address, counted by one process or by several together, in a real Redis."""

import logging
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.auth import address_limit
from app.auth.address_limit import MEMORY, AddressLimiter
from app.auth.guard import MAX_FAILURES_PER_MINUTE, failure_limiter
from tests.auth import workers
from tests.redis_server import PASSWORD, Redis, running_redis
from tests.store import processes

pytestmark = pytest.mark.xdist_group("processes")

CLIENT = "192.0.2.7"


@pytest.fixture
def redis(tmp_path: Path) -> Iterator[Redis]:
    with running_redis(tmp_path) as server:
        yield server


async def fail(limiter: AddressLimiter, times: int) -> None:
    for _ in range(times):
        await limiter.note(CLIENT)


def warnings(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]


async def test_address_is_blocked_by_its_thirtieth_failure(caplog: pytest.LogCaptureFixture) -> None:
    limiter = failure_limiter()

    await fail(limiter, MAX_FAILURES_PER_MINUTE - 1)
    assert limiter.seconds_blocked(CLIENT) == 0
    await fail(limiter, 1)

    assert 0 < limiter.seconds_blocked(CLIENT) <= 60
    assert limiter.seconds_blocked("192.0.2.8") == 0
    assert caplog.text == ""


async def test_addresses_whose_time_is_over_are_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(address_limit, "_MANY_BLOCKED", 10)
    monkeypatch.setattr(address_limit, "_WINDOW_S", -1)
    limiter = AddressLimiter(1, "tries")
    limiter._tidy_at = 10

    for number in range(100):
        await limiter.note(f"192.0.2.{number}")

    assert len(limiter._blocked) <= 10


async def test_each_limiter_has_its_own_limit() -> None:
    limiters = [AddressLimiter(2, "tries"), AddressLimiter(3, "webhooks")]

    for limiter in limiters:
        await fail(limiter, 2)

    assert [limiter.seconds_blocked(CLIENT) > 0 for limiter in limiters] == [True, False]


async def test_two_kinds_with_one_redis_have_nothing_to_do_with_each_other(redis: Redis) -> None:
    limiters = [AddressLimiter(2, "tries", redis.url), AddressLimiter(2, "webhooks", redis.url)]

    await fail(limiters[0], 2)
    await fail(limiters[1], 1)

    assert [limiter.seconds_blocked(CLIENT) > 0 for limiter in limiters] == [True, False]


@pytest.mark.parametrize("shared", [True, False])
def test_two_processes_with_one_redis_count_together(redis: Redis, shared: bool) -> None:
    url = redis.url if shared else MEMORY

    blocked = processes.run_together(workers.count_failures, [(url, MAX_FAILURES_PER_MINUTE // 2)] * 2)

    assert [0 < seconds <= 60 for seconds in blocked] == [shared] * 2


async def test_redis_that_is_away_leaves_each_process_to_itself_and_is_told_of_once(
    redis: Redis, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(address_limit, "_AWAY_S", 0.0)
    redis.stop()
    limiter = failure_limiter(redis.url)

    await fail(limiter, MAX_FAILURES_PER_MINUTE)

    assert limiter.seconds_blocked(CLIENT) > 0
    (said,) = warnings(caplog)
    assert "RATE_LIMIT_STORAGE_URL" in said
    assert PASSWORD not in caplog.text


async def test_redis_that_comes_back_is_used_again(
    redis: Redis, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(address_limit, "_AWAY_S", 0.0)
    limiter, other = failure_limiter(redis.url), failure_limiter(redis.url)
    await fail(limiter, 5)
    redis.stop()
    await fail(limiter, 5)
    redis.start()

    await fail(limiter, MAX_FAILURES_PER_MINUTE - 11)
    assert other.seconds_blocked(CLIENT) == 0
    await fail(other, 11)

    assert other.seconds_blocked(CLIENT) > 0
    assert len(warnings(caplog)) == 1


async def test_redis_that_hangs_is_not_asked_again_for_a_while(
    redis: Redis, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(address_limit, "_SERVER_TIMEOUT_S", 0.1)
    limiter = failure_limiter(redis.url)
    await fail(limiter, 1)
    asked: list[str] = []
    ask = limiter._ask_server

    def count_and_ask(client: str) -> float:
        asked.append(client)
        return ask(client)

    monkeypatch.setattr(limiter, "_ask_server", count_and_ask)

    with redis.hanging():
        await fail(limiter, MAX_FAILURES_PER_MINUTE - 1)

    assert asked == [CLIENT]
    assert limiter.seconds_blocked(CLIENT) > 0
    assert len(warnings(caplog)) == 1


async def test_redis_that_refuses_the_password_is_told_of_without_it(
    redis: Redis, caplog: pytest.LogCaptureFixture
) -> None:
    limiter = failure_limiter(redis.url.replace(PASSWORD, "wr0ng"))

    await fail(limiter, MAX_FAILURES_PER_MINUTE)

    assert limiter.seconds_blocked(CLIENT) > 0
    assert "AuthenticationError" in warnings(caplog)[0]
    assert "wr0ng" not in caplog.text
