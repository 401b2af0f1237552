"""Tokens in the database; every change is told."""

import asyncio
from collections.abc import Callable
from dataclasses import replace

import pytest
from sqlalchemy import text

from app.store.db import Database
from app.store.revisions import revision_of
from app.store.tokens import (
    SUBJECT,
    StoredToken,
    change_token,
    delete_token,
    find_token,
    insert_first_token,
    insert_tokens,
    list_tokens,
    read_tokens_newer_than,
)

FULL = StoredToken(
    id="AAAAAAAA",
    digest=b"a" * 32,
    username="ann",
    rate_limit=5,
    created_at=1,
    expires_at=2**41,
    models=("gpt-*", "a/b"),
    tags=("x",),
    disabled=True,
    last_used_at=3,
    lifetime_requests=4,
    previous_digest=b"b" * 32,
    previous_until=6,
)
PLAIN = StoredToken(id="BBBBBBBB", digest=b"c" * 32, username="bob", rate_limit=15, created_at=2)


async def test_token_comes_back_as_it_was_put_in(database: Database) -> None:
    await insert_tokens(database, [PLAIN, FULL])

    assert await list_tokens(database) == [FULL, PLAIN]


@pytest.mark.parametrize("digest", [FULL.digest, FULL.previous_digest])
async def test_token_is_found_by_its_digest_and_by_the_one_before(database: Database, digest: bytes) -> None:
    await insert_tokens(database, [FULL, PLAIN])

    assert await find_token(database, digest=digest) == FULL


async def test_token_is_found_by_its_id_or_not_at_all(database: Database) -> None:
    await insert_tokens(database, [FULL, PLAIN])

    assert await find_token(database, token_id="BBBBBBBB") == PLAIN
    assert await find_token(database, token_id="CCCCCCCC") is None


@pytest.mark.parametrize("digest", [FULL.digest, FULL.previous_digest])
async def test_token_whose_digest_is_there_is_not_added_again(database: Database, digest: bytes) -> None:
    await insert_tokens(database, [FULL])

    added = await insert_tokens(database, [replace(PLAIN, digest=digest)])

    assert added == []
    assert await list_tokens(database) == [FULL]


async def test_first_token_is_made_once(database: Database) -> None:
    assert await insert_first_token(database, PLAIN)
    assert not await insert_first_token(database, FULL)

    assert await list_tokens(database) == [PLAIN]


async def test_first_token_is_made_once_by_workers_that_look_at_the_same_moment(
    database: Database, open_another: Callable[[str], Database]
) -> None:
    workers = [open_another("relay.db") for _ in range(4)]
    for worker in workers:
        await worker.ping()

    made = await asyncio.gather(
        *(
            insert_first_token(worker, replace(PLAIN, id=f"{n:08}", digest=bytes(32 - n)))
            for n, worker in enumerate(workers)
        )
    )

    assert sum(made) == len(await list_tokens(database)) == 1


async def test_only_what_is_given_changes(database: Database) -> None:
    await insert_tokens(database, [FULL])

    assert await change_token(database, FULL.id, rate_limit=7, models=())

    assert await list_tokens(database) == [replace(FULL, rate_limit=7, models=())]


async def test_change_of_no_token_says_so(database: Database) -> None:
    assert not await change_token(database, "nobody", rate_limit=7)
    assert not await delete_token(database, "nobody")


async def test_deleted_token_takes_its_quota_with_it(database: Database) -> None:
    await insert_tokens(database, [FULL])
    async with database.begin() as connection:
        await connection.execute(text("INSERT INTO quota_days VALUES ('AAAAAAAA', 1, 5, 0)"))
        await connection.execute(text("INSERT INTO quota_leases VALUES ('w', 'AAAAAAAA', 1, 2, 3)"))

    assert await delete_token(database, FULL.id)

    async with database.read() as connection:
        for table in ("tokens", "quota_days", "quota_leases"):
            assert (await connection.execute(text(f"SELECT count(*) FROM {table}"))).scalar() == 0


async def test_every_kind_of_change_raises_the_revision(database: Database) -> None:
    revisions = [await revision_of(database, SUBJECT)]
    await insert_first_token(database, PLAIN)
    revisions.append(await revision_of(database, SUBJECT))
    await insert_tokens(database, [FULL])
    revisions.append(await revision_of(database, SUBJECT))
    await change_token(database, FULL.id, rate_limit=1)
    revisions.append(await revision_of(database, SUBJECT))
    await delete_token(database, FULL.id)
    revisions.append(await revision_of(database, SUBJECT))

    assert revisions == sorted(set(revisions))


async def test_tokens_are_read_anew_only_after_a_change(database: Database) -> None:
    newer = await read_tokens_newer_than(database, -1)
    assert newer is not None
    revision, tokens = newer
    assert tokens == []
    assert await read_tokens_newer_than(database, revision) is None

    await insert_tokens(database, [PLAIN])

    newer = await read_tokens_newer_than(database, revision)
    assert newer is not None
    assert newer[1] == [PLAIN]
