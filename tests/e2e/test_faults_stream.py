"""Providers that fail in the midst of a stream, or stream in their own way."""

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from tests.e2e.faulty import (
    DONE,
    KEY,
    LAST_CHUNK,
    STREAM_HEAD,
    UNSIZED_STREAM_HEAD,
    Answer,
    Rig,
    Script,
    chunked,
    delta,
    faulty_rig,
    saying,
    streaming,
    then_reset,
    then_stall,
)

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.xdist_group("faults_stream")]

SIZED_STREAM_HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nContent-Length: 9999\r\n\r\n"
BEGUN = delta("Begun")
ENDED = delta(".", finish="stop")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def rig(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Rig]:
    async with faulty_rig(tmp_path_factory.mktemp("gateway")) as running:
        yield running


def failure_of(answer: Answer) -> dict[str, Any]:
    """The error event, which is the last, of a stream that began and came to a proper end."""
    assert (answer.status, answer.cut) == (200, False)
    error = answer.data[-1]["error"]
    assert error.keys() >= {"message", "type", "param", "code"}
    assert isinstance(error, dict)
    return error


@pytest.mark.parametrize(
    "script",
    [
        pytest.param(saying(STREAM_HEAD, chunked(BEGUN)), id="fin-between-chunks"),
        pytest.param(saying(STREAM_HEAD, chunked(BEGUN), chunked(delta("half"))[:-30]), id="fin-in-a-chunk"),
        pytest.param(then_reset(STREAM_HEAD, chunked(BEGUN)), id="reset-between-chunks"),
        pytest.param(then_reset(STREAM_HEAD, chunked(BEGUN), chunked(delta("half"))[:-30]), id="reset-in-a-chunk"),
        pytest.param(saying(SIZED_STREAM_HEAD, BEGUN), id="fin-before-the-length"),
        pytest.param(saying(UNSIZED_STREAM_HEAD, BEGUN), id="fin-without-any-sign-of-the-end"),
        pytest.param(saying(UNSIZED_STREAM_HEAD, BEGUN, delta("half")[:-30]), id="fin-in-an-event"),
        pytest.param(then_reset(UNSIZED_STREAM_HEAD, BEGUN), id="reset-of-an-unsized-stream"),
    ],
)
async def test_provider_that_dies_in_a_stream_ends_it_with_an_error_event(rig: Rig, script: Script) -> None:
    answer = await rig.ask(script)

    assert failure_of(answer)["code"] in ("upstream_cut", "upstream_invalid_response")
    assert answer.data[0]["choices"][0]["delta"]["content"] == "Begun"
    row = await rig.row(answer.name)
    assert (row["outcome"], row["status"]) == ("cut", 200)


async def test_provider_that_falls_silent_in_a_stream_ends_it_with_an_error_event(rig: Rig) -> None:
    answer = await rig.ask(then_stall(STREAM_HEAD, chunked(BEGUN)), provider="hasty")

    assert failure_of(answer)["code"] == "upstream_timeout"
    assert "timeouts.idle" in failure_of(answer)["message"]
    row = await rig.row(answer.name)
    assert (row["outcome"], row["status"]) == ("cut", 200)


@pytest.mark.parametrize(
    "garbage",
    [
        pytest.param(b"data: not json\n\n", id="no-json"),
        pytest.param(b"data: 42\n\n", id="no-object"),
        pytest.param(b"data: \xff\xfe\x00\n\n", id="binary"),
        pytest.param(b"data: " + b"[" * 100_000 + b"\n\n", id="nested-without-end"),
    ],
)
async def test_garbage_in_a_stream_ends_it_with_an_error_event(rig: Rig, garbage: bytes) -> None:
    answer = await rig.ask(streaming(BEGUN, garbage, ENDED, DONE, pause_s=0.1))

    assert failure_of(answer)["code"] == "upstream_invalid_response"
    assert (await rig.row(answer.name))["outcome"] == "cut"


async def test_broken_chunk_framing_ends_a_stream_with_an_error_event(rig: Rig) -> None:
    answer = await rig.ask(saying(STREAM_HEAD, chunked(BEGUN), b"no size\r\n", pause_s=0.05))

    assert failure_of(answer)["code"].startswith("upstream_")
    assert (await rig.row(answer.name))["outcome"] == "cut"


@pytest.mark.parametrize(
    "event",
    [
        pytest.param({"error": {"message": f"no more, {KEY}", "type": "overloaded", "code": "busy"}}, id="object"),
        pytest.param({"error": f"no more, {KEY}"}, id="text"),
    ],
)
async def test_error_that_a_provider_reports_in_a_stream_reaches_the_client_without_the_key(
    rig: Rig, event: dict[str, Any]
) -> None:
    answer = await rig.ask(streaming(BEGUN, b"data: " + json.dumps(event).encode() + b"\n\n"))

    errors = [data["error"] for data in answer.data if isinstance(data, dict) and "error" in data]
    assert [error["message"].startswith("no more, ") for error in errors] == [True]
    assert KEY not in answer.body.decode()
    row = await rig.row(answer.name)
    assert (row["outcome"], row["status"]) == ("error", 200)
    assert KEY not in row["error"]


@pytest.mark.parametrize(("code", "status"), [('"busy"', 502), ("429", 429)])
async def test_error_as_the_first_event_of_a_stream_has_a_status(rig: Rig, code: str, status: int) -> None:
    event = b'data: {"error":{"message":"no","code":%b}}\n\n' % code.encode()

    answer = await rig.ask(streaming(b": PROCESSING\n\n", event, DONE))

    assert (answer.status, answer.error["message"]) == (status, "no")
    row = await rig.row(answer.name)
    assert (row["outcome"], row["status"]) == ("error", status)


async def test_half_a_character_at_the_border_of_two_pieces_is_put_together(rig: Rig) -> None:
    event = delta("naïve 😀 text")
    split = event.index("😀".encode()) + 2
    pieces = (chunked(event[:split]), chunked(event[split:]), chunked(ENDED), chunked(DONE), LAST_CHUNK)

    answer = await rig.ask(saying(STREAM_HEAD, *pieces, pause_s=0.05))

    assert answer.text == "naïve 😀 text."
    assert (await rig.row(answer.name))["outcome"] == "ok"


async def test_half_a_character_that_stays_half_is_replaced(rig: Rig) -> None:
    broken = delta("so 😀 what").replace("😀".encode(), "😀".encode()[:2])

    answer = await rig.ask(streaming(BEGUN, broken, ENDED, DONE))

    assert answer.text == "Begunso � what."
    assert (await rig.row(answer.name))["outcome"] == "ok"


async def test_line_of_three_megabytes_goes_through(rig: Rig) -> None:
    text = "x" * 3_000_000

    answer = await rig.ask(streaming(delta(text), ENDED, DONE))

    assert answer.text == text + "."
    assert (await rig.row(answer.name))["outcome"] == "ok"


@pytest.mark.parametrize("line_end", [b"\r\n", b"\r"], ids=["crlf", "cr"])
async def test_other_line_ends_are_taken_for_what_they_are(rig: Rig, line_end: bytes) -> None:
    events = [event.replace(b"\n", line_end) for event in (BEGUN, delta("\u2028"), ENDED, DONE)]

    answer = await rig.ask(streaming(*events))

    lines = answer.body.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    assert Answer(answer.name, 200, answer.headers, lines, False).text == "Begun\u2028."
    assert lines.partition(b": x-relay-usage")[0].endswith(DONE)
    assert (await rig.row(answer.name))["outcome"] == "ok"


@pytest.mark.parametrize(
    "script",
    [
        pytest.param(streaming(BEGUN, ENDED), id="chunked"),
        pytest.param(saying(UNSIZED_STREAM_HEAD, BEGUN, ENDED), id="unsized"),
        pytest.param(saying(UNSIZED_STREAM_HEAD, BEGUN, ENDED[:-1]), id="without-the-last-blank-line"),
    ],
)
async def test_stream_without_done_is_given_one(rig: Rig, script: Script) -> None:
    answer = await rig.ask(script)

    assert answer.text == "Begun."
    assert answer.data[-1] == "[DONE]"
    assert (await rig.row(answer.name))["outcome"] == "ok"


async def test_what_a_provider_sends_after_done_is_not_passed_on(rig: Rig) -> None:
    answer = await rig.ask(streaming(BEGUN, ENDED, DONE, delta("more"), DONE))

    assert answer.text == "Begun."
    assert answer.data.count("[DONE]") == 1


async def test_provider_that_stays_open_after_done_does_not_hold_the_client(rig: Rig) -> None:
    answer = await rig.ask(then_stall(STREAM_HEAD, chunked(BEGUN), chunked(ENDED), chunked(DONE)), provider="hasty")

    assert answer.data[-1] == "[DONE]"
    assert (await rig.row(answer.name))["outcome"] == "ok"


@pytest.mark.parametrize(
    "reported",
    [
        pytest.param({"prompt_tokens": -5, "completion_tokens": 7}, id="negative"),
        pytest.param({"prompt_tokens": "5", "completion_tokens": "7"}, id="text"),
        pytest.param({"prompt_tokens": None, "completion_tokens": None}, id="null"),
        pytest.param({"prompt_tokens": 1e300, "completion_tokens": 1.5}, id="no-whole-numbers"),
        pytest.param({}, id="empty"),
        pytest.param([1, 2], id="a-list"),
        pytest.param("many", id="a-word"),
        pytest.param(None, id="missing"),
    ],
)
async def test_usage_that_cannot_be_is_estimated(rig: Rig, reported: Any) -> None:
    ending = delta(".", finish="stop", usage=reported)

    answer = await rig.ask(streaming(BEGUN, ending, DONE), stream_options={"include_usage": True})

    usage = answer.data[-2]["usage"]
    row = await rig.row(answer.name)
    assert row["usage_estimated"]
    assert (usage["prompt_tokens"], usage["completion_tokens"]) == (row["input_tokens"], row["output_tokens"])
    assert row["input_tokens"] > 0
    assert row["output_tokens"] > 0


async def test_usage_that_comes_twice_is_counted_once(rig: Rig) -> None:
    first = {"prompt_tokens": 10, "completion_tokens": 1, "total_tokens": 11}
    last = {"prompt_tokens": 10, "completion_tokens": 2, "total_tokens": 12}
    reporting = b"data: " + json.dumps({"id": "c1", "choices": [], "usage": last}).encode() + b"\n\n"

    answer = await rig.ask(
        streaming(delta("A", usage=first), delta("b.", finish="stop", usage=last), reporting, DONE),
        stream_options={"include_usage": True},
    )

    reports = [event["usage"] for event in answer.data if isinstance(event, dict) and event.get("usage")]
    assert reports == [last]
    row = await rig.row(answer.name)
    assert (row["input_tokens"], row["output_tokens"], row["usage_estimated"]) == (10, 2, 0)


async def test_provider_that_sends_a_byte_at_a_time_is_understood(rig: Rig) -> None:
    body = BEGUN + delta(" 😀 ") + ENDED + DONE

    answer = await rig.ask(saying(UNSIZED_STREAM_HEAD, *(body[at : at + 1] for at in range(len(body))), pause_s=0.0005))

    assert answer.text == "Begun 😀 ."
    assert (await rig.row(answer.name))["outcome"] == "ok"


async def test_comments_and_other_fields_of_a_provider_do_no_harm(rig: Rig) -> None:
    noise = (b": OPENROUTER PROCESSING\n\n", b"event: ping\n\n", b"id: 7\nretry: 10\n\n")

    answer = await rig.ask(streaming(*noise, BEGUN, *noise, ENDED, *noise, DONE))

    assert answer.text == "Begun."
    assert (await rig.row(answer.name))["outcome"] == "ok"


async def test_stream_without_any_event_is_an_error(rig: Rig) -> None:
    answer = await rig.ask(streaming())

    assert (answer.status, answer.error["code"]) == (502, "upstream_cut")
    assert (await rig.row(answer.name))["status"] == 502
