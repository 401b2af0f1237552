"""Every recorded answer of a provider: OpenAI's SDK reads through the gateway what it reads straight from the recording."""

from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

import pytest
from openai import APIError, APIStatusError, OpenAI

from tests.e2e.gateway import Gateway, Row
from tests.e2e.standin import EVENT_STREAM, JSON, Answer, StandIn
from tests.recordings import OPENAI_COMPATIBLE, Recording, recorded

PROVIDERS = [provider for provider in OPENAI_COMPATIBLE if provider != "ollama"]
EVERY_ANSWER = recorded("chat.*", *PROVIDERS)


@dataclass(frozen=True)
class Read:
    """What the SDK made of an answer.

    Attributes:
        whole: the reply, where it was whole.
        chunks: of a stream.
        error: what was raised, at once or in the midst of a stream.
    """

    whole: dict[str, Any] | None = None
    chunks: Sequence[dict[str, Any]] = ()
    error: APIError | None = None
    request_id: str = ""


@pytest.mark.parametrize("recording", EVERY_ANSWER)
def test_an_answer_is_read_as_straight_from_the_provider(
    recording: Recording, standin: StandIn, gateway: Gateway, sdk: OpenAI, direct: OpenAI
) -> None:
    standin.answer = answer_of(recording)
    expected = read(direct, recording)

    found = read(sdk, recording, spelling=f"{recording.provider}/")

    assert_same(found, expected, recording)
    assert_row(gateway.row_of(found.request_id), expected, recording)


@pytest.mark.parametrize("recording", EVERY_ANSWER)
def test_an_answer_that_comes_byte_by_byte_is_read_the_same(
    recording: Recording, standin: StandIn, sdk: OpenAI, direct: OpenAI
) -> None:
    standin.answer = answer_of(recording)
    expected = read(direct, recording)
    standin.answer = standin.answer.in_pieces(1)

    found = read(sdk, recording, spelling=f"{recording.provider}/")

    assert_same(found, expected, recording)


@pytest.mark.parametrize("recording", recorded("chat.*-reads", *PROVIDERS))
def test_an_answer_in_the_pieces_that_a_socket_gave_is_read_the_same(
    recording: Recording, standin: StandIn, sdk: OpenAI, direct: OpenAI
) -> None:
    standin.answer = answer_of(recording)
    expected = read(direct, recording)
    assert recording.reads
    standin.answer = standin.answer.in_pieces(*map(len, recording.reads))

    found = read(sdk, recording, spelling=f"{recording.provider}/")

    assert_same(found, expected, recording)


@pytest.mark.parametrize("recording", EVERY_ANSWER)
def test_the_provider_is_asked_what_the_client_asked(recording: Recording, standin: StandIn, sdk: OpenAI) -> None:
    standin.answer = answer_of(recording)

    read(sdk, recording, spelling=f"{recording.provider}/")

    expected = request_of(recording)
    if expected["stream"]:
        expected["stream_options"] = {**(expected.get("stream_options") or {}), "include_usage": True}
    if recording.provider == "openrouter":
        expected["usage"] = {"include": True}
    [exchange] = standin.posts
    assert exchange.path == f"/{recording.provider}/v1/chat/completions"
    assert exchange.json == expected


def answer_of(recording: Recording) -> Answer:
    """The recorded response as it came, its headers with it."""
    framing = ("transfer-encoding", "content-length", "content-encoding")
    headers = recording.document["response"]["headers"]
    headers = {name: value for name, value in headers.items() if name.lower() not in framing}
    return Answer(
        status=recording.status,
        headers=(EVENT_STREAM if recording.streamed else JSON) | headers,
        pieces=[recording.body],
        chunked=recording.streamed or "transfer-encoding" in recording.document["response"]["headers"],
    )


def request_of(recording: Recording) -> dict[str, Any]:
    """The recorded request; it asks for a stream where the answer is one."""
    request = dict(recording.request)
    return request | {"stream": recording.streamed or request.get("stream") is True}


def read(client: OpenAI, recording: Recording, spelling: str = "") -> Read:
    """Send the recorded request, its model named with `spelling` before it, and read the answer with the SDK."""
    request = request_of(recording)
    model, messages, stream = spelling + request.pop("model"), request.pop("messages"), request.pop("stream")
    create: Any = client.chat.completions.with_raw_response.create
    try:
        response = create(model=model, messages=messages, stream=stream, extra_body=request)
    except APIStatusError as error:
        return Read(error=error, request_id=error.response.headers.get("x-request-id", ""))
    request_id = response.headers.get("x-request-id", "")
    if not stream:
        return Read(whole=response.parse().model_dump(exclude_unset=True), request_id=request_id)
    chunks: list[dict[str, Any]] = []
    try:
        chunks.extend(chunk.model_dump(exclude_unset=True) for chunk in response.parse())
    except APIError as error:
        return Read(chunks=chunks, error=error, request_id=request_id)
    return Read(chunks=chunks, request_id=request_id)


def assert_same(found: Read, expected: Read, recording: Recording) -> None:
    if recording.provider == "perplexity":
        assert cited_in(found) == list(dict.fromkeys(listed_in(expected)))
        found = without_annotations(found)
    assert found.whole == expected.whole
    assert_same_chunks(found, expected, recording)
    assert_same_error(found.error, expected.error)


def assert_same_chunks(found: Read, expected: Read, recording: Recording) -> None:
    """What differs is what the gateway promises: a role first, usage last and only there, Perplexity's repetition gone."""
    asked = wants_usage(recording)
    chunks = [without_usage(chunk, asked) for chunk in expected.chunks if chunk["choices"] or not chunk.get("usage")]
    if recording.provider == "perplexity":
        chunks = [without_repetition(chunk) for chunk in chunks]
    if chunks and not role_of(next(chunk for chunk in chunks if chunk["choices"])):
        chunks.insert(0, role_chunk(chunks[0]))
    given = list(found.chunks)
    if asked and given and expected.error is None:
        last = given.pop()
        assert last["choices"] == []
        assert last["usage"] == usage_of(expected)
    assert given == chunks


def cited_in(found: Read) -> list[str]:
    """The addresses in the field where OpenAI tells of sources."""
    said = [choice["message"] for choice in found.whole["choices"]] if found.whole else []
    said += [choice["delta"] for chunk in found.chunks for choice in chunk["choices"]]
    return [note["url_citation"]["url"] for each in said for note in each.get("annotations") or ()]


def listed_in(expected: Read) -> list[str]:
    """The addresses that Perplexity lists beside its answer."""
    replies = [expected.whole] if expected.whole else expected.chunks
    return [url for reply in replies for url in reply.get("citations") or ()]


def without_annotations(found: Read) -> Read:
    """`found` as it would be without what the gateway adds."""
    whole, chunks = deepcopy(found.whole), deepcopy(found.chunks)
    for choice in whole["choices"] if whole else ():
        choice["message"].pop("annotations", None)
    for chunk in chunks:
        for choice in chunk["choices"]:
            choice["delta"].pop("annotations", None)
    return replace(found, whole=whole, chunks=chunks)


def assert_same_error(found: APIError | None, expected: APIError | None) -> None:
    assert type(found) is type(expected)
    if found is None or expected is None:
        return
    if isinstance(found, APIStatusError) and isinstance(expected, APIStatusError):
        assert found.status_code == expected.status_code
        assert found.response.headers.get("retry-after") == expected.response.headers.get("retry-after")
    assert isinstance(found.body, dict)
    said = expected.body if isinstance(expected.body, dict) else {"message": expected.body}
    for key, value in said.items():
        assert value is None or found.body[key] == value
    if isinstance(found, APIStatusError):
        assert {"message", "type", "param", "code"} <= found.body.keys()


def assert_row(row: Row, expected: Read, recording: Recording) -> None:
    """One row tells how the call ended, and its token classes add up to what the provider counted."""
    model = request_of(recording)["model"]
    assert (row["provider"], row["model"], row["name"]) == (recording.provider, model, f"{recording.provider}/{model}")
    assert (row["status"], row["outcome"]) == (recording.status, "ok" if expected.error is None else "error")
    assert row["streamed"] == request_of(recording)["stream"]
    usage = usage_of(expected)
    if usage is None:
        return
    prompt = row["input_tokens"] + row["cache_read_tokens"] + row["cache_write_tokens"]
    details = usage.get("prompt_tokens_details") or {}
    reasoning = (usage.get("completion_tokens_details") or {}).get("reasoning_tokens")
    assert not row["usage_estimated"]
    assert prompt == usage["prompt_tokens"]
    assert row["cache_read_tokens"] == (details.get("cached_tokens") or 0)
    assert row["reasoning_tokens"] == (reasoning or usage.get("reasoning_tokens") or 0)
    assert prompt + row["output_tokens"] + row["reasoning_tokens"] == usage["total_tokens"]
    assert row["cost"] == cost_in_pico_usd(usage)


def usage_of(read: Read) -> dict[str, Any] | None:
    """The usage that the provider reported last."""
    reported = [chunk["usage"] for chunk in [*read.chunks, read.whole or {}] if chunk.get("usage")]
    return reported[-1] if reported else None


def cost_in_pico_usd(usage: Mapping[str, Any]) -> int | None:
    """What OpenRouter, Perplexity and xAI report, in the unit of `request_logs`; a key of one's own is charged beside."""
    if (ticks := usage.get("cost_in_usd_ticks")) is not None:
        return int(ticks) * 100
    cost = usage.get("cost")
    amount = cost["total_cost"] if isinstance(cost, dict) else cost
    if usage.get("is_byok"):  # a fee, and what the model's provider charges for the call by the caller's key
        amount += usage["cost_details"]["upstream_inference_cost"]
    return None if amount is None else round(Decimal(str(amount)) * 10**12)


def wants_usage(recording: Recording) -> bool:
    return bool((request_of(recording).get("stream_options") or {}).get("include_usage"))


def without_usage(chunk: dict[str, Any], asked: bool) -> dict[str, Any]:
    """`chunk` as it is, apart from its usage: who asked for usage may see that it is null in all chunks but the last."""
    return {key: value for key, value in chunk.items() if key != "usage" or (asked and value is None)}


def without_repetition(chunk: dict[str, Any]) -> dict[str, Any]:
    choices = [{key: value for key, value in choice.items() if key != "message"} for choice in chunk["choices"]]
    return chunk | {"object": "chat.completion.chunk", "choices": choices}


def role_of(chunk: Mapping[str, Any]) -> str | None:
    role: str | None = chunk["choices"][0]["delta"].get("role")
    return role


def role_chunk(first: Mapping[str, Any]) -> dict[str, Any]:
    envelope = {key: first[key] for key in ("id", "object", "created", "model")}
    choice = {"index": 0, "delta": {"role": "assistant", "content": ""}, "finish_reason": None}
    return envelope | {"choices": [choice]}
