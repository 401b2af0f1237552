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

from app.api.surfaces import SURFACES
from app.auth.tokens import id_of
from tests.e2e.gateway import Gateway, running_gateway

# The demo speaks word by word: a stream takes a second.
FEW = settings(max_examples=6, deadline=None, suppress_health_check=list(HealthCheck))

NOT_CHAT = "[eE]mbed|audio|images|moderations|/v1/completions"
# All of it at once would authenticate without a token more often than is allowed from one address.
HALVES = pytest.mark.parametrize(
    ("half", "address"), [("--include-path-regex", "1"), ("--exclude-path-regex", "2")], ids=["not-chat", "all-else"]
)
# The phases that find most in least time; all of them take minutes.
QUICK, ALL = "examples,fuzzing", "examples,coverage,fuzzing,stateful"
PHASES = pytest.mark.parametrize(
    "phases", [QUICK, pytest.param(ALL, marks=[pytest.mark.soak, pytest.mark.timeout(600)])]
)
# A well-formed call of what is not chat is refused where the model is one that chats, such as the demo.
REFUSES_WHAT_IS_VALID = ["--exclude-checks", "positive_data_acceptance"]


@pytest.fixture(scope="module")
def public(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """A gateway that believes what a client says of its address, so that failed authentications come from many.

    It has a secret of webhooks: without one they are answered by 503, which is no fault.
    """
    environ = {"TRUSTED_PROXIES": "127.0.0.1", "PARALLEL_WEBHOOK_SECRET": "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYX"}
    with running_gateway(tmp_path_factory.mktemp("public"), environ=environ) as running:
        yield running


@pytest.fixture(scope="module")
def token(public: Gateway) -> str:
    return public.add_token(rate_limit=1_000_000)


@PHASES
@HALVES
def test_a_caller_with_a_token_gets_what_is_documented(
    half: str, address: str, phases: str, public: Gateway, token: str, tmp_path: Path
) -> None:
    run = generate(
        public,
        tmp_path,
        half,
        "--phases",
        phases,
        "--header",
        f"Authorization: Bearer {token}",
        "--header",
        f"X-Forwarded-For: 192.0.2.{address}",
        *(REFUSES_WHAT_IS_VALID if half == "--include-path-regex" else []),
    )

    assert run.returncode == 0, run.stdout


@PHASES
@HALVES
def test_a_caller_without_a_token_gets_what_is_documented(
    half: str, address: str, phases: str, public: Gateway, tmp_path: Path
) -> None:
    # That check wants 401 also where so many failed authentications are 429.
    run = generate(
        public,
        tmp_path,
        half,
        "--phases",
        phases,
        "--header",
        f"X-Forwarded-For: 192.0.2.1{address}",
        "--exclude-checks",
        "missing_required_header",
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

    paths = document["paths"]
    assert {
        "/v1/chat/completions",
        "/v1/models",
        "/v1/models/{name}",
        "/healthz",
        "/readyz",
        "/webhooks/parallel-monitor",
    } <= paths.keys()
    assert {"/v1/embeddings", "/v1/audio/transcriptions", "/v1beta/models/{name}:embedContent"} <= paths.keys()
    assert all("security" in operation for path in SURFACES for operation in paths.get(path, {}).values())


def generate(gateway: Gateway, folder: Path, half: str, *options: str) -> subprocess.CompletedProcess[str]:
    """Run schemathesis, all its checks."""
    # The administrators' API has a test of its own, by an administrator; monitors have one where there is a Parallel to ask.
    paths = NOT_CHAT if half == "--include-path-regex" else f"{NOT_CHAT}|/admin/|/v1/monitors"
    document = f"{gateway.base_url}/openapi.json"
    httpx.get(
        document, trust_env=False, timeout=60
    ).raise_for_status()  # the first time it is made, which may take long
    command = [str(Path(sys.executable).with_name("schemathesis")), "run", document]
    return subprocess.run(
        [*command, half, paths, "--max-examples", "3", "--no-color", *options],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=500,
    )
