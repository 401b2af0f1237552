"""Training of a router: what is learned holds on prompts that it has not seen, or nothing is learned."""

import json
import random

import pytest

from app.pipeline.routing.features import VERSION
from app.pipeline.routing.learned import UnusableModel, pick, read_learned, write_learned
from app.smart.outcomes import InvalidOutcomes, Outcomes, read_outcomes
from app.smart.training import NotTrained, train, upper_bound
from tests.pipeline.routing.questions import asked
from tests.smart.outcomes import LARGE, SMALL, lines

MODELS = [SMALL, LARGE]
COSTS = {SMALL: 1.0, LARGE: 20.0}


def rows(count: int, *, noise: float = 0.0, seed: int = 1) -> list[Outcomes]:
    return list(read_outcomes(lines(count, noise=noise, seed=seed), MODELS))


def test_easy_prompts_go_to_the_cheaper_model_and_the_bound_holds_on_others() -> None:
    training = train(rows(900), COSTS, max_loss=5)

    assert training.learned.best == LARGE
    assert training.worse <= training.at_most <= 0.05
    assert training.always_cheapest > 0.3
    assert training.cost < 0.6 * training.cost_of_best
    unseen = rows(600, seed=2)
    taken = [pick(training.learned, row.question, MODELS, training.threshold)[0] or "" for row in unseen]
    worse = [row.quality[model] < row.quality[LARGE] for row, model in zip(unseen, taken, strict=True)]
    assert sum(worse) / len(worse) <= 0.05
    assert taken.count(SMALL) > 250


def test_what_is_kept_decides_as_what_was_measured() -> None:
    learned = train(rows(600), COSTS, max_loss=5).learned

    kept = read_learned(json.loads(json.dumps(write_learned(learned))))

    assert kept == learned
    question = asked("Prove that mice are songs.")
    assert kept.chances(question) == learned.chances(question)


@pytest.mark.parametrize(
    "kept",
    [
        None,
        {"version": VERSION},
        {"version": VERSION, "best": "b", "weights": [{"model": "a", "places": [0], "values": ["x"]}], "steps": []},
        {"version": VERSION, "best": "b", "weights": [{"model": "a", "places": [0, 1], "values": [1]}], "steps": []},
        {"version": VERSION, "best": "b", "weights": [{"model": "a", "places": [0], "values": [1]}], "steps": [1]},
    ],
)
def test_what_training_did_not_write_is_refused_when_it_is_read(kept: object) -> None:
    with pytest.raises(UnusableModel):
        read_learned(kept)


def test_less_loss_means_fewer_prompts_for_the_cheaper_one() -> None:
    noisy = rows(3000, noise=0.3)
    bold, careful = (train(noisy, COSTS, max_loss=loss) for loss in (25, 16))

    assert bold.threshold < careful.threshold
    assert bold.shares[0].taken >= careful.shares[0].taken > 0
    assert careful.at_most <= 0.16


def test_too_few_prompts_are_refused_with_their_number() -> None:
    with pytest.raises(NotTrained, match=r"150 prompts .* are too few; 200"):
        train(rows(150), COSTS, max_loss=5)
    with pytest.raises(NotTrained, match=r"prompts to judge by are too few: .* it could still be [1-9]\.\d %"):
        train(rows(250), COSTS, max_loss=1)


def test_outcomes_of_which_nothing_can_be_learned_are_refused() -> None:
    chance = random.Random(3)
    luck = [Outcomes(row.question, row.digest, {SMALL: chance.choice([0, 1]), LARGE: 1}, {}) for row in rows(900)]

    with pytest.raises(NotTrained, match=r"No threshold is proven|every prompt would go to acme/large"):
        train(luck, COSTS, max_loss=2)


def test_best_model_that_is_the_cheapest_too_is_refused() -> None:
    with pytest.raises(NotTrained, match="acme/large is the best and the cheapest"):
        train(rows(900), {SMALL: 3.0, LARGE: 1.0}, max_loss=5)


def test_prompt_that_comes_twice_is_not_learned_and_then_asked() -> None:
    once = rows(40)
    # Forty prompts, each thirty times: by heart they would all be right.
    chance = random.Random(1)
    by_chance = {digest: float(chance.random() < 0.5) for digest in sorted({row.digest for row in once})}
    often = [Outcomes(row.question, row.digest, {SMALL: by_chance[row.digest], LARGE: 1.0}, {}) for row in once * 30]

    with pytest.raises(NotTrained, match="prompts to judge by are too few"):
        train(often, COSTS, max_loss=5)


@pytest.mark.parametrize(
    ("failures", "trials", "bound"), [(0, 59, 0.0495), (1, 100, 0.0466), (10, 100, 0.1637), (5, 5, 1)]
)
def test_bound_is_clopper_and_pearsons(failures: int, trials: int, bound: float) -> None:
    assert upper_bound(failures, trials) == pytest.approx(bound, abs=2e-4)


def test_lines_may_hold_messages_truths_and_other_models() -> None:
    line = {
        "messages": [{"role": "system", "content": "S"}, {"role": "user", "content": "Q"}],
        "quality": {"ACME/small": True, LARGE: False, "other": 1},
    }

    (row,) = read_outcomes(["", json.dumps(line)], MODELS)

    assert (row.question.last, row.quality, row.costs) == ("Q", {SMALL: 1.0, LARGE: 0.0}, {})


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("{", "Line 2: "),
        ("[]", "Line 2: an object is needed"),
        ('{"quality": {}}', "Line 2: 'prompt', a text, or 'messages', a list, is needed"),
        ('{"prompt": "Hi"}', "Line 2: 'quality' must be an object of numbers by model"),
        ('{"prompt": "Hi", "quality": {"acme/small": 2}}', "Line 2: 'quality' goes from 0 to 1"),
        ('{"messages": [{"role": "user", "content": 1}], "quality": {}}', "Line 2: "),
    ],
)
def test_line_that_is_none_is_named(line: str, words: str) -> None:
    with pytest.raises(InvalidOutcomes, match=words):
        list(read_outcomes([lines(1)[0], line], MODELS))
