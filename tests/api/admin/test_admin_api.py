"""The administrators' API on a real gateway: who may, what is told, and that tokens made by it work."""

import csv
import io
import json
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from app.auth.tokens import id_of
from tests.e2e.gateway import Gateway, running_gateway
from tests.e2e.test_openapi import PHASES

USAGE = "/admin/api/usage"
REPORTS = [
    f"{USAGE}/{name}"
    for name in (
        "summary",
        "by-tag",
        "by-provider",
        "by-model",
        "by-token",
        "by-user",
        "by-client",
        "by-alias",
        "by-router",
        "by-cache",
        "by-name",
        "by-surface",
        "timeseries",
        "requests",
        "requests/req_1",
        "export",
        "filters",
    )
]


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """With three calls of the demo, two of them of the token `tagged`."""
    with running_gateway(tmp_path_factory.mktemp("admin"), environ={"TRUSTED_PROXIES": "127.0.0.1"}) as running:
        tagged = running.add_token(username="tagged")
        for token in (running.token, tagged, tagged):
            httpx.post(
                f"{running.base_url}/v1/chat/completions",
                headers={"authorization": f"Bearer {token}"},
                json={"model": "demo", "messages": [{"role": "user", "content": "Hi"}]},
                trust_env=False,
            ).raise_for_status()
        running.wait_for_rows(3)
        yield running


@pytest.fixture(scope="module")
def admin(gateway: Gateway) -> Iterator[httpx.Client]:
    """An administrator."""
    token = gateway.add_token(username="root", admin=True)
    with client_of(gateway, token) as client:
        yield client


def client_of(gateway: Gateway, token: str | None, address: str = "192.0.2.1") -> httpx.Client:
    headers = {"x-forwarded-for": address} | ({"authorization": f"Bearer {token}"} if token else {})
    return httpx.Client(base_url=gateway.base_url, headers=headers, trust_env=False, timeout=30)


OTHERS = [
    f"/admin/api/{name}"
    for name in ("tokens", "tokens/x", "models", "models/a/b/c", "models/prices", "providers", "users", "users/x")
]


@pytest.mark.parametrize("path", [*REPORTS, *OTHERS])
def test_nobody_gets_in_but_administrators(gateway: Gateway, path: str) -> None:
    with client_of(gateway, gateway.token) as client:
        refused = client.get(path)
        by_key = client.get(path, headers={"authorization": "", "x-api-key": gateway.token})
    # Each path by another address: so many failures from one would be 429.
    with client_of(gateway, None, f"192.0.2.{2 + len(path) + REPORTS.index(path) if path in REPORTS else 3}") as client:
        unknown = client.get(path)

    assert (refused.status_code, refused.json()["error"]["code"]) == (403, "permission_denied")
    assert by_key.status_code == 401
    assert (unknown.status_code, unknown.json()["error"]["code"]) == (401, "invalid_api_key")
    assert unknown.headers["www-authenticate"] == "Bearer"


def test_failures_from_one_address_are_limited(gateway: Gateway) -> None:
    with client_of(gateway, "lr_00000000_" + "0" * 43, "198.51.100.7") as client:
        statuses = [client.get(f"{USAGE}/summary").status_code for _ in range(32)]

    assert statuses[:30] == [401] * 30
    assert statuses[-1] == 429


def test_summary_tells_what_was_used(admin: httpx.Client) -> None:
    body = admin.get(f"{USAGE}/summary", params={"days": 2}).json()

    assert body["period"]["days"] == 2
    assert (body["totals"]["calls"], body["totals"]["ok"], body["totals"]["errors"]) == (3, 3, 0)
    assert body["totals"]["total_tokens"] == body["totals"]["prompt_tokens"] + body["totals"]["completion_tokens"] > 0
    assert isinstance(body["totals"]["cost"], str)


@pytest.mark.parametrize(
    ("group", "keys"), [("user", {"tagged", "first"}), ("model", {"demo/demo"}), ("tag", {""}), ("surface", {"chat"})]
)
def test_divisions_add_up(admin: httpx.Client, group: str, keys: set[str]) -> None:
    body = admin.get(f"{USAGE}/by-{group}").json()

    assert {each["key"] for each in body["groups"]} == keys
    assert sum(each["calls"] for each in body["groups"]) == body["totals"]["calls"] == 3


@pytest.mark.parametrize(
    ("params", "calls"),
    [
        ({"users": "tagged"}, 2),
        ({"users": "tagged, first"}, 3),
        ({"users": ["tagged", "first"]}, 3),
        ({"models": "demo/demo", "users": "first"}, 1),
        ({"clients": "127.0.0.1"}, 3),
        ({"start": "2020-01-01", "end": "2020-01-02"}, 0),
        ({"start_date": "2020-01-01"}, 3),
    ],
)
def test_filters_by_the_names_of_the_predecessor(admin: httpx.Client, params: dict[str, Any], calls: int) -> None:
    assert admin.get(f"{USAGE}/summary", params=params).json()["totals"]["calls"] == calls


def test_series_by_hours_of_today_has_all_calls(admin: httpx.Client) -> None:
    body = admin.get(f"{USAGE}/timeseries", params={"days": 2, "interval": "hour"}).json()

    assert sum(point["calls"] for point in body["points"]) == 3
    assert body["points"][0]["start"].endswith("T00:00:00.000Z")


@pytest.mark.parametrize(
    ("path", "params", "words"),
    [
        ("summary", {"days": "x"}, "days: "),
        ("summary", {"days": "0"}, "days: "),
        ("summary", {"dayz": "3"}, "dayz: there is no such parameter"),
        ("summary", {"start": "01.02.2026"}, "start: must be a day, YYYY-MM-DD."),
        ("summary", {"start": "2026-02-01", "end": "2026-01-01"}, "after"),
        ("summary", {"days": "3", "start": "2026-02-01"}, "either"),
        ("timeseries", {"days": "32", "interval": "hour"}, "31 days"),
        ("requests", {"sort": "price"}, "'cost'"),
        ("requests", {"limit": "501"}, "500"),
        ("requests", {"cursor": "x"}, "cursor"),
        ("export", {"format": "xls"}, "'csv' or 'jsonl'"),
    ],
)
def test_bad_parameter_is_told_in_words(admin: httpx.Client, path: str, params: dict[str, str], words: str) -> None:
    response = admin.get(f"{USAGE}/{path}", params=params)

    assert response.status_code == 400
    assert words in response.json()["error"]["message"]


def test_body_that_is_no_json_is_told_so(admin: httpx.Client) -> None:
    response = admin.post("/admin/api/tokens", content=b"{", headers={"content-type": "application/json"})

    assert response.status_code == 400
    assert response.json()["error"] | {"type": ""} == {
        "message": "The body is no JSON.",
        "type": "",
        "param": None,
        "code": "invalid_parameters",
    }


def test_requests_come_page_by_page(admin: httpx.Client, gateway: Gateway) -> None:
    first = admin.get(f"{USAGE}/requests", params={"limit": 2, "total": True}).json()
    second = admin.get(f"{USAGE}/requests", params={"limit": 2, "cursor": first["next_cursor"]}).json()

    ids = [each["id"] for each in [*first["requests"], *second["requests"]]]
    assert ids == [row["id"] for row in reversed(gateway.rows())]
    assert (first["total"], second["total"], second["next_cursor"]) == (3, None, None)


def test_one_request_is_told_with_its_costs(admin: httpx.Client, gateway: Gateway) -> None:
    call_id = gateway.rows()[0]["id"]

    body = admin.get(f"{USAGE}/requests/{call_id}").json()

    assert body["request"]["id"] == call_id
    assert (body["request"]["helper_calls"], body["helpers"]) == (0, [])
    assert admin.get(f"{USAGE}/requests/req_nobody").status_code == 404


@pytest.mark.parametrize("name", ["model", "models"])
def test_singular_and_plural_names_filter_requests(admin: httpx.Client, name: str) -> None:
    numbers = [
        len(admin.get(f"{USAGE}/requests", params={name: value}).json()["requests"])
        for value in ("demo/demo", "demo/x", ["demo/x", "demo"])
    ]

    assert numbers == [3, 0, 3]


def test_export_is_a_file_without_secrets(admin: httpx.Client, gateway: Gateway) -> None:
    table = admin.get(f"{USAGE}/export")
    lines = admin.get(f"{USAGE}/export", params={"format": "jsonl", "users": "tagged"})

    assert table.headers["content-disposition"] == 'attachment; filename="llm-relay-requests.csv"'
    assert len(list(csv.DictReader(io.StringIO(table.text, newline="")))) == 3
    assert {json.loads(line)["username"] for line in lines.text.splitlines()} == {"tagged"}
    assert gateway.token not in table.text + lines.text


def test_all_times_are_in_one_form(admin: httpx.Client) -> None:
    body = {
        "username": "timed",
        "expires": "2099-01-01T12:00:00.1234+02:00",
        "tokens_per_day": 9,
        "budget_per_month": 1,
    }
    token = admin.post("/admin/api/tokens", json=body).json()["token"]

    documents = [
        token,
        admin.get(f"/admin/api/tokens/{token['id']}").json(),
        admin.get("/admin/api/tokens").json(),
        *(admin.get(f"{USAGE}/{path}").json() for path in ("timeseries", "requests")),
        admin.get("/admin/api/alerts").json(),
    ]

    times = [time for document in documents for time in re.findall(r'"(\d{4}-\d\d-\d\dT[^"]*)"', json.dumps(document))]
    assert token["expires"] == "2099-01-01T10:00:00.123Z"
    assert len(times) > 10
    assert [time for time in times if not re.fullmatch(r"[\d-]{10}T[\d:]{8}\.\d{3}Z", time)] == []


def test_token_that_is_made_works_until_it_is_withdrawn(admin: httpx.Client, gateway: Gateway) -> None:
    made = admin.post(
        "/admin/api/tokens",
        json={"username": " new ", "rate_limit": 7, "tags": ["x"], "budget_per_month": "1.25", "tokens_per_day": 9},
    )
    token = made.json()["token"]
    listed = admin.get("/admin/api/tokens")

    assert made.status_code == 201
    assert models(gateway, made.json()["text"]) == 200
    assert (token["username"], token["rate_limit"], token["tags"], token["admin"]) == ("new", 7, ["x"], False)
    assert (token["budget_per_month"], token["tokens_per_day"], token["max_concurrent"]) == ("1.25", 9, None)
    assert token["id"] == id_of(made.json()["text"])
    [shown] = [each for each in listed.json()["tokens"] if each["id"] == token["id"]]
    assert shown == token | {"use": shown["use"]}
    assert {each["limit"]: (each["of"], each["used"], each["most"]) for each in shown["use"]} == {
        "tokens_per_day": ("token", 0, 9),
        "budget_per_month": ("token", "0", "1.25"),
    }
    assert made.json()["text"] not in listed.text
    path = f"/admin/api/tokens/{token['id']}"
    changed = admin.patch(
        path, json={"rate_limit": 9, "budget_per_month": None, "expires": "2099-01-01T00:00:00"}
    ).json()
    assert changed == token | {"rate_limit": 9, "budget_per_month": None, "expires": "2099-01-01T00:00:00.000Z"}
    rotated = admin.post(f"{path}/rotate", json={"grace_hours": 0}).json()
    assert models(gateway, rotated["text"]) == 200
    wait_until_refused(gateway, made.json()["text"])
    assert admin.delete(path).status_code == 204
    wait_until_refused(gateway, rotated["text"])
    assert admin.get(path).status_code == 404


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({"username": " "}, "username"),
        ({}, "username: Field required"),
        ({"username": "x", "expires": "2001-01-01T00:00:00Z"}, "past"),
        ({"username": "x", "expires": "9999-12-31T23:59:59-01:00"}, "expires: in UTC that is none of the years"),
        ({"username": "x", "rate_limit": -1}, "rate_limit: "),
        ({"username": "x", "tags": ["a,b"]}, "without commas"),
        ({"username": "x", "budget_per_day": "NaN"}, "budget_per_day"),
        ({"username": "x", "text": "mine"}, "text: there is no such parameter"),
    ],
)
def test_token_that_cannot_be_is_refused_in_words(admin: httpx.Client, body: dict[str, Any], words: str) -> None:
    response = admin.post("/admin/api/tokens", json=body)

    assert response.status_code == 400
    assert words in response.json()["error"]["message"]


@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", ""), ("PATCH", ""), ("DELETE", ""), ("POST", "/rotate")],
)
def test_token_that_is_not_there_is_404(admin: httpx.Client, method: str, path: str) -> None:
    response = admin.request(method, f"/admin/api/tokens/nobody{path}", json={})

    assert (response.status_code, response.json()["error"]["code"]) == (404, "token_not_found")


def test_unknown_paths_and_methods_are_told_as_everywhere(admin: httpx.Client) -> None:
    wrong = admin.put("/admin/api/tokens")

    assert admin.get("/admin/api/nothing").status_code == 404
    assert (wrong.status_code, wrong.headers["allow"]) == (405, "GET, POST")


def test_document_has_the_administrators_api(admin: httpx.Client) -> None:
    document = admin.get("/openapi.json").json()

    for path in [*(path for path in REPORTS if "req_1" not in path), f"{USAGE}/requests/{{request_id}}"]:
        operation = document["paths"][path]["get"]
        assert operation["security"] == [{"token": []}]
        assert {"200", "400", "401", "403", "429"} <= operation["responses"].keys()
    of_admins = [each for path, each in document["paths"].items() if path.startswith("/admin/api")]
    assert not any("422" in operation["responses"] for each in of_admins for operation in each.values())
    assert "HTTPValidationError" not in json.dumps(document)


@pytest.mark.parametrize(
    "paths",
    [
        "/admin/api/(usage|tokens)",
        # A sync asks the world; all kinds of smart models have one and the same route.
        "/admin/api/(models(?!/sync)|providers|users|names|routers|caches)",
    ],
)
@PHASES
def test_an_administrator_gets_what_is_documented(gateway: Gateway, paths: str, phases: str, tmp_path: Path) -> None:
    token = gateway.add_token(username="fuzzer", admin=True)
    document = f"{gateway.base_url}/openapi.json"
    httpx.get(
        document, trust_env=False, timeout=60
    ).raise_for_status()  # the first time it is made, which may take long
    command = [str(Path(sys.executable).with_name("schemathesis")), "run", document]
    options = ["--include-path-regex", paths, "--max-examples", "2", "--no-color", "--exclude-method", "DELETE"]
    options += ["--phases", phases]
    # The first two try without the token so often that all else would be 429. The others take a schema for all that is asked of
    # parameters, such as a start before the end.
    options += [
        "--exclude-checks",
        "ignored_auth,missing_required_header,positive_data_acceptance,negative_data_rejection",
    ]

    run = subprocess.run(
        [
            *command,
            *options,
            "--header",
            f"Authorization: Bearer {token}",
            "--header",
            f"X-Forwarded-For: 192.0.2.{77 + len(paths)}",
        ],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=500,
    )

    assert run.returncode == 0, run.stdout


def test_start_imports_no_models_of_the_api() -> None:
    program = (
        "import sys, app.main; print([name for name in sys.modules"
        " if name.startswith(('app.api.admin.usage', 'app.api.admin.tokens', 'app.metering.reports'))])"
    )

    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)

    assert done.stdout.strip() == "[]"


def models(gateway: Gateway, token: str) -> int:
    with client_of(gateway, token, "203.0.113.9") as client:
        return client.get("/v1/models").status_code


def wait_until_refused(gateway: Gateway, token: str) -> None:
    give_up_at = time.monotonic() + 10
    while models(gateway, token) != 401:
        assert time.monotonic() < give_up_at
        time.sleep(0.2)
