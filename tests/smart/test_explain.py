"""The way of a call is told, step by step, with nothing sent; and it is the way that the call would go."""

from dataclasses import replace
from typing import Any

import pytest

from app.core.book import Entry
from app.core.call import Call, Target
from app.core.errors import InvalidRequest
from app.core.explained import CandidateView, Explained
from app.core.ports import Handler
from app.core.principal import Principal
from app.core.reply import Reply
from app.core.smart import Kind
from app.pipeline.alias import Alias
from app.pipeline.names import Names
from app.smart.explain import Explainer, Way
from tests.calls import PRINCIPAL
from tests.pipeline.test_names import registry
from tests.smart import Shelf, make_entry

MODELS = ("GPT-X", "small", "large")


class Choosing:
    """A stage that leads to one of all its targets, and says so."""

    async def handle(self, call: Call, entry: Entry, call_next: Handler) -> Reply:
        raise AssertionError(f"{entry.model.name} handled {call.id}; it was to be told only: {call_next}")

    async def explain(self, call: Call, entry: Entry) -> Explained:
        candidates = tuple(
            CandidateView(name, "too small" if "small" in name else None) for name in entry.model.targets
        )
        left = tuple(each.model for each in candidates if each.reason is None)
        return Explained(left, ("The designator decides.",), candidates, ("acme/picker",))


class Silent:
    """A stage that cannot tell."""

    async def handle(self, call: Call, entry: Entry, call_next: Handler) -> Reply:
        raise AssertionError(f"{entry.model.name} handled {call.id}: {call_next}")


async def explain(
    *entries: Entry, model: str, default: str | None = None, principal: Principal | None = None, **fields: Any
) -> Way:
    alias = Alias()
    stages: dict[Kind, Any] = {"alias": alias, "redirect": alias, "router": Choosing(), "cache": Silent()}
    names = Names(registry(*MODELS), Shelf(*entries), stages, lambda: default)
    return await Explainer(names).explain({"model": model, "messages": [], **fields}, principal)


async def test_way_through_several_names_is_told_to_its_end() -> None:
    way = await explain(
        make_entry("alias", "research", target="kept"),
        make_entry("cache", "kept", target_model="auto"),
        make_entry("router", "auto"),
        model="Research",
    )

    assert way.resolved == "research>cache:kept>router:auto>acme/large"
    auto = way.leads_to[0].leads_to[0]
    assert auto.candidates == (
        CandidateView("acme/small", "too small"),
        CandidateView("acme/large"),
        CandidateView("acme/gpt-x"),
    )
    assert (auto.notes, auto.asks) == (("The designator decides.",), ("acme/picker",))
    assert [each.targets for each in auto.leads_to] == [(Target("acme", "large"),), (Target("acme", "GPT-X"),)]


async def test_what_a_pattern_stands_for_is_carried_over() -> None:
    way = await explain(make_entry("redirect", "gpt-*", target="acme/gpt-*"), model="GPT-X")

    assert way.resolved == "GPT-X>redirect:gpt-*>acme/GPT-X"


async def test_default_model_that_stands_in_is_a_step() -> None:
    way = await explain(make_entry("alias", "fast", target="acme/small"), model="nothing", default="fast")

    assert way.resolved == "nothing>default:fast>fast>acme/small"
    assert "DEFAULT_MODEL" in way.notes[0]


async def test_where_it_ends_in_an_error_that_is_told() -> None:
    gone = await explain(make_entry("alias", "fast", target="acme/gone"), model="fast")
    circle = await explain(make_entry("alias", "a", target="b"), make_entry("alias", "b", target="a"), model="a")

    assert gone.leads_to[0].error is not None
    assert "The alias 'fast' leads to 'acme/gone'." in gone.leads_to[0].error
    assert circle.leads_to[0].leads_to[0].error == "The name 'a' leads in a circle: a > b > a."


async def test_token_is_held_against_each_name_and_without_one_the_tokens_are_told() -> None:
    entry = make_entry("alias", "fast", target="acme/small", allowed_tokens=("Zz3dEf9h",))
    limited = replace(PRINCIPAL, models=("large",))

    assert (await explain(entry, model="fast", principal=PRINCIPAL)).error == "This token may not use the model 'fast'."
    assert (await explain(model="small", principal=limited)).error == "This token may not use the model 'small'."
    assert (await explain(model="large", principal=limited)).targets == (Target("acme", "large"),)
    told = await explain(entry, model="fast")
    assert (told.notes, told.resolved) == (("Only for the tokens Zz3dEf9h.",), "fast>acme/small")


async def test_tag_behind_the_name_is_none_of_it() -> None:
    assert (await explain(make_entry("alias", "fast", target="acme/small"), model="fast@team")).wanted == "fast"


async def test_too_many_ways_are_not_all_told() -> None:
    def candidates(name: str) -> list[dict[str, str]]:
        return [{"model": f"{name}{index}"} for index in range(20)]

    layers = [
        make_entry("router", f"{layer}{index}", candidates=candidates(below), fallback_model="acme/large")
        for layer, below in (("a", "b"), ("b", "c"))
        for index in range(20)
    ]
    way = await explain(*layers, model="a0")

    def count(each: Way) -> int:
        return 1 + sum(map(count, each.leads_to))

    assert count(way) < 500
    assert "more ways" in str(way)


@pytest.mark.parametrize("model", [None, 3, " "])
async def test_request_without_a_model_cannot_be_explained(model: Any) -> None:
    with pytest.raises(InvalidRequest, match="must name its model"):
        await explain(model=model)
