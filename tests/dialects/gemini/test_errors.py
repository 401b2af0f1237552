"""Errors: ours written in Google's shape, and a provider's read."""

import json
from typing import Any

import httpx
import pytest
from google.genai import errors as sdk_errors

from app.core.errors import (
    AuthenticationFailed,
    InvalidRequest,
    QuotaExceeded,
    RelayError,
    UnknownModel,
    UpstreamCut,
    UpstreamError,
)
from app.core.redaction import MARK
from app.dialects.gemini.errors import read_error, write_error, write_error_event
from tests.recordings import Recording, recorded

ERRORS = pytest.mark.parametrize("recording", recorded("generate.error-*", "gemini"))
KEY = "AIzaSyA1234567890abcdefghijklmnop"


def read(body: Any, status: int = 400, retry_after: str | None = None, secrets: tuple[str, ...] = ()) -> UpstreamError:
    raw = body if isinstance(body, bytes) else body.encode() if isinstance(body, str) else json.dumps(body).encode()
    return read_error(status, raw, "Acme", retry_after, secrets)


def rendered(error: RelayError) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(write_error(error))
    assert document.keys() == {"error"}
    fields: dict[str, Any] = document["error"]
    return fields


def raised_by_sdk(error: RelayError) -> sdk_errors.APIError:
    with pytest.raises(sdk_errors.APIError) as raised:
        sdk_errors.APIError.raise_for_response(httpx.Response(error.status, content=write_error(error)))
    return raised.value


@ERRORS
def test_recorded_error_keeps_its_status_type_and_words(recording: Recording) -> None:
    error = read(recording.body, recording.status)

    found = json.loads(recording.body)["error"]
    assert (error.status, error.type, error.message) == (found["code"], found["status"], found["message"])


@ERRORS
def test_recorded_error_is_written_as_it_came(recording: Recording) -> None:
    error = read(recording.body, recording.status)

    assert json.loads(write_error(error)) == json.loads(recording.body)


@ERRORS
def test_sdk_raises_for_what_is_written_what_it_raises_for_the_recording(recording: Recording) -> None:
    raised = raised_by_sdk(read(recording.body, recording.status))

    found = json.loads(recording.body)["error"]
    assert (raised.code, raised.status, raised.message) == (found["code"], found["status"], found["message"])


def test_reason_is_the_code() -> None:
    details = [{"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": "API_KEY_INVALID", "domain": "x"}]

    error = read({"error": {"code": 400, "message": "No", "status": "INVALID_ARGUMENT", "details": details}})

    assert error.code == "API_KEY_INVALID"


@ERRORS
def test_only_a_key_that_is_refused_is_our_fault_among_the_400s(recording: Recording) -> None:
    error = read(recording.body, recording.status)

    refused = b"API_KEY_INVALID" in recording.body
    assert error.refuses_key is refused
    assert error.charged is (recording.status < 500 and not refused)


@pytest.mark.parametrize(("delay", "seconds"), [("17s", "17"), ("17.2s", "18"), ("0s", "0"), ("soon", None), (5, None)])
def test_time_to_wait_is_read_from_the_details(delay: Any, seconds: str | None) -> None:
    details = [5, {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": delay}]

    error = read({"error": {"code": 429, "message": "No", "details": details}}, 429)

    assert error.retry_after == seconds


def test_header_that_tells_how_long_to_wait_goes_before_the_details() -> None:
    details = [{"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "17s"}]

    assert read({"error": {"message": "No", "details": details}}, 429, retry_after="3").retry_after == "3"


@pytest.mark.parametrize(
    ("error", "status"),
    [
        ({"code": 503}, 503),
        ({"code": 200, "status": "UNAVAILABLE"}, 503),
        ({"status": "UNAUTHENTICATED"}, 401),
        ({"status": "NEW"}, 502),
        ({}, 502),
    ],
)
def test_error_with_status_200_has_one_of_its_own(error: dict[str, Any], status: int) -> None:
    assert read({"error": {"message": "No", **error}}, 200).status == status


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ([{"error": {"message": "No"}}], "No"),
        ([{}, {"error": {"message": "No"}}], "No"),
        ({"error": "No"}, "No"),
        ({"error": {"code": 5}}, '{"error":{"code":5}}'),
        ({"error": {"message": 5}}, '{"error":{"message":5}}'),
        ({"weird": 1}, '{"weird":1}'),
        ({}, "Acme answered with status 400."),
        ("", "Acme answered with status 400."),
        ("upstream connect error", "upstream connect error"),
        (b"caf\xe9 is closed", "caf\ufffd is closed"),
        (
            "<html><head><title>502</title></head><body><h1>Bad Gateway</h1>\n<p>nginx</p></body></html>",
            "Bad Gateway nginx",
        ),
    ],
)
def test_words_are_found_in_any_shape(body: Any, message: str) -> None:
    assert read(body).message == message


@pytest.mark.parametrize("body", [{"error": {"message": f"Key {KEY}", "details": [KEY]}}, f"<p>{KEY}</p>", {"a": KEY}])
def test_key_in_an_error_reaches_nobody(body: Any) -> None:
    error = read(body)

    assert KEY not in error.message + write_error(error).decode() + json.dumps(error.body)
    assert MARK in error.message


def test_the_providers_own_key_is_taken_out_whatever_its_shape() -> None:
    assert read({"error": {"message": "bad an/odd one"}}, secrets=("an/odd one",)).message == f"bad {MARK}"


@pytest.mark.parametrize(
    ("status", "word"),
    [
        (400, "INVALID_ARGUMENT"),
        (401, "UNAUTHENTICATED"),
        (402, "FAILED_PRECONDITION"),
        (403, "PERMISSION_DENIED"),
        (404, "NOT_FOUND"),
        (408, "DEADLINE_EXCEEDED"),
        (409, "ABORTED"),
        (413, "INVALID_ARGUMENT"),
        (422, "INVALID_ARGUMENT"),
        (429, "RESOURCE_EXHAUSTED"),
        (499, "CANCELLED"),
        (500, "INTERNAL"),
        (501, "UNIMPLEMENTED"),
        (502, "UNAVAILABLE"),
        (503, "UNAVAILABLE"),
        (504, "DEADLINE_EXCEEDED"),
        (529, "UNAVAILABLE"),
    ],
)
def test_status_has_googles_word(status: int, word: str) -> None:
    fields = rendered(UpstreamError("No", status=status))

    assert fields == {"code": status, "message": "No", "status": word}


@pytest.mark.parametrize(
    ("error", "word", "details"),
    [
        (
            InvalidRequest("No such thing.", param="contents"),
            "INVALID_ARGUMENT",
            [
                {
                    "@type": "type.googleapis.com/google.rpc.BadRequest",
                    "fieldViolations": [{"field": "contents", "description": "No such thing."}],
                }
            ],
        ),
        (
            UnknownModel("No."),
            "NOT_FOUND",
            [
                {
                    "@type": "type.googleapis.com/google.rpc.ErrorInfo",
                    "reason": "MODEL_NOT_FOUND",
                    "domain": "llm-relay",
                }
            ],
        ),
        (
            QuotaExceeded("Enough.", headers=(("Retry-After", "60"),)),
            "RESOURCE_EXHAUSTED",
            [
                {
                    "@type": "type.googleapis.com/google.rpc.ErrorInfo",
                    "reason": "RATE_LIMIT_EXCEEDED",
                    "domain": "llm-relay",
                },
                {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "60s"},
            ],
        ),
    ],
)
def test_our_own_error_is_written_in_googles_shape(error: RelayError, word: str, details: list[Any]) -> None:
    assert rendered(error) == {"code": error.status, "message": error.message, "status": word, "details": details}


@pytest.mark.parametrize("status", [529, "busy", ["UNAVAILABLE"], None])
def test_error_of_another_dialect_keeps_its_words_alone(status: Any) -> None:
    body = {"type": "overloaded_error", "message": "Busy", "status": status, "other_field": 1}

    assert rendered(UpstreamError("Busy", status=529, body=body, type="overloaded_error")) == {
        "code": 529,
        "message": "Busy",
        "status": "UNAVAILABLE",
    }


def test_sdk_raises_our_own_error() -> None:
    raised = raised_by_sdk(AuthenticationFailed("Who are you?"))

    assert (raised.code, raised.status, raised.message) == (401, "UNAUTHENTICATED", "Who are you?")


def test_error_in_a_stream_is_one_event() -> None:
    event, rest = write_error_event(UpstreamCut("It broke off.")).split(b"\n\n")

    assert json.loads(event.removeprefix(b"data: "))["error"]["message"] == "It broke off."
    assert rest == b""
