"""A limit that is set late counts what was used before in its day or month."""

from decimal import Decimal

import pytest

from app.core.limits import BUDGET_PER_DAY, BUDGET_PER_MONTH, TOKENS_PER_DAY, Cap
from app.core.money import PICO_USD
from app.store import spent
from app.store.db import Database
from app.store.limits import read_standings
from app.store.requests import insert_calls
from app.store.times import MS_PER_DAY
from app.store.tokens import change_token
from app.store.users import change_user_limits
from tests.store.test_limits import NO_TOKENS
from tests.store.test_requests import make_row

NOW_MS = 1_790_000_000_000  # the 21st of a month
ALL = {TOKENS_PER_DAY: 1000, BUDGET_PER_DAY: 9 * PICO_USD, BUDGET_PER_MONTH: 9 * PICO_USD}


@pytest.fixture(autouse=True)
def a_day_of_the_month(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spent, "now_ms", lambda: NOW_MS)


async def call(database: Database, call_id: str, days_ago: int, **columns: object) -> None:
    used = NO_TOKENS | {"input_tokens": 10, "output_tokens": 5, "cost": Decimal(2)}
    await insert_calls(
        database, [make_row(call_id, received_at=(NOW_MS - days_ago * MS_PER_DAY) / 1000, **used | columns)]
    )


async def used(database: Database, subject: str) -> dict[str, int]:
    standings = await read_standings(
        database, [Cap(subject, limit, most) for limit, most in ALL.items()], NOW_MS / 1000
    )
    return {standing.ask.cap.limit: standing.used for standing in standings}


async def test_limit_that_is_set_late_counts_what_was_used_before(database: Database) -> None:
    await call(database, "today", 0)
    await call(database, "this-month", 3, token_id="BBBBBBBB")
    await call(database, "last-month", 30)
    await call(database, "other", 0, token_id="BBBBBBBB", username="bob")

    await change_token(database, "AAAAAAAA", **ALL)
    await change_user_limits(database, "ann", ALL)

    assert await used(database, "token:AAAAAAAA") == {
        TOKENS_PER_DAY: 15, BUDGET_PER_DAY: 2 * PICO_USD, BUDGET_PER_MONTH: 2 * PICO_USD,
    }  # fmt: skip
    assert await used(database, "user:ann") == {
        TOKENS_PER_DAY: 15, BUDGET_PER_DAY: 2 * PICO_USD, BUDGET_PER_MONTH: 4 * PICO_USD,
    }  # fmt: skip


async def test_limit_that_is_lifted_or_not_named_counts_nothing(database: Database) -> None:
    await call(database, "today", 0)

    await change_token(database, "AAAAAAAA", **{TOKENS_PER_DAY: None}, rate_limit=3)

    assert set((await used(database, "token:AAAAAAAA")).values()) == {0}


async def test_setting_a_limit_twice_counts_once(database: Database) -> None:
    await call(database, "today", 0)

    for most in (1000, 2000):
        await change_token(database, "AAAAAAAA", **{TOKENS_PER_DAY: most})

    assert (await used(database, "token:AAAAAAAA"))[TOKENS_PER_DAY] == 15
