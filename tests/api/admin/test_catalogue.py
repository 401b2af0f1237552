"""The administrators' API of models, prices, providers and users, on a real gateway."""

import json
import time
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.api.admin.test_admin_api import client_of
from tests.e2e.gateway import Gateway, running_gateway

MODELS, PRICES, PROVIDERS, USERS = (f"/admin/api/{name}" for name in ("models", "models/prices", "providers", "users"))
SECRET = "planted-Key-0123456789-abcdef"
CONFIG = {
    "acme": {
        "base_url": "http://127.0.0.1:1/v1",
        "supported_models": ["Big/Llama-3", "small"],
        "api_key_env": "ACME_KEY",
        "headers": {"x-org": SECRET},
    },
    "openai": {"base_url": "https://api.openai.com/v1", "supported_models": ["gpt-4o"], "api_key_env": "ACME_KEY"},
    "locked": {"base_url": "http://127.0.0.1:1/v1", "supported_models": ["x"], "api_key_env": "NO_SUCH_KEY"},
}


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    environ = {"TRUSTED_PROXIES": "127.0.0.1", "ACME_KEY": SECRET}
    with running_gateway(tmp_path_factory.mktemp("catalogue"), CONFIG, environ=environ) as running:
        yield running


@pytest.fixture(scope="module")
def admin(gateway: Gateway) -> Iterator[httpx.Client]:
    with client_of(gateway, gateway.add_token(username="root", admin=True)) as client:
        yield client


@pytest.fixture
def clean(admin: httpx.Client) -> Iterator[httpx.Client]:
    """An administrator, with nothing said of `acme/small` and no price of it afterwards."""
    yield admin
    admin.delete(f"{MODELS}/acme/small")
    admin.delete(f"{PRICES}/acme/small")


def ids(response: httpx.Response) -> list[str]:
    return [model["id"] for model in response.json()["models"]]


def test_models_are_found_by_provider_and_name_page_by_page(admin: httpx.Client) -> None:
    everything = admin.get(MODELS)

    assert ids(everything) == ["acme/Big/Llama-3", "acme/small", "openai/gpt-4o", "demo/demo"]
    assert ids(admin.get(MODELS, params={"provider": "acme"})) == ["acme/Big/Llama-3", "acme/small"]
    assert ids(admin.get(MODELS, params={"q": "LLAMA"})) == ["acme/Big/Llama-3"]
    page = admin.get(MODELS, params={"limit": 2, "offset": 1})
    assert (ids(page), page.json()["total"]) == (["acme/small", "openai/gpt-4o"], 4)
    assert admin.get(MODELS, params={"limit": 501}).status_code == 400


@pytest.mark.parametrize("path", ["acme/Big/Llama-3", "acme/big%2Fllama-3"])
def test_name_with_a_slash_in_it_is_a_path(admin: httpx.Client, path: str) -> None:
    shown = admin.get(f"{MODELS}/{path}").json()

    assert (shown["model"], shown["family"], shown["origins"]) == ("Big/Llama-3", "llama", {"family": "name"})


def test_what_comes_with_the_prices_is_shown_with_its_source(admin: httpx.Client) -> None:
    shown = admin.get(f"{MODELS}/openai/gpt-4o").json()

    assert shown["description"]
    assert shown["origins"]["description"] == "bundled"
    assert (shown["price"]["source"], shown["price"]["input"], shown["price"]["output"]) == (
        "genai-prices",
        "2.5",
        "10",
    )
    assert admin.get(f"{MODELS}/demo/demo").json()["price"]["source"] == "free"


def test_what_is_said_of_a_model_counts_at_once_and_is_taken_back(clean: httpx.Client) -> None:
    path = f"{MODELS}/acme/SMALL"

    put = clean.put(path, json={"context_length": 5, "capabilities": ["tools", "tools"], "family": "ours"})
    patched = clean.patch(path, json={"description": " Two  words. ", "family": None})
    shown = clean.get(path).json()

    assert (put.status_code, put.json()["family"]) == (200, "ours")
    assert patched.json() == {
        "family": None,
        "context_length": 5,
        "max_output_tokens": None,
        "capabilities": ["tools"],
        "description": "Two words.",
        "enabled": None,
    }
    assert shown["said"] == patched.json()
    assert (shown["id"], shown["context_length"], shown["description"]) == ("acme/small", 5, "Two words.")
    assert shown["origins"]["context_length"] == "custom"
    assert clean.put(path, json={"enabled": False}).json()["context_length"] is None
    assert (clean.get(path).json()["enabled"], clean.get(path).json()["context_length"]) == (False, None)
    assert clean.delete(path).status_code == 204
    assert clean.get(path).json()["said"] is None
    assert (clean.delete(path).status_code, clean.delete(path).json()["error"]["code"]) == (404, "model_not_found")


def test_model_that_is_added_is_offered(admin: httpx.Client) -> None:
    path = f"{MODELS}/acme/own/preview"
    assert admin.get(path).status_code == 404
    admin.patch(path, json={"context_length": 5}).raise_for_status()
    assert admin.get(path).json()["listed"] is False

    admin.patch(path, json={"enabled": True}).raise_for_status()

    shown = admin.get(path).json()
    assert (shown["listed"], shown["added"], shown["context_length"]) == (True, True, 5)
    assert "acme/own/preview" in ids(admin.get(MODELS))
    admin.patch(path, json={"enabled": False}).raise_for_status()
    off = admin.get(MODELS, params={"q": "own/preview"}).json()["models"][0]
    assert (off["listed"], off["enabled"], off["context_length"]) == (False, False, 5), "it can be switched on again"
    admin.delete(path).raise_for_status()
    assert "acme/own/preview" not in ids(admin.get(MODELS))


def test_of_what_is_new_nothing_that_is_there_is_overwritten(admin: httpx.Client) -> None:
    model = {"provider": "acme", "model": "own/new", "context_length": 5}
    user = {"username": "new", "tokens_per_day": 5}

    made = [admin.post(MODELS, json=model), admin.post(USERS, json=user)]
    again = [
        admin.post(MODELS, json=model | {"context_length": 6}),
        admin.post(USERS, json=user | {"tokens_per_day": 6}),
    ]
    nothing = admin.post(USERS, json={"username": "newer"})

    assert [each.status_code for each in made] == [201, 201]
    assert [each.status_code for each in again] == [409, 409]
    assert [each.json()["error"]["code"] for each in again] == ["model_exists", "user_exists"]
    assert nothing.status_code == 400
    assert admin.get(f"{MODELS}/acme/own/new").json()["context_length"] == 5
    assert admin.get(f"{USERS}/new").json()["tokens_per_day"] == 5
    admin.delete(f"{MODELS}/acme/own/new").raise_for_status()


@pytest.mark.parametrize(
    ("path", "body", "words"),
    [
        ("acme/small", {"context_length": 0}, "context_length: "),
        ("acme/small", {"capabilities": ["magic"]}, "capabilities"),
        ("acme/small", {"family": " "}, "family: must be text"),
        ("acme/small", {"family": "a\x01b"}, "family: must be text"),
        ("acme/small", {"prices": 1}, "prices: there is no such parameter"),
        ("nobody/small", {"family": "x"}, "There is no provider 'nobody'; there are acme, openai"),
        ("acme/a*", {"family": "x"}, "'a*' is no name of a model"),
        ("acme/", {"family": "x"}, "'' is no name of a model"),
        ("acme/a%01b", {"family": "x"}, "is no name of a model"),
    ],
)
def test_what_cannot_be_said_is_told_in_words(admin: httpx.Client, path: str, body: dict[str, Any], words: str) -> None:
    response = admin.put(f"{MODELS}/{path}", json=body)

    assert response.status_code == 400
    assert words in response.json()["error"]["message"]


def test_own_price_is_in_force_until_it_is_removed(clean: httpx.Client) -> None:
    path = f"{PRICES}/acme/small"
    rates = {"input": 0.15, "output": {"base": "10", "above": {"200000": 15}}}

    put = clean.put(path, json=rates).json()
    price = clean.get(f"{MODELS}/acme/small").json()["price"]

    assert put["rates"] == {"input": "0.15", "output": {"base": "10", "above": {"200000": "15"}}}
    assert (put["id"], put["source"]) == ("acme/small", "admin")
    assert clean.get(path).json() == put
    assert clean.get(PRICES).json()["prices"] == [put]
    assert price == {
        "source": "admin",
        "version": put["version"],
        "input": "0.15",
        "output": "10",
        "rates": put["rates"],
    }
    assert clean.delete(path).status_code == 204
    assert clean.get(path).json()["error"]["code"] == "model_not_found"
    assert clean.delete(path).status_code == 404
    assert clean.get(f"{MODELS}/acme/small").json()["price"]["source"] is None


@pytest.mark.parametrize(
    ("path", "rates", "param", "words"),
    [
        ("acme/small", {"inputs": 1}, "inputs", "inputs: unknown key; did you mean 'input'?"),
        ("acme/small", {}, None, "says no price"),
        ("acme/small", {"input": "x"}, "input", "input: must be a number"),
        ("acme/small", {"input": {"base": "x"}}, "input.base", "input.base: must be a number"),
        ("nobody/small", {"input": 1}, None, "There is no provider 'nobody'"),
    ],
)
def test_price_that_cannot_be_is_told_in_words(
    admin: httpx.Client, path: str, rates: dict[str, Any], param: str | None, words: str
) -> None:
    response = admin.put(f"{PRICES}/{path}", json=rates)

    error = response.json()["error"]
    assert (response.status_code, error["param"]) == (400, param)
    assert error["message"].startswith(words)


def test_search_of_augmentors_has_a_price_too(admin: httpx.Client) -> None:
    response = admin.put(f"{PRICES}/parallel/search", json={"search": "0.005"})

    assert response.status_code == 200, response.text
    assert admin.delete(f"{PRICES}/parallel/search").is_success


def test_providers_are_shown_with_their_states_but_no_secret(admin: httpx.Client) -> None:
    response = admin.get(PROVIDERS)

    providers = {each["key"]: each for each in response.json()["providers"]}
    assert {key: (each["state"], each["source"]) for key, each in providers.items()} == {
        "acme": ("ready", "config"),
        "openai": ("ready", "config"),
        "locked": ("no key: set NO_SUCH_KEY", "config"),
        "demo": ("ready", "built in"),
    }
    assert (providers["acme"]["api_key_env"], providers["acme"]["headers"]) == (["ACME_KEY"], ["x-org"])
    assert SECRET not in response.text
    assert admin.get(f"{PROVIDERS}/locked").json() == providers["locked"]
    assert admin.get(f"{PROVIDERS}/nobody").status_code == 404


def test_provider_that_is_added_is_there_at_once_until_it_is_removed(admin: httpx.Client) -> None:
    entry = {"base_url": "http://127.0.0.1:1/v1", "supported_models": ["mine"], "headers": {"x-org": SECRET}}

    put = admin.put(f"{PROVIDERS}/own", json=entry)

    assert put.status_code == 200
    assert (put.json()["state"], put.json()["source"], put.json()["models"]) == ("ready", "added", 1)
    assert SECRET not in put.text
    assert "own/mine" in ids(admin.get(MODELS))
    assert admin.delete(f"{PROVIDERS}/own").status_code == 204
    assert "own/mine" not in ids(admin.get(MODELS))


@pytest.mark.parametrize(
    ("method", "key", "body", "status", "param", "words"),
    [
        ("PUT", "acme", {"base_url": "http://x", "retry": 1}, 400, "retry", "unknown key"),
        ("PUT", "own", {}, 400, "base_url", "base_url: is missing"),
        ("PUT", "own", {"base_url": "x"}, 400, "base_url", "base_url: use a URL"),
        ("PUT", "own", {"base_url": "http://x", "enabled": False, "retry": 1}, 400, "retry", "unknown key"),
        ("PUT", "$names", {"base_url": "http://x"}, 400, None, "$names"),
        ("PUT", "$names", {}, 400, None, "$names"),
        ("PUT", "$schema", {"base_url": "http://x"}, 400, None, "$schema"),
        ("PUT", "Own", {"base_url": "http://x"}, 400, None, "Own: a provider's key is lower-case"),
        ("DELETE", "acme", None, 409, None, "removed there"),
        ("DELETE", "demo", None, 409, None, "was not added"),
        ("DELETE", "nobody", None, 404, None, "There is no provider 'nobody'"),
    ],
)
def test_provider_that_cannot_be_changed_so_is_told(
    admin: httpx.Client, method: str, key: str, body: object, status: int, param: str | None, words: str
) -> None:
    response = admin.request(method, f"{PROVIDERS}/{key}", json=body)

    error = response.json()["error"]
    assert (response.status_code, error["param"]) == (status, param)
    assert words in error["message"]


def test_users_limits_are_set_and_shown_with_their_use(admin: httpx.Client, gateway: Gateway) -> None:
    gateway.add_token(username="team a/b")
    path = f"{USERS}/team%20a/b"

    put = admin.put(path, json={"tokens_per_day": 100, "budget_per_month": "1.50"}).json()

    assert (put["username"], put["tokens"], put["tokens_per_day"], put["budget_per_month"]) == (
        "team a/b",
        1,
        100,
        "1.5",
    )
    assert [(each["of"], each["limit"], each["used"], each["reserved"], each["most"]) for each in put["use"]] == [
        ("user", "tokens_per_day", 0, 0, 100),
        ("user", "budget_per_month", "0", "0", "1.5"),
    ]
    assert put["use"][0]["starts_anew"].endswith("T00:00:00.000Z")
    assert admin.get(path).json() == put
    assert {key: put[key] for key in put if key != "use"} in admin.get(USERS).json()["users"]
    lifted = admin.put(path, json={}).json()
    assert (lifted["tokens_per_day"], lifted["use"]) == (None, [])


@pytest.mark.parametrize(
    ("name", "body", "words"),
    [
        ("x", {"tokens_per_day": 0}, "tokens_per_day: "),
        ("x", {"budget_per_day": "1000001"}, "budget_per_day: "),
        ("x", {"rate_limit": 1}, "rate_limit: there is no such parameter"),
        ("%20", {"tokens_per_day": 1}, "username"),
    ],
)
def test_limit_that_cannot_be_is_told_in_words(
    admin: httpx.Client, name: str, body: dict[str, Any], words: str
) -> None:
    response = admin.put(f"{USERS}/{name}", json=body)

    assert response.status_code == 400
    assert words in response.json()["error"]["message"]


def test_user_that_is_not_there_is_404(admin: httpx.Client) -> None:
    response = admin.get(f"{USERS}/nobody")

    assert (response.status_code, response.json()["error"]["code"]) == (404, "user_not_found")


def test_token_shows_use_against_its_limits_and_its_users(admin: httpx.Client, gateway: Gateway) -> None:
    admin.put(f"{USERS}/worker", json={"tokens_per_day": 10**6}).raise_for_status()
    made = admin.post("/admin/api/tokens", json={"username": "worker", "requests_per_minute": 3}).json()
    body = {"model": "demo", "messages": [{"role": "user", "content": "Hi"}]}
    with client_of(gateway, made["text"], "203.0.113.8") as client:
        client.post("/v1/chat/completions", json=body).raise_for_status()
    gateway.wait_for_rows(1)

    use = admin.get(f"/admin/api/tokens/{made['token']['id']}").json()["use"]

    assert [(each["of"], each["limit"]) for each in use] == [
        ("token", "requests_per_minute"),
        ("user", "tokens_per_day"),
    ]
    assert use[1]["used"] > 0
    assert json.dumps(use).count("starts_anew") == 2


def test_bound_of_a_model_is_reserved_where_it_is_less_than_that_of_all(clean: httpx.Client, gateway: Gateway) -> None:
    made = clean.post("/admin/api/tokens", json={"username": "bound", "tokens_per_day": 2000}).json()
    body = {"model": "acme/small", "messages": [{"role": "user", "content": "Hi"}]}
    with client_of(gateway, made["text"], "203.0.113.10") as client:
        unknown = client.post("/v1/chat/completions", json=body)
        clean.patch(f"{MODELS}/acme/small", json={"max_output_tokens": 500}).raise_for_status()
        known = client.post("/v1/chat/completions", json=body)

    assert unknown.status_code == 429
    assert "is too low for this call, which may take 4" in unknown.json()["error"]["message"]
    assert known.status_code == 502, "nobody listens there"


def test_lists_of_models_have_what_comes_with_the_prices(admin: httpx.Client) -> None:
    admin.get(f"{MODELS}/openai/gpt-4o").raise_for_status()  # waits for them
    give_up_at = time.monotonic() + 10

    while "description" not in (entry := admin.get("/v1/models/gpt-4o").json()):
        assert time.monotonic() < give_up_at
        time.sleep(0.05)

    assert entry["description"] == admin.get(f"{MODELS}/openai/gpt-4o").json()["description"]


def test_what_is_said_once_more_is_no_change_in_the_audit_log(admin: httpx.Client) -> None:
    token = admin.post("/admin/api/tokens", json={"username": "twice"}).json()["token"]["id"]
    own = {"base_url": "http://127.0.0.1:1/v1", "supported_models": ["mine"], "headers": {"x-org": SECRET}}
    said: list[tuple[str, str, dict[str, Any]]] = [
        ("PUT", "providers/twice", own),
        ("PATCH", "models/twice/mine", {"context_length": 5, "capabilities": ["vision"]}),
        ("PUT", "models/prices/twice/mine", {"input": "1", "output": 2.5}),
        ("PUT", "settings/retention_days", {"value": 7}),
        ("PATCH", f"tokens/{token}", {"tags": ["team:a"], "budget_per_day": "2.5"}),
        ("PUT", "users/twice", {"max_concurrent": 3}),
        ("POST", "aliases", {"name": "twice", "target": "twice/mine"}),
        ("PATCH", "aliases/twice", {"target": "demo"}),
    ]

    def say(method: str, path: str, body: dict[str, Any]) -> Any:
        response = admin.request(method, f"/admin/api/{path}", json=body)
        assert response.status_code in (200, 201), response.text
        return {key: each for key, each in response.json().items() if key != "used_today"}

    def count() -> int:
        return int(admin.get("/admin/api/audit").json()["entries"][0]["number"])

    first = [say(*each) for each in said]
    told = count()
    again = [say(*each) for each in said if each[0] != "POST"]
    assert count() == told
    assert again == [answer for answer, each in zip(first, said, strict=True) if each[0] != "POST"]

    say("PUT", "providers/twice", own | {"headers": {"x-org": f"{SECRET}-2"}})
    (entry,) = admin.get("/admin/api/audit", params={"action": "provider.modify"}).json()["entries"]
    assert (entry["number"], entry["after"]["headers"]) == (told + 1, {"x-org": "[redacted] (changed)"})
    for path in (
        "aliases/twice",
        "models/prices/twice/mine",
        "models/twice/mine",
        "providers/twice",
        f"tokens/{token}",
    ):
        assert admin.delete(f"/admin/api/{path}").status_code == 204
