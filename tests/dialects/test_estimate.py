"""What a call is estimated to use: never less than what real providers counted, and what its client said of its reply."""

from dataclasses import replace
from typing import Any

import pytest

from app.core.events import Finished
from app.core.jsonio import dumps
from app.core.ports import Estimate
from app.core.usage import Usage
from app.dialects.estimate import estimate
from app.dialects.registry import DIALECTS
from tests.calls import make_call
from tests.recordings import FOLDER, Recording

# Recordings of these calls, by the beginning of their names.
CASES = {
    "chat": "openai",
    "responses": "responses",
    "messages": "anthropic",
    "generate": "gemini",
    "native-chat": "ollama",
}
PIXEL = "iVBORw0KGgo" * 1000


def estimate_of(dialect: str, payload: dict[str, Any]) -> Estimate:
    return estimate(replace(make_call(), dialect=dialect, body=dumps(payload), payload=payload))


def counted() -> list[Any]:
    """Whole answers to requests that are recorded as they were, and the tokens that their providers counted."""
    params = []
    for path in sorted(FOLDER.glob("*/*.json")):
        recording, dialect = Recording(path), CASES.get(path.name.partition(".")[0])
        source, request = recording.document["source"], recording.document["request"]
        if dialect is None or recording.streamed or recording.status != 200 or not request or not request.get("body"):
            continue
        if "recorded" not in source["kind"] or "long-request-text-cut" in source.get("edits", ()):
            continue
        events = DIALECTS[dialect].read_reply(recording.document["response"].get("body"))
        usage = next((event.usage for event in events if isinstance(event, Finished)), None)
        if usage is not None and usage.prompt:
            params.append(pytest.param(dialect, request["body"], usage.prompt, id=str(recording)))
    return params or [pytest.param("", {}, 0, marks=pytest.mark.skip(reason="the recordings are not there"))]


@pytest.mark.parametrize(("dialect", "payload", "prompt"), counted())
def test_no_real_request_has_more_tokens_than_are_estimated(dialect: str, payload: dict[str, Any], prompt: int) -> None:
    assert estimate_of(dialect, payload).input_tokens >= prompt


@pytest.mark.parametrize(
    ("dialect", "said", "most"),
    [
        ("openai", {"max_tokens": 7}, 7),
        ("openai", {"max_completion_tokens": 8, "max_tokens": 7}, 8),
        ("openai", {"max_tokens": None}, None),
        ("openai", {"max_tokens": True}, None),
        ("openai", {"max_tokens": 10**30}, None),
        ("openai", {"max_tokens": 10**15}, 1 << 40),
        ("openai-completions", {"prompt": "Hi", "max_tokens": 7}, 7),
        ("responses", {"max_output_tokens": 9}, 9),
        ("anthropic", {"max_tokens": 10}, 10),
        ("gemini", {"generationConfig": {"maxOutputTokens": 11}}, 11),
        ("gemini", {"generation_config": {"max_output_tokens": 12}}, 12),
        ("gemini-array", {"generationConfig": {"maxOutputTokens": 13}}, 13),
        ("ollama", {"options": {"num_predict": 14}}, 14),
        ("ollama-generate", {"options": {"num_predict": 15}}, 15),
        ("ollama", {"options": {"num_predict": -1}}, None),
        ("openai-embeddings", {"input": "Hi"}, 0),
        ("gemini-embed", {"content": {}}, 0),
        ("openai-moderations", {"input": "Hi"}, 0),
        ("openai-images", {"prompt": "A cat"}, None),
    ],
)
def test_most_that_a_model_may_write_is_what_the_client_said_in_its_dialect(
    dialect: str, said: dict[str, Any], most: int | None
) -> None:
    assert estimate_of(dialect, said).output_tokens == most


@pytest.mark.parametrize(
    ("dialect", "said", "replies"),
    [
        ("openai", {}, 1),
        ("openai", {"n": 4}, 4),
        ("openai", {"n": "4"}, 1),
        ("gemini", {"generationConfig": {"candidateCount": 3}}, 3),
        ("openai-images", {"n": 2}, 2),
        ("openai-completions", {"prompt": ["a", "b"], "n": 2, "best_of": 3}, 6),
        ("openai-completions", {"prompt": [1, 2, 3]}, 1),
        ("openai-completions", {"prompt": [[1], [2]]}, 2),
    ],
)
def test_replies_are_as_many_as_the_client_asks_for(dialect: str, said: dict[str, Any], replies: int) -> None:
    assert estimate_of(dialect, said).replies == replies


@pytest.mark.parametrize(
    ("dialect", "payload", "pieces"),
    [
        ("openai", {"messages": [{"role": "user", "content": "Search the web."}]}, Usage()),
        ("openai", {"web_search_options": {}}, Usage(searches=1)),
        ("anthropic", {"tools": [{"type": "web_search_20250305", "name": "web_search", "max_uses": 5}]}, Usage(searches=5)),
        ("anthropic", {"tools": [{"type": "web_search_20250305", "max_uses": 10**9}]}, Usage(searches=1000)),
        ("responses", {"tools": [{"type": "web_search"}, "nonsense"]}, Usage(searches=1)),
        ("responses", {"tools": [{"type": "web_search"}], "max_tool_calls": 7}, Usage(searches=7)),
        ("responses", {"tools": [{"type": "web_search", "max_uses": 5}], "max_tool_calls": 3}, Usage(searches=3)),
        ("responses", {"tools": [{"type": "web_search"}], "max_tool_calls": 10**9}, Usage(searches=1000)),
        ("responses", {"tools": [{"type": "file"}], "max_tool_calls": 7}, Usage()),
        ("anthropic", {"tools": [{"type": "web_search_20250305", "max_uses": 5}], "max_tool_calls": 3}, Usage(searches=5)),
        ("responses", {"tools": [{"type": "image_generation"}]}, Usage(images=1)),
        ("gemini", {"tools": [{"googleSearch": {}}]}, Usage(searches=1)),
        ("gemini", {"tools": {"googleSearch": {}}}, Usage(searches=1)),
        ("openai-images", {"prompt": "A cat", "n": 3}, Usage(images=3)),
        ("openai-embeddings", {"input": "search", "tools": [1]}, Usage()),
    ],
)  # fmt: skip
def test_what_is_charged_by_the_piece_is_as_much_as_the_client_allows(
    dialect: str, payload: dict[str, Any], pieces: Usage
) -> None:
    assert estimate_of(dialect, payload).pieces == pieces


def test_sound_of_a_form_is_as_long_as_its_bytes_can_be() -> None:
    call = replace(make_call(), dialect="openai-transcriptions", body=bytes(40_000), payload={})

    assert estimate(call).pieces == Usage(audio_ms=10_000)


@pytest.mark.parametrize(
    ("payload", "seconds"),
    [
        ({"input": "a" * 900}, 90),
        ({"input": "語" * 4}, 1.2),
        ({"input": "a" * 900, "speed": 0.5}, 180),
        ({"input": "a" * 900, "speed": 0}, 360),
        ({"input": "a" * 900, "speed": 4}, 90),
        ({"input": "a" * 900, "speed": "slow"}, 90),
        ({"input": ""}, 0.1),
        ({"input": ["a"]}, 0.1),
    ],
)
def test_speech_is_as_long_as_it_takes_a_slow_voice_to_read_its_text(payload: dict[str, Any], seconds: float) -> None:
    assert estimate_of("openai-speech", payload).pieces == Usage(audio_ms=int(seconds * 1000))


@pytest.mark.parametrize(
    ("dialect", "payload"),
    [
        ("openai", {"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PIXEL}"}}]}]}),
        ("anthropic", {"max_tokens": 1, "messages": [{"role": "user", "content": [{"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PIXEL}}]}]}),
        ("gemini", {"contents": [{"parts": [{"inlineData": {"mimeType": "image/png", "data": PIXEL}}]}]}),
        ("ollama", {"messages": [{"role": "user", "content": "Hi", "images": [PIXEL]}]}),
        ("responses", {"input": [{"role": "user", "content": [{"type": "input_image", "image_url": f"data:image/png;base64,{PIXEL}"}]}]}),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)  # fmt: skip
def test_picture_counts_as_one_and_not_by_its_characters(dialect: str, payload: dict[str, Any]) -> None:
    few = estimate_of(dialect, {"model": "m", **payload}).input_tokens

    many = estimate_of(dialect, {"model": "m", **payload, "note": PIXEL}).input_tokens

    assert 5000 <= few < 5500
    assert many > few + 4000


@pytest.mark.parametrize(
    ("payload", "least"),
    [
        ({"system": "Be kind. " * 1000}, 3600),
        ({"tools": [{"type": "function", "function": {"name": "f", "description": "word " * 1000}}]}, 2600),
        ({"messages": [{"role": "user", "content": "語" * 1000}]}, 2400),
        ({"tools": [{"type": "web_search"}]}, 10_000),
        ({"previous_response_id": "resp_1"}, 20_000),
    ],
    ids=["system", "tools", "other-scripts", "search", "kept"],
)
def test_all_that_a_model_reads_counts(payload: dict[str, Any], least: int) -> None:
    assert estimate_of("openai", {"model": "m", **payload}).input_tokens >= least


def test_sound_in_a_form_counts_by_its_length() -> None:
    call = replace(make_call(), dialect="openai-transcriptions", body=b"x" * 100_000, payload={"model": "m"})

    assert estimate(call).input_tokens == 1001
