"""Providers that are switched off, tried out, added and changed over the API; local servers; and what the audit log says of it."""

import json
import time
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.api.admin.test_admin_api import client_of
from tests.e2e.gateway import Gateway, running_gateway
from tests.e2e.standin import Answer, StandIn, running_standin
from tests.e2e.test_surfaces import COMPLETION
from tests.ollama_server import SIZE, Ollama
from tests.waiting import wait_for

PROVIDERS, OLLAMA = "/admin/api/providers", "/admin/api/ollama"
SECRET = "planted-Key-0123456789-abcdef"


@pytest.fixture(scope="module")
def standin() -> Iterator[StandIn]:
    with running_standin() as running:
        running.models = Answer.json({"data": [{"id": "one"}]})
        yield running


@pytest.fixture(scope="module")
def gateway(standin: StandIn, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    with running_gateway(tmp_path_factory.mktemp("switches"), config_at(standin), workers=2) as running:
        yield running


def config_at(standin: StandIn) -> dict[str, Any]:
    """What the gateway's file says."""
    return {
        "acme": {"base_url": standin.base_url, "supported_models": ["m"], "retries": 0},
        "off": {"enabled": False},
        "away": {"base_url": "http://127.0.0.1:1", "api_format": "ollama"},
        "moved": {"base_url": standin.base_url, "supported_models": ["m"], "headers": {"authorization": SECRET}},
    }


@pytest.fixture(scope="module")
def admin(gateway: Gateway) -> Iterator[httpx.Client]:
    with client_of(gateway, gateway.add_token(username="root", admin=True)) as client:
        yield client


def entries(admin: httpx.Client, action: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = admin.get("/admin/api/audit", params={"action": action}).json()["entries"]
    return found


def test_provider_that_is_switched_off_is_used_by_no_worker(gateway: Gateway, admin: httpx.Client) -> None:
    def statuses() -> set[int]:
        """Of calls on new connections, which go to either worker."""
        body = {"model": "acme/m", "messages": [{"role": "user", "content": "Hi"}]}
        headers = {"authorization": f"Bearer {gateway.token}"}
        path = f"{gateway.base_url}/v1/chat/completions"
        return {httpx.post(path, json=body, headers=headers, trust_env=False).status_code for _ in range(8)}

    assert 404 not in statuses()

    off = admin.post(f"{PROVIDERS}/acme/disable")
    give_up_at = time.monotonic() + 10
    rounds = 0  # of which each worker has had some calls in any few
    while rounds < 5 and time.monotonic() < give_up_at:
        rounds = rounds + 1 if statuses() == {404} else 0

    assert (off.status_code, off.json()["state"], off.json()["switched_off"]) == (200, "switched off", True)
    assert statuses() == {404}
    assert admin.post(f"{PROVIDERS}/acme/test").json()["words"] == "is not asked: switched off"
    assert admin.post(f"{PROVIDERS}/acme/enable").json()["state"] == "ready"
    assert [(each["subject"], each["after"]) for each in entries(admin, "provider.disable")] == [
        ("acme", {"enabled": False})
    ]
    assert admin.post(f"{PROVIDERS}/acme/enable").status_code == 200
    assert len(entries(admin, "provider.enable")) == 1, "what changes nothing is no change"


@pytest.mark.parametrize(
    ("path", "status", "words"),
    [
        ("nobody/enable", 404, "There is no provider 'nobody'"),
        ("nobody/test", 404, "There is no provider 'nobody'"),
        ("demo/disable", 409, "is built in"),
        ("off/enable", 409, 'by "enabled": false in its entry'),
    ],
)
def test_what_cannot_be_switched_is_told(admin: httpx.Client, path: str, status: int, words: str) -> None:
    response = admin.post(f"{PROVIDERS}/{path}")

    assert response.status_code == status
    assert words in response.json()["error"]["message"]


def test_trial_asks_the_provider(admin: httpx.Client) -> None:
    works, fails = (admin.post(f"{PROVIDERS}/{key}/test").json() for key in ("acme", "away"))

    def told() -> bool:
        """Whoever answers has it of the worker that asked."""
        reaches = {each["provider"]: each for each in admin.get("/admin/api/live").json()["providers"]}
        wanted = {key: works[key] for key in ("ok", "words", "models", "at", "ms")}
        return reaches.get("acme") == {"provider": "acme", **wanted}

    assert (works["ok"], works["words"], works["models"]) == (True, "answers; 1 models", 1)
    wait_for(told)
    assert fails["ok"] is False
    assert "cannot be reached" in fails["words"]


def test_hidden_values_of_a_definition_come_back_as_they_were(admin: httpx.Client, standin: StandIn) -> None:
    entry = {
        "base_url": standin.base_url,
        "headers": {"x-org": SECRET},
        "payload_default_parameters": {"api_key": SECRET, "top_p": 0.5},
    }
    new = {"key": "own", "definition": entry}

    assert admin.post(PROVIDERS, json=new).status_code == 201
    assert admin.post(PROVIDERS, json=new).status_code == 409
    shown = admin.get(f"{PROVIDERS}/own/definition")
    assert SECRET not in shown.text
    admin.put(f"{PROVIDERS}/own", json=shown.json() | {"name": "Own"}).raise_for_status()
    standin.forget()
    admin.post(f"{PROVIDERS}/own/test").raise_for_status()

    assert standin.exchanges[0].headers["x-org"] == SECRET
    added = shown.json() | {"headers": {"x-org": "[redacted]", "x-new": "[redacted]"}}
    refused = admin.put(f"{PROVIDERS}/own", json=added)
    assert (refused.status_code, refused.json()["error"]["param"]) == (400, "headers.x-new")
    elsewhere = admin.put(f"{PROVIDERS}/own", json=shown.json() | {"base_url": "https://elsewhere.example/v1"})
    assert (elsewhere.status_code, elsewhere.json()["error"]["param"]) == (400, "base_url")
    assert admin.delete(f"{PROVIDERS}/own").status_code == 204
    log = admin.get("/admin/api/audit").text
    assert SECRET not in log
    assert [entries(admin, f"provider.{what}")[0]["subject"] for what in ("add", "modify", "delete")] == ["own"] * 3


@pytest.mark.parametrize("name", ["BODIES_KEY", "CHROMA_TOKEN", "DATABASE_URL", "AWS_SECRET_ACCESS_KEY", "OWN_api_key"])
def test_no_variable_but_one_for_providers_is_sent_to_them(name: str, admin: httpx.Client) -> None:
    definition = {"base_url": "https://api.acme.example/v1", "api_key_env": ["ACME_API_KEY", name]}

    refused = admin.put(f"{PROVIDERS}/own", json=definition)

    assert (refused.status_code, refused.json()["error"]["param"]) == (400, "api_key_env")
    assert f"{name} does not end in _API_KEY" in refused.json()["error"]["message"]


def test_provider_of_the_file_is_elsewhere_for_all_workers_until_it_is_taken_back(
    gateway: Gateway, admin: httpx.Client, standin: StandIn
) -> None:
    def all_reach(wanted: StandIn) -> bool:
        """Calls on new connections, which go to either worker."""
        body = {"model": "moved/m", "messages": [{"role": "user", "content": "Hi"}]}
        headers = {"authorization": f"Bearer {gateway.token}"}
        rounds, give_up_at = 0, time.monotonic() + 10
        while rounds < 5 and time.monotonic() < give_up_at:
            wanted.forget()
            for _ in range(8):
                httpx.post(f"{gateway.base_url}/v1/chat/completions", json=body, headers=headers, trust_env=False)
            rounds = rounds + 1 if len(wanted.posts) == 8 else 0
        return rounds == 5

    standin.answer = Answer.json(COMPLETION)
    assert all_reach(standin)
    assert standin.posts[0].headers["authorization"] == SECRET
    shown = admin.get(f"{PROVIDERS}/moved/definition")
    assert (SECRET in shown.text, shown.json()["headers"]) == (False, {"authorization": "[redacted]"})
    with running_standin() as other:
        other.answer = Answer.json(COMPLETION)
        refused = admin.put(f"{PROVIDERS}/moved", json=shown.json() | {"base_url": other.base_url})
        assert (refused.status_code, refused.json()["error"]["param"]) == (400, "base_url")

        put = admin.put(f"{PROVIDERS}/moved", json={"base_url": other.base_url, "supported_models": ["m"]})

        assert (put.json()["source"], put.json()["changed_here"]) == ("config", True)
        assert put.json()["changes"] == ["base_url", "headers"]
        assert all_reach(other)
        gateway.write_config(config_at(standin) | {"new": {"base_url": standin.base_url}})
        gateway.reload()
        assert wait_for(lambda: admin.get(f"{PROVIDERS}/new").is_success)
        assert all_reach(other), "also after the file was read anew"
        assert not any("authorization" in each.headers for each in other.exchanges)

        back = admin.post(f"{PROVIDERS}/moved/reset")

        assert (back.json()["changed_here"], back.json()["base_url"]) == (False, standin.base_url)
        assert all_reach(standin)
        assert standin.posts[0].headers["authorization"] == SECRET
    (entry,) = entries(admin, "provider.reset")
    assert (entry["before"], entry["after"]) == (
        {"base_url": other.base_url, "supported_models": ["m"]},
        shown.json() | {"changed_here": False},
    )
    assert admin.post(f"{PROVIDERS}/nobody/reset").status_code == 404
    assert admin.get(f"{PROVIDERS}/demo/definition").status_code == 409


def test_local_server_is_looked_at_and_models_come_and_go(admin: httpx.Client) -> None:
    with running_standin() as server:
        Ollama(server, "llama3.2:3b")
        entry = {"base_url": server.base_url, "api_format": "ollama"}
        admin.put(f"{PROVIDERS}/shed", json=entry).raise_for_status()

        looked = admin.get(f"{OLLAMA}/shed").json()
        pulled = admin.post(f"{OLLAMA}/shed/pull", json={"model": "hf.co/some/new:7b"})
        listed = admin.get("/admin/api/models", params={"provider": "shed"}).json()
        refused = admin.post(f"{OLLAMA}/shed/pull", json={"model": "unheard-of"})
        deleted = admin.delete(f"{OLLAMA}/shed/models/hf.co/some/new:7b")

        assert looked["version"] == "0.12.3"
        assert looked["models"] == [
            {
                "name": "llama3.2:3b",
                "size_bytes": SIZE,
                "parameters": "3.2B",
                "quantisation": "Q4_K_M",
                "family": "llama",
                "modified": "2026-10-04T14:56:49.277302595-07:00",
                "loaded_bytes": SIZE,
            }
        ]
        lines = [json.loads(line) for line in pulled.text.splitlines()]
        assert (lines[0]["status"], lines[-1]["status"]) == ("pulling manifest", "success")
        assert {model["model"] for model in listed["models"]} == {"llama3.2:3b", "hf.co/some/new:7b"}
        assert (refused.status_code, refused.json()["error"]["code"]) == (502, "not_pulled")
        assert "file does not exist" in refused.json()["error"]["message"]
        assert deleted.status_code == 204
        assert admin.delete(f"{OLLAMA}/shed/models/hf.co/some/new:7b").status_code == 404
        assert [model["name"] for model in admin.post(f"{OLLAMA}/shed/refresh").json()["models"]] == ["llama3.2:3b"]
        assert entries(admin, "ollama.delete")[0]["before"] == {"model": "hf.co/some/new:7b", "size_bytes": SIZE}
        pulls = [each["after"] for each in entries(admin, "ollama.pull")]
        assert [(each["model"], each["outcome"]) for each in pulls] == [
            ("unheard-of", "failed"),
            ("unheard-of", "begun"),
            ("hf.co/some/new:7b", "done"),
            ("hf.co/some/new:7b", "begun"),
        ]
        assert "file does not exist" in pulls[0]["reason"]
        admin.delete(f"{PROVIDERS}/shed").raise_for_status()


def test_server_that_is_down_is_503_and_what_is_none_404(admin: httpx.Client) -> None:
    assert admin.get(f"{OLLAMA}/away").status_code == 503
    assert admin.post(f"{OLLAMA}/away/pull", json={"model": "m"}).json()["error"]["code"] == "server_away"
    assert admin.get(f"{OLLAMA}/acme").status_code == 404
