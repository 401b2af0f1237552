"""What other providers signed is taken out of a chat request that passes; everything else in it stays as it was."""

import json
from typing import Any

import pytest

from app.dialects.convert import outgoing
from app.dialects.splice import Additions
from tests.calls import make_call

TOLD = {"type": "reasoning.text", "text": "Hm", "signature": "s", "format": "lr:anthropic", "index": 0}
OPENROUTERS = {"type": "reasoning.text", "text": "Hm", "signature": "s", "format": "anthropic-claude-v1", "index": 0}
CALL = {"id": "call_1", "type": "function", "function": {"name": "f", "arguments": "{}"}}


def proven(signature: str) -> dict[str, Any]:
    return {**CALL, "extra_content": {"google": {"thought_signature": signature}}}


def passed(message: dict[str, Any], model: str = "gpt-5.1") -> Any:
    messages = [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Yes", **message}]
    call = make_call({"model": "m", "messages": messages, "unknown": {"kept": True}}, name="m")
    body = json.loads(outgoing(call, model, Additions()).body)
    assert body["unknown"] == {"kept": True}
    assert body["messages"][0] == messages[0]
    return {key: value for key, value in body["messages"][1].items() if key not in ("role", "content")}


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        ({"reasoning_content": "Hm", "reasoning_details": [TOLD]}, {}),
        ({"tool_calls": [proven("lr.anthropic.s"), CALL]}, {"tool_calls": [CALL, CALL]}),
        ({"tool_calls": [proven("AgQ=")]}, {"tool_calls": [CALL]}),
    ],
)
def test_proof_of_another_provider_is_taken_out(message: dict[str, Any], expected: dict[str, Any]) -> None:
    assert passed(message) == expected


@pytest.mark.parametrize(
    "message",
    [
        {"reasoning_content": "Hm"},
        {"reasoning_details": [OPENROUTERS], "reasoning": "Hm"},
        {"reasoning_details": "not ours", "tool_calls": 5, "refusal": 'it says "lr.'},
        {"tool_calls": ["odd"], "note": "lr:"},
    ],
)
def test_what_no_other_dialect_has_made_stays(message: dict[str, Any]) -> None:
    assert passed(message) == message


def test_gemini_gets_its_own_proofs_of_calls() -> None:
    assert passed({"tool_calls": [proven("AgQ=")]}, "gemini-3-pro") == {"tool_calls": [proven("AgQ=")]}
    assert passed({"tool_calls": [proven("lr.anthropic.s")]}, "gemini-3-pro") == {"tool_calls": [CALL]}
