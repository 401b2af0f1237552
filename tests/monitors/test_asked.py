"""What a monitor is asked for with: what Parallel would refuse is refused here, and the field is named."""

from typing import Any

import pytest

from app.core.errors import InvalidRequest
from app.monitors.asked import cadence_of, hours_of, read_asked, read_event_types

GOOD: dict[str, Any] = {"query": "releases of Python", "cadence": "daily"}


@pytest.mark.parametrize(("cadence", "frequency"), [("hourly", "1h"), ("Daily", "1d"), (" weekly ", "1w")])
def test_cadence_is_a_word_for_a_frequency(cadence: str, frequency: str) -> None:
    asked = read_asked({"query": " releases of Python ", "cadence": cadence})

    assert (asked.query, asked.frequency, asked.processor) == ("releases of Python", frequency, "lite")


@pytest.mark.parametrize("frequency", ["1h", "6h", "720h", "30d", "4w"])
def test_frequency_is_from_an_hour_to_thirty_days(frequency: str) -> None:
    assert read_asked({"query": "x", "frequency": frequency}).frequency == frequency


def test_frequency_has_a_word_where_there_is_one() -> None:
    assert [cadence_of(each) for each in ("1h", "24h", "1d", "7d", "1w", "2d")] == [
        "hourly",
        "daily",
        "daily",
        "weekly",
        "weekly",
        None,
    ]
    assert hours_of("2w") == 336


def test_everything_else_comes_along() -> None:
    schema = {"type": "object", "properties": {"version": {"type": "string"}}}
    asked = read_asked(
        {
            **GOOD,
            "processor": "base",
            "output_schema": schema,
            "metadata": {"team": "a"},
            "forward_url": "https://a.example",
        }
    )

    assert (asked.processor, asked.output_schema, asked.metadata) == ("base", schema, {"team": "a"})
    assert asked.forward_url == "https://a.example"


@pytest.mark.parametrize(
    ("change", "param"),
    [
        ({"query": None}, "query"),
        ({"query": "  "}, "query"),
        ({"query": 7}, "query"),
        ({"query": "x" * 10_001}, "query"),
        ({"query": "a\0b"}, "query"),
        ({"query": "\ud800"}, "query"),
        ({"cadence": None}, "cadence"),
        ({"cadence": "yearly"}, "cadence"),
        ({"cadence": ["daily"]}, "cadence"),
        ({"frequency": "1h"}, "frequency"),
        *(
            ({"cadence": None, "frequency": text}, "frequency")
            for text in ("0h", "721h", "31d", "5w", "1m", "h", "1.5h", "-1h", 3600, "1h ; drop", "٣h")
        ),
        ({"processor": "pro"}, "processor"),
        ({"processor": ["lite"]}, "processor"),
        ({"output_schema": "text"}, "output_schema"),
        ({"metadata": []}, "metadata"),
        ({"metadata": {"": "x"}}, "metadata"),
        ({"metadata": {"k" * 17: "x"}}, "metadata"),
        ({"metadata": {"k": "v" * 513}}, "metadata"),
        ({"metadata": {"k": 1}}, "metadata"),
        ({"metadata": {"llm_relay": "mon_x"}}, "metadata"),
        ({"metadata": {"username": "bob"}}, "metadata"),
        ({"forward_url": 1}, "forward_url"),
        ({"querry": "x"}, "querry"),
    ],
    ids=str,
)
def test_what_cannot_be_is_refused_and_named(change: dict[str, Any], param: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        read_asked({**GOOD, **change})

    assert caught.value.param == param


def test_longest_metadata_is_taken() -> None:
    metadata = {"k" * 16: "v" * 512}

    assert read_asked({**GOOD, "metadata": metadata}).metadata == metadata


def test_misspelt_field_is_told_the_right_one() -> None:
    with pytest.raises(InvalidRequest, match="Did you mean 'query'"):
        read_asked({"querry": "x"})


def test_event_types_are_those_of_parallel() -> None:
    assert read_event_types(["monitor.event.detected", " "]) == ("monitor.event.detected",)
    with pytest.raises(InvalidRequest, match=r"monitor\.gone"):
        read_event_types(["monitor.gone"])
