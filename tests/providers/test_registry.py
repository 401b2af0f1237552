"""Which providers there are, which models they have, and what their names lead to."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from typing import Any, get_args

import httpx
import pytest

from app.config import Config, InvalidConfig, NameConfig, ProviderConfig
from app.config_values import Quirks
from app.core.abilities import Abilities, Known
from app.core.call import Choice, Route, Target
from app.core.errors import UpstreamError
from app.overrides import Layer, Overrides, parse_overrides
from app.providers import registry as registry_module
from app.providers.base import HttpProvider
from app.providers.parallel import Parallel
from app.providers.perplexity import Perplexity
from app.providers.registry import QUIRKS, Registry
from app.settings import InvalidSettings
from tests.calls import make_call


class Providers(httpx.AsyncBaseTransport):
    """Providers that answer by host; `answers` may be changed, and `asked` counts the questions."""

    def __init__(self, answers: Mapping[str, Any] | None = None) -> None:
        self.answers: dict[str, Any] = dict(answers or {})
        self.asked: list[str] = []

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        host = request.url.host
        self.asked.append(host)
        answer = self.answers.get(host)
        if isinstance(answer, asyncio.Event):
            await answer.wait()
            answer = ["late"]
        if isinstance(answer, Exception):
            raise answer
        if isinstance(answer, httpx.Response):
            return answer
        if answer is None:
            raise httpx.ConnectError("connection refused")
        return httpx.Response(200, json={"data": [{"id": name} for name in answer]})


def provider(host: str, *models: str, **fields: Any) -> ProviderConfig:
    return ProviderConfig(base_url=f"http://{host}/v1", supported_models=models, **fields)


def open_registry(
    transport: httpx.AsyncBaseTransport | None = None,
    secrets: Mapping[str, str] | None = None,
    **providers: ProviderConfig,
) -> Registry:
    return Registry(Config(providers), finder(secrets or {}), transport or Providers())


def finder(secrets: Mapping[str, str]) -> Callable[[Sequence[str]], str | None]:
    return lambda names: next((secrets[name] for name in names if name in secrets), None)


@contextlib.asynccontextmanager
async def running(registry: Registry) -> AsyncIterator[None]:
    """The registry's loop beside the body, its first round done."""
    task = asyncio.create_task(registry.run())
    try:
        await registry.settled()
        yield
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


def target_of(registry: Registry, name: str) -> Target | None:
    """The first of the targets that a name stands for."""
    route = registry.find(name)
    return route.choices[0].target if route else None


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(5):
        while not condition():  # noqa: ASYNC110 - what is waited for is a state that tells nobody
            await asyncio.sleep(0.005)


@pytest.fixture(autouse=True)
def quick_rounds(monkeypatch: pytest.MonkeyPatch) -> None:
    """What takes an hour or a minute takes a moment."""
    monkeypatch.setattr(registry_module, "REFRESH_S", 0.02)
    monkeypatch.setattr(registry_module, "RETRY_S", 0.02)


# Names.


@pytest.mark.parametrize(
    "name",
    [
        "Meta-Llama-3.3",
        "meta-llama-3.3",
        "META-LLAMA-3.3",
        "  meta-llama-3.3\t",
        "meta-llama-3.3:latest",
        "meta-llama-3.3:LATEST ",
        "acme/meta-llama-3.3",
        "ACME/Meta-Llama-3.3:latest",
        "acme-meta-llama-3.3",
        " Acme-META-LLAMA-3.3 ",
    ],
)
def test_every_spelling_leads_to_the_providers_own(name: str) -> None:
    registry = open_registry(acme=provider("acme", "Meta-Llama-3.3"))

    assert target_of(registry, name) == Target("acme", "Meta-Llama-3.3")


@pytest.mark.parametrize(
    "name", ["", " ", "/", "acme", "acme/", "acme-", "/gpt", "acme/other", "gpt:latest:latest", "gpt:free", "gp t"]
)
def test_other_names_lead_nowhere(name: str) -> None:
    assert open_registry(acme=provider("acme", "gpt")).find(name) is None


@pytest.mark.parametrize("name", ["llama", "llama:latest", "LLAMA:latest", "acme/llama"])
def test_latest_in_the_providers_own_spelling_is_kept(name: str) -> None:
    assert target_of(open_registry(acme=provider("acme", "llama:latest")), name) == Target("acme", "llama:latest")


def test_bare_name_leads_to_the_first_provider_of_the_file() -> None:
    registry = open_registry(second=provider("b", "gpt"), first=provider("a", "GPT"))

    assert target_of(registry, "gpt") == Target("second", "gpt")
    assert target_of(registry, "first/gpt") == Target("first", "GPT")


def test_prefix_goes_before_a_bare_name_that_looks_like_it() -> None:
    registry = open_registry(router=provider("r", "openai/gpt", "openai-gpt"), openai=provider("o", "gpt"))

    assert target_of(registry, "openai/gpt") == Target("openai", "gpt")
    assert target_of(registry, "openai-gpt") == Target("openai", "gpt")
    assert target_of(registry, "router/openai/gpt") == Target("router", "openai/gpt")


def test_prefix_of_a_provider_without_key_is_left_to_who_has_a_model_of_that_name() -> None:
    registry = open_registry(openai=provider("o", "gpt", api_key_env=("NOT_SET",)), router=provider("r", "openai/gpt"))

    assert target_of(registry, "openai/gpt") == Target("router", "openai/gpt")
    assert target_of(registry, "gpt") is None


@pytest.mark.parametrize(("name", "model"), [("acme/New-One", "New-One"), (" ACME/a/b:latest ", "a/b:latest")])
def test_provider_whose_list_is_not_known_is_asked_itself(name: str, model: str) -> None:
    assert target_of(open_registry(acme=provider("acme")), name) == Target("acme", model)


def test_prefix_counts_also_while_its_list_is_not_known() -> None:
    registry = open_registry(router=provider("r", "openai/gpt"), openai=provider("o"))

    assert target_of(registry, "openai/gpt") == Target("openai", "gpt")


def test_disabled_provider_has_no_names() -> None:
    registry = open_registry(acme=provider("acme", "gpt", enabled=False), beta=provider("beta", enabled=False))

    assert target_of(registry, "gpt") is None
    assert target_of(registry, "beta/gpt") is None


def test_nearest_names_are_three_and_the_best_first() -> None:
    registry = open_registry(acme=provider("acme", "gpt-5-mini", "gpt-5", "gpt-4.1", "sonar", "grok-4"))

    near = registry.nearest("gpt-5-mimi")

    assert near[0] == "gpt-5-mini"
    assert len(near) == 3
    assert len(set(near)) == 3


def test_nearest_name_is_found_whatever_the_prefix() -> None:
    registry = open_registry(acme=provider("acme", "gpt-5-mini"), router=provider("r", "deep/whale-9", "x"))

    assert registry.nearest("whale-8", 1) == ["deep/whale-9"]
    assert registry.nearest("ACME/GPT-5-mni", 1) == ["gpt-5-mini"]


@pytest.mark.timeout(20)
def test_nearest_of_a_monstrous_name_takes_no_long_time() -> None:
    registry = open_registry(acme=provider("acme", *[f"model-{number}" for number in range(500)]))

    for name in ("model-" * 80, "".join(map(chr, range(1000, 1512)))):
        assert len(registry.nearest(name)) == 3


# The list.


def test_each_model_is_listed_once_by_the_shortest_name_that_leads_to_it() -> None:
    registry = open_registry(a=provider("a", "gpt", "x"), b=provider("b", "GPT", "y"), c=provider("c", "a/x"))

    assert [model.id for model in registry.models] == ["gpt", "x", "b/GPT", "y", "c/a/x", "demo"]
    assert all(target_of(registry, model.id) == model.target for model in registry.models)


def test_states_tell_what_is_missing() -> None:
    registry = open_registry(
        secrets={"B_KEY": "k"},
        a=provider("a", "m", api_key_env=("A_KEY", "OTHER_KEY")),
        b=provider("b", "m", api_key_env=("B_KEY",), name="Beta"),
        c=provider("c", enabled=False),
        d=provider("d"),
    )

    assert [(state.key, state.state, state.models) for state in registry.states] == [
        ("a", "no key: set A_KEY or OTHER_KEY", ("m",)),
        ("b", "ready", ("m",)),
        ("c", "disabled", None),
        ("d", "ready", None),
        ("demo", "ready", ("demo",)),
    ]
    assert registry.states[1].name == "Beta"


def test_provider_named_demo_takes_the_place_of_the_built_in_one() -> None:
    registry = open_registry(demo=provider("d", "m"))

    assert [model.id for model in registry.models] == ["m"]


@pytest.mark.parametrize(
    ("entry", "kind"),
    [
        ({"base_url": "https://api.perplexity.ai"}, Perplexity),
        ({"base_url": "https://API.perplexity.ai:443/"}, Perplexity),
        ({"base_url": "https://api.parallel.ai", "path": "/v1beta/chat/completions"}, Parallel),
        ({"base_url": "https://egress.acme.test/perplexity", "quirks": "perplexity"}, Perplexity),
        ({"base_url": "https://api.perplexity.ai", "quirks": "parallel"}, Parallel),
        ({"base_url": "https://api.openai.com/v1"}, HttpProvider),
        ({"base_url": "https://api.perplexity.ai.acme.test"}, HttpProvider),
    ],
)
def test_ways_of_its_own_go_with_a_providers_host_whatever_its_key(
    entry: dict[str, Any], kind: type[HttpProvider]
) -> None:
    registry = open_registry(one=ProviderConfig(**entry), perplexity_eu=ProviderConfig(**entry))

    assert type(registry.provider("one")) is kind
    assert type(registry.provider("perplexity_eu")) is kind


def test_every_provider_with_ways_of_its_own_can_be_named_in_the_configuration() -> None:
    assert set(QUIRKS) == set(get_args(Quirks))
    assert all(kind.host for kind in QUIRKS.values())


# Discovery.


async def test_models_are_asked_for_where_none_are_listed() -> None:
    transport = Providers({"acme": ["Gpt-X", "gpt-y", "gpt-y"]})
    registry = open_registry(transport, acme=provider("acme"), beta=provider("beta", "own"))

    async with running(registry):
        assert target_of(registry, "gpt-x") == Target("acme", "Gpt-X")
        assert [model.id for model in registry.models] == ["Gpt-X", "gpt-y", "own", "demo"]
        assert "beta" not in transport.asked


async def test_known_list_closes_the_provider_to_other_names() -> None:
    registry = open_registry(Providers({"acme": ["gpt"]}), acme=provider("acme"))
    assert target_of(registry, "acme/other") is not None

    async with running(registry):
        assert target_of(registry, "acme/other") is None


@pytest.mark.parametrize(
    "failure",
    [
        httpx.ConnectError("refused"),
        httpx.Response(500, text="broken"),
        httpx.Response(200, text="<html>"),
        httpx.Response(200, json={"models": []}),
        httpx.Response(200, json={"data": "none"}),
        httpx.Response(200, json=[]),
        httpx.Response(200, json={"data": [{"name": "x"}, 5, {"id": 7}]}),
        httpx.Response(200, headers={"content-encoding": "gzip"}, stream=httpx.ByteStream(b"no gzip")),
        httpx.Response(302, headers={"location": "http://elsewhere"}),
    ],
)
async def test_last_good_list_stays_when_a_provider_fails_and_the_others_go_on(failure: Any) -> None:
    transport = Providers({"acme": ["gpt"], "beta": ["old"]})
    registry = open_registry(transport, acme=provider("acme"), beta=provider("beta"))

    async with running(registry):
        transport.answers["acme"] = failure
        transport.answers["beta"] = ["new"]
        await until(lambda: target_of(registry, "new") is not None)

        assert target_of(registry, "gpt") == Target("acme", "gpt")


async def test_bare_list_is_understood() -> None:
    registry = open_registry(Providers({"acme": httpx.Response(200, json=[{"id": "gpt"}])}), acme=provider("acme"))

    async with running(registry):
        assert target_of(registry, "gpt") == Target("acme", "gpt")


async def test_hanging_provider_holds_nobody_up() -> None:
    hanging = asyncio.Event()
    registry = open_registry(
        Providers({"slow": hanging, "acme": ["gpt"]}), slow=provider("slow"), acme=provider("acme")
    )
    task = asyncio.create_task(registry.run())

    await until(lambda: target_of(registry, "gpt") is not None)

    assert [model.id for model in registry.models] == ["gpt", "demo"]
    hanging.set()
    await until(lambda: target_of(registry, "late") is not None)
    task.cancel()


async def test_hanging_provider_holds_up_nobodys_next_round() -> None:
    transport = Providers({"slow": asyncio.Event(), "acme": ["gpt"]})
    registry = open_registry(transport, slow=provider("slow"), acme=provider("acme"))
    task = asyncio.create_task(registry.run())

    await until(lambda: transport.asked.count("acme") == 3)

    assert transport.asked.count("slow") == 1
    task.cancel()


async def test_dead_provider_is_asked_again_soon_and_the_others_are_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry_module, "REFRESH_S", 3600.0)
    transport = Providers({"acme": ["gpt"]})
    registry = open_registry(transport, dead=provider("dead"), acme=provider("acme"))

    async with running(registry):
        await until(lambda: transport.asked.count("dead") == 4)

    assert transport.asked.count("acme") == 1


async def test_list_that_cannot_be_read_by_a_fault_of_ours_holds_nobody_up(caplog: pytest.LogCaptureFixture) -> None:
    transport = Providers({"odd": KeyError("a bug"), "acme": ["gpt"]})
    registry = open_registry(transport, odd=provider("odd"), acme=provider("acme"))

    async with running(registry):
        await until(lambda: transport.asked.count("acme") == 2 and transport.asked.count("odd") == 2)

    assert target_of(registry, "gpt") == Target("acme", "gpt")
    assert "its list of models could not be read" in caplog.text


async def test_wait_for_the_first_lists_is_bounded_and_spent_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry_module, "SETTLE_S", 0.05)
    registry = open_registry(Providers({"slow": asyncio.Event()}), slow=provider("slow"))
    task = asyncio.create_task(registry.run())
    loop = asyncio.get_running_loop()

    await registry.settled()
    began = loop.time()
    await registry.settled()

    assert loop.time() - began < 0.04
    task.cancel()


async def test_key_that_can_no_longer_be_read_does_not_stop_discovery() -> None:
    """Files of secrets come and go; what was read at the start counts until the next reload."""
    secrets = {"A_KEY": "k"}
    transport = Providers({"a": ["m"]})
    registry = open_registry(
        transport, secrets, a=provider("a", api_key_env=("A_KEY",)), b=provider("b", "n", api_key_env=("B_KEY",))
    )
    secrets.clear()
    secrets["B_KEY"] = "late"

    async with running(registry):
        assert target_of(registry, "m") == Target("a", "m")
        assert target_of(registry, "n") is None


# Reload.


async def test_reload_takes_new_providers_and_asks_them_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry_module, "REFRESH_S", 3600.0)
    registry = open_registry(Providers({"acme": ["gpt"], "beta": ["new"]}), acme=provider("acme"))

    async with running(registry):
        registry.reload(Config({"acme": provider("acme"), "beta": provider("beta")}), finder({}))

        assert target_of(registry, "gpt") == Target("acme", "gpt")
        await until(lambda: target_of(registry, "new") is not None)


async def test_reload_waits_for_nobody_who_hangs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry_module, "REFRESH_S", 3600.0)
    transport = Providers({"slow": asyncio.Event(), "beta": ["new"]})
    registry = open_registry(transport, slow=provider("slow"))
    task = asyncio.create_task(registry.run())
    await until(lambda: transport.asked == ["slow"])

    registry.reload(Config({"beta": provider("beta")}), finder({}))

    await until(lambda: target_of(registry, "new") is not None)
    task.cancel()


async def test_reload_asks_each_provider_once_more_and_no_further(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry_module, "REFRESH_S", 3600.0)
    transport = Providers({"acme": ["gpt"]})
    registry = open_registry(transport, acme=provider("acme"))

    async with running(registry):
        registry.reload(Config({"acme": provider("acme")}), finder({}))
        await asyncio.sleep(0.05)

    assert transport.asked == ["acme", "acme"]


async def test_reload_forgets_the_list_of_a_provider_that_moved() -> None:
    registry = open_registry(Providers({"acme": ["gpt"]}), acme=provider("acme"))

    async with running(registry):
        registry.reload(Config({"acme": provider("elsewhere")}), finder({}))

        assert target_of(registry, "gpt") is None


async def test_call_that_is_under_way_ends_with_the_provider_it_began_with() -> None:
    whole = {"id": "1", "choices": [{"index": 0, "message": {"role": "assistant", "content": "Hi"}}]}
    registry = open_registry(Providers({"acme": httpx.Response(200, json=whole)}), acme=provider("acme", "gpt"))
    before = registry.provider("acme")

    registry.reload(Config({"acme": provider("nowhere", "gpt")}), finder({}))
    reply = await before.send(make_call({"model": "gpt"}), Target("acme", "gpt"))

    assert json.loads(reply.first) == whole
    assert registry.provider("acme") is not before


def test_reload_with_a_key_that_cannot_be_read_changes_nothing() -> None:
    def fail(_names: Sequence[str]) -> str | None:
        raise InvalidSettings("A_KEY_FILE names 'x', which cannot be read")

    registry = open_registry(acme=provider("acme", "gpt"))

    with pytest.raises(InvalidSettings):
        registry.reload(Config({"beta": provider("beta", "new", api_key_env=("A_KEY",))}), fail)

    assert target_of(registry, "gpt") == Target("acme", "gpt")


def test_reload_with_an_address_that_is_none_changes_nothing() -> None:
    registry = open_registry(acme=provider("acme", "gpt"))

    beta = provider("beta", "new").model_copy(update={"base_url": "http://☃.net/v1"})

    with pytest.raises(InvalidConfig, match=r"beta\.base_url: .*☃"):
        registry.reload(Config({"beta": beta}), finder({}))

    assert target_of(registry, "gpt") == Target("acme", "gpt")


def test_reload_takes_a_changed_key() -> None:
    registry = open_registry(acme=provider("acme", "gpt", api_key_env=("A_KEY",)))
    assert target_of(registry, "gpt") is None

    registry.reload(Config({"acme": provider("acme", "gpt", api_key_env=("A_KEY",))}), finder({"A_KEY": "k"}))

    assert target_of(registry, "gpt") == Target("acme", "gpt")


def test_provider_that_was_taken_away_ends_the_calls_that_it_began() -> None:
    registry = open_registry(acme=provider("acme", "gpt"))
    before = registry.provider("acme")

    registry.reload(Config({}), finder({}))

    assert registry.find("acme/gpt") is None
    assert registry.provider("acme") is before


def named(name: str, *targets: str | dict[str, Any], **fields: Any) -> dict[str, NameConfig]:
    return {name: NameConfig.model_validate({"targets": targets, **fields}, strict=False)}


def open_named(names: Mapping[str, NameConfig], secrets: Mapping[str, str] | None = None, **providers: Any) -> Registry:
    return Registry(Config(providers, names), finder(secrets or {}), Providers())


def test_name_of_the_configuration_stands_for_its_targets() -> None:
    names = named("Fast", {"target": "one/m", "weight": 3}, "two/m-turbo", strategy="weighted", retries=4)
    registry = open_named(names, one=provider("o", "m"), two=provider("t", "m-turbo", breaker=False))

    route = registry.find(" fast:latest")

    assert route == Route(
        (Choice(Target("one", "m"), 4, 3.0), Choice(Target("two", "m-turbo"), 4, 1.0, breaker=False)),
        "weighted",
        "Fast",
    )


def test_name_comes_before_a_model_of_the_same_name_which_stays_with_its_provider() -> None:
    registry = open_named(named("m", "two/other"), one=provider("o", "m"), two=provider("t", "other"))

    assert target_of(registry, "m") == Target("two", "other")
    assert target_of(registry, "one/m") == Target("one", "m")
    assert [(model.id, model.owner) for model in registry.models] == [
        ("m", "llm-relay"),
        ("one/m", "one"),
        ("other", "two"),
        ("demo", "demo"),
    ]


def test_targets_that_cannot_be_used_are_left_out_of_a_name() -> None:
    providers = {"off": provider("x", enabled=False), "keyless": provider("y", api_key_env=("K",)), "on": provider("z")}
    names = named("some", "off/m", "keyless/m", "on/m") | named("none", "off/m", "keyless/m")
    registry = open_named(names, None, **providers)

    some = registry.find("some")

    assert some is not None
    assert [str(choice.target) for choice in some.choices] == ["on/m"]
    assert registry.find("none") is None
    assert registry.unusable == {
        "none": "none of its targets can be used: provider off: disabled; provider keyless: no key: set K"
    }
    assert registry.why_unusable(" NONE:latest") == registry.unusable["none"]
    assert registry.why_unusable("some") is None
    assert "none" not in [model.id for model in registry.models]


def test_name_goes_before_a_prefix_whose_list_is_not_known() -> None:
    registry = open_named(named("one/m", "two/m"), one=provider("o"), two=provider("t"))

    assert target_of(registry, "one/m") == Target("two", "m")


@pytest.mark.parametrize(
    ("written", "sent"),
    [
        ("ol/LLAMA3.2", "llama3.2:latest"),
        ("ol/llama3.2:latest", "llama3.2:latest"),
        ("ol/Qwen:8B", "qwen:8b"),
        ("ol/Twin", "Twin"),
        ("ol/twin", "twin"),
        ("ol/Not-Listed", "Not-Listed"),
        ("open/AsWritten:latest", "AsWritten:latest"),
    ],
)
def test_target_of_a_name_is_asked_by_the_providers_own_spelling(written: str, sent: str) -> None:
    models = ("llama3.2:latest", "qwen:8b", "twin")
    twins = provider("o", *models).model_copy(update={"supported_models": (*models, "Twin")})
    registry = open_named(named("fast", written), ol=twins, open=provider("p"))

    target = target_of(registry, "fast")

    assert target is not None
    assert str(target) == f"{written.partition('/')[0]}/{sent}"


async def test_target_of_a_name_takes_the_spelling_of_a_list_that_comes_later() -> None:
    config = Config({"ol": provider("ol")}, named("fast", "ol/LLAMA3.2"))
    registry = Registry(config, finder({}), Providers({"ol": ["llama3.2:latest"]}))
    before = target_of(registry, "fast")

    async with running(registry):
        after = target_of(registry, "fast")

    assert (before, after) == (Target("ol", "LLAMA3.2"), Target("ol", "llama3.2:latest"))


def test_each_api_key_of_a_provider_is_a_choice_with_its_part_of_the_weight() -> None:
    registry = open_named(
        named("fast", {"target": "one/m", "weight": 3}),
        {"K": " sk-a, sk-b,,sk-c ,sk-a"},
        one=provider("o", "m", api_key_env=("K",)),
    )

    route, plain = registry.find("fast"), registry.find("m")

    assert route is not None
    assert plain is not None
    assert [(choice.target.secret, choice.weight) for choice in route.choices] == [(0, 1.0), (1, 1.0), (2, 1.0)]
    assert [choice.target.secret for choice in plain.choices] == [0, 1, 2]
    assert [model.id for model in registry.models] == ["fast", "m", "demo"]


async def test_call_is_signed_with_the_api_key_of_its_target() -> None:
    signed: list[str] = []

    def answer(request: httpx.Request) -> httpx.Response:
        signed.append(request.headers["authorization"])
        return httpx.Response(500)

    entry = provider("o", "m", api_key_env=("K",))
    registry = Registry(Config({"one": entry}), finder({"K": "sk-a,sk-b"}), httpx.MockTransport(answer))

    for secret in (1, 0):
        target = Target("one", "m", secret)
        with pytest.raises(UpstreamError):
            await registry.provider("one", secret).send(make_call().aimed(target), target)

    assert signed == ["Bearer sk-b", "Bearer sk-a"]


def test_api_key_that_a_reload_took_away_is_replaced_by_another() -> None:
    config = Config({"one": provider("o", "m", api_key_env=("K",))})
    registry = Registry(config, finder({"K": "sk-a,sk-b"}), Providers())

    registry.reload(config, finder({"K": "sk-c"}))

    assert registry.provider("one", 1) is registry.provider("one", 0)


# What is known of models.


def overriding(text: str) -> Overrides:
    return Overrides({Layer.OPERATOR: parse_overrides(text)})


def test_listed_model_tells_what_is_known_of_it_and_what_its_provider_speaks() -> None:
    overrides = overriding("providers: {acme: {models: {a: {context_length: 5, capabilities: [vision]}}}}")
    config = Config({"acme": provider("acme", "a", "b", api_format=["anthropic", "openai"])})

    registry = Registry(config, finder({}), Providers(), overrides)

    by_id = {model.id: model for model in registry.models}
    assert by_id["a"].known.abilities == Abilities(5, ("vision",))
    assert by_id["b"].known.abilities == Abilities()
    assert by_id["a"].formats == ("anthropic", "openai")
    assert by_id["demo"].formats == ()
    found = registry.model("ACME/a")
    assert found is not None
    assert (found.id, found.known.abilities.context_length) == ("ACME/a", 5)


def test_model_that_is_switched_off_is_not_there_but_known_to_be() -> None:
    overrides = overriding("providers: {acme: {models: {a: {disabled: true, reason: Old.}}}}")

    registry = Registry(Config({"acme": provider("acme", "a", "b")}), finder({}), Providers(), overrides)

    assert [model.id for model in registry.models] == ["b", "demo"]
    for name in ("a", "acme/a", "acme-A:latest"):
        assert registry.find(name) is None
        assert registry.withheld(name) == "Old."
    assert registry.model("a") is None
    assert "a" not in registry.nearest("a")
    assert registry.withheld("b") is None
    assert registry.withheld("nobody") is None


def test_model_that_is_switched_off_is_left_out_of_names_whatever_the_spelling() -> None:
    overrides = overriding('providers: {ol: {models: {"a:latest": {disabled: true}}}}')
    providers = {"ol": provider("ol", "a:latest", "b")}

    registry = Registry(Config(providers, named("n", "ol/A", "ol/b")), finder({}), Providers(), overrides)

    route = registry.find("n")
    assert route is not None
    assert [str(choice.target) for choice in route.choices] == ["ol/b"]


def test_name_whose_targets_are_all_switched_off_tells_why() -> None:
    overrides = overriding("providers: {ol: {models: {a: {disabled: true, reason: Old.}, b: {disabled: true}}}}")
    config = Config({"ol": provider("ol", "a", "b")}, named("n", "ol/A", "ol/b"))

    registry = Registry(config, finder({}), Providers(), overrides)

    assert registry.why_unusable("n") == (
        "none of its targets can be used: ol/a is switched off (Old.); ol/b is switched off"
    )


def test_model_that_one_provider_has_switched_off_is_served_by_another() -> None:
    overrides = overriding("providers: {one: {models: {a: {disabled: true}}}}")
    config = Config({"one": provider("one", "a"), "two": provider("two", "a")})

    registry = Registry(config, finder({}), Providers(), overrides)

    assert target_of(registry, "a") == Target("two", "a")
    assert registry.withheld("a") is None
    assert registry.withheld("one/a") == ""


def test_model_is_switched_off_also_where_the_list_of_its_provider_is_not_known() -> None:
    overrides = overriding("providers: {acme: {models: {a: {disabled: true, reason: Old.}}}}")

    registry = Registry(Config({"acme": provider("acme")}), finder({}), Providers(), overrides)

    assert registry.find("acme/a") is None
    assert registry.withheld("acme/a") == "Old."
    assert target_of(registry, "acme/b") == Target("acme", "b")


async def test_what_is_known_holds_for_models_that_a_provider_lists_later() -> None:
    overrides = overriding("providers: {acme: {patterns: [{match: old-*, disabled: true}]}}")
    registry = Registry(
        Config({"acme": provider("acme")}), finder({}), Providers({"acme": ["old-1", "new"]}), overrides
    )

    async with running(registry):
        assert [model.id for model in registry.models] == ["new", "demo"]


def test_reload_takes_what_is_known_anew() -> None:
    config = Config({"acme": provider("acme", "a")})
    registry = Registry(config, finder({}), Providers(), overriding("providers: {acme: {defaults: {disabled: true}}}"))

    registry.reload(config, finder({}), overriding(""))

    assert target_of(registry, "a") == Target("acme", "a")


async def test_what_a_provider_tells_of_its_models_is_known_unless_the_operator_says_otherwise() -> None:
    told = {"id": "A", "context_length": 4096, "description": "Good at sums."}
    transport = Providers({"one": httpx.Response(200, json={"data": [told, {"id": "b*"}]})})
    overrides = overriding("providers: {one: {models: {a: {description: Ours.}}}}")
    registry = Registry(Config({"one": provider("one")}), finder({}), transport, overrides)

    async with running(registry):
        await registry.settled()

    known = {model.id: model.known for model in registry.models}
    assert known["A"].abilities.context_length == 4096
    assert known["A"].description == "Ours."
    assert known["b*"].abilities.context_length is None


async def test_additional_models_stand_beside_those_that_the_provider_lists_and_it_is_not_asked_again_for_them() -> (
    None
):
    transport = Providers({"one": ["a"]})
    registry = Registry(Config({"one": provider("one", additional_models=("a", "own"))}), finder({}), transport)
    async with running(registry):
        before = [model.id for model in registry.models if model.target.provider == "one"]
        await registry.settled()
        registry.reload(Config({"one": provider("one", additional_models=("other",))}), finder({}))
        after = [model.id for model in registry.models if model.target.provider == "one"]

    assert before == ["a", "own"]
    assert after == ["a", "other"]
    assert registry.find("other") is not None
    assert registry.find("one/any") is None, "its list is known"


async def test_what_is_bundled_is_in_the_lists_once_it_was_looked_up() -> None:
    known = Known()
    overrides = Overrides(
        {Layer.LISTED: parse_overrides("providers: {acme: {models: {a: {max_output_tokens: 7}}}}")}
    ).over(lambda _provider, _model: known)
    registry = Registry(Config({"acme": provider("acme", "a")}), finder({}), Providers(), overrides)
    target = Target("acme", "a")
    assert (registry.output_ceiling(target), registry.output_ceiling(Target("acme", "b"))) == (7, None)
    known = Known(Abilities(context_length=9))

    await registry.look_up_bundled()

    model = registry.model("a")
    assert model is not None
    assert model.known.abilities == Abilities(9, max_output_tokens=7) == registry.known(target).abilities
    assert registry.origins(target) == {"max_output_tokens": "provider", "context_length": "bundled"}
