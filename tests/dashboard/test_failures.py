"""What a page is where it cannot be shown."""

import contextlib
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from app.api.errors import on_relay_error
from app.core.errors import RelayError
from app.dashboard.public import PublicPages
from app.dashboard.rendering import Renderer
from app.dashboard.site import open_site
from tests.api.admin.logins import PASSWORD, SETTINGS, logged_in, visitor
from tests.e2e.gateway import Gateway, running_gateway


class FaultyPages(PublicPages):
    """One that has a defect."""

    def __init__(self, _renderer: Renderer) -> None:
        pass

    def routes(self) -> list[Route]:
        return [Route("/faulty", self.show)]

    async def show(self, _request: Request) -> Response:
        raise LookupError("a defect, and a secret")


@contextlib.contextmanager
def without_administrators(gateway: Gateway) -> Iterator[None]:
    """The database cannot be used for them, for as long as this lasts."""
    tables = ("administrators", "admin_sessions")
    with contextlib.closing(sqlite3.connect(gateway.database_path)) as connection:
        for table in tables:
            connection.execute(f"ALTER TABLE {table} RENAME TO {table}_away")
        yield
        for table in tables:
            connection.execute(f"ALTER TABLE {table}_away RENAME TO {table}")


def test_page_and_login_without_a_database_say_that_it_is_tried_again_and_log_nothing(tmp_path: Path) -> None:
    with running_gateway(tmp_path, environ=SETTINGS) as gateway, logged_in(gateway) as admin, visitor(gateway) as guest:
        form = guest.get("/admin/login")
        token = form.text.partition('name="form_token" value="')[2].partition('"')[0]
        with without_administrators(gateway):
            answers = [
                admin.get("/admin/requests?days=7"),
                guest.get("/admin/login"),
                guest.get("/admin/setup"),
                guest.post("/admin/login", data={"form_token": token, "name": "admin", "password": PASSWORD}),
            ]
        again = admin.get("/admin/requests?days=7")
        logged = gateway.output() + gateway.log_file.read_text()

    assert [answer.status_code for answer in answers] == [503] * 4
    assert all("Try again in a moment." in answer.text for answer in answers)
    assert 'href="/admin/requests?days=7"' in answers[0].text
    assert answers[0].headers["content-security-policy"] == again.headers["content-security-policy"]
    assert again.status_code == 200
    assert "Traceback" not in logged


async def test_defect_is_a_page_without_its_words_and_one_trace(caplog: pytest.LogCaptureFixture) -> None:
    outer = FastAPI(exception_handlers={RelayError: on_relay_error})
    outer.router.routes.append(Route("/faulty", open_site(FaultyPages, None)))
    transport = httpx.ASGITransport(outer, raise_app_exceptions=False)
    raising = httpx.ASGITransport(outer)

    async with httpx.AsyncClient(transport=transport, base_url="http://relay") as client:
        answer = await client.get("/faulty")
    async with httpx.AsyncClient(transport=raising, base_url="http://relay") as client:
        with pytest.raises(LookupError) as raised:  # what the server logs
            await client.get("/faulty")

    assert answer.status_code == 500
    assert "The gateway failed" in answer.text
    assert "secret" not in answer.text
    assert raised.value.__cause__ is None
    assert not caplog.records
