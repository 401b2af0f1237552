"""The dialect as others see it."""

import json

import pytest

from app.core.errors import UpstreamCut
from app.dialects.openai.dialect import OPENAI
from tests.recordings import OPENAI_COMPATIBLE, Recording, recorded


@pytest.mark.parametrize("recording", recorded("chat.error-*", *OPENAI_COMPATIBLE))
def test_recorded_error_survives(recording: Recording) -> None:
    error = OPENAI.read_error(recording.status, recording.body, "Acme", "7", ())

    written = json.loads(OPENAI.write_error(error))["error"]
    (document,) = documents if isinstance(documents := json.loads(recording.body), list) else [documents]
    told = document["error"] if isinstance(document["error"], dict) else {"message": document["error"]}
    assert error.status == recording.status
    assert written["message"] == told["message"]
    assert written["type"] == (told.get("type") or "upstream_error")
    assert error.headers == (("retry-after", "7"),)


def test_secrets_are_kept_out_of_errors() -> None:
    error = OPENAI.read_error(401, b'{"error":{"message":"bad key topsecretkey"}}', "Acme", None, ("topsecretkey",))

    assert "topsecretkey" not in OPENAI.write_error(error).decode()


def test_error_in_a_stream_is_an_event() -> None:
    assert OPENAI.write_error_event(UpstreamCut("It broke off.")).startswith(b'data: {"error":')


def test_name_and_media_type_are_those_of_the_api() -> None:
    assert (OPENAI.name, OPENAI.stream_type) == ("openai", "text/event-stream; charset=utf-8")
