"""Tokens: made, known by their digest, looked up, refused."""

import asyncio
import re
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path

import pytest

from app.auth.issue import find_one, issue_token, rotate_token
from app.auth.tokens import Tokens, UnknownToken, digest_of, ensure_first_token, id_of, is_well_formed, mint
from app.core.errors import AuthenticationFailed
from app.store import tokens as queries
from app.store.db import Database, DatabaseUnavailable
from app.store.tokens import StoredToken, change_token, delete_token, insert_tokens, list_tokens
from tests.databases import sqlite_only

OURS = f"lr_AAAAAAAA_{'1' * 43}"
IMPORTED = "Abc123" * 5 + "xy"


class Clock:
    """Seconds since the epoch, as the test says."""

    def __init__(self) -> None:
        self.now = time.time()

    def __call__(self) -> float:
        return self.now


def read_files(folder: Path) -> list[bytes]:
    return [path.read_bytes() for path in folder.iterdir()]


def test_token_has_its_form_and_no_two_are_alike() -> None:
    tokens = [mint() for _ in range(1000)]

    assert all(re.fullmatch(r"lr_[0-9A-Za-z]{8}_[0-9A-Za-z]{43}", token) for token in tokens)
    assert len(set(tokens)) == len({id_of(token) for token in tokens}) == 1000


def test_all_of_the_32_bytes_are_in_the_token(monkeypatch: pytest.MonkeyPatch) -> None:
    for number in (0, 1, 2**256 - 1):
        monkeypatch.setattr("secrets.token_bytes", lambda size, number=number: number.to_bytes(size, "big"))
        secret = mint().rpartition("_")[2]

        digits = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
        assert sum(digits.index(digit) * 62**place for place, digit in enumerate(reversed(secret))) == number


@pytest.mark.parametrize(
    ("token", "expected"),
    [
        (IMPORTED, True),
        (OURS, True),
        (OURS[:-1], False),
        (OURS + "x", False),
        ("", False),
        ("short", False),
        ("x" * 129, False),
        ("with a blank in the middle", False),
        ("nul\0" * 8, False),
        ("ünïcödë" * 4, False),
        ("\ud800" * 20, False),
    ],
)
async def test_malformed_token_is_told_from_an_unknown_one(database: Database, token: str, expected: bool) -> None:
    assert is_well_formed(token) is expected

    with pytest.raises(AuthenticationFailed, match="unknown" if expected else "malformed") as error:
        Tokens(database).find(token)
    assert isinstance(error.value, UnknownToken) is expected
    assert token not in error.value.message or not token


async def test_token_is_found_with_what_was_said_of_it(database: Database) -> None:
    expires = datetime(2100, 1, 1, tzinfo=UTC)
    issued = await issue_token(database, "ann", rate_limit=7, expires=expires, models=["GPT-*"], tags=["x"])
    tokens = Tokens(database)
    await tokens.refresh()

    principal = tokens.find(issued.text)

    assert (principal.token_id, principal.username, principal.daily_limit) == (id_of(issued.text), "ann", 7)
    assert (principal.models, principal.tags, principal.expires) == (("gpt-*",), ("x",), expires)
    assert principal.may_use("gpt-5")


async def test_imported_token_is_found_though_it_has_no_id(database: Database) -> None:
    stored = StoredToken(id="AAAAAAAA", digest=digest_of(IMPORTED), username="old", rate_limit=1, created_at=1)
    await insert_tokens(database, [stored])
    tokens = Tokens(database)
    await tokens.refresh()

    assert tokens.find(IMPORTED).username == "old"


async def test_token_that_was_made_a_moment_ago_works_at_once(database: Database) -> None:
    tokens = Tokens(database)
    await tokens.refresh()
    issued = await issue_token(database, "ann", rate_limit=1)

    assert (await tokens.look_up(issued.text)).username == "ann"


async def test_unknown_tokens_together_ask_the_database_once_and_never_again_within_50_ms(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    tokens, asked = Tokens(database), list[float]()
    read = queries.read_tokens_newer_than

    async def count(db: Database, revision: int) -> tuple[int, list[StoredToken]] | None:
        asked.append(time.monotonic())
        return await read(db, revision)

    monkeypatch.setattr("app.auth.tokens.read_tokens_newer_than", count)

    for _ in range(3):
        refused = await asyncio.gather(*(tokens.look_up(mint()) for _ in range(50)), return_exceptions=True)
        assert all(isinstance(error, UnknownToken) for error in refused)

    assert len(asked) == 3
    assert all(later - earlier >= 0.05 for earlier, later in pairwise(asked))


async def test_malformed_token_asks_the_database_nothing(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    tokens = Tokens(database)
    monkeypatch.setattr("app.auth.tokens.read_tokens_newer_than", None)

    with pytest.raises(AuthenticationFailed, match="malformed"):
        await tokens.look_up("short")


async def test_token_is_refused_from_the_second_it_expires(database: Database) -> None:
    clock = Clock()
    issued = await issue_token(database, "ann", rate_limit=1, expires=datetime.now(UTC) + timedelta(hours=1))
    tokens = Tokens(database, clock=clock)
    await tokens.refresh()

    clock.now += 3599
    tokens.find(issued.text)
    clock.now += 2

    with pytest.raises(AuthenticationFailed, match=r"expired at 20\d\d-\d\d-\d\d \d\d:\d\d:\d\d UTC"):
        tokens.find(issued.text)


async def test_disabled_token_is_refused_and_deleted_one_unknown(database: Database) -> None:
    issued = await issue_token(database, "ann", rate_limit=1)
    tokens = Tokens(database)

    await change_token(database, issued.token.id, disabled=True)
    await tokens.refresh()
    with pytest.raises(AuthenticationFailed, match="disabled"):
        tokens.find(issued.text)

    await delete_token(database, issued.token.id)
    await tokens.refresh()
    with pytest.raises(UnknownToken):
        tokens.find(issued.text)


async def test_rotated_token_works_beside_the_new_one_until_the_grace_is_over(database: Database) -> None:
    clock = Clock()
    old = await issue_token(database, "ann", rate_limit=1)
    new = await rotate_token(database, old.token, timedelta(hours=1))
    tokens = Tokens(database, clock=clock)
    await tokens.refresh()

    assert tokens.find(old.text) == tokens.find(new.text)
    assert id_of(new.text) == id_of(old.text)

    clock.now += 3601
    assert tokens.find(new.text).username == "ann"
    with pytest.raises(AuthenticationFailed, match="rotated"):
        tokens.find(old.text)


async def test_second_rotation_ends_the_grace_of_the_first(database: Database) -> None:
    first = await issue_token(database, "ann", rate_limit=1)
    second = await rotate_token(database, first.token, timedelta(hours=1))
    third = await rotate_token(database, second.token, timedelta(hours=1))
    tokens = Tokens(database)
    await tokens.refresh()

    assert tokens.find(third.text) == tokens.find(second.text)
    with pytest.raises(UnknownToken):
        tokens.find(first.text)


async def test_disabling_ends_both_texts_of_a_rotated_token(database: Database) -> None:
    old = await issue_token(database, "ann", rate_limit=1)
    new = await rotate_token(database, old.token, timedelta(hours=1))
    await change_token(database, new.token.id, disabled=True)
    tokens = Tokens(database)
    await tokens.refresh()

    for text in (old.text, new.text):
        with pytest.raises(AuthenticationFailed, match="disabled"):
            tokens.find(text)


async def test_change_reaches_a_running_gateway_by_itself(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.auth.tokens._POLL_S", 0.01)
    issued = await issue_token(database, "ann", rate_limit=1)
    tokens = Tokens(database)
    await tokens.refresh()

    running = asyncio.create_task(tokens.run())
    await change_token(database, issued.token.id, rate_limit=2)
    async with asyncio.timeout(5):
        while tokens.find(issued.text).daily_limit == 1:  # noqa: ASYNC110 - what is waited for is that it comes unasked
            await asyncio.sleep(0.01)
    running.cancel()


async def test_known_tokens_work_while_the_database_is_away(
    database: Database, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    issued = await issue_token(database, "ann", rate_limit=1)
    tokens = Tokens(database)
    await tokens.refresh()

    async def fail(*_: object) -> None:
        raise DatabaseUnavailable("away")

    monkeypatch.setattr("app.auth.tokens.read_tokens_newer_than", fail)

    assert (await tokens.look_up(issued.text)).username == "ann"
    with pytest.raises(UnknownToken):
        await tokens.look_up(mint())
    assert "those known stay in force" in caplog.text


async def test_first_token_is_made_only_where_there_is_none(database: Database) -> None:
    token = await ensure_first_token(database)
    assert token is not None
    assert await ensure_first_token(database) is None

    (stored,) = await list_tokens(database)
    assert (stored.id, stored.username, stored.rate_limit) == (id_of(token), "first", 1000)
    assert (await Tokens(database).look_up(token)).token_id == stored.id


@sqlite_only
async def test_no_token_is_in_the_files_of_the_database(database: Database, tmp_path: Path) -> None:
    texts = [str(await ensure_first_token(database))]
    issued = await issue_token(database, "ann", rate_limit=1)
    texts += [issued.text, (await rotate_token(database, issued.token, timedelta(hours=1))).text]
    await insert_tokens(database, [replace(issued.token, id="BBBBBBBB", digest=digest_of(IMPORTED))])
    texts.append(IMPORTED)

    files = read_files(tmp_path)

    assert any(digest_of(IMPORTED) in content for content in files)
    for text in texts:
        assert not any(text.encode() in content or text.rpartition("_")[2].encode() in content for content in files)


async def test_token_is_in_no_representation(database: Database) -> None:
    issued = await issue_token(database, "ann", rate_limit=1)

    assert issued.text not in repr(issued)
    assert issued.text not in repr(await find_one(database, text=issued.text))
