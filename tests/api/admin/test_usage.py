"""Usage over HTTP where it has no cost: what is not known is not 0."""

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from app.api.admin.usage import usage_router
from app.api.admin.usage_series import series_router
from app.metering.reports import Reports
from app.store.db import Database
from app.store.requests import insert_calls
from tests.api.named import authorise_by_name
from tests.store.test_requests import make_row

NOON = 20_000 * 86_400 + 43_200.0
DAY = "2024-10-04"


@pytest.fixture
async def client(database: Database) -> AsyncIterator[httpx.AsyncClient]:
    """Two calls of `bob` without a price, and one of `ann` on the next day that has one."""
    app = FastAPI()
    app.include_router(usage_router(authorise_by_name(), Reports(database)))
    app.include_router(series_router(authorise_by_name(), Reports(database)))
    rows = [make_row(each, received_at=NOON, username="bob", cost=None) for each in "ab"]
    await insert_calls(database, [*rows, make_row("c", received_at=NOON + 86_400)])
    headers = {"authorization": "Bearer root"}
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://relay", headers=headers) as client:
        yield client


async def get(client: httpx.AsyncClient, path: str, **params: str) -> Any:
    return (await client.get(f"/admin/api/usage/{path}", params=params)).raise_for_status().json()


async def test_cost_is_null_where_no_price_of_any_call_is_known(client: httpx.AsyncClient) -> None:
    summary = await get(client, "summary", start=DAY, end=DAY)
    division = await get(client, "by-user", start=DAY, end="2024-10-05")
    series = await get(client, "timeseries", start="2024-10-03", end="2024-10-05")

    assert (summary["totals"]["cost"], summary["totals"]["unpriced"]) == (None, 2)
    assert {each["key"]: each["cost"] for each in division["groups"]} == {"ann": "0.0123", "bob": None}
    assert division["totals"]["cost"] == "0.0123"
    assert [point["cost"] for point in series["points"]] == ["0", None, "0.0123"]


async def test_series_is_divided_into_those_with_the_most(client: httpx.AsyncClient) -> None:
    period = {"start": "2024-10-03", "end": "2024-10-05"}
    series = await get(client, "series", by="user", measure="calls", **period)
    dearest = await get(client, "series", by="user", **period)
    of_ann = await get(client, "series", by="model", users="ann", **period)

    assert [each[:10] for each in series["starts"]] == ["2024-10-03", "2024-10-04", "2024-10-05"]
    assert [(each["key"], each["values"], each["sum"]) for each in series["groups"]] == [
        ("bob", [0, 2, 0], 2),
        ("ann", [0, 0, 1], 1),
    ]
    assert series["others"] is None
    assert [(each["key"], each["values"], each["sum"]) for each in dearest["groups"]] == [
        ("ann", ["0", "0", "0.0123"], "0.0123"),
        ("bob", ["0", None, "0"], None),
    ]
    assert [(each["model"], each["values"]) for each in of_ann["groups"]] == [("gpt-5", ["0", "0", "0.0123"])]


async def test_comma_of_a_value_is_told_from_those_between_values(
    client: httpx.AsyncClient, database: Database
) -> None:
    await insert_calls(database, [make_row("d", received_at=NOON, username="bob, of sales")])

    one = await get(client, "by-user", start=DAY, end=DAY, users="bob\\, of sales")
    both = await get(client, "by-user", start=DAY, end=DAY, users="bob\\, of sales,bob")

    assert [each["key"] for each in one["groups"]] == ["bob, of sales"]
    assert {each["key"] for each in both["groups"]} == {"bob, of sales", "bob"}
