"""Alerts over HTTP, asked as an operator's page would."""

from collections.abc import AsyncIterator
from decimal import Decimal
from typing import Any

import httpx
import pytest

from app.api.admin.alerts import alerts_router
from app.api.admin.later import Admin
from app.core.record import Failure
from app.metering.alerts import Alerts
from app.metering.rows import insert_records
from app.store.db import Database
from tests.api.named import authorise_by_name
from tests.calls import make_record

NOW = 1_790_000_000_000
URL = "/admin/api/alerts"
REFUSED = Failure("auth_error", "openai", "gpt-x", 401, "Incorrect API key provided.")
DOWN = Failure("server_error", "xai", "grok", 503, "Overloaded.")
DISMISSAL = {"provider_id": "openai", "model_id": "gpt-x", "status_code": 401, "error_type": "auth_error"}


@pytest.fixture
async def client(database: Database) -> AsyncIterator[httpx.AsyncClient]:
    authorise, alerts = authorise_by_name(), Alerts(database, clock=lambda: NOW)
    app = Admin(lambda: [alerts_router(authorise, alerts)], authorise)
    await insert_records(
        database,
        [
            make_record(id="a", received_at=NOW / 1000 - 60, total_ms=0, cost=Decimal(1), failures=(DOWN, DOWN)),
            make_record(id="b", received_at=NOW / 1000, total_ms=0, cost=Decimal(1), failures=(REFUSED,)),
        ],
    )
    headers = {"authorization": "Bearer root"}
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://relay", headers=headers) as client:
        yield client


async def get(client: httpx.AsyncClient, path: str = "") -> Any:
    return (await client.get(URL + path)).raise_for_status().json()


async def test_list_has_what_went_wrong_the_critical_first(client: httpx.AsyncClient) -> None:
    listed = await get(client)

    assert listed["summary"] == {"critical": 1, "warning": 1, "total": 2}
    assert listed["period_hours"] == 24
    assert listed["alerts"] == [
        DISMISSAL
        | {
            "error_description": "The provider refuses the key, its rights or its credit.",
            "error_message": "Incorrect API key provided.",
            "count": 1,
            "first_seen": "2026-09-21T14:13:20.000Z",
            "last_seen": "2026-09-21T14:13:20.000Z",
            "severity": "critical",
        },
        {
            "provider_id": "xai",
            "model_id": "grok",
            "status_code": 503,
            "error_type": "server_error",
            "error_description": "The provider failed.",
            "error_message": "Overloaded.",
            "count": 2,
            "first_seen": "2026-09-21T14:12:20.000Z",
            "last_seen": "2026-09-21T14:12:20.000Z",
            "severity": "warning",
        },
    ]


async def test_count_is_of_alerts_and_leaves_out_the_dismissed(client: httpx.AsyncClient) -> None:
    before = await get(client, "/count")

    answer = await client.post(f"{URL}/dismiss", json=DISMISSAL)

    assert before == {"count": 2, "critical": 1}
    assert (answer.status_code, answer.json()) == (200, {"dismissed_until": "2026-09-22T14:13:20.000Z"})
    assert await get(client, "/count") == {"count": 1, "critical": 0}
    assert [each["provider_id"] for each in (await get(client))["alerts"]] == ["xai"]


async def test_alert_that_never_was_cannot_be_dismissed(client: httpx.AsyncClient) -> None:
    answer = await client.post(f"{URL}/dismiss", json=DISMISSAL | {"status_code": 403})

    assert answer.status_code == 404
    assert answer.json()["error"]["code"] == "alert_not_found"


@pytest.mark.parametrize("path", ["?hours=0", "?hours=721", "?hours=x", "/count?hours=-1"])
async def test_period_that_is_none_is_refused(client: httpx.AsyncClient, path: str) -> None:
    assert (await client.get(URL + path)).status_code == 400


@pytest.mark.parametrize(("authorization", "status"), [("Bearer ann", 403), ("", 401)])
@pytest.mark.parametrize(("method", "path"), [("GET", ""), ("GET", "/count"), ("POST", "/dismiss")])
async def test_all_of_it_is_for_administrators(
    client: httpx.AsyncClient, authorization: str, status: int, method: str, path: str
) -> None:
    client.headers["authorization"] = authorization

    answer = await client.request(method, URL + path, json=DISMISSAL)

    assert answer.status_code == status
    client.headers["authorization"] = "Bearer root"
    assert (await get(client, "/count"))["count"] == 2
