"""Who may read `/metrics`."""

from ipaddress import ip_network

import httpx
import pytest
from fastapi import FastAPI

from app.api.client_address import address_reader
from app.api.errors import on_relay_error
from app.api.metrics import metrics_router
from app.core.errors import RelayError
from tests.api.named import authorise_by_name


async def render(accept: str) -> tuple[bytes, str]:
    return f"asked for {accept}".encode(), "text/plain; version=1.0.0"


async def ask(address: str, token: str = "", cidrs: tuple[str, ...] = ("10.0.0.0/8",)) -> httpx.Response:
    networks = [ip_network(each) for each in cidrs]
    app = FastAPI()
    app.include_router(metrics_router(render, authorise_by_name(), address_reader(()), networks))
    app.add_exception_handler(RelayError, on_relay_error)
    transport = httpx.ASGITransport(app, client=(address, 1))
    headers = {"accept": "text/plain"} | ({"authorization": f"Bearer {token}"} if token else {})
    async with httpx.AsyncClient(transport=transport, base_url="http://relay") as client:
        return await client.get("/metrics", headers=headers)


@pytest.mark.parametrize(("address", "token"), [("10.1.2.3", ""), ("192.0.2.1", "root")])
async def test_address_that_is_named_and_administrators_may(address: str, token: str) -> None:
    answer = await ask(address, token)

    assert (answer.status_code, answer.text) == (200, "asked for text/plain")
    assert answer.headers["content-type"] == "text/plain; version=1.0.0"


@pytest.mark.parametrize(("token", "status"), [("", 401), ("ann", 403)])
@pytest.mark.parametrize("cidrs", [(), ("10.0.0.0/8",)])
async def test_nobody_else_may(token: str, status: int, cidrs: tuple[str, ...]) -> None:
    answer = await ask("192.0.2.1", token, cidrs)

    assert answer.status_code == status
    assert "asked for" not in answer.text
