"""A gateway with a dashboard, and administrators who have logged in to it, each from an address of its own."""

import itertools
from collections.abc import Iterator
from contextlib import contextmanager

import httpx

from tests.e2e.gateway import Gateway

PASSWORD = "correct horse battery"
SETTINGS = {"ADMIN_PASSWORD": PASSWORD, "TRUSTED_PROXIES": "127.0.0.1"}
COOKIE = "llm_relay_session"

_ADDRESSES = (f"203.0.113.{number}" for number in itertools.count(1))


def visitor(gateway: Gateway, **headers: str) -> httpx.Client:
    """Somebody who is not logged in, from an address that nobody else has: logins are limited by address."""
    own = {"x-forwarded-for": next(_ADDRESSES)} | headers
    return httpx.Client(base_url=gateway.base_url, headers=own, trust_env=False, timeout=30)


@contextmanager
def logged_in(gateway: Gateway, name: str = "admin", password: str = PASSWORD) -> Iterator[httpx.Client]:
    """With the cookie of a login, and the header that goes with changes."""
    with visitor(gateway) as client:
        answer = client.post("/admin/api/login", json={"name": name, "password": password})
        answer.raise_for_status()
        client.headers["x-csrf-token"] = answer.json()["csrf_token"]
        yield client
