"""Usage as providers report it, in classes that do not overlap."""

import json
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.core.usage import Usage
from app.dialects.openai.usage import count_prompt_characters, estimate_tokens, read_usage, write_usage
from tests.usages import usages_of

COUNTS = st.none() | st.booleans() | st.integers(-5, 50) | st.integers() | st.floats() | st.text(max_size=3)
DETAILS = (
    st.none()
    | st.lists(COUNTS)
    | st.dictionaries(st.sampled_from(["cached_tokens", "cache_write_tokens", "reasoning_tokens"]), COUNTS)
)
REPORTS = st.fixed_dictionaries(
    {},
    optional={
        "prompt_tokens": COUNTS,
        "completion_tokens": COUNTS,
        "total_tokens": COUNTS,
        "reasoning_tokens": COUNTS,
        "prompt_cache_hit_tokens": COUNTS,
        "prompt_tokens_details": DETAILS,
        "completion_tokens_details": DETAILS,
        "cost": COUNTS | st.dictionaries(st.just("total_cost"), COUNTS) | st.decimals().map(str),
        "cost_in_usd_ticks": COUNTS,
    },
)


def report(prompt: Any = 10, completion: Any = 5, **fields: Any) -> dict[str, Any]:
    return {"prompt_tokens": prompt, "completion_tokens": completion, **fields}


@given(REPORTS)
def test_no_report_makes_negative_or_doubled_tokens(reported: dict[str, Any]) -> None:
    usage = read_usage(reported)

    if usage is not None:
        classes = (usage.input, usage.cache_read, usage.cache_write, usage.output, usage.reasoning)
        assert all(isinstance(count, int) and count >= 0 for count in classes)
        beside = usage.reasoning if reported.get("total_tokens") == usage.total else 0
        assert usage.total in (
            int(reported["prompt_tokens"] + reported["completion_tokens"]),
            int(reported["prompt_tokens"] + reported["completion_tokens"]) + beside,
        )
        assert usage.cost is None or 0 <= usage.cost < 1_000_000


@given(usages_of(**dict.fromkeys(Usage._fields[:5], st.integers(1, 1 << 40))))
def test_usage_that_is_written_is_read_back(usage: Usage) -> None:
    read = read_usage(json.loads(json.dumps(write_usage(usage))))

    assert read is not None
    assert read.total == usage.total
    assert (read.cache_read, read.output) == (usage.cache_read, usage.output)


def test_cached_tokens_are_part_of_the_prompt() -> None:
    usage = read_usage(report(100, prompt_tokens_details={"cached_tokens": 60, "cache_write_tokens": 30}))

    assert usage == Usage(input=10, cache_read=60, cache_write=30, output=5)


def test_cached_tokens_are_read_as_deepseek_tells_them() -> None:
    usage = read_usage(report(100, prompt_cache_hit_tokens=60))

    assert usage == Usage(input=40, cache_read=60, output=5)


def test_reasoning_is_part_of_the_completion_at_openai() -> None:
    usage = read_usage(report(10, 50, total_tokens=60, completion_tokens_details={"reasoning_tokens": 40}))

    assert usage == Usage(input=10, output=10, reasoning=40)


def test_reasoning_is_beside_the_completion_at_xai() -> None:
    usage = read_usage(report(10, 50, total_tokens=360, completion_tokens_details={"reasoning_tokens": 300}))

    assert usage == Usage(input=10, output=50, reasoning=300)


def test_more_reasoning_than_the_total_allows_is_not_counted_twice() -> None:
    usage = read_usage(report(43, 10, total_tokens=53, completion_tokens_details={"reasoning_tokens": 11}))

    assert usage == Usage(input=43, output=0, reasoning=10)


def test_more_cached_tokens_than_there_were_are_not_counted_twice() -> None:
    usage = read_usage(report(10, prompt_tokens_details={"cached_tokens": 60, "cache_write_tokens": 5}))

    assert usage == Usage(input=0, cache_read=10, cache_write=0, output=5)


@pytest.mark.parametrize("odd", [-1, "10", 10.5, None, True, [10], {}, float("inf"), float("nan"), 1 << 53, 10**400])
def test_count_that_cannot_be_makes_the_report_void(odd: Any) -> None:
    assert read_usage(report(prompt=odd)) is None
    assert read_usage(report(completion=odd)) is None


@pytest.mark.parametrize("odd", [-1, "10", 10.5, None, True, [10], float("nan"), 1 << 53])
def test_detail_that_cannot_be_is_passed_over(odd: Any) -> None:
    usage = read_usage(
        report(prompt_tokens_details={"cached_tokens": odd}, completion_tokens_details={"reasoning_tokens": odd})
    )

    assert usage == Usage(input=10, output=5)


def test_whole_floats_are_counts() -> None:
    assert read_usage(report(10.0, 5.0)) == Usage(input=10, output=5)


@pytest.mark.parametrize(
    "reported", [None, {}, [], "usage", 5, {"prompt_tokens": 10}, {"completion_tokens": 5}, report(0, 0)]
)
def test_what_is_no_report_is_none(reported: Any) -> None:
    assert read_usage(reported) is None


@pytest.mark.parametrize(
    ("fields", "cost"),
    [
        ({"cost": 0.00014}, Decimal("0.00014")),
        ({"cost": 1e-7}, Decimal("1e-7")),
        ({"cost": "0.02"}, Decimal("0.02")),
        ({"cost": 0}, Decimal(0)),
        ({"cost": {"total_cost": 0.006}}, Decimal("0.006")),
        ({"cost_in_usd_ticks": 37_756_000}, Decimal("0.0037756")),
        ({"estimated_cost": 0.00002}, Decimal("0.00002")),
        ({"cost": None}, None),
        ({"cost": True}, None),
        ({"cost": -1}, None),
        ({"cost": "NaN"}, None),
        ({"cost": "Infinity"}, None),
        ({"cost": "free"}, None),
        ({"cost": 1e300}, None),
        ({"cost": "1e999999"}, None),
        ({"cost": []}, None),
        ({"cost": {}}, None),
        ({"cost_in_usd_ticks": (1 << 53) - 1}, Decimal("900719.9254740991")),
    ],
)
def test_cost_is_what_the_provider_says_in_dollars(fields: dict[str, Any], cost: Decimal | None) -> None:
    usage = read_usage(report(**fields))

    assert usage is not None
    assert usage.cost == cost


def test_estimate_rounds_up() -> None:
    assert [estimate_tokens(characters) for characters in (0, 1, 4, 5)] == [0, 1, 1, 2]


def test_prompt_characters_are_those_of_texts_only() -> None:
    parts = [{"type": "text", "text": "1234"}, {"type": "image_url", "image_url": {"url": "data:…"}}, "x", {"text": 5}]
    messages = [{"content": "12"}, {"content": parts}, {"content": None}, {}, "odd"]

    assert count_prompt_characters({"messages": messages}) == 6
    assert count_prompt_characters({}) == 0


@pytest.mark.parametrize(
    ("more", "usage"),
    [
        (
            {"prompt_tokens_details": {"audio_tokens": 30, "image_tokens": 20}},
            Usage(50, input_audio=30, input_image=20),
        ),
        # What of it was cached is not told: text is cached first.
        ({"prompt_tokens_details": {"cached_tokens": 80, "audio_tokens": 30}}, Usage(0, 80, input_audio=20)),
        (
            {
                "prompt_tokens_details": {
                    "cached_tokens": 50,
                    "audio_tokens": 40,
                    "cached_tokens_details": {"audio_tokens": 30, "text_tokens": 20},
                }
            },
            Usage(40, 50, input_audio=10),
        ),
        ({"num_search_queries": 3}, Usage(100, searches=3)),
        ({"server_tool_use": {"web_search_requests": 2}}, Usage(100, searches=2)),
        ({"num_sources_used": 4}, Usage(100, searches=4)),
        ({"server_side_tool_usage": {"SERVER_SIDE_TOOL_X_SEARCH": 2, "OTHER": 9}}, Usage(100, searches=2)),
        (
            {"server_side_tool_usage_details": {"web_search_calls": 1, "mcp_calls": 9}, "num_sources_used": 7},
            Usage(100, searches=1),
        ),
        (
            {"tool_calls_details": {"web_search": {"invocation": 2}, "fetch_url": {"invocation": 5}}},
            Usage(100, searches=2),
        ),
    ],
)
def test_classes_of_the_prompt_and_searches_are_read(more: dict[str, Any], usage: Usage) -> None:
    assert read_usage(report(100, 0, **more)) == usage


def test_audio_and_images_of_the_answer_are_parts_of_it_beside_the_reasoning() -> None:
    details = {"reasoning_tokens": 10, "audio_tokens": 20, "image_tokens": 30}

    usage = read_usage(report(1, 100, total_tokens=101, completion_tokens_details=details))

    assert usage == Usage(1, output=40, reasoning=10, output_audio=20, output_image=30)


def test_perplexity_counts_citations_and_reasoning_beside_its_total() -> None:
    more = {"total_tokens": 7196, "citation_tokens": 20016, "reasoning_tokens": 73997, "num_search_queries": 18}

    assert read_usage(report(33, 7163, **more)) == Usage(20049, output=7163, reasoning=73997, searches=18)


def test_thoughts_that_only_the_total_tells_are_reasoning() -> None:
    assert read_usage(report(66, 6, total_tokens=100)) == Usage(66, output=6, reasoning=28)


@pytest.mark.parametrize(
    ("told", "tier"),
    [("default", ""), ("Standard", ""), ("auto", ""), ("on_demand", ""), ("flex", "flex"), (None, ""), (3, "")],
)
def test_tier_is_told_where_it_is_not_the_standard_one(told: Any, tier: str) -> None:
    usage = read_usage(report(), told)

    assert usage is not None
    assert usage.tier == tier


@pytest.mark.parametrize(("own_key", "cost"), [(True, "0.0125"), (False, "0.0025")])
def test_call_with_a_key_of_ones_own_costs_what_that_key_is_charged_too(*, own_key: bool, cost: str) -> None:
    usage = read_usage(report(cost=0.0025, is_byok=own_key, cost_details={"upstream_inference_cost": 0.01}))

    assert usage is not None
    assert usage.cost == Decimal(cost)


def test_classes_that_a_client_can_be_told_are_written() -> None:
    usage = Usage(
        1, 2, 3, output=4, reasoning=5, cache_write_1h=6, input_audio=7, output_audio=8, input_image=9, output_image=10
    )

    written = write_usage(usage)

    assert (written["prompt_tokens"], written["completion_tokens"], written["total_tokens"]) == (28, 27, 55)
    assert written["prompt_tokens_details"] == {
        "cached_tokens": 2,
        "cache_write_tokens": 9,
        "audio_tokens": 7,
        "image_tokens": 9,
    }
    assert written["completion_tokens_details"] == {"reasoning_tokens": 5, "audio_tokens": 8, "image_tokens": 10}


def test_estimate_counts_tools_and_their_calls() -> None:
    call = {"role": "assistant", "tool_calls": [{"id": "1"}]}

    assert count_prompt_characters({"messages": [call], "tools": [{"a": 1}]}) == len('[{"id":"1"}][{"a":1}]')


@pytest.mark.parametrize(
    ("own_key", "charged", "cost"),
    [
        (True, 0.0002265, Decimal("0.0012265")),
        (False, 0.0002265, Decimal("0.001")),
        (True, None, None),
        (True, "none", None),
    ],
)
def test_cost_by_a_key_of_ones_own_is_what_both_charge(own_key: bool, charged: object, cost: Decimal | None) -> None:
    reported = report(10, cost=0.001, is_byok=own_key, cost_details={"upstream_inference_cost": charged})

    used = read_usage(reported)

    assert used is not None
    assert used.cost == cost
