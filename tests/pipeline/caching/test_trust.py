"""The bound on a cache's errors: how much has to be asked, by what became of others."""

import random

import pytest

from app.pipeline.caching.trust import Evidence, Trial, least_chance


def trials(count: int, *, wrong: int = 0, cosine: float = 0.96) -> list[Trial]:
    return [Trial(f"s{n}", cosine, n >= wrong) for n in range(count)]


def test_with_nothing_known_nearly_all_is_asked() -> None:
    assert Evidence().share_to_ask("s", 0.99, 0.01) == pytest.approx(0.99)


def test_the_more_went_well_the_less_is_asked() -> None:
    shares = [Evidence(trials(count)).share_to_ask("x", 0.97, 0.01) for count in (10, 100, 1000, 10_000)]

    assert shares == sorted(shares, reverse=True)
    assert shares[0] > 0.9
    assert shares[-1] == 0


def test_errors_among_what_is_as_alike_are_counted_and_those_among_the_less_alike_need_not_be() -> None:
    good = trials(3000, cosine=0.985)

    spoiled = Evidence([*good, *trials(3000, wrong=300, cosine=0.984)])
    beside = Evidence([*good, *trials(3000, wrong=300, cosine=0.86)])

    assert spoiled.share_to_ask("x", 0.99, 0.01) > 0.7
    assert beside.share_to_ask("x", 0.99, 0.01) < 0.2
    assert beside.share_to_ask("x", 0.87, 0.01) > 0.7


def test_question_whose_answer_was_wrong_once_is_not_proposed_for_what_is_as_little_alike() -> None:
    evidence = Evidence([*trials(10_000), Trial("mine", 0.955, correct=False)])

    assert evidence.share_to_ask("mine", 0.955, 0.01) == 1
    assert evidence.share_to_ask("mine", 0.99, 0.01) < 1


def test_bound_is_what_the_textbook_says() -> None:
    # Without a failure it is the n-th root of the doubt.
    assert least_chance(100, 0, 0.05) == pytest.approx(0.05 ** (1 / 100), abs=1e-9)
    assert 0.5 < least_chance(10, 1, 0.05) < 0.6058  # the exact one, by the binomial distribution
    assert least_chance(3, 3, 0.05) == 0
    assert least_chance(0, 0, 0.05) == 0


@pytest.mark.parametrize("chance_of_error", [0.0, 0.005, 0.02, 0.2])
def test_no_more_than_the_bound_is_wrong_over_a_long_time(chance_of_error: float) -> None:
    lots, bound = random.Random(7), 0.02
    known: list[Trial] = []
    given = wrong = 0
    evidence = Evidence()
    for n in range(6000):
        correct = lots.random() >= chance_of_error
        if lots.random() < evidence.share_to_ask(f"s{n}", 0.96, bound):
            known.append(Trial(f"s{n}", 0.96, correct))
            if len(known) % 50 == 0:
                evidence = Evidence(known)
        else:
            given, wrong = given + 1, wrong + (not correct)

    assert wrong <= 6000 * bound * 1.2
    if chance_of_error == 0:
        assert given > 3000
