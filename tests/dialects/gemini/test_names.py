"""The provider's own name for a model, wherever a body of Gemini's API names one."""

import json
from dataclasses import replace
from typing import Any

import pytest

from app.core.call import Call
from app.dialects.convert import outgoing
from app.dialects.counting import count_tokens
from app.dialects.gemini.names import as_counted
from app.dialects.gemini.request import read_asked_count
from app.dialects.splice import Additions
from tests.calls import make_call
from tests.recordings import Recording, recorded

HI: dict[str, Any] = {"contents": [{"role": "user", "parts": [{"text": "Hello"}]}]}
CONTENT: dict[str, Any] = {"content": {"parts": [{"text": "Hello"}]}}


def make(dialect: str, payload: dict[str, Any], body: bytes | None = None) -> Call:
    body = json.dumps(payload, indent=3).encode() if body is None else body
    return replace(make_call(), dialect=dialect, name="alias", payload=payload, body=body)


@pytest.mark.parametrize(
    ("dialect", "payload", "wanted"),
    [
        ("gemini", {**HI, "model": "models/alias"}, {**HI, "model": "models/flash"}),
        ("gemini", {**HI, "model": "alias"}, {**HI, "model": "models/flash"}),
        ("gemini-count", {**HI, "model": "models/alias"}, {**HI, "model": "models/flash"}),
        (
            "gemini-count",
            {"generateContentRequest": {"model": "models/alias", **HI}},
            {"generateContentRequest": {"model": "models/flash", **HI}},
        ),
        (
            "gemini-count",
            {"generate_content_request": {"model": "models/alias", **HI}},
            {"generate_content_request": {"model": "models/flash", **HI}},
        ),
        ("gemini-embed", {"model": "models/alias", **CONTENT}, {"model": "models/flash", **CONTENT}),
        (
            "gemini-embed-batch",
            {"requests": [{"model": "models/alias", **CONTENT}, CONTENT]},
            {"requests": [{"model": "models/flash", **CONTENT}] * 2},
        ),
    ],
)
def test_model_is_renamed_wherever_a_client_wrote_it(
    dialect: str, payload: dict[str, Any], wanted: dict[str, Any]
) -> None:
    sent = outgoing(make(dialect, payload), "flash", Additions(), dialect=dialect)

    assert json.loads(sent.body) == wanted


@pytest.mark.parametrize(
    ("dialect", "payload"),
    [
        ("gemini", HI),
        ("gemini", {**HI, "model": "models/flash"}),
        ("gemini-count", HI),
        ("gemini-count", {"generateContentRequest": HI}),
        ("gemini-count", {"generateContentRequest": {"model": "models/flash", **HI}}),
        ("gemini-embed", CONTENT),
        ("gemini-embed", {"model": "models/flash", **CONTENT}),
        ("gemini-embed-batch", {"requests": [{"model": "models/flash", **CONTENT}]}),
    ],
)
def test_body_that_names_no_other_model_is_not_rebuilt(dialect: str, payload: dict[str, Any]) -> None:
    call = make(dialect, payload)

    assert outgoing(call, "flash", Additions(), dialect=dialect).body == call.body


@pytest.mark.parametrize("recording", recorded("count_tokens.*", "gemini"))
def test_whole_request_that_is_to_be_counted_stays_whole(recording: Recording) -> None:
    payload = recording.request
    asked = read_asked_count(json.dumps(payload).encode(), "alias")

    sent = outgoing(make("gemini-count", payload, asked.body), "flash", Additions(), dialect="gemini-count")

    whole = payload["generateContentRequest"]
    assert json.loads(sent.body) == {"generateContentRequest": {**whole, "model": "models/flash"}}


def test_request_that_is_held_by_another_is_the_one_that_is_counted() -> None:
    whole = {"contents": [{"parts": [{"text": "x" * 40}]}], "systemInstruction": {"parts": [{"text": "y" * 40}]}}

    assert as_counted({"generateContentRequest": whole}) is whole
    assert as_counted(whole) is whole
    assert count_tokens(make("gemini-count", {"generateContentRequest": whole})) == b'{"totalTokens":20}'
