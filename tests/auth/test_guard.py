"""The guard: who may come in, who is told why not, who is not even heard."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence
from ipaddress import ip_network

import pytest

from app.auth.anonymous import Anonymous
from app.auth.guard import MAX_FAILURES_PER_MINUTE, Guard, failure_limiter
from app.auth.issue import Issued, issue_token
from app.auth.quota import Quota
from app.auth.tokens import Tokens
from app.core.errors import AuthenticationFailed, PermissionDenied, QuotaExceeded, RateLimited
from app.store.db import Database
from app.store.tokens import change_token
from tests.databases import sqlite_only

pytestmark = sqlite_only  # the guard itself asks no database; what it asks has tests on both

CLIENT = "192.0.2.1"


@pytest.fixture
async def issued(database: Database) -> Issued:
    return await issue_token(database, "ann", rate_limit=1)


@pytest.fixture
async def guard(database: Database) -> AsyncIterator[Guard]:
    quota = Quota(database, "worker")
    tokens = Tokens(database)
    await tokens.refresh()
    yield Guard(tokens, quota, failure_limiter())
    await quota.aclose()


async def fail(guard: Guard, times: int, client: str = CLIENT) -> None:
    for _ in range(times):
        with pytest.raises(AuthenticationFailed):
            await guard.identify("Bearer short", client)


@pytest.mark.parametrize("scheme", ["Bearer ", "bearer ", "BEARER   "])
async def test_bearer_of_a_token_is_identified_however_the_scheme_is_written(
    guard: Guard, issued: Issued, scheme: str
) -> None:
    principal = await guard.identify(scheme + issued.text, CLIENT)

    assert principal.username == "ann"


@pytest.mark.parametrize(
    ("authorization", "words"),
    [
        (None, "No token"),
        ("", "No token"),
        ("Bearer", "No token"),
        ("Bearer ", "No token"),
        ("Basic YTpi", "No token"),
        ("Bearer lr_cut", "malformed"),
        (f"Bearer lr_AAAAAAAA_{'1' * 43}", "unknown"),
    ],
)
async def test_caller_that_is_not_known_gets_401_with_a_challenge(
    guard: Guard, authorization: str | None, words: str
) -> None:
    with pytest.raises(AuthenticationFailed, match=words) as error:
        await guard.identify(authorization, CLIENT)

    assert (error.value.status, error.value.code) == (401, "invalid_api_key")
    assert ("www-authenticate", "Bearer") in error.value.headers


LAN = [ip_network("192.0.2.0/24"), ip_network("2001:db8::/32")]


def anonymous_guard(tokens: Tokens, username: str = "ann", origins: Sequence[str] = ()) -> Guard:
    """One that lets callers without a token in from `LAN`; it admits none."""
    return Guard(tokens, None, failure_limiter(), Anonymous(tokens, username, LAN, origins))  # type: ignore[arg-type]


@pytest.fixture
async def tokens(database: Database) -> Tokens:
    await issue_token(database, "ann", rate_limit=1)
    tokens = Tokens(database)
    await tokens.refresh()
    return tokens


@pytest.mark.parametrize("client", [CLIENT, "::ffff:192.0.2.1", "2001:db8::7", "2001:db8::7%eth0"])
@pytest.mark.parametrize("authorization", [None, "", "Bearer", "Bearer "])
async def test_caller_without_a_token_is_the_user_at_an_address_where_that_is_allowed(
    tokens: Tokens, authorization: str | None, client: str
) -> None:
    guard = anonymous_guard(tokens)

    principal = await guard.identify(authorization, client, headers={})

    assert (principal.username, principal.anonymous) == ("ann", True)
    assert await guard.identify(authorization, client, headers={}) is principal


@pytest.mark.parametrize("client", ["198.51.100.1", "::ffff:198.51.100.1", "::1", "", "unix:"])
async def test_caller_without_a_token_is_refused_at_any_other_address(tokens: Tokens, client: str) -> None:
    with pytest.raises(AuthenticationFailed, match="No token was sent"):
        await anonymous_guard(tokens).identify(None, client, headers={})


async def test_caller_without_a_token_is_refused_where_the_route_is_not_for_such(tokens: Tokens) -> None:
    with pytest.raises(AuthenticationFailed, match="No token was sent"):
        await anonymous_guard(tokens).identify(None, CLIENT)


@pytest.mark.parametrize("authorization", ["Bearer ollama", f"Bearer lr_AAAAAAAA_{'1' * 43}", "Basic YTpi", "Digest"])
async def test_wrong_token_is_refused_also_where_none_is_needed(tokens: Tokens, authorization: str) -> None:
    with pytest.raises(AuthenticationFailed):
        await anonymous_guard(tokens).identify(authorization, CLIENT, headers={})


PAGE = "https://chat.example.com"


def asked_by(origin: str | None, host: str = "192.0.2.9:8080") -> dict[bytes, bytes]:
    """The headers of a call by a page of that origin."""
    return {b"host": host.encode(), **({} if origin is None else {b"origin": origin.encode()})}


@pytest.mark.parametrize(
    "headers",
    [
        asked_by(None),
        asked_by(""),
        asked_by(PAGE),
        asked_by("HTTPS://Chat.Example.com"),
        asked_by("http://192.0.2.9:8080"),
        asked_by("http://[2001:db8::1]", "[2001:db8::1]"),
        asked_by("http://localhost:8080", "localhost:8080"),
        asked_by("https://Relay", "relay"),
        asked_by("http://relay.local:8080", "relay.local:8080"),
    ],
)
async def test_page_that_may_calls_without_a_token(tokens: Tokens, headers: dict[bytes, bytes]) -> None:
    guard = anonymous_guard(tokens, origins=(PAGE,))

    assert (await guard.identify(None, CLIENT, headers=headers)).username == "ann"


@pytest.mark.parametrize(
    "headers",
    [
        asked_by("https://evil.example"),
        asked_by("http://chat.example.com"),
        asked_by("https://chat.example.com:444"),
        asked_by("https://chat.example.com.evil.example"),
        asked_by("null"),
        asked_by("null", "null"),
        asked_by("file://"),
        asked_by("http://192.0.2.9"),
        asked_by("http://192.0.2.9:8081"),
        asked_by("http://192.0.2.9:8080.evil.example"),
        asked_by("http://", ""),
        asked_by("ws://192.0.2.9:8080"),
        # By DNS rebinding a page of any public name seems to be one of ours.
        asked_by("http://evil.example:8080", "evil.example:8080"),
        asked_by("http://localhost.evil.example", "localhost.evil.example"),
        asked_by("http://192.0.2.9.evil.example", "192.0.2.9.evil.example"),
        asked_by("http://[2001:db8::1", "[2001:db8::1.evil.example"),
    ],
)
async def test_any_other_page_is_refused_with_the_name_of_the_setting(
    tokens: Tokens, headers: dict[bytes, bytes]
) -> None:
    guard = anonymous_guard(tokens, origins=(PAGE,))

    with pytest.raises(PermissionDenied, match="CORS_ORIGINS") as raised:
        await guard.identify(None, CLIENT, headers=headers)

    assert (raised.value.status, raised.value.code) == (403, "origin_not_allowed")


@pytest.mark.parametrize("origin", ["https://evil.example", "null"])
async def test_all_pages_may_call_where_that_is_wished(tokens: Tokens, origin: str) -> None:
    guard = anonymous_guard(tokens, origins=("*",))

    assert (await guard.identify(None, CLIENT, headers=asked_by(origin))).username == "ann"


async def test_page_at_another_address_is_told_that_it_needs_a_token(tokens: Tokens) -> None:
    with pytest.raises(AuthenticationFailed, match="No token was sent"):
        await anonymous_guard(tokens).identify(None, "198.51.100.1", headers=asked_by("https://evil.example"))


async def test_page_with_a_token_may_call_whoever_it_is_of(database: Database, tokens: Tokens) -> None:
    bob = await issue_token(database, "bob", rate_limit=1)
    await tokens.refresh()

    principal = await anonymous_guard(tokens).identify(
        f"Bearer {bob.text}", CLIENT, headers=asked_by("https://evil.example")
    )

    assert principal.username == "bob"


async def test_token_goes_before_the_user_of_callers_without(database: Database, tokens: Tokens) -> None:
    other = await issue_token(database, "bob", rate_limit=1)
    await tokens.refresh()

    principal = await anonymous_guard(tokens).identify(f"Bearer {other.text}", CLIENT, headers={})

    assert principal.username == "bob"


async def test_oldest_good_token_of_the_user_counts(database: Database, issued: Issued) -> None:
    later = await issue_token(database, "ann", rate_limit=7)
    await change_token(database, later.token.id, created_at=issued.token.created_at + 1)
    tokens = Tokens(database)
    await tokens.refresh()
    guard = anonymous_guard(tokens)
    first = await guard.identify(None, CLIENT, headers={})

    await change_token(database, issued.token.id, disabled=True)
    await tokens.refresh()

    second = await guard.identify(None, CLIENT, headers={})
    assert (first.token_id, second.token_id) == (issued.token.id, later.token.id)
    assert second.daily_limit == 7


async def test_user_without_a_good_token_is_told_of_in_the_log_once_and_not_to_the_client(
    database: Database, issued: Issued, caplog: pytest.LogCaptureFixture
) -> None:
    await change_token(database, issued.token.id, expires_at=1)
    tokens = Tokens(database)
    await tokens.refresh()
    guard = anonymous_guard(tokens)

    for _ in range(2):
        with pytest.raises(AuthenticationFailed, match="Send one in the header") as error:
            await guard.identify(None, CLIENT, headers={})

    assert "ann" not in error.value.message
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert "ANONYMOUS_USER is 'ann', who has no good token" in caplog.text


async def test_user_that_loses_its_token_again_is_told_of_again(
    database: Database, issued: Issued, caplog: pytest.LogCaptureFixture
) -> None:
    tokens = Tokens(database)
    await tokens.refresh()
    guard = anonymous_guard(tokens)

    for disabled in (True, False, True):
        await change_token(database, issued.token.id, disabled=disabled)
        await tokens.refresh()
        with contextlib.suppress(AuthenticationFailed):
            await guard.identify(None, CLIENT, headers={})

    assert len(caplog.records) == 2


async def test_31st_failure_in_a_minute_gets_429_and_is_not_looked_up(
    guard: Guard, issued: Issued, monkeypatch: pytest.MonkeyPatch
) -> None:
    await fail(guard, MAX_FAILURES_PER_MINUTE)
    monkeypatch.setattr(Tokens, "look_up", None)

    for authorization in ("Bearer short", f"Bearer {issued.text}", None):
        with pytest.raises(RateLimited) as error:
            await guard.identify(authorization, CLIENT)

    assert (error.value.status, error.value.code) == (429, "rate_limit_exceeded")
    ((name, seconds),) = error.value.headers
    assert name == "retry-after"
    assert 50 <= int(seconds) <= 60


async def test_failures_of_one_address_are_not_held_against_another(guard: Guard, issued: Issued) -> None:
    await fail(guard, MAX_FAILURES_PER_MINUTE)

    assert (await guard.identify(f"Bearer {issued.text}", "192.0.2.2")).username == "ann"


async def test_30_failures_do_not_keep_a_good_token_out(guard: Guard, issued: Issued) -> None:
    await fail(guard, MAX_FAILURES_PER_MINUTE - 1)

    assert (await guard.identify(f"Bearer {issued.text}", CLIENT)).username == "ann"
    await fail(guard, 1)


async def test_failures_that_come_together_are_all_counted(guard: Guard) -> None:
    results = await asyncio.gather(
        *(guard.identify(None, CLIENT) for _ in range(MAX_FAILURES_PER_MINUTE)), return_exceptions=True
    )
    assert all(isinstance(result, AuthenticationFailed) for result in results)

    with pytest.raises(RateLimited):
        await guard.identify(None, CLIENT)


async def test_address_is_heard_again_when_its_minute_is_over(
    guard: Guard, issued: Issued, monkeypatch: pytest.MonkeyPatch
) -> None:
    await fail(guard, MAX_FAILURES_PER_MINUTE)
    import time

    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now + 61)

    assert (await guard.identify(f"Bearer {issued.text}", CLIENT)).username == "ann"


async def test_unit_that_is_given_back_admits_another_call(guard: Guard, issued: Issued) -> None:
    principal = await guard.identify(f"Bearer {issued.text}", CLIENT)
    admission = await guard.admit(principal)
    with pytest.raises(QuotaExceeded):
        await guard.admit(principal)

    guard.give_back(admission)

    assert (await guard.admit(principal)).remaining == 0
