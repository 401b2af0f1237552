"""The OpenAPI document is true: whatever a generator makes of it, the gateway answers as it says, and never with a 5xx."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings

from app.auth.tokens import id_of
from tests.e2e.gateway import Gateway, running_gateway

# The demo speaks word by word: a stream takes a second.
FEW = settings(max_examples=12, deadline=None, suppress_health_check=list(HealthCheck))


@pytest.fixture(scope="module")
def public(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """A gateway that believes what a client says of its address, so that failed authentications come from many."""
    with running_gateway(tmp_path_factory.mktemp("public"), environ={"TRUSTED_PROXIES": "127.0.0.1"}) as running:
        yield running


@pytest.fixture(scope="module")
def token(public: Gateway) -> str:
    return public.add_token(rate_limit=1_000_000)


def test_a_caller_with_a_token_gets_what_is_documented(public: Gateway, token: str, tmp_path: Path) -> None:
    run = generate(
        public, tmp_path, "--header", f"Authorization: Bearer {token}", "--header", "X-Forwarded-For: 192.0.2.1"
    )

    assert run.returncode == 0, run.stdout


def test_a_caller_without_a_token_gets_what_is_documented(public: Gateway, tmp_path: Path) -> None:
    # That check wants 401 also where so many failed authentications are 429.
    run = generate(
        public, tmp_path, "--header", "X-Forwarded-For: 192.0.2.2", "--exclude-checks", "missing_required_header"
    )

    assert run.returncode == 0, run.stdout


def test_a_well_formed_call_of_the_demo_gets_a_completion(public: Gateway, token: str) -> None:
    operation: Any = schemathesis.openapi.from_url(f"{public.base_url}/openapi.json")["/v1/chat/completions"]["POST"]

    @FEW
    @given(case=operation.as_strategy())
    def completes(case: Any) -> None:
        case.body["model"] = "demo"
        response = case.call(headers={"Authorization": f"Bearer {token}"})
        case.validate_response(response)
        assert response.status_code == 200

    completes()


def test_what_was_generated_left_rows_of_its_token_only(public: Gateway, token: str) -> None:
    httpx.post(
        f"{public.base_url}/v1/chat/completions",
        headers={"authorization": f"Bearer {token}"},
        json={"model": "demo", "messages": [{"role": "user", "content": "Hi"}]},
        trust_env=False,
    ).raise_for_status()

    rows = public.wait_for_rows(1)

    assert {row["token_id"] for row in rows} == {id_of(token)}


def test_the_document_needs_no_token_and_names_the_paths_of_the_api(public: Gateway) -> None:
    document = httpx.get(f"{public.base_url}/openapi.json", trust_env=False).json()

    assert {"/v1/chat/completions", "/v1/models", "/v1/models/{name}", "/healthz", "/readyz"} <= document[
        "paths"
    ].keys()
    assert all("security" in operation for operation in document["paths"]["/v1/chat/completions"].values())


def generate(gateway: Gateway, folder: Path, *options: str) -> subprocess.CompletedProcess[str]:
    """Run schemathesis, all its phases and checks."""
    command = [str(Path(sys.executable).with_name("schemathesis")), "run", f"{gateway.base_url}/openapi.json"]
    return subprocess.run(
        [*command, "--max-examples", "15", "--no-color", *options],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=100,
    )
