"""Errors: ours written in Ollama's shape, and a server's read."""

import json
from typing import Any

import pytest

from app.core.errors import InvalidRequest, QuotaExceeded, RelayError, UpstreamCut, UpstreamError
from app.core.redaction import MARK
from app.dialects.ollama.dialect import OLLAMA

KEY = "sk-proj-abcdefghijklmnopqrstuvwxyz0123456789"


def read(body: str, status: int = 400, secrets: tuple[str, ...] = ()) -> UpstreamError:
    return OLLAMA.read_error(status, body.encode(), "Acme", "7", secrets)


@pytest.mark.parametrize(
    "error", [InvalidRequest("It is wrong.", param="x"), QuotaExceeded("Enough."), UpstreamCut("Cut.")]
)
def test_our_errors_are_their_words(error: RelayError) -> None:
    assert json.loads(OLLAMA.write_error(error)) == {"error": error.message}
    assert OLLAMA.write_error_event(error) == OLLAMA.write_error(error) + b"\n"


def test_what_a_server_says_beside_its_words_is_kept() -> None:
    error = read('{"error":"unauthorized","signin_url":"https://ollama.test/connect"}', status=401)

    assert json.loads(OLLAMA.write_error(error)) == {
        "error": "unauthorized",
        "signin_url": "https://ollama.test/connect",
    }


@pytest.mark.parametrize("body", [{"message": "m", "code": "c"}, {"error": {"message": "m"}}, {"type": "error"}])
def test_error_object_of_another_dialect_is_not_passed_on(body: dict[str, Any]) -> None:
    error = UpstreamError("It is wrong.", status=400, body=body)

    assert json.loads(OLLAMA.write_error(error)) == {"error": "It is wrong."}


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ('{"error":"model \'x\' not found"}', "model 'x' not found"),
        ('{"StatusCode":404,"Status":"404 Not Found","error":"gone"}', "gone"),
        ('{"error":{"message":"model not found","type":"not_found_error"}}', "model not found"),
        ('{"message":"no"}', "no"),
        ('{"detail":"no"}', "no"),
        ('{"detail":[{"loc":["x"]}]}', '{"detail":[{"loc":["x"]}]}'),
        ("<html><title>502</title>\n<b>Bad gateway</b></html>", "502 Bad gateway"),
        ("404 page not found", "404 page not found"),
        ("", "Acme answered with status 400."),
        ("{}", "Acme answered with status 400."),
        ("x" * 1000, "x" * 300),
    ],
)
def test_words_of_an_error(body: str, message: str) -> None:
    error = read(body)

    assert (error.message, error.status, error.retry_after) == (message, 400, "7")


def test_error_with_status_200_is_ours() -> None:
    assert read('{"error":"it broke"}', status=200).status == 502


@pytest.mark.parametrize("body", [json.dumps({"error": f"bad key {KEY}"}), f"bad key {KEY}", json.dumps({KEY: KEY})])
def test_secrets_are_kept_out(body: str) -> None:
    error = read(body, secrets=("a-secret-of-ours",))

    assert KEY[8:] not in f"{error.message} {error.body}"
    assert MARK in error.message


def test_own_secrets_are_kept_out() -> None:
    error = read('{"error":"bad a-secret-of-ours"}', secrets=("a-secret-of-ours",))

    assert error.message == f"bad {MARK}"
