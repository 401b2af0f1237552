"""From the name that a client gave to a target, or to an error that helps."""

from collections.abc import Mapping
from dataclasses import replace

import httpx
import pytest

from app.config import Config, NameConfig, ProviderConfig
from app.core.call import Call, Target
from app.core.errors import PermissionDenied, UnknownModel
from app.core.reply import Reply
from app.overrides import NOTHING_SAID, Layer, Overrides, parse_overrides
from app.pipeline.names import Names
from app.providers.registry import Registry
from tests.calls import PRINCIPAL, make_call, make_reply

REPLY = make_reply()


def registry(
    *models: str, names: Mapping[str, NameConfig] | None = None, overrides: Overrides = NOTHING_SAID
) -> Registry:
    entry = ProviderConfig(base_url="http://acme.test/v1", supported_models=models)
    transport = httpx.MockTransport(lambda _request: httpx.Response(500))
    return Registry(Config({"acme": entry}, names or {}), lambda _names: None, transport, overrides)


class Next:
    """The rest of the pipeline: remembers the call."""

    def __init__(self) -> None:
        self.calls: list[Call] = []

    async def __call__(self, call: Call) -> Reply:
        self.calls.append(call)
        return REPLY


async def test_name_is_checked_as_that_of_a_call_would_be() -> None:
    names = Names(registry("Gpt-X"))
    limited = replace(PRINCIPAL, models=("other/*",))

    await names.check("gpt-x:latest", PRINCIPAL)
    with pytest.raises(UnknownModel, match="'gtp-x' does not exist here"):
        await names.check("gtp-x", PRINCIPAL)
    with pytest.raises(PermissionDenied, match="may not use the model 'gpt-x'"):
        await names.check("gpt-x", limited)


async def resolve(call: Call, directory: Registry) -> Target | None:
    rest = Next()
    reply = await Names(directory).handle(call, rest)
    assert reply is REPLY
    (routed,) = rest.calls
    return routed.route.choices[0].target if routed.route else None


async def test_call_is_aimed_at_the_providers_own_name() -> None:
    call = make_call({"model": " ACME/gpt-x:latest "})

    target = await resolve(call, registry("Gpt-X"))

    assert target == Target("acme", "Gpt-X")
    assert call.trace.target == target
    assert call.route is None


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ("{disabled: true, reason: Too dear.}", "The model 'Acme/gpt-x' is switched off here: Too dear."),
        ("{disabled: true}", "The model 'Acme/gpt-x' is switched off here."),
    ],
)
async def test_model_that_is_switched_off_is_refused_with_the_reason(said: str, words: str) -> None:
    entry = ProviderConfig(base_url="http://acme.test/v1", supported_models=("gpt-x", "gpt-y"))
    transport = httpx.MockTransport(lambda _request: httpx.Response(500))
    overrides = Overrides({Layer.OPERATOR: parse_overrides(f"providers: {{acme: {{models: {{gpt-x: {said}}}}}}}")})
    directory = Registry(Config({"acme": entry}), lambda _names: None, transport, overrides)
    await settle(directory)

    with pytest.raises(UnknownModel) as caught:
        await resolve(make_call({"model": "Acme/gpt-x"}), directory)

    assert (caught.value.message, caught.value.param, caught.value.status) == (words, "model", 404)


async def test_name_of_which_no_target_can_be_used_is_refused_and_the_operator_finds_the_reason() -> None:
    entry = ProviderConfig(base_url="http://acme.test/v1", api_key_env=("ACME_KEY",))
    names = {"fast": NameConfig.model_validate({"targets": ["acme/m"]}, strict=False)}
    transport = httpx.MockTransport(lambda _request: httpx.Response(500))
    directory = Registry(Config({"acme": entry}, names), no_key, transport)
    await settle(directory)

    with pytest.raises(UnknownModel) as caught:
        await Names(directory).check("Fast", PRINCIPAL)

    assert caught.value.message == "The model 'Fast' cannot be used now; the gateway's log says why."
    assert directory.why_unusable("Fast") == "none of its targets can be used: provider acme: no key: set ACME_KEY"


async def test_unknown_name_is_refused_with_the_three_nearest() -> None:
    directory = registry("gpt-5-mini", "gpt-5", "gpt-4.1", "sonar", "grok")
    await settle(directory)

    with pytest.raises(UnknownModel) as caught:
        await resolve(make_call({"model": "gpt-5-minni"}), directory)

    error = caught.value
    assert (error.status, error.param, error.code) == (404, "model", "model_not_found")
    assert error.message.startswith("The model 'gpt-5-minni' does not exist here. Did you mean 'gpt-5-mini', '")
    # The path of that list is another one in each API.
    assert error.message.endswith("? The list of models has all.")
    assert error.message.count("'") == 8
    assert " or '" in error.message


async def test_unknown_name_waits_for_lists_that_are_on_their_way() -> None:
    class Late(Registry):
        async def settled(self) -> None:
            self.reload(Config({"acme": ProviderConfig(base_url="http://a", supported_models=("gpt-x",))}), no_key)

    late = Late(Config({}), no_key, httpx.MockTransport(lambda _request: httpx.Response(500)))

    assert await resolve(make_call({"model": "gpt-x"}), late) == Target("acme", "gpt-x")


@pytest.mark.parametrize("pattern", ["acme/gpt-x", "gpt-x", "gpt-*", "acme/*"])
@pytest.mark.parametrize("name", ["gpt-x", "ACME/GPT-X", "acme-gpt-x", "gpt-x:latest"])
async def test_token_may_use_what_its_patterns_match_whatever_the_spelling(name: str, pattern: str) -> None:
    principal = replace(PRINCIPAL, models=(pattern,))

    assert await resolve(make_call({"model": name}, principal=principal), registry("Gpt-X")) == Target("acme", "Gpt-X")


async def test_token_may_not_use_other_models() -> None:
    call = make_call({"model": "gpt-x"}, principal=replace(PRINCIPAL, models=("sonar", "other/*")))

    with pytest.raises(PermissionDenied, match="'gpt-x'") as caught:
        await resolve(call, registry("gpt-x"))

    assert (caught.value.status, caught.value.code, caught.value.param) == (403, "model_not_allowed", "model")
    assert call.trace.target == Target("acme", "gpt-x")


async def test_token_cannot_reach_a_model_by_calling_it_another_name() -> None:
    principal = replace(PRINCIPAL, models=("cheap",))

    for name in ("acme/dear", "acme-dear", "DEAR", "dear:latest", " dear"):
        with pytest.raises(PermissionDenied):
            await resolve(make_call({"model": name}, principal=principal), registry("dear", "cheap"))


def no_key(_names: object) -> None:
    return None


async def settle(directory: Registry) -> None:
    directory._settled.set()


@pytest.mark.parametrize(
    ("name", "parts"),
    [
        ("gpt-x", ("gpt-x", "")),
        ("gpt-x@team", ("gpt-x", "team")),
        ("gpt-x@team:latest", ("gpt-x", "team:latest")),
        ("gpt-x@", ("gpt-x", "")),
        ("a@b@c", ("a@b", "c")),
        ("claude@20250514", ("claude@20250514", "")),
        ("acme/Claude@20250514:latest", ("acme/Claude@20250514:latest", "")),
        ("claude@20250514@team", ("claude@20250514", "team")),
        ("claude@20250515", ("claude", "20250515")),
        ("@cf/llama", ("@cf/llama", "")),
        ("acme/@cf/llama", ("acme/@cf/llama", "")),
        (" @team", (" @team", "")),
    ],
)
async def test_tag_is_told_from_a_name_that_has_an_at_sign_itself(name: str, parts: tuple[str, str]) -> None:
    directory = registry("gpt-x", "claude@20250514", "a@b")
    await settle(directory)

    assert await Names(directory).split(name) == parts


@pytest.mark.parametrize(
    ("name", "parts"),
    [
        ("acme/claude@20250514", ("acme/claude@20250514", "")),
        ("acme/claude@default", ("acme/claude@default", "")),
        ("acme/claude@team", ("acme/claude", "team")),
        ("claude@20250514", ("claude", "20250514")),
    ],
)
async def test_version_stays_where_nobody_knows_the_providers_models(name: str, parts: tuple[str, str]) -> None:
    directory = registry()
    await settle(directory)

    assert await Names(directory).split(name) == parts


async def test_name_with_an_at_sign_that_is_switched_off_is_not_split() -> None:
    said = parse_overrides('providers: {acme: {models: {"claude@20250514": {disabled: true}}}}')
    directory = registry("claude@20250514", "claude", overrides=Overrides({Layer.OPERATOR: said}))
    await settle(directory)

    assert await Names(directory).split("claude@20250514") == ("claude@20250514", "")


async def test_tags_of_a_name_come_to_those_of_names_before_it() -> None:
    entry = NameConfig.model_validate({"targets": ["acme/gpt-x"], "tags": ["b", "a"]}, strict=False)
    call = make_call({"model": "fast"})
    call.trace.tags += ("z",)

    await resolve(call, registry("gpt-x", names={"fast": entry}))

    assert call.trace.tags == ("z", "a", "b")


@pytest.mark.parametrize(("name", "alias"), [("FAST:latest", "fast"), ("gpt-x", None)])
async def test_name_of_the_configuration_is_noted_as_the_calls_alias(name: str, alias: str | None) -> None:
    entry = NameConfig.model_validate({"targets": ["acme/gpt-x"]}, strict=False)
    call = make_call({"model": name})

    await resolve(call, registry("gpt-x", names={"fast": entry}))

    assert call.trace.alias == alias


async def test_name_with_an_at_sign_waits_for_lists_that_are_on_their_way() -> None:
    class Late(Registry):
        async def settled(self) -> None:
            entry = ProviderConfig(base_url="http://a", supported_models=("claude@20250514",))
            self.reload(Config({"acme": entry}), no_key)

    late = Late(Config({}), no_key, httpx.MockTransport(lambda _request: httpx.Response(500)))

    assert await Names(late).split("claude@20250514") == ("claude@20250514", "")
