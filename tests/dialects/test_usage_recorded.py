"""What every recorded answer used: the classes add up to what the provider itself counted, whole, streamed and in single bytes."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from app.core.usage import Usage
from app.dialects.convert import Incoming, incoming
from tests.calls import make_call
from tests.recordings import FOLDER, Recording

CHAT, EMBEDDING = "chat", "embeddings"
# The dialect in which its provider wrote it, by how a recording's name begins.
DIALECTS = {
    CHAT: "openai",
    "completions": "openai-completions",
    "responses": "responses",
    "messages": "anthropic",
    "generate": "gemini",
    "native-chat": "ollama",
    "native-generate": "ollama-generate",
    "native-embed": "ollama-embed",
}
EMBEDDINGS = {"gemini": "gemini-embed-batch"}
CLIENTS = ("openai", "openai-completions", "responses", "anthropic", "gemini", "ollama")


def kind_of(recording: Recording) -> str:
    return recording.path.name.partition(".")[0]


def dialect_of(recording: Recording) -> str | None:
    """That of the provider's own words."""
    if kind_of(recording) == EMBEDDING:
        return EMBEDDINGS.get(recording.provider, "openai-embeddings")
    return DIALECTS.get(kind_of(recording))


def documents_of(recording: Recording) -> Iterator[dict[str, Any]]:
    """The JSON objects of an answer, in their order."""
    lines = recording.body.splitlines() if recording.streamed else [recording.body]
    for line in lines:
        text = line.strip().removeprefix(b"data:").strip()
        if text.startswith(b"{"):
            yield json.loads(text)


def reports_of(recording: Recording) -> list[dict[str, Any]]:
    """All that the provider said of usage, the last of it last."""
    found: list[dict[str, Any]] = []
    for document in documents_of(recording):
        for holder in (document, document.get("response"), document.get("message")):
            if isinstance(holder, dict):
                found += [holder[key] for key in ("usage", "usageMetadata") if isinstance(holder.get(key), dict)]
        if "prompt_eval_count" in document:
            found.append(document)
    return found


def total_of(reports: Sequence[dict[str, Any]]) -> int:
    """What the provider counted in all, by its own rules."""
    last: dict[str, Any] = {key: value for report in reports for key, value in report.items() if value is not None}
    if "totalTokenCount" in reports[-1]:
        return int(reports[-1]["totalTokenCount"])
    if "total_tokens" in last:
        return int(reports[-1]["total_tokens"])
    if "prompt_eval_count" in last:
        return int(last["prompt_eval_count"]) + int(last.get("eval_count", 0))
    parts = [each for each in last.get("iterations", ()) if each["type"] == "compaction"]
    counts = ("input_tokens", "output_tokens", "cache_read_input_tokens", "cache_creation_input_tokens")
    return sum(int(part.get(count) or 0) for part in [last, *parts] for count in counts)


def answers() -> list[Any]:
    """All recorded answers that tell of usage."""
    found = [Recording(path) for path in sorted(FOLDER.glob("*/*.json"))]
    told = [
        each
        for each in found
        if each.status == 200 and dialect_of(each) and (said := reports_of(each)) and total_of(said)
    ]
    if not told:
        return [pytest.param(None, marks=pytest.mark.skip(reason=f"no recordings in {FOLDER}"))]
    return [pytest.param(each, id=str(each)) for each in told]


ANSWERS = answers()


def open_reading(recording: Recording, client: str) -> Incoming:
    dialect = dialect_of(recording)
    assert dialect is not None
    payload = {**recording.request, "stream": recording.streamed}
    call = replace(make_call(payload), dialect=client, wants_usage=True)
    return incoming(call, provider="Acme", model="m", dialect=dialect)


def used(recording: Recording, client: str | None = None, size: int | None = None) -> Usage:
    """What is recorded for a client of that dialect, by default the provider's own, when the answer comes in pieces of that size."""
    reading = open_reading(recording, client or str(dialect_of(recording)))
    body = recording.body
    for start in range(0, len(body), size or len(body)):
        reading.feed(body[start : start + (size or len(body))])
    reading.close(certain=True)
    return reading.read_usage()


@pytest.mark.parametrize("recording", ANSWERS)
def test_classes_add_up_to_what_the_provider_counted(recording: Recording) -> None:
    usage = used(recording)

    assert not usage.estimated
    assert usage.total == total_of(reports_of(recording))


@pytest.mark.parametrize("recording", ANSWERS)
def test_answer_that_comes_byte_by_byte_used_the_same(recording: Recording) -> None:
    assert used(recording, size=1) == used(recording)


def _is_apart(name: str) -> bool:
    """No chat; or one that failed, of whose usage a part is estimated where it is translated."""
    return "embed" in name or "error" in name


@pytest.mark.parametrize("recording", [each for each in ANSWERS if not _is_apart(each.id or "")])
def test_answer_that_is_translated_used_the_same(recording: Recording) -> None:
    assert {client: used(recording, client) for client in CLIENTS} == dict.fromkeys(CLIENTS, used(recording))


def recording_of(name: str) -> Recording:
    path = FOLDER / f"{name}.json"
    if not path.exists():
        pytest.skip(f"no recording {path}")
    return Recording(path)


@pytest.mark.parametrize(
    ("name", "usage"),
    [
        ("openai/chat.cached-usage", Usage(8, cache_read=4012, output=4)),
        ("openai/responses.web-search", Usage(4158, cache_write=4418, output=20, reasoning=32, searches=1)),
        ("openai/responses.web-search-stream", Usage(8234, output=45, reasoning=34, searches=1)),
        (
            "xai/responses.web-search",
            Usage(3865, 2048, output=101, reasoning=263, searches=2, cost=Decimal("0.01615085")),
        ),
        ("xai/chat.tool-result", Usage(101, 640, output=15, reasoning=110, cost=Decimal("0.0002205"))),
        ("anthropic/messages.web-search", Usage(7744, output=273, reasoning=80, searches=1)),
        ("anthropic/messages.cached-usage-stream", Usage(281, 55096, output=91)),
        ("gemini/generate.cached-usage", Usage(13, 9609, output=35, reasoning=136)),
        ("gemini/generate.vision", Usage(14, input_image=258, reasoning=641)),
        ("gemini/generate.web-search", Usage(534, output=66, reasoning=132)),  # of files: no search of the web
        ("gemini/chat.tool-result", Usage(66, output=6, reasoning=28)),  # which only its total tells
        ("openrouter/chat.web-search", Usage(2315, output=40, searches=1, cost=Decimal("0.007637029"))),
        ("openrouter/chat.tool-call", Usage(480, output=33, cost=Decimal("0.0002265"))),  # with a key of one's own
        ("together/chat.tool-call", Usage(19, output=29)),
    ],
)
def test_classes_of_an_answer(name: str, usage: Usage) -> None:
    read = used(recording_of(name))

    told = {
        field: getattr(usage, field) for field in ("input", "cache_read", "cache_write", "input_image", "reasoning")
    }
    assert {field: getattr(read, field) for field in told} == told
    assert (read.searches, read.cost, read.tier) == (usage.searches, usage.cost, "")
    assert read.output == (usage.output or read.output)


def test_searches_of_a_grounded_stream_are_its_queries() -> None:
    recording = recording_of("gemini/generate.web-search-stream")
    told = [
        candidate["groundingMetadata"].get("webSearchQueries", [])
        for document in documents_of(recording)
        for candidate in document.get("candidates", ())
        if "groundingMetadata" in candidate
    ]

    assert used(recording).searches == len({query for queries in told for query in queries if query})
