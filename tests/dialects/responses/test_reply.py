"""Whole replies that are none, and errors as responses and events."""

import json
from typing import Any

import pytest

from app.core.errors import RateLimited, UpstreamError, UpstreamInvalid
from app.core.events import Finished, Started
from app.dialects.responses.dialect import RESPONSES
from tests.dialects.responses.sdk import EVENT, events_of


def test_response_without_output_says_nothing() -> None:
    assert RESPONSES.read_reply({"id": "resp_1", "output": []}) == [Started("resp_1"), Finished("stop")]


@pytest.mark.parametrize(
    "document",
    [
        None,
        [],
        "text",
        {},
        {"choices": []},
        {"output": None},
        {"output": {}},
        {"output": [], "status": "queued"},
        {"output": [], "status": "in_progress"},
        {"output": [], "status": "cancelled"},
    ],
)
def test_what_is_no_response_is_the_providers_fault(document: Any) -> None:
    with pytest.raises(UpstreamInvalid):
        RESPONSES.read_reply(document)


@pytest.mark.parametrize(
    ("document", "status", "message"),
    [
        ({"status": "failed", "output": [], "error": {"code": "server_error", "message": "Oh."}}, 500, "Oh."),
        ({"status": "failed", "output": []}, 502, "The provider reported an error without words."),
        ({"error": {"type": "invalid_request_error", "message": "No."}}, 400, "No."),
        ({"error": "Bad key", "code": "invalid-argument"}, 502, "Bad key"),
        ({"error": {"code": 429, "message": "Slow."}}, 429, "Slow."),
    ],
)
def test_response_that_failed_is_an_error(document: Any, status: int, message: str) -> None:
    with pytest.raises(UpstreamError) as caught:
        RESPONSES.read_reply(document)

    assert (caught.value.status, caught.value.message) == (status, message)


def test_error_of_a_provider_tells_no_key() -> None:
    error = RESPONSES.read_error(401, b'{"error":{"message":"key my-own-key is wrong"}}', "Acme", "7", ("my-own-key",))

    assert (error.message, error.retry_after) == ("key [redacted] is wrong", "7")


def test_error_of_ours_has_openais_shape() -> None:
    error = json.loads(RESPONSES.write_error(RateLimited("Slow down.")))["error"]

    assert error == {
        "message": "Slow down.",
        "type": "rate_limit_error",
        "param": None,
        "code": "rate_limit_exceeded",
    }


def test_error_in_the_midst_of_a_stream_is_an_event() -> None:
    body = RESPONSES.write_error_event(RateLimited("Slow down."))

    (event,) = events_of(body)

    assert body.startswith(b"event: error\ndata: ")
    EVENT.validate_python(event)
    assert (event["message"], event["code"]) == ("Slow down.", "rate_limit_exceeded")
    assert event["error"]["type"] == "rate_limit_error"
