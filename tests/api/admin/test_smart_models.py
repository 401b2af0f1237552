"""The administrators' API of smart models, on a real gateway."""

import json
from collections.abc import Iterator
from typing import Any, cast

import httpx
import pytest

from app.api.admin.later import Admin
from app.api.admin.smart_models import smart_models_router
from app.auth.tokens import id_of
from app.smart.definition import PLURALS
from app.smart.desk import SmartDesk
from tests.api.admin.test_admin_api import client_of
from tests.api.named import authorise_by_name
from tests.e2e.gateway import Gateway, running_gateway
from tests.e2e.smart_models import spoil_smart_model

API = "/admin/api"
CONFIG = {
    "acme": {"base_url": "http://127.0.0.1:1/v1", "supported_models": ["small", "large", "picker", "embed"]},
    "$names": {"house": {"targets": ["acme/small"]}},
}
CANDIDATES = [{"model": "acme/small", "notes": "quick"}, {"model": "acme/large"}]
LEAST: dict[str, dict[str, Any]] = {
    "aliases": {"target": "acme/small"},
    "redirects": {"target": "acme/small"},
    "routers": {
        "designator_model": "acme/picker",
        "purpose": "The cheapest.",
        "candidates": CANDIDATES,
        "fallback_model": "acme/large",
    },
    "caches": {"target_model": "acme/small", "embedder": "acme/embed"},
    "augmentors": {"target_model": "acme/small", "designator_model": "acme/picker"},
}
KINDS = pytest.mark.parametrize("kind", LEAST)


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    folder, prices = tmp_path_factory.mktemp("names"), {"acme/small": {"input": "1.5", "output": "3"}}
    with running_gateway(folder, CONFIG, environ={"TRUSTED_PROXIES": "127.0.0.1"}, prices=prices) as running:
        yield running


@pytest.fixture(scope="module")
def root(gateway: Gateway) -> Iterator[httpx.Client]:
    with client_of(gateway, gateway.add_token(username="root", admin=True)) as client:
        yield client


@pytest.fixture
def admin(root: httpx.Client) -> Iterator[httpx.Client]:
    """An administrator; afterwards there is no smart model."""
    yield root
    root.post(f"{API}/names/import", params={"replace": True}, json={}).raise_for_status()


def add(client: httpx.Client, plural: str, name: str, **fields: Any) -> dict[str, Any]:
    response = client.post(f"{API}/{plural}", json={"name": name, **LEAST[plural], **fields})
    assert response.status_code == 201, response.text
    added: dict[str, Any] = response.json()
    return added


@KINDS
def test_each_kind_is_added_listed_changed_and_removed(admin: httpx.Client, kind: str) -> None:
    added = add(admin, kind, "Fast", owner_tags=["team:a"], description="Quick.")
    path = f"{API}/{kind}/{added['id']}"
    assert added["name"] == "fast"
    assert added["created_at"].endswith("Z")
    assert {**added, **LEAST[kind], "name": "fast"}.items() >= {"description": "Quick.", "enabled": True}.items()

    assert admin.get(f"{API}/{kind}").json() == {kind: [added], "unreadable": []}
    assert admin.get(f"{API}/{kind}", params={"owner_tag": "team:b"}).json() == {kind: [], "unreadable": []}
    assert admin.get(path).json() == admin.get(f"{API}/{kind}/FAST").json() == added
    patched = admin.patch(path, json={"tags": ["x"]}).json()
    assert (patched["tags"], patched["description"]) == (["x"], "Quick.")
    put = admin.put(path, json={"name": "slow", **LEAST[kind]}).json()
    assert (put["id"], put["name"], put["tags"], put["description"]) == (added["id"], "slow", [], None)
    assert admin.delete(path).status_code == 204
    gone = admin.get(path)
    assert (gone.status_code, gone.json()["error"]["code"]) == (404, "name_not_found")
    assert admin.delete(path).status_code == admin.patch(path, json={}).status_code == 404


def test_caches_and_augmentors_are_shown_with_their_stats(admin: httpx.Client) -> None:
    cache, augmentor = add(admin, "caches", "c"), add(admin, "augmentors", "w")

    assert cache["stats"] == {
        "total_requests": 0,
        "cache_hits": 0,
        "tokens_saved": 0,
        "cost_saved": "0",
        "hit_rate": None,
    }
    assert augmentor["stats"]["augmentation_rate"] is None
    assert "stats" not in add(admin, "aliases", "a")


@pytest.mark.parametrize(
    ("name", "conflict"),
    [
        ("Taken", {"kind": "router", "name": "taken"}),
        ("house", {"kind": "configuration", "name": "house"}),
        ("acme/SMALL", {"kind": "model", "name": "acme/small"}),
    ],
)
def test_name_that_is_taken_is_a_conflict_that_tells_with_what(
    admin: httpx.Client, name: str, conflict: dict[str, str]
) -> None:
    add(admin, "routers", "taken")
    other = add(admin, "aliases", "other")

    body = {"name": name, "target": "acme/large"}
    added = admin.post(f"{API}/aliases", json=body)
    renamed = admin.patch(f"{API}/aliases/{other['id']}", json={"name": name})
    valid = admin.post(f"{API}/aliases/validate", json=body).json()
    imported = admin.post(f"{API}/names/import", json={"aliases": [body]})

    for refused in (added, renamed, imported):
        error = refused.json()["error"]
        assert (refused.status_code, error["code"], error["param"]) == (409, "name_taken", "name")
        assert error["conflicts_with"] == conflict
    assert (valid["valid"], valid["conflicts_with"]) == (False, conflict)


@pytest.mark.parametrize(
    ("kind", "fields", "param", "words"),
    [
        ("aliases", {"target": "acme/smal"}, "target", "there is no model 'acme/smal'; did you mean 'small'"),
        ("aliases", {"targt": "x"}, "targt", "unknown key; did you mean 'target'?"),
        ("routers", {"candidates": [{}, {"model": "x"}]}, "candidates[0].model", "is missing"),
        ("caches", {"similarity_threshold": 2}, "similarity_threshold", "must be at most 1"),
        ("augmentors", {"designator_model": None}, None, "the mode auto needs designator_model"),
    ],
)
def test_definition_that_cannot_be_is_refused_in_words(
    admin: httpx.Client, kind: str, fields: dict[str, Any], param: str | None, words: str
) -> None:
    body = {"name": "new", **LEAST[kind], **fields}

    refused = admin.post(f"{API}/{kind}", json=body)
    validity = admin.post(f"{API}/{kind}/validate", json=body)

    assert (refused.status_code, refused.json()["error"]["param"]) == (400, param)
    assert words in refused.json()["error"]["message"]
    assert (validity.status_code, validity.json()["valid"]) == (200, False)
    assert words in validity.json()["faults"][0]


def test_validation_writes_nothing_and_may_take_the_place_of_one(admin: httpx.Client) -> None:
    body = {"name": "fast", "target": "acme/large"}
    assert admin.post(f"{API}/aliases/validate", json=body).json()["valid"] is True
    assert admin.get(f"{API}/aliases").json() == {"aliases": [], "unreadable": []}
    added = add(admin, "aliases", "fast")

    assert admin.post(f"{API}/aliases/validate", json=body).json()["valid"] is False
    replacing = admin.post(f"{API}/aliases/validate", params={"replaces": added["id"]}, json=body)
    assert replacing.json() == {"valid": True, "faults": [], "warnings": [], "conflicts_with": None}


def test_export_and_import_carry_all_of_it_around(admin: httpx.Client) -> None:
    for kind in LEAST:
        add(admin, kind, f"my-{kind}")
    exported = admin.get(f"{API}/names/export").json()

    dry = admin.post(f"{API}/names/import", params={"replace": True, "dry_run": True}, json={"aliases": []}).json()
    assert [each["name"] for each in dry["deleted"]] == [each["name"] for kind in exported.values() for each in kind]
    emptied = admin.post(f"{API}/names/import", params={"replace": True}, json={}).json()
    assert len(emptied["deleted"]) == 5
    assert admin.get(f"{API}/names/export").json() == {}
    back = admin.post(f"{API}/names/import", json=exported).json()

    assert (len(back["added"]), back["changed"]) == (5, [])
    assert ["SEARXNG_URL" in warning for warning in back["warnings"]] == [True]
    assert admin.get(f"{API}/names/export").json() == exported
    exported["aliases"][0]["target"] = "acme/gone"
    changed = admin.post(f"{API}/names/import", json=exported).json()
    values = {"before": {"target": "acme/small"}, "after": {"target": "acme/gone"}}
    assert changed["changed"] == [{"kind": "alias", "name": "my-aliases", "fields": ["target"], **values}]
    assert changed["warnings"][0].startswith("alias my-aliases: target: there is no model 'acme/gone'")


def test_import_does_what_was_looked_at_or_nothing(admin: httpx.Client) -> None:
    add(admin, "aliases", "one")
    replace = {"replace": True}
    looked = admin.post(f"{API}/names/import", params=replace | {"dry_run": True}, json={}).json()
    add(admin, "aliases", "two")

    refused = admin.post(f"{API}/names/import", params=replace | {"seen": looked["mark"]}, json={})
    assert (refused.status_code, refused.json()["error"]["code"]) == (409, "plan_outdated")
    assert len(admin.get(f"{API}/names/export").json()["aliases"]) == 2

    again = admin.post(f"{API}/names/import", params=replace | {"dry_run": True}, json={}).json()
    done = admin.post(f"{API}/names/import", params=replace | {"seen": again["mark"]}, json={})
    assert [each["name"] for each in done.json()["deleted"]] == ["one", "two"]


def test_way_of_a_call_is_told_with_what_it_costs_and_nothing_is_sent(admin: httpx.Client, gateway: Gateway) -> None:
    add(admin, "aliases", "fast", allowed_tokens=["user:tester"])
    add(admin, "aliases", "research", target="fast")
    token, other = gateway.add_token(), gateway.add_token("somebody")
    request = {"model": "Research", "messages": [{"role": "user", "content": "Hi"}]}

    def explain(**fields: Any) -> httpx.Response:
        return admin.post(f"{API}/names/explain", json={"request": request, **fields})

    told = explain(token_id=id_of(token)).json()
    assert told["resolved"] == "research>fast>acme/small"
    (end,) = told["way"]["leads_to"][0]["leads_to"]
    (target,) = end["targets"]
    assert (target["provider"], target["model"]) == ("acme", "small")
    assert (target["price"]["input"], target["price"]["output"], target["price"]["source"]) == ("1.5", "3", "admin")
    assert explain().json()["way"]["leads_to"][0]["notes"] == ["Only for the tokens user:tester."]
    refused = explain(token_id=id_of(other)).json()
    assert refused["way"]["leads_to"][0]["error"] == "This token may not use the model 'fast'."
    assert explain(token_id="nobody99").status_code == 400
    unnamed = admin.post(f"{API}/names/explain", json={"request": {"messages": []}})
    assert (unnamed.status_code, unnamed.json()["error"]["param"]) == (400, "request.model")
    assert gateway.rows() == []


def test_only_administrators_are_let_in(gateway: Gateway) -> None:
    with client_of(gateway, gateway.add_token(), address="192.0.2.9") as client:
        for path in (*LEAST, "names/export"):
            assert client.get(f"{API}/{path}").status_code == 403


def test_document_is_made_without_a_warning() -> None:
    authorise, desk = authorise_by_name(), cast(SmartDesk, None)  # the desk is not asked
    admin = Admin(lambda: [smart_models_router(authorise, desk, kind) for kind in PLURALS], authorise)

    assert f"{API}/routers" in admin.describe()["paths"]


def test_document_tells_of_every_field(gateway: Gateway) -> None:
    # The first time it is made, which may take long.
    document = httpx.get(f"{gateway.base_url}/openapi.json", trust_env=False, timeout=60).json()

    for kind, least in LEAST.items():
        body = document["paths"][f"{API}/{kind}"]["post"]["requestBody"]["content"]["application/json"]["schema"]
        schema = document["components"]["schemas"][body["$ref"].rpartition("/")[2]]
        assert {"name", "tags", "owner_tags", "allowed_tokens", "fallback", *least} <= set(schema["properties"])
        assert schema["additionalProperties"] is False
        change = document["paths"][f"{API}/{kind}/{{key}}"]["patch"]["requestBody"]["content"]["application/json"]
        changed = document["components"]["schemas"][change["schema"]["$ref"].rpartition("/")[2]]
        assert set(changed["properties"]) == set(schema["properties"])
        assert "required" not in changed
    assert "Candidate" in document["components"]["schemas"]
    assert "designator" in json.dumps(document["components"]["schemas"]["Candidate"])


def test_augmentor_whose_searches_are_not_set_up_is_told_of_and_can_be(admin: httpx.Client) -> None:
    body = {"name": "web", **LEAST["augmentors"]}

    told = admin.post(f"{API}/augmentors/validate", json=body).json()
    imported = admin.post(f"{API}/names/import", params={"dry_run": True}, json={"augmentors": [body]}).json()

    words = "search_provider: nothing can be searched for: SearXNG has no address: set SEARXNG_URL, or search_provider_url of the augmentor"
    assert told == {"valid": True, "faults": [], "warnings": [words], "conflicts_with": None}
    assert imported["warnings"] == [f"augmentor web: {words}"]
    for fields in ({"mode": "never"}, {"search_provider_url": "http://searx.example"}):
        assert admin.post(f"{API}/augmentors/validate", json=body | fields).json()["warnings"] == []


@KINDS
def test_what_this_version_cannot_read_is_listed_and_removed(admin: httpx.Client, gateway: Gateway, kind: str) -> None:
    added = add(admin, kind, "Odd")
    spoil_smart_model(gateway, next(each for each in PLURALS if PLURALS[each] == kind), "odd")
    path = f"{API}/{kind}/{added['id']}"

    listed = admin.get(f"{API}/{kind}").json()
    shown = admin.get(path)
    removed = admin.delete(path)

    (unreadable,) = listed["unreadable"]
    assert (listed[kind], unreadable["id"], unreadable["name"]) == ([], added["id"], "odd")
    assert unreadable["why"].startswith("fallback: must be ")
    assert (shown.status_code, shown.json()["error"]["code"]) == (404, "name_not_found")
    assert "cannot be read: fallback: " in shown.json()["error"]["message"]
    assert removed.status_code == 204
    assert admin.get(f"{API}/{kind}").json() == {kind: [], "unreadable": []}
    assert admin.delete(path).status_code == 404
