"""The stage of routers: filters first, then each strategy, and the fallback where nothing is chosen."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from app.core.book import Entry
from app.core.call import Call, Target
from app.core.errors import UnknownModel
from app.core.jsonio import dumps
from app.core.ports import Explains, Priced
from app.core.reply import Reply
from app.core.smart import Router as RouterModel
from app.core.usage import Usage
from app.dialects.conversation import read_chat
from app.dialects.estimate import estimate
from app.overrides import Layer, Overrides, parse_overrides
from app.pipeline.board import CONSECUTIVE_FAILURES, Board
from app.pipeline.router import Router
from app.pipeline.routing.candidates import Seen, Survey
from app.pipeline.routing.decision import NotChosen
from app.pipeline.routing.learned import Learned, Step, write_learned
from app.pipeline.routing.question import Question, QuestionReader
from tests.calls import PRINCIPAL, make_call, make_reply
from tests.pipeline.test_names import registry
from tests.smart import Shelf, make_entry

SMALL, LARGE, SPARE = "acme/small", "acme/large", "acme/gpt-x"
MODELS = ("gpt-x", "small", "large", "third")
NOON = datetime(2026, 11, 23, 12, tzinfo=UTC).timestamp()
NEEDY = {
    "providers": {
        "acme": {
            "models": {
                "small": {"context_length": 3000, "capabilities": ["completion"]},
                "large": {"context_length": 300000, "capabilities": ["completion", "tools", "vision"]},
            }
        }
    }
}


class Prices:
    """`small` costs a tenth of `large` by the token; of others nothing is known."""

    def price(self, target: Target, usage: Usage, at: float) -> Priced:
        rate = {"small": Decimal("0.1"), "large": Decimal(1)}.get(target.model)
        return Priced(None if rate is None else rate * (usage.input + usage.output), "test")


class Chooser:
    """Chooses what it is told to, and remembers among what."""

    def __init__(self, choice: str | NotChosen = LARGE) -> None:
        self.choice = choice
        self.offered: list[list[str]] = []

    async def choose(
        self, call: Call, router: RouterModel, viable: Sequence[Seen], question: Question, deadline: float
    ) -> str:
        self.offered.append([each.model for each in viable])
        if isinstance(self.choice, NotChosen):
            raise self.choice
        return self.choice


class Sessions:
    """In memory, and for ever."""

    def __init__(self) -> None:
        self.kept: dict[str, str] = {}

    async def find(self, key: str) -> str | None:
        return self.kept.get(key)

    def keep(self, key: str, model: str, ttl_s: float, *, instead_of: str | None = None) -> None:
        self.kept[key] = model


class Bench:
    """A stage with all that it needs, over the models of one provider."""

    def __init__(self, *entries: Entry, choice: str | NotChosen = LARGE, knows: Any = None) -> None:
        overrides = Overrides({Layer.OPERATOR: parse_overrides(dumps(knows).decode())}) if knows else Overrides()
        self.directory = registry(*MODELS, overrides=overrides)
        self.board, self.chooser, self.sessions = Board(), Chooser(choice), Sessions()
        self.counted: list[tuple[str, str, str]] = []
        self.now = NOON
        survey = Survey(self.directory, Shelf(*entries), self.board, self.directory.known)
        self.stage = Router(
            survey,
            QuestionReader(read_chat, estimate),
            self.chooser,
            self.sessions,
            self.board,
            Prices(),
            lambda *labels: self.counted.append(labels),
            clock=lambda: self.now,
        )

    async def lead(self, entry: Entry, payload: dict[str, Any] | None = None, **fields: Any) -> Call:
        """The call as it is led on."""
        call, led = make_call(payload, **fields), list[Call]()

        async def call_next(call: Call) -> Reply:
            led.append(call)
            return make_reply()

        await self.stage.handle(call, entry, call_next)
        return led[0]

    async def choice(self, entry: Entry, payload: dict[str, Any] | None = None, **fields: Any) -> str:
        """The name that it is led to."""
        return (await self.lead(entry, payload, **fields)).wanted

    def break_(self, model: str) -> None:
        """Open the breaker of a model."""
        for _ in range(CONSECUTIVE_FAILURES):
            ticket = self.board.enter(Target("acme", model))
            self.board.failed(Target("acme", model), ticket)


AUTO = make_entry("router", "auto")
IMAGE = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}
TOOL = {"type": "function", "function": {"name": "f", "parameters": {}}}
LONG = {"messages": [{"role": "user", "content": "word " * 1500}]}
PICTURE = {"messages": [{"role": "user", "content": [IMAGE]}]}


async def test_designator_chooses_among_all_that_can_take_the_request() -> None:
    bench = Bench()

    led = await bench.lead(AUTO)

    assert [(step.kind, step.name, step.target) for step in led.way] == [("router", "auto", LARGE)]
    assert bench.chooser.offered == [[SMALL, LARGE]]
    assert (led.trace.notes, bench.counted) == ((), [])


@pytest.mark.parametrize("payload", [LONG, PICTURE, {"tools": [TOOL]}], ids=["long", "picture", "tools"])
async def test_one_that_is_left_is_taken_and_nobody_asked(payload: dict[str, Any]) -> None:
    bench = Bench(knows=NEEDY)

    assert await bench.choice(AUTO, payload) == LARGE
    assert bench.chooser.offered == []


async def test_what_is_not_known_of_a_model_it_may_have() -> None:
    bench = Bench()

    await bench.lead(AUTO, {**PICTURE, "tools": [TOOL]})

    assert bench.chooser.offered == [[SMALL, LARGE]]


async def test_context_has_to_hold_one_and_a_half_times_the_estimate() -> None:
    call = make_call(LONG)
    tokens = estimate(call).input_tokens
    just, short = -(-tokens * 3 // 2), tokens * 3 // 2 - 1

    for length, offered in ((just, [[SMALL, LARGE]]), (short, [])):
        models = {"small": {"context_length": length}}
        bench = Bench(knows={"providers": {"acme": {"models": models}}})
        await bench.lead(AUTO, LONG)
        assert bench.chooser.offered == offered


async def test_one_that_failed_too_often_is_left_alone() -> None:
    bench = Bench()
    bench.break_("large")

    assert await bench.choice(AUTO) == SMALL


async def test_where_none_is_left_the_fallback_answers_and_that_is_counted_and_noted() -> None:
    bench = Bench()
    bench.break_("large")
    bench.break_("small")

    led = await bench.lead(AUTO)

    assert led.wanted == SPARE
    assert led.trace.notes == ("router auto: no candidate can take the request",)
    assert bench.counted == [("router", "auto", "no_candidate")]


async def test_candidate_that_is_not_there_or_leads_back_is_out() -> None:
    back = make_entry("alias", "back", target="auto")
    models = [{"model": model} for model in ("acme/gone", "back", SMALL, LARGE)]
    router = make_entry("router", "auto", candidates=models)
    bench = Bench(back, router)

    await bench.lead(router)

    assert bench.chooser.offered == [[SMALL, LARGE]]


async def test_candidate_that_is_a_smart_model_is_known_by_what_it_leads_to() -> None:
    chain = make_entry("alias", "quick", target="kept"), make_entry("cache", "kept", target_model=SMALL)
    models = [{"model": model} for model in ("quick", LARGE, "acme/third")]
    bench = Bench(*chain, knows=NEEDY)

    await bench.lead(make_entry("router", "auto", candidates=models), LONG)

    assert bench.chooser.offered == [[LARGE, "acme/third"]]


async def test_candidate_that_is_a_router_has_no_limits_of_its_own() -> None:
    inner = make_entry("router", "inner")
    bench = Bench(inner, knows=NEEDY)

    await bench.lead(make_entry("router", "auto", candidates=[{"model": "inner"}, {"model": LARGE}]), LONG)

    assert bench.chooser.offered == [["inner", LARGE]]


@pytest.mark.parametrize(
    ("models", "offered"),
    [(("auto",), [[SMALL, LARGE]]), ((SMALL, "acme/gpt-x"), []), ((SMALL, LARGE), [[SMALL, LARGE]])],
)
async def test_token_for_some_models_gets_those_unless_it_is_for_the_router(
    models: tuple[str, ...], offered: list[list[str]]
) -> None:
    bench = Bench()

    await bench.lead(AUTO, principal=replace(PRINCIPAL, models=models))

    assert bench.chooser.offered == offered


async def test_candidate_for_chosen_tokens_is_out_for_others() -> None:
    private = make_entry("alias", "private", target=LARGE, allowed_tokens=["user:bob"])
    bench = Bench(private)
    router = make_entry("router", "auto", candidates=[{"model": "private"}, {"model": SMALL}])

    assert await bench.choice(router) == SMALL
    await bench.lead(router, principal=replace(PRINCIPAL, username="bob"))
    assert bench.chooser.offered == [["private", SMALL]]


async def test_designator_that_fails_leads_to_the_fallback() -> None:
    bench = Bench(choice=NotChosen("timeout", "the designator did not answer in time"))

    led = await bench.lead(AUTO)

    assert (led.wanted, led.trace.notes) == (SPARE, ("router auto: the designator did not answer in time",))
    assert bench.counted == [("router", "auto", "timeout")]


async def test_chosen_candidate_that_turns_out_to_be_gone_leads_to_the_fallback() -> None:
    bench, wanted = Bench(), list[str]()

    async def call_next(call: Call) -> Reply:
        wanted.append(call.wanted)
        if call.wanted == LARGE:
            raise UnknownModel("gone")
        return make_reply()

    await bench.stage.handle(make_call(), AUTO, call_next)

    assert wanted == [LARGE, SPARE]
    assert bench.counted == [("router", "auto", "gone")]


async def test_fallback_that_is_gone_is_an_error() -> None:
    bench = Bench(choice=NotChosen("error", "no"))

    async def call_next(call: Call) -> Reply:
        raise UnknownModel(f"no {call.wanted}")

    with pytest.raises(UnknownModel, match="no acme/gpt-x"):
        await bench.stage.handle(make_call(), AUTO, call_next)
    assert bench.counted == [("router", "auto", "error")]


async def test_conversation_keeps_its_model_until_that_cannot_take_it() -> None:
    bench = Bench(knows=NEEDY, choice=SMALL)
    third = [{"model": model} for model in (SMALL, LARGE, "acme/third")]
    router = make_entry("router", "auto", strategy="per_session", candidates=third)

    assert await bench.choice(router, {"metadata": {"session_id": "a"}}) == SMALL
    bench.chooser.choice = LARGE
    assert await bench.choice(router, {"metadata": {"session_id": "a"}}) == SMALL
    assert await bench.choice(router, {"metadata": {"session_id": "a"}, **LONG}) == LARGE
    assert await bench.choice(router, {"metadata": {"session_id": "a"}}) == LARGE
    assert len(bench.chooser.offered) == 2


async def test_choice_that_failed_is_not_kept() -> None:
    bench = Bench(choice=NotChosen("garbage", "no"))

    await bench.lead(make_entry("router", "auto", strategy="per_session"))

    assert bench.sessions.kept == {}


async def test_cheapest_is_by_the_price_of_the_request() -> None:
    bench = Bench(knows=NEEDY)
    models = [{"model": model} for model in ("acme/third", LARGE, SMALL)]
    router = make_entry("router", "auto", strategy="cheapest", candidates=models)

    assert await bench.choice(router) == SMALL
    assert await bench.choice(router, LONG) == LARGE
    assert bench.chooser.offered == []


async def test_cheapest_without_prices_is_the_first() -> None:
    models = [{"model": "acme/third"}, {"model": SPARE}]

    assert await Bench().choice(make_entry("router", "auto", strategy="cheapest", candidates=models)) == "acme/third"


async def test_fastest_is_by_the_time_to_the_first_byte() -> None:
    bench = Bench()
    for model, seconds in (("small", 2.0), ("large", 0.2)):
        ticket = bench.board.enter(Target("acme", model))
        bench.board.succeeded(Target("acme", model), ticket, seconds)

    assert {await bench.choice(make_entry("router", "auto", strategy="fastest")) for _ in range(20)} == {LARGE}


def ruled(*rules: dict[str, Any]) -> Entry:
    return make_entry("router", "auto", strategy="rules", rules=list(rules))


@pytest.mark.parametrize(
    ("rule", "payload", "is_held"),
    [
        ({"min_tokens": 2000}, LONG, True),
        ({"min_tokens": 2000}, {}, False),
        ({"max_tokens": 1000}, {}, True),
        ({"max_tokens": 1000}, LONG, False),
        ({"images": True}, PICTURE, True),
        ({"images": True}, {}, False),
        ({"images": False}, PICTURE, False),
        ({"tools": True}, {"tools": [TOOL]}, True),
        ({"tools": False}, {"tools": [TOOL]}, False),
        ({"pattern": r"(?i)\bhi\b"}, {}, True),
        ({"pattern": "bye"}, {}, False),
        ({"after": "11:00", "before": "13:00"}, {}, True),
        ({"after": "12:00"}, {}, True),
        ({"before": "12:00"}, {}, False),
        ({"after": "22:00", "before": "12:30"}, {}, True),
        ({"after": "22:00", "before": "06:00"}, {}, False),
        ({"after": "13:00+02:00", "before": "15:00+02:00"}, {}, True),
        ({"images": False, "pattern": "bye"}, {}, False),
    ],
)
async def test_rule_holds_where_all_that_it_says_does(
    rule: dict[str, Any], payload: dict[str, Any], *, is_held: bool
) -> None:
    assert await Bench().choice(ruled({"model": SMALL, **rule}), payload) == (SMALL if is_held else SPARE)


async def test_first_rule_whose_model_can_take_the_request_counts() -> None:
    bench = Bench(knows=NEEDY)
    rules = {"model": SMALL, "min_tokens": 10}, {"model": LARGE}

    assert await bench.choice(ruled(*rules)) == SMALL
    assert await bench.choice(ruled(*rules), LONG) == LARGE
    assert bench.counted == []


async def test_pattern_made_to_take_for_ever_does_not() -> None:
    bad = {"messages": [{"role": "user", "content": "a" * 5000 + "!"}]}

    assert await Bench().choice(ruled({"model": SMALL, "pattern": "^(a+)+$"}), bad) == SPARE


def learned(*steps: Step) -> object:
    # The model thinks that whatever has a picture is beyond the small one.
    weights = {0: 2.0, 11: -4.0}
    return write_learned(Learned(LARGE, {SMALL: weights}, steps or (Step(0.9, 0.5), Step(0.5, 3.0), Step(0.1, 20.0))))


def trained(value: object, **fields: Any) -> Entry:
    return make_entry("router", "auto", learned=value, strategy="learned", **fields)


async def test_learned_takes_the_cheaper_one_where_it_is_likely_as_good() -> None:
    bench = Bench()

    assert await bench.choice(trained(learned())) == SMALL
    assert await bench.choice(trained(learned()), PICTURE) == LARGE


async def test_threshold_is_by_the_quality_that_may_be_lost() -> None:
    picture = [await Bench().choice(trained(learned(), max_quality_loss=loss), PICTURE) for loss in (2, 5, 25)]
    text = [await Bench().choice(trained(learned(), max_quality_loss=loss)) for loss in (0.1, 2, 5)]

    assert picture == [LARGE, LARGE, SMALL]
    assert text == [LARGE, LARGE, SMALL]


@pytest.mark.parametrize("value", [None, {"version": 0}, {"version": 1}, "nonsense"])
async def test_learned_without_a_training_leads_to_the_fallback(value: object) -> None:
    bench = Bench()

    assert await bench.choice(trained(value)) == SPARE
    assert bench.counted == [("router", "auto", "untrained")]


async def test_what_is_no_chat_goes_to_the_first_that_is_not_known_to_lack_it() -> None:
    payload = {"input": "Hi", "messages": None}
    fields: dict[str, Any] = {"surface": "embeddings", "dialect": "openai-embeddings"}

    assert await Bench().choice(AUTO, payload, **fields) == SMALL
    assert await Bench(knows=NEEDY).choice(AUTO, payload, **fields) == SPARE


async def test_explanation_tells_who_is_out_and_that_the_designator_is_to_be_asked() -> None:
    bench = Bench(knows=NEEDY)
    models = [{"model": model} for model in (SMALL, LARGE, "acme/third", "acme/gone")]
    assert isinstance(bench.stage, Explains)

    told = await bench.stage.explain(make_call(LONG), make_entry("router", "auto", candidates=models))

    assert told.next == (LARGE, "acme/third", SPARE)
    assert told.asks == ("acme/picker",)
    assert [each.reason for each in told.candidates] == [
        "its context of 3000 tokens is too short",
        None,
        None,
        "is not there",
    ]
    assert (bench.chooser.offered, bench.counted) == ([], [])


async def test_explanation_tells_a_fallback_that_is_a_candidate_once() -> None:
    told = await Bench().stage.explain(make_call(), make_entry("router", "auto", fallback_model=SMALL))

    assert told.next == (SMALL, LARGE)


async def test_explanation_names_the_rule() -> None:
    told = await Bench().stage.explain(make_call(), ruled({"model": LARGE, "pattern": "bye"}, {"model": SMALL}))

    assert (told.next, told.notes, told.asks) == ((SMALL,), ("Rule 2 holds.",), ())
