"""Errors: ours written in OpenAI's shape, and every provider's variant read."""

import json
from typing import Any

import pytest

from app.core.errors import InvalidRequest, QuotaExceeded, RelayError, UpstreamCut, UpstreamError
from app.core.redaction import MARK
from app.dialects.openai.errors import read_error, write_error, write_error_event
from tests.recordings import OPENAI_COMPATIBLE, Recording, recorded

KEY = "sk-proj-abcdefghijklmnopqrstuvwxyz0123456789"


def read(
    body: bytes | str | dict[str, Any] | list[Any], status: int = 400, secrets: tuple[str, ...] = ()
) -> UpstreamError:
    if isinstance(body, dict | list):
        body = json.dumps(body)
    raw = body.encode() if isinstance(body, str) else body
    return read_error(status, raw, provider="Acme", retry_after=None, secrets=secrets)


def rendered(error: RelayError) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(write_error(error))
    assert document.keys() == {"error"}
    fields: dict[str, Any] = document["error"]
    return fields


@pytest.mark.parametrize("recording", recorded("chat.error-*", *OPENAI_COMPATIBLE))
def test_recorded_error_keeps_its_status_and_words(recording: Recording) -> None:
    error = read(recording.body, recording.status)

    recorded_error = json.loads(recording.body)
    recorded_error = recorded_error[0] if isinstance(recorded_error, list) else recorded_error
    found = recorded_error["error"]
    assert error.status == recording.status
    assert error.message == (found["message"] if isinstance(found, dict) else found)


@pytest.mark.parametrize("recording", recorded("chat.error-*", *OPENAI_COMPATIBLE))
def test_recorded_error_is_rendered_with_all_its_fields(recording: Recording) -> None:
    fields = rendered(read(recording.body, recording.status))

    found = json.loads(recording.body)["error"]
    kept = {key: value for key, value in found.items() if value is not None} if isinstance(found, dict) else {}
    assert fields == fields | kept
    assert fields.keys() >= {"message", "type", "param", "code"}


def test_openais_object_is_read() -> None:
    error = read({"error": {"message": "No", "type": "bad", "param": "n", "code": "x", "extra": [1]}})

    assert (error.message, error.type, error.param, error.code) == ("No", "bad", "n", "x")
    assert rendered(error)["extra"] == [1]


def test_xais_flat_shape_is_read() -> None:
    error = read({"code": "Client specified an invalid argument", "error": "Model not found: grok-9"}, 404)

    assert error.message == "Model not found: grok-9"
    assert error.code == "Client specified an invalid argument"


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ([{"error": {"message": "No"}}], "No"),
        ({"detail": "Not Found"}, "Not Found"),
        ({"detail": [{"loc": ["body"], "msg": "bad"}]}, '[{"loc":["body"],"msg":"bad"}]'),
        ({"message": "No"}, "No"),
        ({"type": "error", "error": {"message": "No", "ref_id": "r"}}, "No"),
        ({"error": {"code": 5}}, '{"error":{"code":5}}'),
        ({"error": {"message": {"deep": 1}}}, '{"error":{"message":{"deep":1}}}'),
        ({"error": None}, '{"error":null}'),
        ({"weird": 1}, '{"weird":1}'),
        ([], "Acme answered with status 400."),
        ({}, "Acme answered with status 400."),
        ("", "Acme answered with status 400."),
        ("   ", "Acme answered with status 400."),
        ("upstream connect error", "upstream connect error"),
        ("null", "null"),
        ('"No"', '"No"'),
        (b"\xef\xbb\xbf" + b'{"error":{"message":"No"}}', "No"),
        (b"caf\xe9 is closed", "caf\ufffd is closed"),
        (b'{"error":{"message":"caf\xe9"}}', "caf\ufffd"),
        (
            "<html><head><title>502</title><style>p{}</style></head><body><h1>Bad Gateway</h1>\n<p>nginx</p></body></html>",
            "Bad Gateway nginx",
        ),
    ],
)
def test_words_are_found_in_any_shape(body: Any, message: str) -> None:
    assert read(body).message == message


def test_long_page_is_cut() -> None:
    assert len(read("word " * 10_000).message) <= 300


@pytest.mark.timeout(10)
@pytest.mark.parametrize("piece", ["<", "<head>", "<script ", "<style></styl", "sk-"])
def test_page_made_to_keep_us_busy_does_not(piece: str) -> None:
    read(piece * (1_000_000 // len(piece)))


def test_nesting_without_end_does_no_harm() -> None:
    error = read("[" * 1000 + "]" * 1000)

    assert error.status == 400
    assert len(error.message) <= 300


@pytest.mark.parametrize(
    "body",
    [
        {"error": {"message": f"Incorrect API key provided: {KEY}. Find yours."}},
        {"error": {"message": f"line\n{KEY}"}},
        {"error": {"message": "Incorrect", "param": KEY, "extra": {"headers": [f"Bearer {KEY}"]}}},
        {"error": f"wrong key: {KEY}", "code": KEY},
        {"detail": [KEY]},
        {"weird": KEY},
        f"<p>{KEY}</p>",
        f"wrong key {KEY}",
        '{"error":{"message":"' + KEY.replace("-", "\\u002d") + '"}}',
        '{"error":{"message":"Incorrect API key provided: sk-proj-***************************wxyz."}}',
    ],
)
def test_key_in_an_error_reaches_nobody(body: Any) -> None:
    error = read(body, 401)

    written = write_error(error).decode()
    assert KEY not in error.message + written + str(error) + json.dumps(error.body)
    assert "wxyz" not in written
    assert MARK in written


def test_the_providers_own_key_is_taken_out_whatever_its_shape() -> None:
    body = '{"error":{"message":"bad key an\\/odd\\"one","k":["an/odd\\"one"]}}'

    error = read(body, 401, secrets=('an/odd"one',))

    assert rendered(error) == rendered(error) | {"message": f"bad key {MARK}", "k": [MARK]}


@pytest.mark.parametrize("odd", [{"message": 5}, {"message": ["a"]}, {"type": {"a": 1}}, {"type": 7}])
def test_message_and_type_are_strings_whatever_the_provider_made_of_them(odd: dict[str, Any]) -> None:
    fields = rendered(read({"error": {"message": "No", **odd}}))

    assert isinstance(fields["message"], str)
    assert isinstance(fields["type"], str)


def test_retry_after_is_passed_on_as_it_was_written() -> None:
    error = read_error(429, b"", provider="Acme", retry_after="17", secrets=())

    assert error.headers == (("retry-after", "17"),)


@pytest.mark.parametrize(
    ("status", "charged"),
    [
        (400, True),
        (404, True),
        (422, True),
        (401, False),
        (402, False),
        (408, False),
        (429, False),
        (500, False),
        (529, False),
    ],
)
def test_only_what_is_the_clients_own_fault_is_charged(status: int, *, charged: bool) -> None:
    assert read("", status).charged is charged


@pytest.mark.parametrize(
    "recording", [*recorded("responses.error-*", "xai"), *recorded("generate.error-400", "gemini")]
)
def test_key_that_is_refused_by_a_400_is_not_the_clients_fault(recording: Recording) -> None:
    error = read(recording.body, recording.status)

    assert error.status == 400
    assert error.refuses_key
    assert not error.charged


def test_our_own_error_is_written_in_openais_shape() -> None:
    fields = rendered(InvalidRequest("No such thing.", param="n", code="odd"))

    assert fields == {"message": "No such thing.", "type": "invalid_request_error", "param": "n", "code": "odd"}


def test_error_of_a_class_has_its_code() -> None:
    assert rendered(QuotaExceeded("Enough."))["code"] == "rate_limit_exceeded"


def test_error_in_a_stream_is_one_event() -> None:
    event, rest = write_error_event(UpstreamCut("It broke off.")).split(b"\n\n")

    assert json.loads(event.removeprefix(b"data: "))["error"]["code"] == "upstream_cut"
    assert rest == b""
