"""What a usage costs by the rates of a model."""

from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.core.usage import COUNTS, NO_USAGE, Usage
from app.metering.rates import NOTHING, TOKENS, Rates, filled
from tests.metering.prices import INPUT_CLASSES, OUTPUT_CLASSES, cost, full_rates, rates, usages, used

MILLION = 1_000_000


@pytest.mark.parametrize("name", TOKENS)
def test_each_class_of_tokens_has_its_rate_for_a_million(name: str) -> None:
    own = {"input": 1, "output": 1} | {name: "7.25"}

    assert rates(**own).cost(used(**{name: 2 * MILLION})) == Decimal("14.5")


@pytest.mark.parametrize(
    ("name", "count", "usage"),
    [
        ("request", 3, "requests"),
        ("search", 4, "searches"),
        ("image", 2, "images"),
        ("audio_hour", 7_200_000, "audio_ms"),
    ],
)
def test_what_is_charged_by_the_piece_or_the_hour_is(name: str, count: int, usage: str) -> None:
    pieces = 2 if name == "audio_hour" else count

    assert rates(**{name: "0.125"}).cost(used(**{usage: count})) == Decimal("0.125") * pieces


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        *((name, "3") for name in INPUT_CLASSES),
        *((name, "15") for name in OUTPUT_CLASSES),
    ],
)
def test_class_without_a_rate_costs_what_it_is_a_kind_of(name: str, expected: str) -> None:
    assert rates(input=3, output=15).cost(used(**{name: MILLION})) == Decimal(expected)


def test_an_hour_in_the_cache_costs_1_6_times_five_minutes() -> None:
    usage = Usage(cache_write_1h=MILLION)

    assert rates(input=3, cache_write="3.75").cost(usage) == 6
    assert rates(input=3, cache_write="3.75", cache_write_1h=5).cost(usage) == 5


@pytest.mark.parametrize(
    "usage", [Usage(input=1), Usage(reasoning=1), Usage(searches=1), Usage(images=1), Usage(audio_ms=1)]
)
def test_what_has_no_rate_is_not_known_to_cost_nothing(usage: Usage) -> None:
    assert rates(request=1).cost(usage) is None
    assert rates(request=1).cost(NO_USAGE) == 0


def test_request_costs_nothing_by_itself_where_nobody_says_so() -> None:
    assert rates(input=1).cost(Usage(requests=1)) == 0


@pytest.mark.parametrize("name", ["images", "audio_ms"])
def test_pictures_and_sound_that_are_charged_by_the_token_are_not_charged_by_the_piece(name: str) -> None:
    usage = used(output_image=MILLION, **{name: 1})

    assert rates(output=2).cost(usage) == 2


def test_zero_is_a_price() -> None:
    assert rates(input=0, output="0.0").cost(Usage(input=5, output=7)) == 0
    assert NOTHING.cost(used(**dict.fromkeys(COUNTS, 9))) == 0


def test_prompt_decides_the_tier_of_all_tokens() -> None:
    tiered = rates(input={"base": 1, "above": {"200000": 2}}, output={"base": 10, "above": {"200000": 15}})

    assert tiered.cost(Usage(input=200_000, output=1000)) == Decimal("0.21")
    assert tiered.cost(Usage(input=100_000, cache_read=100_001, output=1000)) == Decimal("0.415002")


def test_rate_without_tiers_stays_where_others_have_them() -> None:
    tiered = rates(input={"base": 1, "above": {"100": 2, "1000": 3}}, output=10)

    assert [tiered.cost(Usage(input=count, output=MILLION)) for count in (100, 101, 1001)] == [
        Decimal("10.0001"),
        Decimal("10.000202"),
        Decimal("10.003003"),
    ]


def test_service_tier_changes_the_prices_that_it_names() -> None:
    priced = rates(
        input={"base": 2, "above": {"10": 4}},
        output=8,
        variants={"batch": {"input": 1}, "priority": {"output": 16}},
    )
    usage = Usage(input=MILLION, output=MILLION)

    costs = {tier: priced.cost(usage._replace(tier=tier)) for tier in ("", "batch", "priority", "standard")}

    assert costs == {"": 12, "batch": 9, "priority": 20, "standard": 12}


def test_what_one_says_goes_over_what_the_other_says() -> None:
    ours, theirs = (
        rates(input=1, variants={"batch": {"input": 2}}),
        rates(input=5, search="0.01", variants={"batch": {"input": 6, "output": 7}, "flex": {"input": 8}}),
    )

    assert ours.over(theirs) == rates(
        input=1, search="0.01", variants={"batch": {"input": 2, "output": 7}, "flex": {"input": 8}}
    )


@given(full_rates(), usages())
def test_cost_is_that_of_its_classes_together(rates: Rates, usage: Usage) -> None:
    single = [cost(rates, used(**{name: getattr(usage, name)}, tier=usage.tier)) for name in COUNTS]

    total = cost(rates, usage)

    assert abs(total - sum(single)) <= Decimal("1e-12")  # an hour of sound does not divide by its milliseconds


@given(full_rates(tiered=True), usages(TOKENS))
def test_cost_of_tokens_is_exact(rates: Rates, usage: Usage) -> None:
    said = {**rates.prices, **rates.variants.get(usage.tier, {})}
    each = filled({name: price.for_prompt(usage.prompt) for name, price in said.items()})

    exact = sum(Fraction(each[name]) * getattr(usage, name) / MILLION for name in TOKENS)

    assert Fraction(cost(rates, usage)) == exact


@given(full_rates(), usages(), st.sampled_from(COUNTS), st.integers(0, MILLION))
def test_who_uses_more_pays_no_less(rates: Rates, usage: Usage, name: str, more: int) -> None:
    assert cost(rates, usage._replace(**{name: getattr(usage, name) + more})) >= cost(rates, usage)


@given(full_rates(tiered=True), usages(TOKENS), st.integers(0, 1000), st.integers(0, 1000), st.integers(0, 1))
def test_most_is_never_less_than_what_it_costs(
    rates: Rates, usage: Usage, further_input: int, further_output: int, requests: int
) -> None:
    pieces = Usage(searches=further_input, images=further_output, audio_ms=further_input)

    most = rates.most(usage.prompt + further_input, usage.completion + further_output, pieces)

    assert most is not None
    used_up = usage._replace(requests=requests, searches=further_input, images=further_output, audio_ms=further_input)
    assert most >= cost(rates, used_up)


def test_most_of_what_is_charged_by_the_picture_or_the_hour_needs_no_rate_of_tokens() -> None:
    assert rates(image="0.04").most(10, 4096, Usage(images=10)) == Decimal("0.4")
    assert rates(audio_hour="0.36").most(10, 4096, Usage(audio_ms=1_800_000)) == Decimal("0.18")
    assert rates(image="0.04", request=1).most(10, 4096, Usage(images=1)) == Decimal("1.04")
    assert rates(image="0.04").most(10, 4096) is None
    assert rates(search=1).most(10, 4096, Usage(searches=1)) is None


def test_most_is_without_what_has_no_rate() -> None:
    assert rates(input=1).most(MILLION, 0, Usage(searches=3, images=1)) == 1
    assert rates(input=1, search=2).most(MILLION, 0, Usage(searches=3, images=1)) == 7


def test_most_of_a_model_without_a_rate_is_not_known() -> None:
    assert rates(search=1).most(1, 0) is None
    assert rates(input=1).most(1, 1) is None
    assert rates(input=1, request=2).most(0, 0) == 2
    assert rates(input={"base": 1, "above": {"10": 9}}).most(10, 0) == Decimal("0.00001")
