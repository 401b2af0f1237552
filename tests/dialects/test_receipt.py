"""The cost of a stream, in a comment at its end or in its chunks, in whatever pieces it comes."""

import json
from decimal import Decimal
from typing import Any

import pytest

from app.core.ports import Receipt
from app.core.receipt import Bill, ReceiptForm
from app.core.reply import EVENT_STREAM_TYPE, JSON_TYPE
from app.core.usage import Usage
from app.dialects.ollama.dialect import OLLAMA
from app.dialects.receipt import open_receipt
from tests.calls import make_call

BILL = Bill(Usage(10, output=7), Decimal("0.000123"))
COMMENT = b": x-relay-cost 0.000123; x-relay-usage input=10, output=7\n\n"
USAGE = {"prompt_tokens": 10, "completion_tokens": 7}


def opened(form: ReceiptForm, media_type: str = EVENT_STREAM_TYPE, bill: Bill = BILL, **fields: Any) -> Receipt:
    receipt = open_receipt(make_call(receipt=form, **fields), media_type, lambda: bill)
    assert receipt is not None
    return receipt


def led_through(receipt: Receipt, data: bytes, size: int) -> bytes:
    pieces = [data[start : start + size] for start in range(0, len(data), size)]
    return b"".join([receipt.feed(piece) for piece in pieces]) + receipt.close()


def event(document: Any, kind: str = "") -> bytes:
    written = json.dumps(document, separators=(",", ":"), ensure_ascii=False).encode()
    return (b"event: %s\n" % kind.encode() if kind else b"") + b"data: %s\n\n" % written


def test_comment_comes_behind_all_and_needs_no_look_at_the_chunks() -> None:
    receipt = opened("comment")

    assert not receipt.in_chunks
    assert receipt.close() == COMMENT


def test_comment_is_left_out_where_there_is_nothing_to_tell() -> None:
    assert opened("comment", bill=Bill(Usage(requests=1), None)).close() == b""


@pytest.mark.parametrize(
    ("form", "media_type"),
    [("comment", OLLAMA.stream_type), ("comment", JSON_TYPE), ("chunk", JSON_TYPE), ("chunk", "audio/mpeg")],
)
def test_stream_without_a_place_for_it_has_no_receipt(form: ReceiptForm, media_type: str) -> None:
    assert open_receipt(make_call(receipt=form), media_type, lambda: BILL) is None


def test_gemini_has_no_comments_for_its_sdk_would_fail_at_one() -> None:
    stream = b'data: {"candidates":[]}\n\n'

    assert open_receipt(make_call(dialect="gemini"), EVENT_STREAM_TYPE, lambda: BILL) is None
    assert led_through(opened("chunk", dialect="gemini"), stream, 5) == stream


TEXT = event({"choices": [{"delta": {"content": 'say "usage": ü\u2028'}}]})
ENDS = [
    (event({"choices": [], "usage": USAGE}) + b"data: [DONE]\n\n", ("usage",)),
    (event({"type": "response.completed", "response": {"usage": USAGE}}, "response.completed"), ("response", "usage")),
    (
        event({"type": "message_delta", "usage": USAGE}, "message_delta") + event({"type": "message_stop"}, "message_stop"),
        ("usage",),
    ),
    (event({"candidates": [{"finishReason": "STOP"}], "usageMetadata": USAGE}), ("usageMetadata",)),
]  # fmt: skip


@pytest.mark.parametrize("size", [1, 7, 10_000])
@pytest.mark.parametrize(("end", "path"), ENDS)
def test_cost_stands_in_the_usage_object_of_each_dialect(end: bytes, path: tuple[str, ...], size: int) -> None:
    out = led_through(opened("chunk"), TEXT + end, size)

    assert out.startswith(TEXT)
    told, untold = out[len(TEXT) :].split(b"\n\n"), end.split(b"\n\n")
    usage = json.loads(told[0].partition(b"data: ")[2])
    for key in path:
        usage = usage[key]
    assert usage == {**USAGE, "cost": 0.000123}
    assert told[0].partition(b"data: ")[0] == untold[0].partition(b"data: ")[0]
    assert told[1:] == untold[1:]


def test_beginning_of_a_message_tells_what_it_cost_up_to_then() -> None:
    begun = event({"type": "message_start", "message": {"usage": USAGE}}, "message_start")

    out = opened("chunk").feed(begun)

    assert json.loads(out.partition(b"data: ")[2])["message"]["usage"]["cost"] == 0.000123


def test_stream_without_usage_gets_the_comment_instead() -> None:
    stream = TEXT + event({"choices": [], "usage": None}) + b"data: [DONE]\n\n"

    assert led_through(opened("chunk"), stream, 5) == stream + COMMENT


def test_unknown_cost_leaves_the_stream_as_it_is() -> None:
    stream = TEXT + ENDS[0][0]

    assert led_through(opened("chunk", bill=Bill(BILL.usage, None)), stream, 5) == stream


def test_more_that_the_provider_says_of_the_cost_stays() -> None:
    stream = event({"choices": [], "usage": {**USAGE, "cost": {"total_cost": 0.000123, "request_cost": 0.0001}}})

    assert led_through(opened("chunk"), stream, 5) == stream


@pytest.mark.parametrize(
    "stream",
    [b'data: {"usage": nonsense\n\n', b'data: ["usage"]\n\n', b': "usage"\n\n', b'data: {"usage":\ndata: {"a": 1}}\n\n'],
)  # fmt: skip
def test_what_cannot_be_changed_passes(stream: bytes) -> None:
    assert led_through(opened("chunk"), stream, 3).startswith(stream)


@pytest.mark.parametrize("size", [1, 7, 10_000])
def test_last_line_of_ollama_has_the_cost_beside_its_counters(size: int) -> None:
    words, end = b'{"message":{"content":"\\"done\\""},"done":false}\n', b'{"done":true,"eval_count":7}\n'

    out = led_through(opened("chunk", OLLAMA.stream_type), words + end, size)

    assert out.startswith(words)
    assert json.loads(out[len(words) :]) == {"done": True, "eval_count": 7, "cost": 0.000123}
