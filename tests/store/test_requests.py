"""The log of calls: each once, counted on its token."""

import sqlite3
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import text

from app.store.db import Database, DatabaseUnavailable
from app.store.requests import insert_calls
from app.store.tokens import StoredToken, find_token, insert_tokens

RECEIVED_AT = 1_790_000_000.25


def make_row(request_id: str, **changes: object) -> dict[str, object]:
    return {
        "id": request_id,
        "received_at": RECEIVED_AT,
        "parent_id": None,
        "helper": None,
        "token_id": "AAAAAAAA",
        "username": "ann",
        "end_user": None,
        "tags": "a,b",
        "name": "gpt",
        "alias": None,
        "router": None,
        "cache": None,
        "augmentor": None,
        "provider": "openai",
        "model": "gpt-5",
        "surface": "chat",
        "streamed": True,
        "status": 200,
        "outcome": "ok",
        "input_tokens": 1,
        "cache_read_tokens": 2,
        "cache_write_tokens": 3,
        "cache_write_1h_tokens": 6,
        "input_audio_tokens": 7,
        "input_image_tokens": 8,
        "output_tokens": 4,
        "reasoning_tokens": 5,
        "output_audio_tokens": 9,
        "output_image_tokens": 10,
        "images": 11,
        "searches": 12,
        "requests": 1,
        "audio_ms": 13,
        "service_tier": None,
        "usage_estimated": False,
        "cost": Decimal("0.0123"),
        "reported_cost": Decimal("0.0122"),
        "price_version": "provider",
        "cache_hit": False,
        "first_byte_ms": 7,
        "total_ms": 9,
        "client": "127.0.0.1",
        "charged": True,
        "attempts": 2,
        "rescued": True,
        "warnings": None,
        "error": None,
        "asked_ms": 3,
        "story": None,
    } | changes


async def read_rows(database: Database) -> list[dict[str, Any]]:
    async with database.read() as connection:
        rows = await connection.execute(text("SELECT * FROM request_logs ORDER BY id"))
        return [dict(row) for row in rows.mappings()]


@pytest.fixture
async def token(database: Database) -> StoredToken:
    token = StoredToken(id="AAAAAAAA", digest=b"d" * 32, username="ann", rate_limit=5, created_at=1)
    await insert_tokens(database, [token])
    return token


async def lifetime(database: Database) -> tuple[int, int | None]:
    token = await find_token(database, token_id="AAAAAAAA")
    assert token is not None
    return token.lifetime_requests, token.last_used_at


async def test_row_is_kept_as_it_was_given(database: Database) -> None:
    await insert_calls(database, [make_row("a")])

    (row,) = await read_rows(database)
    assert row == make_row("a") | {
        "received_at": 1_790_000_000_250,
        "cost": 12_300_000_000,
        "reported_cost": 12_200_000_000,
        "streamed": 1,
        "rescued": 1,
        "usage_estimated": 0,
    }


@pytest.mark.usefixtures("token")
async def test_charged_calls_count_for_their_token_and_all_are_a_use(database: Database) -> None:
    rows = [make_row("a"), make_row("b", charged=False, received_at=RECEIVED_AT + 60), make_row("c")]

    await insert_calls(database, rows)

    assert await lifetime(database) == (2, 1_790_000_060_250)


@pytest.mark.usefixtures("token")
async def test_row_that_comes_again_is_neither_kept_nor_counted_again(database: Database) -> None:
    await insert_calls(database, [make_row("a"), make_row("b")])

    await insert_calls(database, [make_row("b", status=500), make_row("c"), make_row("c")])

    assert [(row["id"], row["status"]) for row in await read_rows(database)] == [("a", 200), ("b", 200), ("c", 200)]
    assert (await lifetime(database))[0] == 3


@pytest.mark.usefixtures("token")
async def test_of_many_rows_those_that_are_new_are_counted(database: Database) -> None:
    await insert_calls(database, [make_row(str(n)) for n in range(0, 300, 3)])

    again = [make_row(str(n), status=500) for n in [7, *range(300)]]
    await insert_calls(database, again)

    rows = await read_rows(database)
    assert sorted(int(row["id"]) for row in rows) == list(range(300))
    assert sum(row["status"] == 200 for row in rows) == 100
    assert (await lifetime(database))[0] == 300


@pytest.mark.usefixtures("token")
async def test_late_record_does_not_turn_the_last_use_back(database: Database) -> None:
    await insert_calls(database, [make_row("a")])

    await insert_calls(database, [make_row("b", received_at=RECEIVED_AT - 3600)])

    assert (await lifetime(database))[1] == 1_790_000_000_250


async def test_call_of_a_deleted_token_is_kept(database: Database) -> None:
    await insert_calls(database, [make_row("a", token_id="gone")])

    assert len(await read_rows(database)) == 1


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ({"name": "a\ud800b"}, {"name": "a?b"}),
        ({"name": "\ud800", "error": "nul \0"}, {"name": "?", "error": "nul ?"}),
        ({"output_tokens": 2**80}, {"output_tokens": 10**12}),
        ({"output_tokens": 2**62}, {"output_tokens": 10**12}),
        ({"audio_ms": 10**12 + 1, "searches": -1}, {"audio_ms": 10**12, "searches": 0, "output_tokens": 4}),
        ({"cost": Decimal("1e99")}, {"cost": 10**17}),
        ({"cost": Decimal("NaN")}, {"cost": 0}),
    ],
)
@pytest.mark.usefixtures("token")
async def test_value_that_no_database_takes_or_no_sum_has_room_for_is_mended_and_loses_no_record(
    database: Database, given: dict[str, object], kept: dict[str, object]
) -> None:
    await insert_calls(database, [make_row("a"), make_row("b", **given)])

    rows = await read_rows(database)
    assert len(rows) == 2
    assert {name: rows[1][name] for name in kept} == kept
    assert (await lifetime(database))[0] == 2


async def test_row_that_lacks_a_column_is_told_and_nothing_is_written(database: Database) -> None:
    row = make_row("a")
    del row["client"]

    with pytest.raises((sqlite3.ProgrammingError, KeyError), match="client"):
        await insert_calls(database, [make_row("b"), row])

    assert await read_rows(database) == []


@pytest.mark.parametrize(
    ("away", "back"),
    [
        ("ALTER TABLE request_logs RENAME TO elsewhere", "ALTER TABLE elsewhere RENAME TO request_logs"),
        ("ALTER TABLE request_logs RENAME surface TO face", "ALTER TABLE request_logs RENAME face TO surface"),
    ],
    ids=["table", "column"],
)
async def test_what_an_administrator_can_mend_is_waited_for(database: Database, away: str, back: str) -> None:
    await database.transact(lambda statements: statements.rows(away, {}))
    with pytest.raises(DatabaseUnavailable):
        await insert_calls(database, [make_row("a")])
    await database.transact(lambda statements: statements.rows(back, {}))

    await insert_calls(database, [make_row("a")])

    assert [row["id"] for row in await read_rows(database)] == ["a"]


async def test_nothing_is_written_for_no_rows(database: Database) -> None:
    await insert_calls(database, [])

    assert await read_rows(database) == []
