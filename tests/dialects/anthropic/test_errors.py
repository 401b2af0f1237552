"""Errors: ours written in Anthropic's shape, a provider's read with its status, words and type."""

import json
from typing import Any

import pytest
from anthropic.types.shared import ErrorResponse

from app.core.errors import (
    AuthenticationFailed,
    BodyTooLarge,
    InvalidRequest,
    PermissionDenied,
    QuotaExceeded,
    RelayError,
    Unavailable,
    UnknownModel,
    UpstreamCut,
    UpstreamError,
    UpstreamTimeout,
)
from app.core.events import Failed
from app.core.redaction import MARK
from app.dialects.anthropic.errors import read_error, write_error, write_error_event, write_failure
from tests.recordings import Recording, recorded

KEY = "sk-ant-api03-abcdefghijklmnopqrstuvwxyz"


def read(body: Any, status: int = 400, secrets: tuple[str, ...] = ()) -> UpstreamError:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return read_error(status, raw, "Acme", "7", secrets)


@pytest.mark.parametrize("recording", recorded("messages.error-*", "anthropic"))
def test_recorded_error_keeps_its_status_words_and_type(recording: Recording) -> None:
    error = read(recording.body, recording.status)

    found = json.loads(recording.body)["error"]
    assert (error.status, error.message, error.type) == (recording.status, found["message"], found["type"])
    assert error.retry_after == "7"


@pytest.mark.parametrize("recording", recorded("messages.error-*", "anthropic"))
def test_recorded_error_is_written_as_it_came(recording: Recording) -> None:
    assert json.loads(write_error(read(recording.body, recording.status))) == json.loads(recording.body)


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (InvalidRequest("No"), "invalid_request_error"),
        (BodyTooLarge("No"), "request_too_large"),
        (AuthenticationFailed("No"), "authentication_error"),
        (PermissionDenied("No"), "permission_error"),
        (UnknownModel("No"), "not_found_error"),
        (QuotaExceeded("No"), "rate_limit_error"),
        (Unavailable("No"), "api_error"),
        (RelayError("No"), "api_error"),
        (UpstreamCut("No"), "api_error"),
        (UpstreamTimeout("No"), "timeout_error"),
        (UpstreamError("No", status=402), "billing_error"),
        (UpstreamError("No", status=422), "invalid_request_error"),
        (UpstreamError("No", status=529), "overloaded_error"),
        (UpstreamError("No", status=503, type="overloaded_error"), "overloaded_error"),
        (UpstreamError("No", status=429, type="insufficient_quota", body={"message": "x"}), "rate_limit_error"),
    ],
)
def test_error_has_the_type_of_its_status(error: RelayError, kind: str) -> None:
    document = json.loads(write_error(error))

    assert document == {"type": "error", "error": {"type": kind, "message": "No"}}
    if kind != "request_too_large":  # the SDK has no type of its own for it
        ErrorResponse.model_validate(document)


def test_error_of_another_shape_is_read_too() -> None:
    error = read({"error": {"message": "No", "type": "bad", "code": "x"}}, 418)

    assert (error.message, error.status, error.type, error.code) == ("No", 418, "bad", "x")


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"<html><body><h1>502 Bad Gateway</h1></body></html>", "502 Bad Gateway"),
        (b"", "Acme answered with status 500."),
        ({"type": "error", "error": {"message": "No"}}, "No"),
        ({"type": "error", "error": "No"}, "No"),
    ],
)
def test_error_without_the_shape_has_words(body: Any, message: str) -> None:
    assert read(body, 500).message == message


def test_error_with_status_200_has_the_status_of_its_type() -> None:
    body = {"type": "error", "error": {"type": "overloaded_error", "message": "Busy"}}

    assert read(body, 200).status == 529
    assert read({"type": "error", "error": {"type": "new", "message": "Busy"}}, 200).status == 502


def test_secrets_are_kept_out() -> None:
    body = {"type": "error", "error": {"type": "api_error", "message": f"{KEY} and hunter22-secret", "key": KEY}}

    error = read(body, secrets=("hunter22-secret",))

    assert error.message == f"{MARK} and {MARK}"
    assert KEY not in str(error.body)


def test_error_in_a_stream_is_an_event() -> None:
    written = write_error_event(UpstreamCut("It broke off"))

    assert written == (
        b'event: error\ndata: {"type":"error","error":{"type":"api_error","message":"It broke off"}}\n\n'
    )


def test_failure_of_another_provider_is_told_in_anthropics_words() -> None:
    written = write_failure(Failed("Busy", status=503, type="server_error", code="x"))

    assert written == b'event: error\ndata: {"type":"error","error":{"type":"api_error","message":"Busy"}}\n\n'
