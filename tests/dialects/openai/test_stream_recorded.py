"""Every recorded chat stream, in any pieces: what the client gets says what the provider said."""

import json
from typing import Any

import pytest

from app.core.usage import Usage
from app.dialects.openai.stream import ChatStream
from app.providers.perplexity import PerplexityMender
from tests.dialects.openai.folding import Chunk, chunks_of, cut, data_of, fold, last_usage, run
from tests.recordings import OPENAI_COMPATIBLE, Recording, recorded

STREAMS = [
    param
    for param in recorded("chat.*", *OPENAI_COMPATIBLE)
    if not isinstance(param.values[0], Recording) or param.values[0].streamed
]
EACH_STREAM = pytest.mark.parametrize("recording", STREAMS)


def open_stream(recording: Recording, *, wants_usage: bool = True) -> ChatStream:
    mender = PerplexityMender() if recording.provider == "perplexity" else None
    return ChatStream(
        call_id="req_1",
        model="m",
        provider="Acme",
        wants_usage=wants_usage,
        request=recording.request,
        mender=mender,
        secrets=(),
    )


def relayed(recording: Recording, *, wants_usage: bool = True) -> list[Chunk]:
    return chunks_of(run(open_stream(recording, wants_usage=wants_usage), [recording.body]))


def without_what_the_gateway_sees_to(recording: Recording, chunk: Chunk) -> Chunk:
    kept = {key: value for key, value in chunk.items() if key != "usage"}
    if recording.provider == "perplexity":
        kept["object"] = "chat.completion.chunk"
        kept["choices"] = [{k: v for k, v in choice.items() if k != "message"} for choice in kept["choices"]]
    return kept


def in_order(wanted: list[Chunk], among: list[Chunk]) -> bool:
    rest = iter(among)
    return all(any(chunk == other for other in rest) for chunk in wanted)


@EACH_STREAM
def test_content_reasoning_tools_and_finish_reason_are_the_recorded_ones(recording: Recording) -> None:
    straight = fold(chunks_of(recording.body))

    assert fold(relayed(recording)) == straight
    assert straight.texts or straight.tools or recording.path.stem == "chat.stream-error"


@EACH_STREAM
def test_unknown_fields_survive(recording: Recording) -> None:
    straight = chunks_of(recording.body)
    wanted = [without_what_the_gateway_sees_to(recording, chunk) for chunk in straight if chunk["choices"]]

    kept = [{k: v for k, v in chunk.items() if k != "usage"} for chunk in relayed(recording)]
    for choice in (choice for chunk in kept for choice in chunk["choices"]):
        choice["delta"].pop("annotations" if recording.provider == "perplexity" else "", None)

    assert in_order(wanted, kept)


@EACH_STREAM
@pytest.mark.parametrize("wants_usage", [True, False])
@pytest.mark.parametrize("size", [1, 7, 1000])
def test_pieces_make_no_difference(recording: Recording, size: int, *, wants_usage: bool) -> None:
    whole = run(open_stream(recording, wants_usage=wants_usage), [recording.body])

    pieces = run(open_stream(recording, wants_usage=wants_usage), cut(recording.body, size))

    assert chunks_of(pieces) == chunks_of(whole)


@pytest.mark.parametrize("recording", recorded("chat.*-reads", *OPENAI_COMPATIBLE))
def test_reads_of_a_real_socket_make_no_difference(recording: Recording) -> None:
    assert recording.reads is not None

    pieces = run(open_stream(recording), recording.reads)

    assert chunks_of(pieces) == relayed(recording)


@EACH_STREAM
def test_role_comes_with_the_first_choice(recording: Recording) -> None:
    first = next(chunk for chunk in relayed(recording) if chunk["choices"])

    assert first["choices"][0]["delta"]["role"] == "assistant"


@EACH_STREAM
@pytest.mark.parametrize("wants_usage", [True, False])
def test_done_is_the_last_event_and_comes_once(recording: Recording, *, wants_usage: bool) -> None:
    out = run(open_stream(recording, wants_usage=wants_usage), [recording.body])

    assert out.endswith(b"data: [DONE]\n\n")
    assert data_of(out).count(b"[DONE]") == 1


@EACH_STREAM
def test_client_that_asked_for_usage_gets_it_once_in_the_last_chunk(recording: Recording) -> None:
    chunks = relayed(recording, wants_usage=True)

    assert [bool(chunk.get("usage")) for chunk in chunks] == [False] * (len(chunks) - 1) + [True]
    assert chunks[-1]["choices"] == []
    assert chunks[-1]["usage"] == (last_usage(chunks_of(recording.body)) or chunks[-1]["usage"])


@EACH_STREAM
def test_client_that_did_not_ask_for_usage_gets_none(recording: Recording) -> None:
    chunks = relayed(recording, wants_usage=False)

    assert not [chunk for chunk in chunks if "usage" in chunk]


@EACH_STREAM
@pytest.mark.parametrize("wants_usage", [True, False])
def test_usage_is_metered_whether_the_client_asked_or_not(recording: Recording, *, wants_usage: bool) -> None:
    stream = open_stream(recording, wants_usage=wants_usage)
    run(stream, [recording.body])

    metered = stream.read_usage()

    assert_same_usage(metered, last_usage(chunks_of(recording.body)))


@pytest.mark.parametrize(
    "recording", [param for param in STREAMS if param.marks or param.values[0].provider in ("openai", "sambanova")]
)
def test_bytes_are_the_providers_own_where_nothing_had_to_change(recording: Recording) -> None:
    out = run(open_stream(recording, wants_usage=True), [recording.body])

    if last_usage(chunks_of(recording.body)) is None:
        estimate = f"data: {json.dumps(chunks_of(out)[-1], separators=(',', ':'))}\n\n".encode()
        out = out.replace(estimate, b"")
    assert out == recording.body


def test_error_in_a_stream_is_passed_on_and_remembered() -> None:
    (param,) = recorded("chat.stream-error", "openrouter")
    recording = param.values[0]
    if recording is None:
        pytest.skip("no recordings")
    stream = open_stream(recording)

    chunks = chunks_of(run(stream, [recording.body]))

    wanted = [chunk["error"] for chunk in chunks_of(recording.body) if "error" in chunk]
    assert [chunk["error"] for chunk in chunks if "error" in chunk] == wanted
    assert stream.failure == wanted[0]["message"]


def assert_same_usage(metered: Usage, reported: dict[str, Any] | None) -> None:
    if reported is None:
        assert metered.estimated
        return
    prompt_details = reported.get("prompt_tokens_details") or {}
    completion_details = reported.get("completion_tokens_details") or {}
    reasoning = completion_details.get("reasoning_tokens") or reported.get("reasoning_tokens") or 0
    beside = reported["total_tokens"] > reported["prompt_tokens"] + reported["completion_tokens"]
    if not beside:
        reasoning = min(reasoning, reported["completion_tokens"])
    assert not metered.estimated
    assert metered.cache_read == (prompt_details.get("cached_tokens") or 0)
    assert metered.input + metered.cache_read + metered.cache_write == reported["prompt_tokens"]
    assert metered.reasoning == reasoning
    assert metered.output + metered.reasoning == reported["completion_tokens"] + (reasoning if beside else 0)
    assert metered.total == reported["total_tokens"]
