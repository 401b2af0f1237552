"""Names on the APIs of OpenAI, Anthropic and Ollama, streamed and whole: what a name stands for, and what is told where that is nothing."""

from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.e2e import chat
from tests.e2e.gateway import Gateway
from tests.e2e.standin import Answer, Exchange, StandIn, running_standin
from tests.e2e.surfaces import EACH_SURFACE, EACH_WAY, OPENAI, Surface
from tests.smart import make_smart

WAY = "x-relay-resolved"


NAMES = [
    make_smart("redirect", "both", target="acme/small"),
    make_smart("alias", "both", target="acme/large"),
    make_smart("redirect", "rr", target="acme/small"),
    make_smart("router", "rr", strategy="cheapest", fallback_model="acme/small"),
    make_smart("router", "rc", strategy="cheapest", fallback_model="acme/small"),
    make_smart("cache", "rc", target_model="acme/large", embedder=None),
    make_smart("cache", "ca", target_model="acme/large", embedder=None, min_cached_tokens=1000),
    make_smart("alias", "ca", target="acme/small"),
    make_smart("cache", "cg", target_model="acme/large", embedder=None, min_cached_tokens=1000),
    make_smart("augmentor", "cg", target_model="acme/small", mode="never"),
    make_smart("augmentor", "ga", target_model="acme/small", mode="never"),
    make_smart("alias", "ga", target="acme/large"),
    make_smart("router", "rg", strategy="cheapest", fallback_model="acme/small"),
    make_smart("augmentor", "rg", target_model="acme/large", mode="never"),
    make_smart("alias", "acme/large", target="acme/small"),
    make_smart("alias", "fast", target="vendor/mixed-case", tags=("team:a",)),
    make_smart("alias", "research", target=" FAST:latest "),
    make_smart("alias", "small", target="acme/large", enabled=False),
    make_smart("redirect", "gpt-*", target="acme/gpt-*"),
    make_smart("redirect", "only-there", target="acme/small"),
    make_smart("alias", "lost", target="acme/gone"),
    make_smart("alias", "covered", target="acme/gone", fallback="default"),
    make_smart("alias", "a", target="b"),
    make_smart("alias", "b", target="a"),
    make_smart("alias", "private", target="acme/small", allowed_tokens=("user:owner",)),
]


def answer(exchange: Exchange) -> Answer:
    return chat.words("Hi", " there") if exchange.json.get("stream") else chat.whole()


@pytest.fixture(scope="module")
def acme() -> Iterator[StandIn]:
    with running_standin() as running:
        running.answer = answer
        yield running


@pytest.fixture
def upstream(acme: StandIn) -> StandIn:
    """`acme`, as if nothing had been asked of it before."""
    acme.forget()
    return acme


def config_at(standin: StandIn) -> dict[str, Any]:
    models = ["small", "large", "Vendor/Mixed-Case", "gpt-4o-Mini"]
    return {
        "acme": {"base_url": f"{standin.base_url}/v1", "supported_models": models},
        "other": {"base_url": f"{standin.base_url}/other/v1", "supported_models": ["small", "only-there"]},
    }


@pytest.fixture(scope="module")
def relay(acme: StandIn, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    gateway = Gateway(tmp_path_factory.mktemp("names"), config_at(acme))
    gateway.put_names(*NAMES)
    gateway.start()
    yield gateway
    gateway.stop()


@pytest.fixture(scope="module")
def with_default(acme: StandIn, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    gateway = Gateway(tmp_path_factory.mktemp("default"), config_at(acme), {"DEFAULT_MODEL": "fast"})
    gateway.put_names(*NAMES)
    gateway.start()
    yield gateway
    gateway.stop()


def client_of(gateway: Gateway, token: str | None = None) -> httpx.Client:
    headers = {"authorization": f"Bearer {token or gateway.token}"}
    return httpx.Client(base_url=gateway.base_url, headers=headers, trust_env=False, timeout=20)


@pytest.fixture(scope="module")
def client(relay: Gateway) -> Iterator[httpx.Client]:
    with client_of(relay, relay.add_token(rate_limit=10_000)) as opened:
        yield opened


@EACH_WAY
@EACH_SURFACE
@pytest.mark.parametrize(
    ("model", "way", "path", "upstream_name"),
    [
        ("both", "redirect:both>acme/small", "/v1", "small"),  # a redirect before an alias
        ("rr", "redirect:rr>acme/small", "/v1", "small"),  # a redirect before a router
        ("rc", "router:rc>acme/small", "/v1", "small"),  # a router before a cache
        ("ca", "cache:ca>acme/large>acme/small", "/v1", "small"),  # a cache before an alias
        ("cg", "cache:cg>acme/large>acme/small", "/v1", "small"),  # a cache before an augmentor
        ("ga", "augmentor:ga>acme/small", "/v1", "small"),  # an augmentor before an alias
        ("rg", "router:rg>acme/small", "/v1", "small"),  # a router before an augmentor
        ("acme/large", "acme/large>acme/small", "/v1", "small"),  # an alias before a provider and its model
        ("acme-large", None, "/v1", "large"),
        ("large", None, "/v1", "large"),
        ("other/small", None, "/other/v1", "small"),  # a provider and its model before the search of all
        ("small", None, "/v1", "small"),  # the alias of that name is off; the first provider that has it
        ("only-there", "redirect:only-there>acme/small", "/v1", "small"),  # a redirect may be called as a model is
        ("other/only-there", None, "/other/v1", "only-there"),
        (" Fast:latest ", "fast>acme/Vendor/Mixed-Case", "/v1", "Vendor/Mixed-Case"),
        ("RESEARCH", "research>fast>acme/Vendor/Mixed-Case", "/v1", "Vendor/Mixed-Case"),
        ("VENDOR/mixed-case", None, "/v1", "Vendor/Mixed-Case"),
        ("acme/VENDOR/mixed-case:latest", None, "/v1", "Vendor/Mixed-Case"),
        ("GPT-4o-mini", "GPT-4o-mini>redirect:gpt-*>acme/gpt-4o-Mini", "/v1", "gpt-4o-Mini"),
    ],
)
def test_name_leads_to_its_target(
    client: httpx.Client,
    upstream: StandIn,
    surface: Surface,
    streamed: bool,
    model: str,
    way: str | None,
    path: str,
    upstream_name: str,
) -> None:
    response = surface.ask(client, model, streamed=streamed)

    assert response.status_code == 200, response.text
    assert "Hi" in response.text
    assert response.headers.get(WAY) == way
    (sent,) = upstream.posts
    assert (sent.path, sent.json["model"]) == (f"{path}/chat/completions", upstream_name)


@EACH_WAY
@EACH_SURFACE
@pytest.mark.parametrize(
    ("model", "words", "way"),
    [
        ("nothing", "The model 'nothing' does not exist here", None),
        ("lost", "The alias 'lost' leads to 'acme/gone'. The model 'acme/gone' does not exist here", "lost"),
        ("covered", "The alias 'covered' leads to 'acme/gone'", "covered"),
        ("a", "The name 'a' leads in a circle: a > b > a.", "a>b"),
        ("gpt-4\r\nx-evil: 1", "does not exist here", "gpt-4??x-evil: 1>redirect:gpt-*"),
    ],
)
def test_name_that_leads_nowhere_is_an_error_of_the_clients_dialect(
    client: httpx.Client, upstream: StandIn, surface: Surface, streamed: bool, model: str, words: str, way: str | None
) -> None:
    response = surface.ask(client, model, streamed=streamed)

    assert response.status_code == 404
    assert words in surface.told(response)
    assert response.headers.get(WAY) == way
    assert upstream.posts == []


@EACH_WAY
@EACH_SURFACE
@pytest.mark.parametrize(
    ("model", "way"),
    [
        ("nothing", "nothing>default:fast>fast>acme/Vendor/Mixed-Case"),
        ("covered", "covered>default:fast>fast>acme/Vendor/Mixed-Case"),
    ],
)
def test_default_model_that_stands_in_is_told_to_the_client_and_in_the_log(
    with_default: Gateway, upstream: StandIn, surface: Surface, streamed: bool, model: str, way: str
) -> None:
    with client_of(with_default) as client:
        response = surface.ask(client, model, streamed=streamed)

    assert (response.status_code, response.headers[WAY]) == (200, way)
    assert upstream.posts[0].json["model"] == "Vendor/Mixed-Case"
    log = with_default.log_file.read_text() + with_default.output()
    assert "is not there; the default model 'fast' answers" in log


@EACH_WAY
@EACH_SURFACE
def test_default_model_does_not_stand_in_where_the_name_is_found(
    with_default: Gateway, upstream: StandIn, surface: Surface, streamed: bool
) -> None:
    with client_of(with_default) as client:
        response = surface.ask(client, "large", streamed=streamed)

    assert (response.status_code, response.headers.get(WAY)) == (200, None)
    assert [each.json["model"] for each in upstream.posts] == ["large"]


@EACH_SURFACE
def test_default_model_does_not_stand_in_where_the_name_says_error(with_default: Gateway, surface: Surface) -> None:
    with client_of(with_default) as client:
        response = surface.ask(client, "lost", streamed=False)

    assert (response.status_code, response.headers[WAY]) == (404, "lost")


@EACH_WAY
@EACH_SURFACE
def test_smart_model_is_for_its_tokens_alone(
    relay: Gateway, client: httpx.Client, surface: Surface, streamed: bool
) -> None:
    with client_of(relay, relay.add_token("owner")) as owner:
        assert surface.ask(owner, "private", streamed=streamed).status_code == 200
    refused = surface.ask(client, "private", streamed=streamed)

    assert (refused.status_code, surface.told(refused)) == (403, "This token may not use the model 'private'.")


def test_record_tells_the_name_and_its_tags(relay: Gateway, client: httpx.Client) -> None:
    response = OPENAI.ask(client, "research", streamed=False)

    row = relay.row_of(response.headers["x-request-id"])
    assert (row["alias"], row["provider"], row["model"]) == ("research", "acme", "Vendor/Mixed-Case")
    assert "team:a" in str(row["tags"])


def listed(client: httpx.Client, path: str, **headers: str) -> dict[str, Any]:
    document = client.get(path, headers={name.replace("_", "-"): value for name, value in headers.items()}).json()
    entries = document.get("data") or document["models"]
    return {entry.get("id") or entry["name"]: entry for entry in entries}


SMART = {"both", "acme/large", "fast", "research"}


def test_lists_of_all_apis_have_smart_models_with_their_kind(client: httpx.Client) -> None:
    openai, tags = listed(client, "/v1/models"), listed(client, "/api/tags")

    assert openai.keys() >= SMART
    assert {f"{name}:latest" for name in SMART} <= tags.keys()
    assert listed(client, "/v1/models", anthropic_version="2023-06-01").keys() >= SMART
    assert {f"models/{name}" for name in SMART} <= listed(client, "/v1beta/models").keys()
    assert (openai["research"]["owned_by"], openai["both"]["owned_by"]) == ("alias", "redirect")
    assert (tags["research:latest"]["owned_by"], tags["both:latest"]["owned_by"]) == ("alias", "redirect")
    names = [entry["id"] for entry in client.get("/v1/models").json()["data"]]
    assert len(names) == len(set(names))
    assert openai["only-there"]["owned_by"] == "redirect"
    # What is off, a pattern, leads nowhere or in a circle, or is for others, is in no list.
    assert {"gpt-*", "lost", "covered", "a", "b", "private"}.isdisjoint(openai)
    assert openai["small"]["owned_by"] == "acme"


def test_token_sees_and_uses_only_what_it_is_for(relay: Gateway) -> None:
    with client_of(relay, relay.add_token("limited", models=["research"])) as client:
        assert set(listed(client, "/v1/models")) == {"research"}
        assert set(listed(client, "/api/tags")) == {"research:latest"}
        assert set(listed(client, "/v1beta/models")) == {"models/research"}
        assert OPENAI.ask(client, "research", streamed=False).status_code == 200
        assert OPENAI.ask(client, "fast", streamed=False).status_code == 403
    with client_of(relay, relay.add_token("owner")) as owner:
        assert "private" in listed(owner, "/v1/models")


@pytest.mark.parametrize("model", ["research", "Research:latest", "gpt-4o-mini"])
def test_ollama_describes_a_smart_model_as_its_target(client: httpx.Client, model: str) -> None:
    shown = client.post("/api/show", json={"model": model})

    assert shown.status_code == 200
    assert shown.json()["model_info"]["general.basename"] == model
    assert "completion" in shown.json()["capabilities"]
    assert client.post("/api/show", json={"model": "lost"}).status_code == 404
    assert client.post("/api/show", json={"model": "private"}).status_code == 404


def test_one_model_is_found_by_its_smart_name(client: httpx.Client) -> None:
    assert client.get("/v1/models/research").json()["owned_by"] == "alias"
    assert client.get("/v1/models/private").status_code == 404
