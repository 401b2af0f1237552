"""What nobody signed is known when it comes back, so that a provider that signs is not given it as its own."""

import json
from typing import Any

import pytest

from app.core.events import Event, Finished, ReasoningDelta, Started, TextDelta, ToolCallDelta, ToolCallStarted, fold
from app.dialects.convert import outgoing
from app.dialects.dialect import About
from app.dialects.registry import DIALECTS
from app.dialects.signatures import UNSIGNED, unwrap
from app.dialects.splice import Additions
from tests.calls import make_call

SAID: list[Event] = [
    Started("r", "other-model", 1),
    ReasoningDelta("Hm."),
    TextDelta("Yes."),
    ToolCallStarted(0, "call_1", "f"),
    ToolCallDelta(0, "{}"),
    Finished("tool_calls"),
]


def returned(dialect: str) -> tuple[str, Any]:
    """The provider's model, and a request whose history holds the reply `SAID` as a client of `dialect` got it."""
    about = About("req_1", "m", 1, wants_usage=True, payload={})
    reply: Any = DIALECTS[dialect].write_reply(fold(SAID), about)
    if dialect == "anthropic":
        history = [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": reply["content"]}]
        result = {"type": "tool_result", "tool_use_id": "call_1", "content": "1"}
        history.append({"role": "user", "content": [result]})
        return "claude-sonnet-4-5", {"model": "m", "max_tokens": 9, "messages": history}
    if dialect == "responses":
        result = {"type": "function_call_output", "call_id": "call_1", "output": "1"}
        return "gpt-5.1", {"model": "m", "store": False, "input": [*reply["output"], result]}
    response = {"functionResponse": {"id": "call_1", "name": "f", "response": {"result": "1"}}}
    contents = [{"role": "user", "parts": [{"text": "Hi"}]}, reply["candidates"][0]["content"]]
    return "gemini-3-pro", {"contents": [*contents, {"role": "user", "parts": [response]}]}


@pytest.mark.parametrize("dialect", ["anthropic", "responses", "gemini"])
def test_provider_that_signs_does_not_get_what_nobody_signed(dialect: str) -> None:
    model, payload = returned(dialect)
    call = make_call(dialect=dialect, payload=payload, body=json.dumps(payload).encode(), name="m")

    sent = json.loads(outgoing(call, model, Additions(), dialect=dialect).body)

    if dialect == "anthropic":
        assert [block["type"] for block in sent["messages"][1]["content"]] == ["text", "tool_use"]
    elif dialect == "responses":
        kinds = [item["type"] for item in sent["input"]]
        assert kinds == ["message", "function_call", "function_call_output"]
    else:
        [called] = [part for part in sent["contents"][1]["parts"] if "functionCall" in part]
        assert called["thoughtSignature"] == "skip_thought_signature_validator"


@pytest.mark.parametrize("dialect", ["anthropic", "responses", "gemini"])
def test_reply_that_nobody_signed_is_read_as_such(dialect: str) -> None:
    about = About("req_1", "m", 1, wants_usage=True, payload={})

    again = fold(DIALECTS[dialect].read_reply(DIALECTS[dialect].write_reply(fold(SAID), about)))

    assert [getattr(part, "signature", None) for part in again.parts] == [None] * 3


def test_mark_of_what_is_unsigned_is_no_signature() -> None:
    assert unwrap(UNSIGNED, "anthropic") is None
