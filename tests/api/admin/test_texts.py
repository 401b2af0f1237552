"""Texts that PostgreSQL cannot hold, sent to a real gateway on one."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.api.admin.logins import PASSWORD, SETTINGS, logged_in, visitor
from tests.e2e.gateway import Gateway, running_gateway
from tests.postgres import Postgres

API = "/admin/api"
LITERAL = r"not a NUL: \u0000"


@pytest.fixture(scope="module")
def gateway(postgres: Postgres, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    environ = SETTINGS | {"DATABASE_URL": postgres.url(postgres.create())}
    with running_gateway(tmp_path_factory.mktemp("texts"), environ=environ) as running:
        yield running


@pytest.mark.parametrize(
    ("method", "path", "body", "param"),
    [
        ("GET", "/tokens/a%00b", None, "token_id"),
        ("GET", "/usage/requests/%00", None, "request_id"),
        ("GET", "/audit?actor=%00", None, "actor"),
        ("GET", "/monitors?q=a%00", None, "q"),
        ("POST", "/tokens", {"username": "ann", "tags": ["a\0b"]}, "tags"),
        ("PUT", "/providers/acme", {"base_url": "http://127.0.0.1:1/v1", "headers": {"x\0": ""}}, "headers"),
        ("POST", "/login", {"name": "a\0", "password": PASSWORD}, "name"),
    ],
)
def test_nul_is_refused_by_the_name_of_what_holds_it(
    gateway: Gateway, method: str, path: str, body: Any, param: str
) -> None:
    with logged_in(gateway) as admin:
        answer = admin.request(method, f"{API}{path}", json=body)

    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "invalid_parameters")
    assert answer.json()["error"]["param"] == param


def test_nul_is_told_of_to_those_only_who_may_ask(gateway: Gateway) -> None:
    with visitor(gateway) as guest:
        answer = guest.get(f"{API}/tokens/%00")

    assert answer.status_code == 401


def test_login_form_with_nul_is_a_wrong_name(gateway: Gateway) -> None:
    with visitor(gateway) as guest:
        form = guest.get("/admin/login").text
        token = form.partition('name="form_token" value="')[2].partition('"')[0]
        answer = guest.post("/admin/login", data={"form_token": token, "name": "a\0", "password": PASSWORD})

    assert answer.status_code == 401
    assert "The name or the password is wrong." in answer.text


def test_text_that_only_spells_nul_and_calls_of_the_playground_are_as_they_are(gateway: Gateway) -> None:
    call = {"model": "demo", "messages": [{"role": "user", "content": "a\0b"}]}
    with logged_in(gateway) as admin:
        answers = [
            admin.post(f"{API}/names/explain", json={"request": {"model": "demo", "user": LITERAL}}),
            admin.post(f"{API}/playground/v1/chat/completions", json=call),
        ]

    assert [answer.status_code for answer in answers] == [200, 200]
