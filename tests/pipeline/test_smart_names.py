"""Names that stand for smart models: their order, what they lead to, and what is said where that is nothing."""

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from app.core.book import Book, Entry
from app.core.call import Call, Target
from app.core.errors import PermissionDenied, UnknownModel
from app.core.ports import Handler, SmartStage
from app.core.principal import Principal
from app.core.reply import Reply
from app.core.smart import KINDS, Kind
from app.pipeline.alias import Alias
from app.pipeline.names import Names
from tests.calls import PRINCIPAL, make_call, make_reply
from tests.pipeline.test_names import Next, registry
from tests.smart import Shelf, make_entry

MODELS = ("GPT-X", "small", "large", "vendor/Odd-One")


class Marking:
    """A stage that notes its kind, and leads to the entry's first target."""

    def __init__(self, seen: list[str]) -> None:
        self.seen = seen

    async def handle(self, call: Call, entry: Entry, call_next: Handler) -> Reply:
        self.seen.append(entry.model.kind)
        return await call_next(call.led(entry.model.kind, entry.model.name, entry.model.targets[0]))


def names_of(*entries: Entry, seen: list[str] | None = None, default: str | None = None) -> Names:
    alias, marking = Alias(), Marking([] if seen is None else seen)
    stages: Mapping[Kind, SmartStage] = {kind: alias if kind in ("alias", "redirect") else marking for kind in KINDS}
    return Names(registry(*MODELS), Shelf(*entries), stages, lambda: default)


async def resolve(names: Names, model: str, **fields: Any) -> tuple[Call, Reply]:
    rest = Next()
    call = make_call({"model": model}, **fields)

    async def answer(routed: Call) -> Reply:
        await rest(routed)
        return make_reply()

    reply = await names.handle(call, answer)
    (routed,) = rest.calls
    assert routed.trace is call.trace
    return routed, reply


def target_of(call: Call) -> Target:
    assert call.route is not None
    return call.route.choices[0].target


def resolved(reply: Reply) -> str | None:
    return dict(reply.headers).get(b"x-relay-resolved", b"").decode() or None


@pytest.mark.parametrize(("first", "second"), [("redirect", "router"), ("router", "cache"), ("cache", "augmentor")])
async def test_of_two_kinds_with_the_same_name_the_earlier_one_is_taken(first: Kind, second: Kind) -> None:
    seen: list[str] = []
    both = make_entry(second, "twin"), make_entry(first, "twin")

    call, _ = await resolve(names_of(*both, seen=seen), "twin")

    assert call.way[0].kind == first


async def test_augmentor_comes_before_an_alias_of_the_same_name() -> None:
    call, _ = await resolve(names_of(make_entry("alias", "twin"), make_entry("augmentor", "twin")), "twin")

    assert call.way[0].kind == "augmentor"


async def test_alias_comes_before_a_provider_and_its_model() -> None:
    call, _ = await resolve(names_of(make_entry("alias", "acme/small", target="acme/large")), "acme/small")

    assert target_of(call) == Target("acme", "large")


@pytest.mark.parametrize("model", [" Fast ", "FAST:latest", "fast"])
async def test_capitals_spaces_and_latest_do_not_matter(model: str) -> None:
    call, reply = await resolve(names_of(make_entry("alias", "fast", target="ACME/gpt-x")), model)

    assert target_of(call) == Target("acme", "GPT-X")
    assert resolved(reply) == "fast>acme/GPT-X"


async def test_what_is_switched_off_is_passed_over() -> None:
    entries = make_entry("alias", "small", target="acme/large", enabled=False), make_entry("alias", "fast")

    call, reply = await resolve(names_of(*entries), "small")

    assert target_of(call) == Target("acme", "small")
    assert resolved(reply) is None


async def test_chain_goes_through_all_its_names_and_the_reply_shows_it() -> None:
    chain = (
        make_entry("alias", "research", target="auto", tags=["team"]),
        make_entry("router", "auto", fallback_model="kept", candidates=[{"model": "kept"}, {"model": "acme/large"}]),
        make_entry("cache", "kept", target_model="searched", tags=["faq"]),
        make_entry("augmentor", "searched", target_model="acme/gpt-x"),
    )

    call, reply = await resolve(names_of(*chain), "research")

    assert resolved(reply) == "research>router:auto>cache:kept>augmentor:searched>acme/GPT-X"
    trace = call.trace
    assert (trace.alias, trace.router, trace.cache, trace.augmentor) == ("research", "auto", "kept", "searched")
    assert set(trace.tags) == {"team", "faq"}
    assert call.name == "research"


async def test_circle_is_an_error_that_shows_the_chain() -> None:
    circle = make_entry("alias", "a", target="b"), make_entry("cache", "b", target_model="a")

    with pytest.raises(UnknownModel) as caught:
        await resolve(names_of(*circle), "A")

    assert caught.value.message == "The name 'A' leads in a circle: a > cache:b > a."
    assert caught.value.code == "model_cycle"
    assert ("x-relay-resolved", "a>cache:b") in caught.value.headers


async def test_target_that_is_gone_is_named() -> None:
    with pytest.raises(UnknownModel) as caught:
        await resolve(names_of(make_entry("alias", "fast", target="acme/smal")), "fast")

    assert caught.value.message.startswith(
        "The alias 'fast' leads to 'acme/smal'. The model 'acme/smal' does not exist"
    )
    assert "'small'" in caught.value.message


async def test_default_model_stands_in_only_where_the_name_says_so() -> None:
    strict, lax = (
        make_entry("alias", name, target="gone", fallback=how) for name, how in (("a", "error"), ("b", "default"))
    )
    names = names_of(strict, lax, default="acme/large")

    with pytest.raises(UnknownModel, match="The alias 'a' leads to 'gone'"):
        await resolve(names, "a")
    call, reply = await resolve(names, "b")

    assert target_of(call) == Target("acme", "large")
    assert resolved(reply) == "b>default:acme/large>acme/large"


async def test_unknown_name_goes_to_the_default_model_and_the_client_and_the_log_are_told(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with caplog.at_level("INFO", "app.pipeline.names"):
        call, reply = await resolve(names_of(default="acme/large"), "nonsense")

    assert target_of(call) == Target("acme", "large")
    assert resolved(reply) == "nonsense>default:acme/large>acme/large"
    assert "'nonsense' is not there; the default model 'acme/large' answers" in caplog.text


async def test_default_model_that_is_gone_is_an_error_that_names_it() -> None:
    with pytest.raises(UnknownModel, match=r"The default model \(DEFAULT_MODEL\) leads to 'gone'"):
        await resolve(names_of(default="gone"), "nonsense")


async def test_exact_name_comes_before_a_pattern_and_the_longer_pattern_before_the_shorter() -> None:
    entries = (
        make_entry("redirect", "old-*", target="acme/small"),
        make_entry("redirect", "old-gpt-*", target="acme/large"),
        make_entry("alias", "old-gpt-1", target="acme/gpt-x"),
    )
    names = names_of(*entries)

    found = [target_of((await resolve(names, name))[0]).model for name in ("old-gpt-1", "old-gpt-2", "Old-Thing")]

    assert found == ["GPT-X", "large", "small"]


async def test_pattern_carries_the_rest_over_in_the_clients_capitals() -> None:
    call, reply = await resolve(names_of(make_entry("redirect", "v/*", target="acme/vendor/*")), "V/Odd-One:latest")

    assert target_of(call) == Target("acme", "vendor/Odd-One")
    assert resolved(reply) == "V/Odd-One:latest>redirect:v/*>acme/vendor/Odd-One"
    assert call.way[0].target == "acme/vendor/Odd-One"


async def test_set_of_characters_in_a_pattern_stands_for_one_of_them() -> None:
    names = names_of(make_entry("redirect", "chat-[34]-*-v[!0-8]", target="acme/*"))

    assert target_of((await resolve(names, "Chat-3-Small-v9"))[0]).model == "small"


def test_star_within_a_set_stands_for_itself_and_carries_nothing_over() -> None:
    with pytest.raises(ValueError, match="needs one \\* in the pattern"):
        make_entry("redirect", "gpt-[*]", target="acme/*")


async def test_way_that_has_too_many_names_is_an_error_and_not_our_fault() -> None:
    names = names_of(*(make_entry("alias", f"a{number}", target=f"a{number + 1}") for number in range(600)))

    with pytest.raises(UnknownModel, match="through more than 20 smart models"):
        await resolve(names, "a0")


@pytest.mark.parametrize("model", ["gpt-4\r\nx-evil: 1", "gpt-4\0", "gpt-\u00e9\u6a21", "gpt-" + "4" * 100_000])
async def test_header_about_the_way_holds_only_what_a_header_may(model: str) -> None:
    names = names_of(make_entry("redirect", "gpt-*", target="acme/small"), make_entry("redirect", "gpt-4*", target="x"))

    try:
        header = resolved((await resolve(names, model))[1])
    except UnknownModel as exc:
        header = dict(exc.headers)["x-relay-resolved"]

    assert header is not None
    assert re.fullmatch(r"gpt-[4?][ -~]*>redirect:gpt-4?\*(>acme/small)?", header)
    assert len(header) < 200


async def test_limits_are_looked_at_before_a_stage_may_make_calls() -> None:
    done: list[str] = []

    async def reserve(call: Call) -> None:
        done.append(f"reserve for {call.name}")

    stages: Mapping[Kind, SmartStage] = {"alias": Alias(), "router": Marking(done)}
    shelf = Shelf(make_entry("alias", "fast", target="small"), make_entry("router", "auto"))
    names = Names(registry(*MODELS), shelf, stages, reserve=reserve)

    await resolve(names, "small")
    await resolve(names, "fast")
    await resolve(names, "auto")

    assert done == ["reserve for auto", "router"]


async def test_pattern_that_fits_its_own_target_leads_there_once() -> None:
    call, _ = await resolve(names_of(make_entry("redirect", "*", target="acme/large")), "anything")

    assert target_of(call) == Target("acme", "large")


async def test_name_for_chosen_tokens_is_refused_to_others() -> None:
    names = names_of(
        make_entry("alias", "fast", allowed_tokens=["Ab3dEf9h"]), make_entry("alias", "b", allowed_tokens=["user:bob"])
    )

    await resolve(names, "fast")
    with pytest.raises(PermissionDenied, match="may not use the model 'b'"):
        await resolve(names, "b")


async def test_token_for_the_name_reaches_what_it_leads_to_and_one_for_neither_does_not() -> None:
    names = names_of(make_entry("alias", "fast", target="acme/small"))

    for models in (("fast",), ("acme/small",)):
        await resolve(names, "fast", principal=replace(PRINCIPAL, models=models))
    with pytest.raises(PermissionDenied):
        await resolve(names, "fast", principal=replace(PRINCIPAL, models=("acme/large",)))
    with pytest.raises(PermissionDenied):
        await resolve(names, "acme/small", principal=replace(PRINCIPAL, models=("fast",)))


async def test_name_that_is_checked_before_a_call_may_be_a_smart_one() -> None:
    names = names_of(make_entry("router", "auto"), make_entry("alias", "b", allowed_tokens=["user:bob"]))

    await names.check("AUTO", PRINCIPAL)
    assert await names.split("auto@team") == ("auto", "team")
    with pytest.raises(PermissionDenied):
        await names.check("b", PRINCIPAL)


def test_of_twins_only_the_one_that_is_found_is_listed() -> None:
    redirect, pattern = make_entry("redirect", "twin"), make_entry("redirect", "twin*")

    book = Book([make_entry("alias", "twin"), redirect, pattern])

    assert list(book.entries) == [redirect, pattern]


async def suggested(names: Names, model: str, principal: Principal) -> str:
    with pytest.raises(UnknownModel) as caught:
        await names.check(model, principal)
    return caught.value.message


async def test_unknown_name_is_told_with_the_smart_models_that_are_like_it() -> None:
    names = names_of(make_entry("alias", "research"), make_entry("router", "weather"))

    told = await suggested(names, "reserch", PRINCIPAL)

    assert told.startswith("The model 'reserch' does not exist here. Did you mean 'research', '")
    assert "weather" not in told


@pytest.mark.parametrize(
    ("fields", "models"), [({"allowed_tokens": ["user:bob"]}, ()), ({}, ("small", "large")), ({"enabled": False}, ())]
)
async def test_no_smart_model_is_suggested_that_the_token_may_not_use(
    fields: dict[str, Any], models: tuple[str, ...]
) -> None:
    names = names_of(make_entry("alias", "research", **fields), make_entry("redirect", "researc*"))

    told = await suggested(names, "reserch", replace(PRINCIPAL, models=models))

    assert "Did you mean" in told
    assert "researc" not in told


async def test_no_model_of_a_provider_is_suggested_that_the_token_may_not_use() -> None:
    told = await suggested(names_of(), "smal", replace(PRINCIPAL, models=("large",)))

    assert told == "The model 'smal' does not exist here. Did you mean 'large'? The list of models has all."
