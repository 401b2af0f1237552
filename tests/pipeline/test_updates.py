"""The rule of `speed`: which calls for which names are answered with what monitors found."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import httpx
import pytest

from app.config import Config, NameConfig, ProviderConfig
from app.core.book import Book, Entry
from app.core.call import Call, Target
from app.core.errors import PermissionDenied
from app.core.ports import Handler
from app.core.principal import Principal
from app.core.reply import Reply
from app.core.smart import Kind
from app.dialects.conversation import last_user_text, read_chat
from app.dialects.insertion import with_message
from app.overrides import NOTHING_SAID, Layer, Overrides, parse_overrides
from app.pipeline.alias import Alias
from app.pipeline.names import RESOLVED, Names
from app.pipeline.updates import UpdateRule
from app.providers.demo import Demo
from app.providers.registry import Registry
from app.providers.updates import MonitorUpdates
from app.settings.monitors import WORDS
from app.smart.explain import Explainer
from tests.calls import PRINCIPAL, make_call, make_reply
from tests.providers.test_updates import Found
from tests.smart import Shelf, make_entry

NEWS = "What's new?"
UPDATES, PARALLEL = Target("monitors", "monitor-updates"), Target("parallelai", "speed")


def read_text(call: Call) -> str:
    request = read_chat(call)
    return "" if request is None else last_user_text(request)


def rule(words: Sequence[str] = WORDS) -> UpdateRule:
    return UpdateRule("monitors/monitor-updates", words, read_text)


class Inserting:
    """An augmentor that found the latest news."""

    async def handle(self, call: Call, entry: Entry, call_next: Handler) -> Reply:
        request = read_chat(call)
        assert request is not None
        led = with_message(call, request, "The latest news, updated.", "user")
        return await call_next(led.led("augmentor", entry.model.name, entry.model.targets[0]))


class ToSecond:
    """A router that takes its second candidate."""

    async def handle(self, call: Call, entry: Entry, call_next: Handler) -> Reply:
        return await call_next(call.led("router", entry.model.name, entry.model.targets[1]))


def names_of(
    *entries: Entry,
    names: Mapping[str, NameConfig] | None = None,
    with_monitors: bool = True,
    overrides: Overrides = NOTHING_SAID,
    default: str | None = None,
) -> Names:
    providers = {
        "parallelai": ProviderConfig(base_url="http://parallel.test", supported_models=("speed",)),
        "acme": ProviderConfig(base_url="http://acme.test", supported_models=("gpt-x",)),
    }
    built_in = (Demo(), MonitorUpdates(Found(), 7)) if with_monitors else (Demo(),)
    transport = httpx.MockTransport(lambda _request: httpx.Response(500))
    registry = Registry(Config(providers, names or {}), lambda _names: None, transport, overrides, built_in)
    stages: dict[Kind, Any] = {"alias": Alias(), "redirect": Alias(), "augmentor": Inserting(), "router": ToSecond()}
    return Names(registry, Shelf(*entries), stages, lambda: default, updates=rule())


async def target_of(names: Names, model: str, said: str = NEWS, **fields: Any) -> Target:
    """Where a call goes."""
    routed: list[Call] = []

    async def answer(call: Call) -> Reply:
        routed.append(call)
        return make_reply()

    call = make_call({"model": model, "messages": [{"role": "user", "content": said}]}, **fields)
    await names.handle(call, answer)
    (found,) = routed
    assert found.route is not None
    return found.route.choices[0].target


@pytest.mark.parametrize(
    "said",
    [NEWS, "What’s new?", "UPDATES!", "any news", "(latest)", "Monitor?", "the most recent.", "brand-new", "¿new?"],
)
def test_word_of_the_list_asks_for_updates(said: str) -> None:
    assert rule().asks(make_call({"messages": [{"role": "user", "content": said}]}))


@pytest.mark.parametrize(
    "said", ["I knew it", "renewable", "anew", "newsletter", "new_york", "new2", "éupdate", "Hello", "", "monitoring"]
)
def test_word_within_another_does_not(said: str) -> None:
    assert not rule().asks(make_call({"messages": [{"role": "user", "content": said}]}))


@pytest.mark.parametrize("said", ["Änderungen?", "A\u0308NDERUNGEN", "GRÖSSE", "größe"])
def test_words_of_other_languages_are_known_in_any_case_and_form(said: str) -> None:
    assert rule(["änderungen", "größe"]).asks(make_call({"messages": [{"role": "user", "content": said}]}))


@pytest.mark.parametrize("model", ["speed", "SPEED", " Speed:latest "])
async def test_call_for_speed_goes_by_what_is_asked(model: str) -> None:
    assert await target_of(names_of(), model) == UPDATES
    assert await target_of(names_of(), model, "Hello") == PARALLEL


@pytest.mark.parametrize("model", ["parallelai/speed", "parallelai-speed", "PARALLELAI/Speed"])
async def test_parallel_itself_is_asked_under_its_own_name(model: str) -> None:
    assert await target_of(names_of(), model) == PARALLEL


@pytest.mark.parametrize("model", ["speed", "quick"])
async def test_caller_without_a_token_is_answered_by_parallel(model: str) -> None:
    names = names_of(make_entry("alias", "quick", target="speed"))

    assert await target_of(names, model, principal=replace(PRINCIPAL, anonymous=True)) == PARALLEL


@pytest.mark.parametrize("kind", ["alias", "redirect", "router", "augmentor"])
@pytest.mark.parametrize(("said", "target"), [(NEWS, UPDATES), ("I knew it", PARALLEL)])
async def test_rule_holds_on_every_way(kind: Kind, said: str, target: Target) -> None:
    fields: dict[Kind, dict[str, Any]] = {
        "alias": {"target": "Speed"},
        "redirect": {"target": "speed"},
        "router": {"candidates": [{"model": "acme/gpt-x", "notes": "a"}, {"model": "speed", "notes": "b"}]},
        "augmentor": {"target_model": "speed"},
    }
    names = names_of(make_entry(kind, "quick", **fields[kind]))

    assert await target_of(names, "quick", said) == target


@pytest.mark.parametrize("dialect", ["openai", "anthropic", "gemini", "ollama-generate", "responses"])
async def test_only_the_clients_own_words_count(dialect: str) -> None:
    names = names_of(make_entry("augmentor", "web", target_model="speed"))
    said = {"role": "user", "content": "Hello"}
    payloads: dict[str, dict[str, Any]] = {
        "openai": {"messages": [said]},
        "anthropic": {"messages": [said], "max_tokens": 9},
        "gemini": {"contents": [{"role": "user", "parts": [{"text": "Hello"}]}]},
        "ollama-generate": {"prompt": "Hello"},
        "responses": {"input": "Hello"},
    }
    routed: list[Call] = []

    async def answer(call: Call) -> Reply:
        routed.append(call)
        return make_reply()

    await names.handle(replace(make_call(), name="web", payload=payloads[dialect], dialect=dialect), answer)

    assert b"latest news" in routed[0].body
    assert routed[0].route is not None
    assert routed[0].route.choices[0].target == PARALLEL


@pytest.mark.parametrize("dialect", ["anthropic-count", "openai-embeddings", "openai-images", "transcription"])
async def test_what_is_no_chat_is_none_of_its_business(dialect: str) -> None:
    assert await target_of(names_of(), "speed", dialect=dialect) == PARALLEL


async def test_what_an_operator_calls_speed_goes_before() -> None:
    config = {"speed": NameConfig.model_validate({"targets": ("acme/gpt-x",)}, strict=False)}

    assert await target_of(names_of(make_entry("alias", "speed", target="acme/gpt-x")), "speed") == Target(
        "acme", "gpt-x"
    )
    assert await target_of(names_of(names=config), "speed") == Target("acme", "gpt-x")


async def test_without_monitors_parallel_answers_all() -> None:
    assert await target_of(names_of(with_monitors=False), "speed") == PARALLEL


async def test_without_its_model_parallel_answers_all() -> None:
    off = "providers: {monitors: {models: {monitor-updates: {disabled: true}}}}"
    overrides = Overrides({Layer.OPERATOR: parse_overrides(off)})

    assert await target_of(names_of(overrides=overrides), "speed") == PARALLEL


async def test_default_model_may_be_speed() -> None:
    assert await target_of(names_of(default="speed"), "unheard-of") == UPDATES


async def test_way_is_told_and_explained() -> None:
    names = names_of(make_entry("alias", "quick", target="speed"))

    async def answer(call: Call) -> Reply:
        call.trace.target = call.route.choices[0].target if call.route else None
        return make_reply()

    reply = await names.handle(make_call({"model": "quick", "messages": [{"role": "user", "content": NEWS}]}), answer)
    explained = await Explainer(names).explain({"model": "quick", "messages": [{"role": "user", "content": NEWS}]})

    way = "quick>updates:speed>monitors/monitor-updates"
    assert dict(reply.headers)[RESOLVED.encode()].decode() == explained.resolved == way
    assert "MONITOR_WORDS" in explained.leads_to[0].notes[0]


@pytest.mark.parametrize(
    ("models", "is_allowed"),
    [(("speed",), True), (("quick",), True), (("monitor-updates",), True), (("acme/*",), False)],
)
async def test_token_needs_a_name_on_the_way(models: tuple[str, ...], is_allowed: bool) -> None:
    names = names_of(make_entry("alias", "quick", target="speed"))
    principal: Principal = replace(PRINCIPAL, models=models)

    if is_allowed:
        assert await target_of(names, "quick", principal=principal) == UPDATES
    else:
        with pytest.raises(PermissionDenied):
            await target_of(names, "quick", principal=principal)


@pytest.mark.parametrize(
    ("target", "said", "may"),
    [
        ("speed", NEWS, True),
        ("speed", "Hello", False),
        ("quick", NEWS, True),
        ("auto", NEWS, True),
        ("auto", "Hello", False),
        ("monitor-updates", "Hello", True),
        ("Monitors/monitor-updates", "Hello", True),
        ("parallelai/speed", NEWS, False),
        ("by-pattern", NEWS, True),
    ],
)
def test_cache_is_told_where_updates_may_be_the_answer(target: str, said: str, may: bool) -> None:
    book = Book(
        [
            make_entry("alias", "quick", target="Speed"),
            make_entry("redirect", "by-*", target="*"),
            make_entry("alias", "pattern", target="speed"),
            make_entry("router", "auto", candidates=[{"model": "a/b", "notes": ""}, {"model": "quick", "notes": ""}]),
        ]
    )

    call = make_call({"messages": [{"role": "user", "content": said}]})
    assert rule().may_answer(call, book.reach(target)) is may
