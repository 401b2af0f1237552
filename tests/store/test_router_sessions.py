"""Which model a conversation has: over several workers, for its time, and no longer kept than needed."""

from collections.abc import Callable

import pytest
from sqlalchemy import text

from app.smart.sessions import RouterSessions
from app.store.db import Database, DatabaseUnavailable
from app.store.router_sessions import Choice, keep_sessions


class Clock:
    """Milliseconds that pass when a test says so."""

    def __init__(self) -> None:
        self.now = 1_000_000

    def __call__(self) -> int:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def sessions(database: Database, clock: Clock) -> RouterSessions:
    return RouterSessions(database, clock=clock)


@pytest.fixture
def elsewhere(open_another: Callable[[str], Database], clock: Clock) -> RouterSessions:
    """Those of another worker."""
    return RouterSessions(open_another("relay.db"), clock=clock)


async def count(database: Database) -> int:
    async with database.read() as connection:
        return int((await connection.execute(text("SELECT count(*) FROM router_sessions"))).scalar_one())


async def test_model_is_known_at_once_and_to_other_workers_when_it_is_written(
    sessions: RouterSessions, elsewhere: RouterSessions
) -> None:
    sessions.keep("k", "acme/small", 60)

    assert await sessions.find("k") == "acme/small"
    await sessions.flush()
    assert await elsewhere.find("k") == "acme/small"
    assert await elsewhere.find("other") is None


async def test_model_is_kept_for_its_time_from_the_decision_on(
    sessions: RouterSessions, elsewhere: RouterSessions, clock: Clock
) -> None:
    sessions.keep("k", "acme/small", 60)
    await sessions.flush()

    clock.now += 59_999
    assert await sessions.find("k") == await elsewhere.find("k") == "acme/small"
    clock.now += 1
    assert await sessions.find("k") is None
    assert await elsewhere.find("k") is None


async def test_of_two_workers_that_choose_at_the_same_time_the_first_counts_for_both(
    sessions: RouterSessions, elsewhere: RouterSessions
) -> None:
    sessions.keep("k", "acme/small", 60)
    elsewhere.keep("k", "acme/large", 60)
    await sessions.flush()
    await elsewhere.flush()

    assert await sessions.find("k") == await elsewhere.find("k") == "acme/small"


async def test_model_that_cannot_take_it_any_more_is_replaced(
    sessions: RouterSessions, elsewhere: RouterSessions
) -> None:
    sessions.keep("k", "acme/small", 60)
    await sessions.flush()

    sessions.keep("k", "acme/large", 60, instead_of="acme/small")
    await sessions.flush()

    assert await elsewhere.find("k") == "acme/large"


async def test_two_changes_before_the_first_is_written_come_to_the_last(
    sessions: RouterSessions, elsewhere: RouterSessions
) -> None:
    sessions.keep("k", "acme/small", 60)
    sessions.keep("k", "acme/large", 60, instead_of="acme/small")
    await sessions.flush()

    assert await elsewhere.find("k") == "acme/large"


async def test_conversation_whose_time_was_over_gets_its_new_model(
    sessions: RouterSessions, elsewhere: RouterSessions, clock: Clock
) -> None:
    sessions.keep("k", "acme/small", 60)
    await sessions.flush()
    clock.now += 60_000

    elsewhere.keep("k", "acme/large", 60)
    await elsewhere.flush()

    assert await sessions.find("k") == "acme/large"


async def test_sweep_removes_those_whose_time_is_over_and_no_others(
    database: Database, sessions: RouterSessions, clock: Clock
) -> None:
    choices = [Choice(f"old{number}", "m", clock.now) for number in range(450)]
    await keep_sessions(database, [*choices, Choice("new", "m", clock.now + 1)], clock.now - 1)

    await sessions.sweep()

    assert await count(database) == 1
    assert await sessions.find("new") == "m"


async def test_database_that_is_away_means_a_new_choice_and_nothing_is_lost(
    sessions: RouterSessions, elsewhere: RouterSessions, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail(*_: object, **__: object) -> None:
        raise DatabaseUnavailable("away")

    with monkeypatch.context() as patch:
        patch.setattr(Database, "transact", fail)
        assert await sessions.find("k") is None
        sessions.keep("k", "acme/small", 60)
        with pytest.raises(DatabaseUnavailable):
            await sessions.flush()
        assert await sessions.find("k") == "acme/small"
    await sessions.flush()

    assert await elsewhere.find("k") == "acme/small"
