"""Reports from sums: a call counts once in totals, and once under each of its tags."""

from datetime import UTC, date, datetime
from decimal import Decimal

import pytest
from sqlalchemy import text

from app.metering.reports import GROUPS, InvalidReport, Reports, select
from app.store.db import Database
from app.store.requests import insert_calls
from app.store.selection import FILTERS, Selection
from app.store.times import MS_PER_DAY
from app.store.usage import Measure, Unit
from tests.store.test_requests import make_row

DAY = 20_000
NOON = DAY * 86_400 + 43_200.0
TODAY = Selection(DAY, DAY)


MEASURED: dict[Measure, str] = {"calls": "calls", "tokens": "total_tokens", "cost": "cost"}


def of(**filters: tuple[str, ...]) -> Selection:
    return Selection(DAY, DAY, filters)


@pytest.fixture
async def reports(database: Database) -> Reports:
    """Of four calls: `a` has two tags and a helper, `b` one tag, `c` none, `d` is of the day before."""
    cost = Decimal("0.5")
    await insert_calls(
        database,
        [
            make_row("a", received_at=NOON, tags="blue,red", cost=cost, alias="fast", client="::1", token_id="T1"),
            make_row(
                "h",
                received_at=NOON,
                tags="blue,red",
                alias="fast",
                token_id="T1",
                client="::1",
                parent_id="a",
                helper="designator",
                model="small",
                cost=Decimal("0.01"),
                charged=False,
            ),
            make_row("b", received_at=NOON + 3600, tags="blue", cost=None, status=500, token_id="T1", username="bob"),
            make_row("c", received_at=NOON, tags="", cost=cost, provider="groq", model="gpt-5", username="bob"),
            make_row("d", received_at=NOON - 86_400, cost=cost),
        ],
    )
    return Reports(database)


async def test_summary_counts_each_call_once_and_all_that_it_cost(reports: Reports) -> None:
    totals = await reports.summary(TODAY)

    assert (totals.calls, totals.helper_calls, totals.ok, totals.errors, totals.charged) == (3, 1, 2, 1, 3)
    assert (totals.cost, totals.unpriced) == (Decimal("1.01"), 1)
    assert totals.usage["searches"] == 4 * 12
    assert totals.prompt_tokens == 4 * (1 + 2 + 3 + 6 + 7 + 8)
    assert totals.completion_tokens == 4 * (4 + 5 + 9 + 10)
    assert totals.total_tokens == totals.prompt_tokens + totals.completion_tokens
    assert (totals.average_ms, totals.average_first_byte_ms) == (9, 7)


async def test_nothing_is_the_summary_of_no_calls(reports: Reports) -> None:
    totals = await reports.summary(Selection(1, 2))

    assert (totals.calls, totals.cost, totals.average_ms) == (0, Decimal(0), None)


async def test_cost_is_unknown_where_no_price_of_any_call_is_known(reports: Reports, database: Database) -> None:
    helper = make_row("g", received_at=NOON - 9 * 86_400, username="eve", parent_id="f", helper="search", cost=None)
    await insert_calls(database, [make_row("f", received_at=NOON - 9 * 86_400, username="eve", cost=None), helper])
    eve = Selection(DAY - 9, DAY, {"users": ("eve",)})

    before = await reports.summary(eve)
    (_, first, *_, last) = await reports.timeseries(Selection(DAY - 10, DAY), "day")
    groups, totals = await reports.by("user", Selection(DAY - 9, DAY))
    free = make_row("e", received_at=NOON - 9 * 86_400, username="eve", parent_id="f", helper="search", cost=Decimal(0))
    await insert_calls(database, [free])
    after = await reports.summary(eve)

    assert (before.calls, before.helper_calls, before.unpriced, before.known_cost) == (1, 1, 2, None)
    assert (first.unpriced, first.known_cost, last.known_cost) == (2, None, Decimal("1.01"))
    assert {each.key: each.totals.known_cost for each in groups} == {
        "ann": Decimal("1.01"),
        "bob": Decimal("0.5"),
        "eve": None,
    }
    assert totals.known_cost == Decimal("1.51")
    assert after.known_cost == 0, "a price of 0 is one"
    assert (await reports.summary(Selection(1, 2))).known_cost == 0


async def test_call_with_two_tags_counts_once_in_totals_and_once_under_each(reports: Reports) -> None:
    groups, totals = await reports.by("tag", TODAY)

    assert {group.key: (group.totals.calls, group.totals.cost) for group in groups} == {
        "blue": (2, Decimal("0.51")),
        "red": (1, Decimal("0.51")),
        "": (1, Decimal("0.5")),
    }
    assert (totals.calls, totals.cost) == (3, Decimal("1.01"))


async def test_dearest_group_comes_first(reports: Reports) -> None:
    groups, _ = await reports.by("model", TODAY)

    assert [group.key for group in groups] == ["openai/gpt-5", "groq/gpt-5", "openai/small"]
    assert groups[2].labels == {"provider": "openai", "model": "small"}
    assert (groups[2].totals.calls, groups[2].totals.helper_calls) == (0, 1)


async def test_token_is_one_group_also_where_its_user_changed(reports: Reports) -> None:
    groups, _ = await reports.by("token", TODAY)

    assert {group.key: (group.labels["username"], group.totals.calls) for group in groups} == {
        "T1": ("ann, bob", 2),
        "AAAAAAAA": ("bob", 1),
    }


async def test_client_has_the_name_of_its_host_where_that_is_known(reports: Reports, database: Database) -> None:
    async with database.begin() as connection:
        await connection.execute(
            text("INSERT INTO client_hosts VALUES ('::1', 'box.example', 1), ('127.0.0.1', NULL, 1)")
        )

    groups, _ = await reports.by("client", TODAY)

    assert {group.key: group.labels for group in groups} == {"::1": {"hostname": "box.example"}, "127.0.0.1": {}}
    assert (await reports.summary(of(clients=("box.example",)))).calls == 1


@pytest.mark.parametrize("group", [group for group in GROUPS if group != "tag"])
async def test_groups_that_are_no_tags_add_up_to_the_totals(reports: Reports, group: str) -> None:
    groups, totals = await reports.by(group, TODAY)

    assert sum(each.totals.calls for each in groups) == totals.calls == 3
    assert sum(each.totals.cost for each in groups) == totals.cost == Decimal("1.01")


@pytest.mark.parametrize(
    ("filters", "calls"),
    [
        ({"tags": ("blue",)}, 2),
        ({"tags": ("blue", "red")}, 2),
        ({"tags": ("lue",)}, 0),
        ({"tags": ("blue,red",)}, 1),
        ({"tags": ("%",)}, 0),
        ({"tags": ("BLUE",)}, 0),
        ({"providers": ("openai",)}, 2),
        ({"models": ("gpt-5",)}, 3),
        ({"models": ("groq/gpt-5",)}, 1),
        ({"models": ("groq/gpt-5", "small")}, 1),
        ({"clients": ("::1",)}, 1),
        ({"aliases": ("fast",)}, 1),
        ({"tokens": ("T1",)}, 2),
        ({"users": ("bob",)}, 2),
        ({"users": ("bob",), "tags": ("blue",)}, 1),
        ({"names": ("gpt",)}, 3),
        ({"surfaces": ("chat", "x")}, 3),
        ({"routers": ("r",)}, 0),
        ({"caches": ()}, 3),
    ],
)
async def test_filters_leave_calls_that_have_one_value_of_each(
    reports: Reports, filters: dict[str, tuple[str, ...]], calls: int
) -> None:
    assert (await reports.summary(of(**filters))).calls == calls
    assert sum(point.calls for point in await reports.timeseries(of(**filters), "hour")) == calls
    assert (await reports.by("user", of(**filters)))[1].calls == calls


async def test_series_has_each_day_of_the_period(reports: Reports) -> None:
    points = await reports.timeseries(Selection(DAY - 2, DAY), "day")

    assert [(point.start, point.calls, point.cost) for point in points] == [
        (datetime.fromtimestamp((DAY - 2) * 86_400, UTC), 0, 0),
        (datetime.fromtimestamp((DAY - 1) * 86_400, UTC), 1, Decimal("0.5")),
        (datetime.fromtimestamp(DAY * 86_400, UTC), 3, Decimal("1.01")),
    ]


async def test_series_by_hours_has_24_a_day(reports: Reports) -> None:
    points = await reports.timeseries(TODAY, "hour")

    assert [point.calls for point in points] == [0] * 12 + [2, 1] + [0] * 10
    assert (points[13].ok, points[13].unpriced, points[13].prompt_tokens) == (0, 1, 27)


async def test_series_of_today_ends_with_this_hour(database: Database) -> None:
    before = datetime.now(UTC).hour

    points = await Reports(database).timeseries(select(days=1), "hour")

    assert len(points) in (before + 1, datetime.now(UTC).hour + 1)


async def test_series_of_too_many_hours_is_refused(reports: Reports) -> None:
    with pytest.raises(InvalidReport, match="31 days"):
        await reports.timeseries(Selection(DAY - 31, DAY), "hour")


@pytest.mark.parametrize("unit", ["day", "hour"])
@pytest.mark.parametrize("group", [group for group in GROUPS if group != "tag"])
async def test_divided_series_adds_up_to_the_series(reports: Reports, group: str, unit: Unit) -> None:
    period = Selection(DAY - 1, DAY)
    divided = await reports.divided(group, period, unit, "cost")
    points = await reports.timeseries(period, unit)
    groups, _ = await reports.by(group, period)

    assert divided.starts == [point.start for point in points]
    assert [each.key for each in divided.lines] == [each.key for each in groups]
    assert [line.whole for line in divided.lines] == [each.totals.known_cost for each in groups]
    for measure, name in MEASURED.items():
        lines = (await reports.divided(group, period, unit, measure)).lines
        sums = [sum(each or 0 for each in at) for at in zip(*(line.values for line in lines), strict=True)]
        assert sums == [getattr(point, name) for point in points]


async def test_divided_series_has_five_groups_and_all_others_together(database: Database) -> None:
    rows = [
        make_row(f"{user}{number}", received_at=NOON, username=user, cost=None if user == "g" else Decimal(1))
        for times, user in enumerate("gfedcba", 1)
        for number in range(times)
    ]
    await insert_calls(database, rows)

    divided = await Reports(database).divided("user", Selection(DAY, DAY), "day", "calls")
    dearest = await Reports(database).divided("user", Selection(DAY, DAY), "day", "cost")
    of_some = await Reports(database).divided("user", of(users=("a", "b")), "day", "calls")

    assert [(line.key, [*line.values]) for line in divided.lines] == [
        ("a", [7]), ("b", [6]), ("c", [5]), ("d", [4]), ("e", [3]),
    ]  # fmt: skip
    assert divided.others is not None
    assert (divided.count, divided.others.whole) == (2, 3)
    assert [line.whole for line in dearest.lines] == [7, 6, 5, 4, 3]
    assert dearest.others is not None
    assert dearest.others.values == [Decimal(2)]
    assert [line.key for line in of_some.lines] == ["a", "b"]
    assert of_some.others is None


async def test_call_with_two_tags_is_in_the_series_of_each(database: Database) -> None:
    tags = ["a,b", "a,b", "a,c", "a", "d,e", "d,e", "f,g", "b,c", "", "", "ab"]
    await insert_calls(database, [make_row(str(n), received_at=NOON, tags=each) for n, each in enumerate(tags)])

    divided = await Reports(database).divided("tag", Selection(DAY, DAY), "day", "calls")

    # None is a tag here, as in other reports; "e" comes sixth by its name.
    assert [(line.key, line.whole) for line in divided.lines] == [
        ("a", 4), ("b", 3), ("", 2), ("c", 2), ("d", 2),
    ]  # fmt: skip
    assert divided.others is not None
    assert (divided.count, divided.others.whole) == (4, 5)


async def test_divided_series_of_no_calls_has_no_groups(database: Database) -> None:
    divided = await Reports(database).divided("model", TODAY, "hour", "tokens")

    assert (len(divided.starts), divided.lines, divided.others) == (24, [], None)


async def test_what_there_is_to_filter_by_is_of_the_period(reports: Reports) -> None:
    values = await reports.values(TODAY)

    assert values.keys() == FILTERS.keys()
    assert values["tags"] == ["blue", "red"]
    assert values["models"] == ["gpt-5", "small"]
    assert values["tokens"] == ["AAAAAAAA", "T1"]
    assert values["aliases"] == ["fast"]


async def test_costs_that_no_column_could_hold_are_summed_exactly(database: Database) -> None:
    rows = [make_row(f"{number}", received_at=NOON, name=f"n{number}", cost=Decimal(99_999)) for number in range(200)]
    await insert_calls(database, rows)

    assert (await Reports(database).summary(TODAY)).cost == 200 * 99_999


@pytest.mark.parametrize(
    ("asked", "first", "last"),
    [
        ({}, DAY - 29, DAY),
        ({"days": 1}, DAY, DAY),
        ({"start": date(2024, 10, 1)}, DAY - 3, DAY),
        ({"start": date(2024, 10, 1), "end": date(2024, 10, 2)}, DAY - 3, DAY - 2),
        ({"end": date(2024, 10, 4)}, DAY - 29, DAY),
    ],
)
def test_period_is_of_whole_days(asked: dict[str, object], first: int, last: int) -> None:
    selection = select(**asked, clock=lambda: DAY * MS_PER_DAY + 5)  # type: ignore[arg-type]

    assert (selection.first_day, selection.last_day) == (first, last)


@pytest.mark.parametrize(
    ("asked", "param"),
    [
        ({"days": 1, "start": date(2024, 1, 1)}, "days"),
        ({"start": date(2024, 1, 2), "end": date(2024, 1, 1)}, "start"),
        ({"start": date(1990, 1, 2)}, "start"),
        ({"filters": {"tags": ["x"] * 201}}, "tags"),
    ],
)
def test_period_that_cannot_be_is_refused_with_the_parameter_at_fault(asked: dict[str, object], param: str) -> None:
    with pytest.raises(InvalidReport) as caught:
        select(**asked)  # type: ignore[arg-type]

    assert caught.value.param == param
