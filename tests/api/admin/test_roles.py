"""Every route of the administrators' API, as it is built, before everybody who may come: nobody, a viewer, an admin, a token."""

import re
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.api.admin.logins import SETTINGS, logged_in, visitor
from tests.e2e.gateway import Gateway, running_gateway

VIEWERS_PASSWORD = "vera looks only"
# They would end the session of the one who walks, or say something without an end.
_NOT_WALKED = {("POST", "/admin/api/logout")}

BODIES = pytest.mark.parametrize("body", ["{", "{}"], ids=["no JSON", "empty"])

Route = tuple[str, str, str]
"""Its method, its path, and the role that it asks for."""


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    with running_gateway(tmp_path_factory.mktemp("roles"), environ=SETTINGS) as running:
        yield running


@pytest.fixture(scope="module")
def admin(gateway: Gateway) -> Iterator[httpx.Client]:
    with logged_in(gateway) as client:
        vera = {"name": "vera", "role": "viewer", "password": VIEWERS_PASSWORD}
        client.post("/admin/api/administrators", json=vera).raise_for_status()
        yield client


@pytest.fixture(scope="module")
def routes(gateway: Gateway) -> list[Route]:
    """As the document of the gateway has them."""
    token = gateway.add_token(username="root", admin=True)
    with visitor(gateway, authorization=f"Bearer {token}") as client:
        paths: dict[str, dict[str, Any]] = client.get("/openapi.json").json()["paths"]
    return [
        (method.upper(), path, operation["x-role"])
        for path, operations in paths.items()
        if path.startswith("/admin/api/")
        for method, operation in operations.items()
    ]


def ask(client: httpx.Client, route: Route, body: str = "{") -> int:
    """The status of a route that is asked about what nobody has, with a body that is no JSON."""
    method, path, _ = route
    headers = {"content-type": "application/json"}
    with client.stream(
        method, re.sub(r"\{[^}]*\}", "unknown-thing", path), content=body, headers=headers
    ) as response:  # some answers have no end
        return response.status_code


def test_each_route_says_whom_it_is_for(routes: list[Route]) -> None:
    assert len(routes) > 60
    assert {role for _, _, role in routes} == {"anybody", "viewer", "admin"}
    assert [path for _, path, role in routes if role == "anybody"] == ["/admin/api/login"]


@BODIES
def test_nobody_gets_401_from_every_route_and_is_told_nothing_of_the_body(
    gateway: Gateway, routes: list[Route], body: str
) -> None:
    closed, statuses = [route for route in routes if route[2] != "anybody"], dict[Route, int]()
    for first in range(0, len(closed), 25):
        with visitor(gateway) as nobody:  # thirty failures are heard from an address
            statuses |= {route: ask(nobody, route, body) for route in closed[first : first + 25]}

    assert {route for route, status in statuses.items() if status != 401} == set()


@BODIES
def test_viewer_gets_403_where_only_an_admin_may(
    gateway: Gateway, admin: httpx.Client, routes: list[Route], body: str
) -> None:
    assert admin.get("/admin/api/session").json()["role"] == "admin"
    with logged_in(gateway, "vera", VIEWERS_PASSWORD) as viewer:
        statuses = {route: ask(viewer, route, body) for route in routes if route[:2] not in _NOT_WALKED}

    wrong = {
        route: status
        for route, status in statuses.items()
        if (status == 403) != (route[2] == "admin") or (status == 401 and route[2] != "anybody") or status >= 500
    }
    assert wrong == {}


def test_token_of_an_administrator_may_do_what_an_admin_may_and_no_other_token_may(
    gateway: Gateway, routes: list[Route]
) -> None:
    root, plain = gateway.add_token(username="root", admin=True), gateway.add_token(username="plain")
    # A password and a session are of those who log in.
    of_logins = ("/admin/api/password", "/admin/api/playground/{path}")
    walked = [route for route in routes if route[2] != "anybody" and route[1] not in of_logins]
    with visitor(gateway, authorization=f"Bearer {root}") as client:
        allowed = {route: ask(client, route) for route in walked}
    with visitor(gateway, authorization=f"Bearer {plain}") as client:
        refused = {route: ask(client, route) for route in walked}

    assert {route for route, status in allowed.items() if status in (401, 403, 500)} == set()
    assert {route for route, status in refused.items() if status != 403} == set()


def test_admin_without_the_token_of_the_page_changes_nothing(admin: httpx.Client, routes: list[Route]) -> None:
    changing = [route for route in routes if route[0] != "GET" and route[2] != "anybody"]
    with httpx.Client(base_url=admin.base_url, cookies=admin.cookies, trust_env=False, timeout=30) as forged:
        statuses = {route: ask(forged, route) for route in changing}

    assert {route for route, status in statuses.items() if status != 403} == set()


def test_body_that_is_too_large_is_refused(admin: httpx.Client) -> None:
    answer = admin.post(
        "/admin/api/tokens", content=b" " * (33 * 1024 * 1024), headers={"content-type": "application/json"}
    )

    assert answer.status_code == 413
