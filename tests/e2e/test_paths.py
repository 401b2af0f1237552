"""Paths that are not there and methods that they do not take: an error of the API whose path it is, and what it does take."""

from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest

from app.api.surfaces import SURFACES
from tests.e2e.gateway import Gateway, running_gateway


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    gateway: Gateway
    with running_gateway(tmp_path_factory.mktemp("paths")) as gateway:
        headers = {"authorization": f"Bearer {gateway.token}"}
        with httpx.Client(base_url=gateway.base_url, headers=headers, trust_env=False, timeout=20) as opened:
            yield opened


def words_of_openai(_status: int, body: Any) -> str:
    assert set(body["error"]) == {"message", "type", "param", "code"}
    return str(body["error"]["message"])


def words_of_anthropic(status: int, body: Any) -> str:
    assert (body["type"], body["error"]["type"]) == (
        "error",
        "not_found_error" if status == 404 else "invalid_request_error",
    )
    return str(body["error"]["message"])


def words_of_gemini(status: int, body: Any) -> str:
    error = body["error"]
    assert (error["code"], error["status"]) == (status, "NOT_FOUND" if status == 404 else "INVALID_ARGUMENT")
    return str(error["message"])


def words_of_ollama(_status: int, body: Any) -> str:
    assert set(body) == {"error"}
    return str(body["error"])


Words = Callable[[int, Any], str]
WORDS: dict[str, Words] = {
    "openai": words_of_openai,
    "responses": words_of_openai,
    "anthropic": words_of_anthropic,
    "gemini": words_of_gemini,
    "ollama": words_of_ollama,
}
"""What an error of each API says, having the shape that it has there."""

CALLS = [(path, WORDS[surface.dialect.partition("-")[0]]) for path, surface in SURFACES.items()] + [
    (f"/{version}/models/{name}:{method}", words_of_gemini)
    for version in ("v1beta", "v1", "v1alpha")
    for name in ("demo", "ollama/llama3:8b")
    for method in ("generateContent", "streamGenerateContent", "countTokens", "embedContent", "batchEmbedContents")
]
LISTS = [
    ("/v1/models", "GET, HEAD", words_of_openai),
    ("/v1/models/demo", "GET", words_of_openai),
    ("/v1/models/ft:gpt-4o:acme::1", "GET", words_of_openai),
    ("/v1/capabilities", "GET", words_of_openai),
    ("/v1/health/providers", "GET", words_of_openai),
    ("/v1beta/models", "GET", words_of_gemini),
    ("/v1beta/models/demo", "GET", words_of_gemini),
    ("/v1beta/models/llama3:8b", "GET", words_of_gemini),
    ("/v1alpha/models/demo", "GET", words_of_gemini),
    ("/api/tags", "GET, HEAD", words_of_ollama),
    ("/api/ps", "GET", words_of_ollama),
    ("/api/version", "GET, HEAD", words_of_ollama),
    ("/api/show", "POST", words_of_ollama),
    ("/api/pull", "POST", words_of_ollama),
    ("/healthz", "GET, HEAD", words_of_openai),
    ("/", "GET, HEAD", words_of_openai),
]


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "PATCH", "OPTIONS"])
@pytest.mark.parametrize(("path", "words"), CALLS)
def test_call_by_another_method_is_told_to_post(client: httpx.Client, path: str, words: Words, method: str) -> None:
    answer = client.request(method, path)

    assert (answer.status_code, answer.headers["allow"]) == (405, "POST")
    assert answer.headers["content-type"] == "application/json"
    assert words(405, answer.json()) == f"{method} {path!r}: Method Not Allowed."
    assert answer.headers["x-request-id"].startswith("req_")


@pytest.mark.parametrize("path", [path for path, _ in CALLS])
def test_head_of_a_call_has_no_body(client: httpx.Client, path: str) -> None:
    answer = client.head(path)

    assert (answer.status_code, answer.headers["allow"], answer.content) == (405, "POST", b"")


@pytest.mark.parametrize("method", ["PUT", "DELETE"])
@pytest.mark.parametrize(("path", "allowed", "words"), LISTS)
def test_list_by_another_method_is_told_all_that_it_takes(
    client: httpx.Client, path: str, allowed: str, words: Words, method: str
) -> None:
    answer = client.request(method, path)

    assert (answer.status_code, answer.headers["allow"]) == (405, allowed)
    assert words(405, answer.json()) == f"{method} {path!r}: Method Not Allowed."


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("/nowhere", words_of_openai),
        ("/v1/nowhere", words_of_openai),
        ("/v1/chat/completions/", words_of_openai),
        ("/v1/messages/batches", words_of_anthropic),
        ("/api/nowhere", words_of_ollama),
        ("/api/copy", words_of_ollama),
        ("/v1beta/nowhere", words_of_gemini),
        ("/v1alpha/nowhere", words_of_gemini),
        ("/v1beta/tunedModels/mine:generateContent", words_of_gemini),
        ("/v1/tunedModels/mine:generateContent", words_of_gemini),
    ],
)
def test_path_that_is_not_there_is_a_404_of_its_api(client: httpx.Client, path: str, words: Words, method: str) -> None:
    answer = client.request(method, path)

    assert answer.status_code == 404
    assert words(404, answer.json()) == f"{method} {path!r}: Not Found."
    assert client.head(path).status_code == 404


@pytest.mark.parametrize("version", ["v1beta", "v1", "v1alpha"])
@pytest.mark.parametrize("method", ["predict", "batchGenerateContent", "generatecontent", "8b"])
def test_method_of_gemini_that_is_not_there_is_told_which_are(client: httpx.Client, version: str, method: str) -> None:
    answer = client.post(f"/{version}/models/demo:{method}", json={"contents": []})

    assert answer.status_code == 404
    words = words_of_gemini(404, answer.json())
    assert f"no method {method!r}" in words
    assert "streamGenerateContent" in words


def test_model_whose_name_has_a_colon_is_looked_for(client: httpx.Client) -> None:
    openai, gemini = client.get("/v1/models/nobody:7b"), client.get("/v1beta/models/nobody:7b")

    assert "'nobody:7b' does not exist" in words_of_openai(404, openai.json())
    assert "'nobody:7b' does not exist" in words_of_gemini(404, gemini.json())


@pytest.mark.parametrize("name", ["models/demo", "tunedModels/demo"])
def test_model_by_the_name_of_a_resource_within_models_is_not_known(client: httpx.Client, name: str) -> None:
    answer = client.post(f"/v1beta/models/{name}:generateContent", json={"contents": [{"parts": [{"text": "Hello"}]}]})

    assert f"{name!r} does not exist" in words_of_gemini(404, answer.json())


@pytest.mark.parametrize("path", ["/v1/models", "/v1beta/models", "/v1alpha/models"])
def test_list_of_models_is_at_its_path_with_a_slash_too(client: httpx.Client, path: str) -> None:
    assert client.get(f"{path}/").json() == client.get(path).json()


def test_head_of_the_list_of_models_is_its_head_alone(client: httpx.Client) -> None:
    answer = client.head("/v1/models")

    assert (answer.status_code, answer.content) == (200, b"")
