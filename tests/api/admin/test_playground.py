"""Calls to models by administrators: who may make them, and that they are recorded as theirs."""

import asyncio
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import httpx
import pytest

from app.auth.administrators import AdministratorDesk
from app.store.db import open_database
from tests.browser.viewer import PASSWORD
from tests.e2e.gateway import Gateway, running_gateway

CHAT = "/admin/api/playground/v1/chat/completions"
ASKED = {"model": "demo", "messages": [{"role": "user", "content": "Hi"}]}


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """With the administrator `admin` and the viewer `onlooker`."""
    environ = {"ADMIN_PASSWORD": PASSWORD}
    with running_gateway(tmp_path_factory.mktemp("playground"), environ=environ) as running:
        with ThreadPoolExecutor(1) as pool:
            pool.submit(asyncio.run, add_viewer(running, "onlooker")).result()
        yield running


@pytest.fixture(scope="module")
def admin(gateway: Gateway) -> Iterator[httpx.Client]:
    with logged_in(gateway, "admin") as client:
        yield client


async def add_viewer(gateway: Gateway, name: str) -> None:
    database = open_database(gateway.database_url)
    try:
        await AdministratorDesk(database).add(name, "viewer", PASSWORD)
    finally:
        await database.aclose()


@contextmanager
def logged_in(gateway: Gateway, name: str) -> Iterator[httpx.Client]:
    """A client that has the login's cookie, and says its CSRF token."""
    with httpx.Client(base_url=gateway.base_url, trust_env=False, timeout=30) as client:
        told = client.post("/admin/api/login", json={"name": name, "password": PASSWORD}).raise_for_status().json()
        client.headers["x-csrf-token"] = told["csrf_token"]
        yield client


@pytest.mark.parametrize(
    ("path", "body", "surface"),
    [
        ("v1/chat/completions", ASKED, "chat"),
        ("v1/responses", {"model": "demo", "input": "Hi"}, "responses"),
        ("v1/messages", {**ASKED, "max_tokens": 9}, "messages"),
        ("api/chat", {**ASKED, "stream": False}, "ollama-chat"),
        ("v1beta/models/demo:generateContent", {"contents": [{"parts": [{"text": "Hi"}]}]}, "generate"),
    ],
)
def test_administrator_calls_in_every_dialect_as_themselves(
    admin: httpx.Client, gateway: Gateway, path: str, body: dict[str, object], surface: str
) -> None:
    answer = admin.post(f"/admin/api/playground/{path}", json=body)

    assert answer.status_code == 200
    assert "built-in demo" in answer.text
    assert "x-ratelimit-limit-requests" not in answer.headers
    row = gateway.row_of(answer.headers["x-request-id"])
    assert (row["username"], row["token_id"], row["tags"]) == ("admin:admin", "(admin)", "playground")
    assert (row["surface"], row["outcome"], row["cost"] is not None) == (surface, "ok", True)


def test_call_needs_a_login_of_an_admin_and_its_csrf_token(admin: httpx.Client, gateway: Gateway) -> None:
    token = gateway.add_token(username="root", admin=True)
    with httpx.Client(base_url=gateway.base_url, trust_env=False) as nobody, logged_in(gateway, "onlooker") as viewer:
        refusals = [
            nobody.post(CHAT, json=ASKED),
            nobody.post(CHAT, json=ASKED, headers={"authorization": f"Bearer {token}"}),
            viewer.post(CHAT, json=ASKED),
            admin.post(CHAT, json=ASKED, headers={"x-csrf-token": "another's"}),
        ]
        names = viewer.get("/admin/api/playground/names").json()["names"]

    assert [each.status_code for each in refusals] == [401, 403, 403, 403]
    assert [each["name"] for each in names] == ["demo"]


def test_errors_are_those_of_the_path_that_is_called(admin: httpx.Client) -> None:
    unknown = admin.post("/admin/api/playground/v1/messages", json={**ASKED, "model": "nobody", "max_tokens": 9})
    nowhere = admin.post("/admin/api/playground/v1/nowhere", json={})

    assert (unknown.status_code, unknown.json()["type"]) == (404, "error")
    assert nowhere.status_code == 404
