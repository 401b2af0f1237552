"""Administrators over HTTP on a real gateway: let in, changed and removed, and never the last of them."""

from collections.abc import Iterator

import httpx
import pytest

from tests.api.admin.logins import PASSWORD, SETTINGS, logged_in
from tests.e2e.gateway import Gateway, running_gateway

ADMINISTRATORS = "/admin/api/administrators"


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    with running_gateway(tmp_path_factory.mktemp("administrators"), environ=SETTINGS) as running:
        yield running


@pytest.fixture(scope="module")
def admin(gateway: Gateway) -> Iterator[httpx.Client]:
    with logged_in(gateway) as client:
        yield client


def test_administrator_is_let_in_changed_and_removed(gateway: Gateway, admin: httpx.Client) -> None:
    made = admin.post(ADMINISTRATORS, json={"name": "vera", "role": "viewer", "password": "vera's own one"})
    with logged_in(gateway, "vera", "vera's own one") as vera:
        as_viewer = vera.get(ADMINISTRATORS).status_code
        promoted = admin.patch(f"{ADMINISTRATORS}/vera", json={"role": "admin"})
        as_admin = vera.get(ADMINISTRATORS)
        admin.patch(f"{ADMINISTRATORS}/vera", json={"password": "another one"}).raise_for_status()
        after_password = vera.get(ADMINISTRATORS).status_code
    with logged_in(gateway, "vera", "another one") as vera:
        removed = admin.delete(f"{ADMINISTRATORS}/vera").status_code
        after_removal = vera.get("/admin/api/session").status_code

    assert (made.status_code, made.json()["role"]) == (201, "viewer")
    assert (as_viewer, promoted.json()["role"], as_admin.status_code) == (403, "admin", 200)
    assert [each["name"] for each in as_admin.json()["administrators"]] == ["admin", "vera"]
    assert "argon2" not in as_admin.text
    assert (after_password, removed, after_removal) == (401, 204, 401)
    entries = admin.get("/admin/api/audit", params={"actor": "admin:admin"}).json()["entries"]
    assert [each["action"] for each in entries if each["subject"] == "vera"] == [
        "administrator.delete",
        "administrator.password",
        "administrator.role",
        "administrator.add",
    ]
    assert "another one" not in str(entries)


@pytest.mark.parametrize(
    ("method", "path", "body", "refused"),
    [
        ("POST", "", {"name": "admin", "password": PASSWORD}, (409, "administrator_exists")),
        ("POST", "", {"name": "a b", "password": PASSWORD}, (400, "invalid_parameters")),
        ("POST", "", {"name": "ann", "password": "short"}, (400, "invalid_parameters")),
        ("POST", "", {"name": "ann", "role": "owner", "password": PASSWORD}, (400, "invalid_parameters")),
        ("PATCH", "/admin", {"role": "viewer"}, (409, "last_administrator")),
        ("PATCH", "/admin", {"role": "owner"}, (400, "invalid_parameters")),
        ("PATCH", "/nobody", {"role": "viewer"}, (404, "administrator_not_found")),
        ("PATCH", "/nobody", {"password": PASSWORD}, (404, "administrator_not_found")),
        ("DELETE", "/admin", None, (409, "last_administrator")),
        ("DELETE", "/nobody", None, (404, "administrator_not_found")),
    ],
)
def test_what_cannot_be_is_refused(
    admin: httpx.Client, method: str, path: str, body: dict[str, str] | None, refused: tuple[int, str]
) -> None:
    answer = admin.request(method, f"{ADMINISTRATORS}{path}", json=body)

    assert (answer.status_code, answer.json()["error"]["code"]) == refused
