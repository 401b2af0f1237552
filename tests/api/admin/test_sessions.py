"""Logins on a real gateway: what the cookie is, what else a change needs, and how a login ends."""

import contextlib
import re
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from app.auth.sessions import IDLE_MS, LIFE_MS
from app.store.times import now_ms
from tests.api.admin.logins import COOKIE, PASSWORD, SETTINGS, logged_in, visitor
from tests.e2e.gateway import Gateway, running_gateway

SESSION = "/admin/api/session"


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    with running_gateway(tmp_path_factory.mktemp("sessions"), environ=SETTINGS) as running:
        yield running


@pytest.fixture
def admin(gateway: Gateway) -> Iterator[httpx.Client]:
    with logged_in(gateway) as client:
        yield client


def add(admin: httpx.Client, name: str, role: str = "viewer") -> None:
    body = {"name": name, "role": role, "password": PASSWORD}
    admin.post("/admin/api/administrators", json=body).raise_for_status()


def change_session(gateway: Gateway, session_id: str, **columns: int) -> None:
    """As if time had passed."""
    with contextlib.closing(sqlite3.connect(gateway.database_path)) as connection, connection:
        for name, value in columns.items():
            connection.execute(f"UPDATE admin_sessions SET {name} = ? WHERE id = ?", (value, session_id))


def own_session(client: httpx.Client) -> str:
    sessions = client.get("/admin/api/sessions").json()["sessions"]
    return next(str(each["id"]) for each in sessions if each["current"])


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_cookie_is_out_of_reach_of_scripts_and_of_other_sites(gateway: Gateway, scheme: str) -> None:
    with visitor(gateway, **{"x-forwarded-proto": scheme}) as client:
        form = client.get("/admin/login")
        answer = client.post("/admin/api/login", json={"name": "admin", "password": PASSWORD})

    assert ("; Secure" in form.headers["set-cookie"]) == (scheme == "https")
    attributes = {each.strip().lower() for each in answer.headers["set-cookie"].split(";")[1:]}
    assert {"httponly", "samesite=strict", "path=/admin", f"max-age={LIFE_MS // 1000}"} <= attributes
    assert ("secure" in attributes) == (scheme == "https")
    assert not [each for each in attributes if each.startswith("domain")]


def test_change_needs_the_header_of_its_own_session(gateway: Gateway, admin: httpx.Client) -> None:
    with logged_in(gateway) as other:
        statuses = [
            admin.post("/admin/api/tokens", json={"username": "csrf"}, headers={"x-csrf-token": said}).status_code
            for said in ("", "0" * 64, other.headers["x-csrf-token"], admin.headers["x-csrf-token"])
        ]

    assert statuses == [403, 403, 403, 201]


@pytest.mark.parametrize(("column", "length_ms"), [("seen_at", IDLE_MS), ("expires_at", 0)])
def test_session_is_over_after_two_idle_hours_and_after_twelve_in_any_case(
    gateway: Gateway, admin: httpx.Client, column: str, length_ms: int
) -> None:
    session, now = own_session(admin), now_ms()
    change_session(gateway, session, **{column: now - length_ms + 60_000})
    before = admin.get(SESSION).status_code

    change_session(gateway, session, **{column: now - length_ms - 1})

    assert (before, admin.get(SESSION).status_code) == (200, 401)
    page = admin.get("/admin/tokens")
    assert (page.status_code, page.headers["location"]) == (303, "/admin/login?next=/admin/tokens")
    assert (IDLE_MS, LIFE_MS) == (2 * 3_600_000, 12 * 3_600_000)


@pytest.mark.parametrize("header", [{"x-unattended": "1"}, {"accept": "text/event-stream"}])
def test_what_a_page_asks_by_itself_keeps_no_session_from_being_idle(
    gateway: Gateway, admin: httpx.Client, header: dict[str, str]
) -> None:
    session, seen_at = own_session(admin), now_ms() - 120_000
    change_session(gateway, session, seen_at=seen_at)

    def seen() -> int:
        with contextlib.closing(sqlite3.connect(gateway.database_path)) as connection:
            row = connection.execute("SELECT seen_at FROM admin_sessions WHERE id = ?", (session,)).fetchone()
        return int(row[0])

    assert (admin.get(SESSION, headers=header).status_code, seen()) == (200, seen_at)
    assert admin.get(SESSION).status_code == 200
    assert seen() > seen_at


def test_another_password_ends_all_sessions_of_its_administrator_and_no_other(
    gateway: Gateway, admin: httpx.Client
) -> None:
    add(admin, "paula")
    with logged_in(gateway, "paula") as one, logged_in(gateway, "paula") as two:
        wrong = one.put("/admin/api/password", json={"password": "not it at all", "new_password": "the next one"})
        right = one.put("/admin/api/password", json={"password": PASSWORD, "new_password": "the next one"})
        after = [client.get(SESSION).status_code for client in (one, two, admin)]
    with visitor(gateway) as client:
        old = client.post("/admin/api/login", json={"name": "paula", "password": PASSWORD}).status_code
    with logged_in(gateway, "paula", "the next one") as client:
        new = client.get(SESSION).json()

    assert (wrong.status_code, right.status_code) == (400, 204)
    assert after == [401, 401, 200]
    assert (old, new) == (401, {"name": "paula", "kind": "admin", "role": "viewer"})


def test_session_is_revoked_by_an_admin_and_a_viewer_sees_and_ends_only_their_own(
    gateway: Gateway, admin: httpx.Client
) -> None:
    add(admin, "rita")
    with logged_in(gateway, "rita") as rita, logged_in(gateway, "rita") as elsewhere:
        seen = rita.get("/admin/api/sessions").json()["sessions"]
        of_admin = rita.delete(f"/admin/api/sessions/{own_session(admin)}").status_code
        of_rita = rita.delete(f"/admin/api/sessions/{own_session(elsewhere)}").status_code
        revoked = admin.delete(f"/admin/api/sessions/{own_session(rita)}").status_code
        after = [client.get(SESSION).status_code for client in (admin, elsewhere, rita)]

    assert {each["name"] for each in seen} == {"rita"}
    assert (of_admin, of_rita, revoked) == (404, 204, 204)
    assert after == [200, 401, 401]


def test_logout_ends_the_session_for_whoever_kept_its_cookie(gateway: Gateway) -> None:
    with logged_in(gateway) as client, visitor(gateway) as thief:
        thief.cookies.set(COOKIE, client.cookies[COOKIE])
        before = thief.get(SESSION).status_code
        client.post("/admin/api/logout").raise_for_status()

        assert (before, thief.get(SESSION).status_code) == (200, 401)


def test_login_gives_a_cookie_that_nobody_could_have_set_before(gateway: Gateway) -> None:
    with visitor(gateway) as victim:
        victim.cookies.set(COOKIE, "chosen-by-somebody-else", path="/admin")
        victim.post("/admin/api/login", json={"name": "admin", "password": PASSWORD}).raise_for_status()
        given = [each.value for each in victim.cookies.jar if each.value != "chosen-by-somebody-else"]
    with visitor(gateway) as attacker:
        attacker.cookies.set(COOKIE, "chosen-by-somebody-else")
        status = attacker.get(SESSION).status_code

    assert (len(given), status) == (1, 401)
    with contextlib.closing(sqlite3.connect(gateway.database_path)) as connection:
        assert str(given[0]) not in str(connection.execute("SELECT * FROM admin_sessions").fetchall())


def test_password_of_the_settings_counts_only_while_there_is_no_administrator(gateway: Gateway) -> None:
    gateway.stop()
    gateway.set_environ(ADMIN_PASSWORD="another one, set later")
    gateway.start()

    with visitor(gateway) as client:
        later = client.post("/admin/api/login", json={"name": "admin", "password": "another one, set later"})
    with logged_in(gateway) as client:
        assert client.get(SESSION).status_code == 200
    assert later.status_code == 401


def test_dashboard_that_is_switched_off_has_no_pages_and_no_logins_but_an_api_for_tokens(tmp_path: Path) -> None:
    with running_gateway(tmp_path, environ={"ADMIN_ENABLED": "false", **SETTINGS}) as gateway:
        token = gateway.add_token(username="root", admin=True)
        with visitor(gateway) as client:
            pages = [client.get(path).status_code for path in ("/admin", "/admin/tokens", "/admin/login")]
            login = client.post("/admin/api/login", json={"name": "admin", "password": PASSWORD}).status_code
            by_token = client.get("/admin/api/tokens", headers={"authorization": f"Bearer {token}"}).status_code

    assert (pages, login, by_token) == ([404, 404, 404], 404, 200)


def test_code_of_the_first_visit_works_once_and_is_in_no_log(tmp_path: Path) -> None:
    with running_gateway(tmp_path, environ={"TRUSTED_PROXIES": "127.0.0.1"}) as gateway, visitor(gateway) as client:
        shown = re.search(r"[a-z2-9]{4}(-[a-z2-9]{4}){2}", gateway.output())
        assert shown

        client.get("/admin/setup").raise_for_status()
        answers = []
        for code in ("bbbb-bbbb-bbbb", shown[0], shown[0]):
            form = {"code": code, "password": PASSWORD, "again": PASSWORD}
            answer = client.post("/admin/setup", data=form | {"form_token": client.cookies["llm_relay_form"]})
            answers.append((answer.status_code, answer.headers.get("location")))
        with logged_in(gateway) as admin:
            entries = admin.get("/admin/api/audit").text
        log = gateway.log_file.read_text()

    assert answers == [(400, None), (303, "/admin"), (303, "/admin/login")]
    assert shown[0] not in log + entries
    assert PASSWORD not in log + entries
