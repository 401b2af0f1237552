"""Single calls: pages that miss none and show none twice, and files that open safely."""

import csv
import io
import json
from decimal import Decimal
from itertools import pairwise, product
from typing import Any

import pytest
from sqlalchemy import text

from app.core.record import Failure
from app.metering.reports import InvalidReport
from app.metering.requests import COLUMNS, Requests, want
from app.metering.rows import insert_records
from app.store.calls import SORTS
from app.store.db import Database
from app.store.requests import insert_calls
from app.store.selection import Selection
from tests.calls import make_record
from tests.metering.test_reports import DAY, NOON, of
from tests.store.test_requests import make_row

MONTH = Selection(DAY - 30, DAY)
ORDERS = ("asc", "desc")


@pytest.fixture
async def requests(database: Database) -> Requests:
    """60 calls over three days, several at the same moment, with some tags, errors, costs and helpers."""
    rows = []
    for number in range(60):
        moment = NOON - (number // 2) * 5000
        changes: dict[str, Any] = {
            "received_at": moment,
            "tags": "rare" if number % 20 == 3 else "often",
            "status": 500 if number % 7 == 0 else 200,
            "cost": None if number % 5 == 0 else Decimal(number % 4) / 10,
            "total_ms": number % 11,
        }
        rows.append(make_row(f"r{number:02d}", **changes))
        if number % 10 == 3:
            rows.append(make_row(f"h{number:02d}", **changes | {"parent_id": f"r{number:02d}", "helper": "search"}))
    await insert_calls(database, rows)
    return Requests(database)


async def all_pages(requests: Requests, selection: Selection = MONTH, *, limit: int = 7, **asked: Any) -> list[Any]:
    """All calls, read page by page."""
    found: list[Any] = []
    cursor = None
    while True:
        page = await requests.page(want(selection, **asked), limit=limit, cursor=cursor)
        assert len(page.requests) == limit or page.next_cursor is None
        found += page.requests
        cursor = page.next_cursor
        if cursor is None:
            return found


@pytest.mark.parametrize("sort", SORTS)
async def test_pages_in_any_order_show_each_call_once(requests: Requests, sort: str) -> None:
    for order in ORDERS:
        await check_each_is_shown_once(requests, sort, order)


async def check_each_is_shown_once(requests: Requests, sort: str, order: str) -> None:
    found = await all_pages(requests, sort=sort, order=order)

    assert sorted(view["id"] for view in found) == [f"r{number:02d}" for number in range(60)]
    columns = {"timestamp": "received_at", "response_time_ms": "total_ms", "cost": "cost"}
    if column := columns.get(sort):
        values = [
            (view[column] or "-1", view["id"]) if sort != "response_time_ms" else (view[column], view["id"])
            for view in found
        ]
        assert all(a < b if order == "asc" else a > b for a, b in pairwise(values))


@pytest.mark.parametrize(
    ("filters", "status", "matches"),
    [
        ({"tags": ("rare",)}, None, lambda number: number % 20 == 3),
        ({}, "error", lambda number: number % 7 == 0),
        ({}, "success", lambda number: number % 7 != 0),
        ({"tags": ("often",)}, "error", lambda number: number % 7 == 0 and number % 20 != 3),
        ({"tags": ("nobody",)}, None, lambda _: False),
    ],
)
async def test_pages_with_filters_show_each_call_that_is_meant(
    requests: Requests, filters: dict[str, Any], status: str, matches: Any
) -> None:
    expected = [f"r{number:02d}" for number in range(60) if matches(number)]

    for order, limit in product(ORDERS, (1, 2, 50)):
        found = await all_pages(requests, Selection(DAY - 30, DAY, filters), limit=limit, status=status, order=order)

        assert sorted(view["id"] for view in found) == expected
        moments = [view["received_at"] for view in found]
        assert moments == sorted(moments, reverse=order == "desc")


async def test_stream_that_broke_off_is_among_the_errors(database: Database) -> None:
    ends = {"a": (200, "ok"), "b": (200, "client_gone"), "c": (200, "cut"), "d": (200, "error"), "e": (502, "error")}
    rows = [
        make_row(each, received_at=NOON - 4000 * number, status=status, outcome=outcome)
        for number, (each, (status, outcome)) in enumerate(ends.items())
    ]
    await insert_calls(database, rows)
    requests = Requests(database)

    ends_of = (("error", {"c", "d", "e"}), ("success", {"a", "b"}))
    for sort, filters, (status, expected) in product(SORTS, ({}, {"users": ("ann",)}), ends_of):
        selection = Selection(DAY - 30, DAY, filters)
        found = await all_pages(requests, selection, limit=1, sort=sort, status=status)
        total = (await requests.page(want(selection, status=status), with_total=True)).total  # type: ignore[arg-type]
        assert {view["id"] for view in found} == expected
        assert total == len(expected)


@pytest.fixture
async def many(database: Database) -> tuple[Requests, list[dict[str, Any]]]:
    """200 calls over 130 days, few of them of a seldom user, and the rows that they were made of."""
    rows = [
        make_row(
            f"r{number:03d}",
            received_at=NOON - number * 56_000,
            username="seldom" if number % 67 == 0 else "often",
            model="small" if number % 2 else "large",
            status=500 if number % 9 == 0 else 200,
            cost=None if number % 5 == 0 else Decimal(number * 7 % 40) / 10,
            input_tokens=number * 13 % 50,
            output_tokens=number * 17 % 50,
            total_ms=number * 19 % 50,
        )
        for number in range(200)
    ]
    await insert_calls(database, rows)
    return Requests(database), rows


VALUES: dict[str, Any] = {
    "cost": lambda row: Decimal(-1) if row["cost"] is None else row["cost"],
    "input_tokens": lambda row: row["input_tokens"],
    "output_tokens": lambda row: row["output_tokens"],
    "response_time_ms": lambda row: row["total_ms"],
}


@pytest.mark.parametrize("sort", VALUES)
async def test_pages_by_anything_but_time_are_in_order_over_all_days(
    many: tuple[Requests, list[dict[str, Any]]], sort: str
) -> None:
    selected: tuple[tuple[dict[str, Any], str | None], ...] = (
        ({}, None),
        ({}, "error"),
        ({"models": ("small",)}, None),
        ({"users": ("seldom",)}, None),
        ({"users": ("nobody",)}, None),
    )
    for (filters, status), order in product(selected, ORDERS):
        await check_order(*many, sort, order, filters, status)


async def check_order(
    requests: Requests, rows: list[dict[str, Any]], sort: str, order: str, filters: dict[str, Any], status: str | None
) -> None:
    found = await all_pages(
        requests, Selection(DAY - 200, DAY, filters), limit=45, sort=sort, order=order, status=status
    )

    meant = [
        row
        for row in rows
        if row["model"] in filters.get("models", ("small", "large"))
        and row["username"] in filters.get("users", ("seldom", "often"))
        and (status is None or row["status"] == 500)
    ]
    meant.sort(key=lambda row: (VALUES[sort](row), row["id"]), reverse=order == "desc")
    assert [view["id"] for view in found] == [row["id"] for row in meant]


async def test_page_by_cost_takes_many_values_of_filters(many: tuple[Requests, list[dict[str, Any]]]) -> None:
    names = ("often", *(f"nobody{number}" for number in range(39)))
    filters = dict.fromkeys(("users", "models", "clients", "tags", "names"), names)
    filters |= {
        "models": ("small", *names),
        "clients": ("127.0.0.1", *names),
        "tags": ("a", *names),
        "names": ("gpt", *names),
    }

    page = await many[0].page(want(Selection(DAY - 200, DAY, filters), sort="cost"), limit=100)

    assert [view["model"] for view in page.requests] == ["small"] * 99


@pytest.mark.parametrize("order", ["asc", "desc"])
async def test_calls_that_are_no_longer_kept_leave_no_gap_in_pages(
    requests: Requests, database: Database, order: str
) -> None:
    async with database.begin() as connection:
        await connection.execute(text("DELETE FROM request_logs WHERE substr(id, 2) > '31'"))

    found = await all_pages(requests, of_month(tags=("often",)), limit=3, order=order)

    assert len(found) == 32 - 2
    page = await requests.page(want(of_month(tags=("often",))), with_total=True)
    assert page.total == 32 - 2


def of_month(**filters: tuple[str, ...]) -> Selection:
    return Selection(DAY - 30, DAY, filters)


@pytest.mark.parametrize(
    ("asked", "total"),
    [({}, 60), ({"helpers": True}, 66), ({"status": "error"}, 9), ({"status": "success"}, 51)],
)
async def test_total_is_counted_where_it_is_asked_for(requests: Requests, asked: dict[str, Any], total: int) -> None:
    page = await requests.page(want(MONTH, **asked), limit=2, with_total=True)
    second = await requests.page(want(MONTH, **asked), limit=2, cursor=page.next_cursor, with_total=True)

    assert (page.total, second.total) == (total, total)
    assert (await requests.page(want(MONTH))).total is None


async def test_helpers_are_shown_where_they_are_asked_for(requests: Requests) -> None:
    found = await all_pages(requests, helpers=True)

    assert len(found) == 66
    assert {view["parent_id"] for view in found if view["helper"]} == {
        f"r{number}" for number in ("03", 13, 23, 33, 43, 53)
    }


async def test_call_has_its_own_cost_and_that_of_its_helpers(requests: Requests) -> None:
    found = await requests.one("r13")

    assert found is not None
    view, helpers = found
    assert [helper["id"] for helper in helpers] == ["h13"]
    assert (view["cost"], helpers[0]["cost"], view["total_cost"], view["helper_calls"]) == ("0.1", "0.1", "0.2", 1)
    (same,) = [each for each in await all_pages(requests) if each["id"] == "r13"]
    assert same == view


async def test_cost_that_is_not_known_is_none_and_said_to_be_missing(database: Database) -> None:
    await insert_calls(
        database,
        [
            make_row("a", received_at=NOON, cost=None),
            make_row("b", received_at=NOON, cost=Decimal(1)),
            make_row("c", received_at=NOON, cost=None, parent_id="b", helper="search"),
        ],
    )

    views = {str(view["id"]): view for view in await all_pages(Requests(database))}

    assert (views["a"]["total_cost"], views["a"]["helper_unpriced"]) == (None, 0)
    assert (views["b"]["total_cost"], views["b"]["helper_unpriced"]) == ("1", 1)


async def test_call_that_is_not_there_is_none(requests: Requests) -> None:
    assert await requests.one("nobody") is None


@pytest.mark.parametrize("cursor", ["", "x", "bm8", "!!!!", "W10", "WyJ0aW1lc3RhbXAiLCJkZXNjIiwieCIsIngiXQ", "\udcff"])
async def test_cursor_that_no_page_gave_is_refused(requests: Requests, cursor: str) -> None:
    with pytest.raises(InvalidReport, match="cursor"):
        await requests.page(want(MONTH), cursor=cursor)


async def test_cursor_of_another_order_is_refused(requests: Requests) -> None:
    page = await requests.page(want(MONTH), limit=2)

    with pytest.raises(InvalidReport, match="another sort"):
        await requests.page(want(MONTH, sort="cost"), limit=2, cursor=page.next_cursor)


async def test_file_of_lines_has_all_calls_in_their_order(requests: Requests, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.metering.requests.MAX_LIMIT", 7)

    pieces = [piece async for piece in requests.export(want(MONTH, helpers=True, order="asc"), "jsonl")]

    views = [json.loads(line) for line in b"".join(pieces).splitlines()]
    assert len(views) == 66
    assert len(pieces) == 10
    assert all(tuple(view) == COLUMNS for view in views)
    moments = [view["received_at"] for view in views]
    assert moments == sorted(moments)


async def test_table_of_no_calls_has_its_titles(requests: Requests) -> None:
    pieces = [piece async for piece in requests.export(want(of(tags=("nobody",))), "csv")]

    assert b"".join(pieces).decode() == ",".join(COLUMNS) + "\r\n"


@pytest.mark.parametrize(
    ("name", "cell"),
    [
        ("=1+1", "'=1+1"),
        ('a"b,c\nd', 'a"b,c\nd'),
        ("gpt-5", "gpt-5"),
    ],
)
async def test_cell_that_a_spreadsheet_would_take_for_a_formula_gets_a_quote(
    database: Database, name: str, cell: str
) -> None:
    await insert_calls(database, [make_row("a", received_at=NOON, name=name, tags="x,y", cost=Decimal("0.5"))])

    pieces = [piece async for piece in Requests(database).export(want(of()), "csv")]

    (row,) = csv.DictReader(io.StringIO(b"".join(pieces).decode(), newline=""))
    assert row["name"] == cell
    assert (row["tags"], row["cost"], row["streamed"], row["alias"], row["prompt_tokens"]) == (
        "x,y",
        "0.5",
        "true",
        "",
        "27",
    )


async def test_calls_are_found_by_an_attempt_that_failed_also_where_a_further_one_answered(database: Database) -> None:
    down = Failure("server_error", "acme", "m/1", 503, 'They said: "provider":"other","model":"m",')
    times = {"received_at": NOON, "cost": Decimal(1)}
    records = [
        make_record(id="saved", failures=(down,), provider="other", model="m", **times),
        make_record(id="plain", provider="acme", model="m/1", **times),
    ]
    await insert_records(database, records)
    requests = Requests(database)

    for sort in SORTS:
        page = await requests.page(want(MONTH, failed="acme/m/1", sort=sort), with_total=True)
        assert ([each["id"] for each in page.requests], page.total) == (["saved"], 1)
    assert await all_pages(requests, failed="other/m") == []
