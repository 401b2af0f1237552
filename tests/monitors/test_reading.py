"""Events of Parallel read as updates: the recorded ones, those of the OpenAPI document, and any others."""

import json
from typing import Any

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.core.jsonio import dumps, loads
from app.core.updates import Update, read_updates, write_updates
from app.monitors.reading import read_error, read_events
from tests.parallel_server import alpha_event, json_event, running_parallel, snapshot_event, text_event
from tests.recordings import Recording, recorded

SOURCE = "https://example.com/a"


def v1(event_id: str, content: Any = "text", **fields: Any) -> dict[str, Any]:
    return text_event(content, SOURCE, event_id=event_id, event_date="2026-04-07", **fields)


@pytest.mark.parametrize("recording", recorded("monitors.events", "parallel"))
def test_recorded_events_are_read(recording: Recording) -> None:
    updates = read_events(recording.document["response"]["body"]["events"])

    assert updates == [
        Update(
            "evt_a1b2c3d4e5f6",
            "2025-01-15",
            "Acme AI raised a $50M Series B led by Example Ventures.",
            ("https://techcrunch.com/2025/01/15/acme-ai-series-b",),
        )
    ]


def test_events_of_a_group_are_read_as_the_server_tells_them() -> None:
    with running_parallel() as parallel:
        monitor_id = parallel.add()["monitor_id"]
        group = parallel.detect(monitor_id, "First.", alpha_event("Second."), json_event({"third": 3}))
        url = f"{parallel.base_url}/v1/monitors/{monitor_id}/events?event_group_id={group}"
        page = httpx.get(url, headers={"x-api-key": parallel.key}, trust_env=False).json()

    updates = read_events(page["events"])

    assert [each.text for each in updates] == ["First.", "Second.", '{\n  "third": 3\n}']


def test_oldest_comes_first() -> None:
    assert [each.id for each in read_events([v1("3"), v1("2"), v1("1")])] == ["1", "2", "3"]


def test_event_that_comes_twice_is_told_once() -> None:
    assert [each.id for each in read_events([v1("2"), v1("1"), v1("2"), v1("1", "again")])] == ["1", "2"]


def test_events_without_an_id_are_told_apart_by_what_they_say() -> None:
    events = [alpha_event("b"), alpha_event("a"), alpha_event("b")]

    assert [(each.id, each.text) for each in read_events(events)] == [("", "a"), ("", "b")]


def test_sources_are_those_of_all_citations_each_once() -> None:
    event = text_event("x", "https://b.example/", "https://a.example/")
    event["output"]["basis"] += [
        {
            "field": "other",
            "reasoning": "",
            "citations": [{"url": "https://a.example/"}, {"url": "HTTP://c.example/x?y"}],
        },
        {"field": "none", "reasoning": ""},
    ]

    (update,) = read_events([event])

    assert update.sources == ("https://b.example/", "https://a.example/", "HTTP://c.example/x?y")


@pytest.mark.parametrize(
    "url", ["javascript:alert(1)", "ftp://x.example", "https://a b", "https://a\nb", "", None, 1, {}]
)
def test_source_that_is_no_page_is_left_out(url: Any) -> None:
    event = text_event("x")
    event["output"]["basis"] = [{"citations": [{"url": url}, {"url": SOURCE}]}]

    assert read_events([event])[0].sources == (SOURCE,)


def test_content_by_a_schema_is_told_as_json_that_can_be_read() -> None:
    (update,) = read_events([json_event({"round": "B", "größe": [1, 2]}, SOURCE)])

    assert json.loads(update.text) == {"round": "B", "größe": [1, 2]}
    assert '"größe": [' in update.text


def test_snapshot_tells_what_has_changed() -> None:
    (update,) = read_events([snapshot_event({"price": 2}, {"price": 1, "name": "x"}, SOURCE)])

    assert (json.loads(update.text), update.sources) == ({"price": 2}, (SOURCE,))


@pytest.mark.parametrize(
    ("event", "text"),
    [
        (alpha_event("of the result", SOURCE), "of the result"),
        (alpha_event("of the result", SOURCE, output="deprecated"), "of the result"),
        ({"type": "event", "output": "deprecated", "source_urls": [SOURCE]}, "deprecated"),
        (
            {"type": "event", "output": "", "source_urls": [SOURCE], "result": {"type": "json", "content": {"a": 1}}},
            '{\n  "a": 1\n}',
        ),
    ],
)
def test_events_of_the_frozen_version_are_read(event: dict[str, Any], text: str) -> None:
    (update,) = read_events([event | {"event_date": "2025-01-15", "event_group_id": "mevtgrp_1"}])

    assert update == Update("", "2025-01-15", text, (SOURCE,))


@pytest.mark.parametrize(
    "event",
    [
        {"event_type": "completion", "timestamp": "2025-01-15T10:30:00Z"},
        {"type": "completion", "monitor_ts": "completed_2025-01-15T10:30:00Z"},
        {"event_type": "error", "error_message": "no credit", "timestamp": "2025-01-15T10:30:00Z"},
        {"type": "error", "error": "no credit", "id": "1", "date": "2025-01-15T10:30:00Z"},
        {"error_message": "no credit"},
        {},
        {"event_id": "evt_1", "event_type": "event_stream"},
        {"event_id": "evt_1", "output": {"type": "text", "content": " \n"}},
        {"event_id": "evt_1", "output": {"type": "json", "content": {}}},
    ],
)
def test_run_that_found_nothing_tells_nothing(event: dict[str, Any]) -> None:
    assert read_events([event]) == []


@pytest.mark.parametrize("date", ["2026-04-07", "2026-04", "2026", "2026-04-07T10:00:00Z"])
def test_date_is_told_as_parallel_writes_it(date: str) -> None:
    assert read_events([v1("1") | {"event_date": date}])[0].date == date


@pytest.mark.parametrize("date", [None, "", 2026, {}, "x" * 41, "2026\n04", "<b>2026</b>"])
def test_date_that_is_none_is_left_out(date: Any) -> None:
    assert read_events([v1("1") | {"event_date": date}])[0].date is None


def test_kind_that_is_not_known_yet_is_read_by_what_it_has() -> None:
    assert [each.text for each in read_events([v1("1", "of tomorrow", event_type="digest")])] == ["of tomorrow"]


def test_content_that_nests_deeply_is_told_all_the_same() -> None:
    content: Any = "deep"
    for _ in range(250):
        content = {"a": content}

    assert "deep" in read_events([json_event(content)])[0].text


@pytest.mark.parametrize(
    ("events", "error"),
    [
        ([v1("1")], None),
        ([{"event_type": "completion"}], None),
        ([v1("1"), {"event_type": "error", "error_message": "newest"}, {"event_type": "error"}], "newest"),
        ([{"type": "error", "error": "of the frozen version"}], "of the frozen version"),
        ([{"event_type": "error", "error_message": 1}], "The run failed."),
        (["odd", None], None),
    ],
)
def test_error_of_a_run_is_told_by_itself(events: list[Any], error: str | None) -> None:
    assert read_error(events) == error


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
names = st.sampled_from(
    [
        "event_id",
        "event_type",
        "type",
        "event_date",
        "output",
        "changed_output",
        "result",
        "source_urls",
        "content",
        "basis",
        "citations",
        "url",
        "error_message",
        "error",
    ]
)
kinds = st.sampled_from(
    ["event_stream", "snapshot", "completion", "error", "event", "text", "json", SOURCE, "\ud800", "\0"]
)
events_of_any_shape = st.recursive(
    json_values | kinds,
    lambda inner: st.dictionaries(names, inner, max_size=6) | st.lists(inner, max_size=3),
    max_leaves=20,
)


@settings(deadline=None, max_examples=50)
@given(st.lists(events_of_any_shape | st.dictionaries(names, events_of_any_shape), max_size=4))
def test_whatever_comes_is_read_and_can_be_stored(events: list[Any]) -> None:
    updates = read_events(events)
    read_error(events)

    stored = dumps(write_updates(updates))
    assert all("\0" not in f"{each.id}{each.text}{each.sources}" for each in updates)
    assert read_updates(loads(stored.decode())) == tuple(updates)
    assert all(each.text or each.sources for each in updates)
