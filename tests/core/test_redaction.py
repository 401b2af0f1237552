"""Keys and tokens in other people's words."""

import pytest

from app.core.redaction import MARK, redact, redact_json

LETTERS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"


@pytest.mark.parametrize(
    "key",
    [
        pytest.param("sk-" + LETTERS[:48], id="openai"),
        pytest.param("sk-proj-Ab_" + LETTERS + "-T3Blbk", id="openai-project"),
        pytest.param("sk-proj-********************************wxyz", id="openai-masked-in-401"),
        pytest.param("sk-abcde***************wxyz", id="openai-masked-old"),
        pytest.param("sk**********************wxyz", id="masked-from-the-start"),
        pytest.param("sk-ant-api03-" + LETTERS, id="anthropic"),
        pytest.param("sk-or-v1-" + "0123456789abcdef" * 4, id="openrouter"),
        pytest.param("xai-" + LETTERS, id="xai"),
        pytest.param("pplx-" + LETTERS[:48], id="perplexity"),
        pytest.param("gsk_" + LETTERS[:52], id="groq"),
        pytest.param("tgp_v1_" + LETTERS[:43], id="together"),
        pytest.param("csk-" + LETTERS[:48], id="cerebras"),
        pytest.param("AIzaSy" + LETTERS[:33], id="google"),
        pytest.param("whsec_AAEC+wQF/gcICQoLDA0ODxAREhMUFRYX==", id="webhook-secret"),
        pytest.param("lr_Ab3dEf9h_" + LETTERS[:43], id="our-own-token"),
    ],
)
def test_key_is_taken_out_whole(key: str) -> None:
    assert redact(f"Incorrect API key provided: {key}, find yours on our page.").replace(MARK, "") == (
        "Incorrect API key provided: , find yours on our page."
    )


@pytest.mark.parametrize("before", [" ", '"', "'", "=", ":", "\n", "\t", "(", "_", "/", "Bearer "])
def test_key_is_found_after_whatever_stands_before_it(before: str) -> None:
    assert redact(f"key{before}sk-{LETTERS}") == f"key{before}{MARK}"


@pytest.mark.parametrize(
    ("text", "redacted"),
    [
        ("GET /v1/models?key=Abc123 failed", "GET /v1/models?key=[redacted] failed"),
        ("'/v1/models?alt=sse&key=Abc%5F123&x=1'", "'/v1/models?alt=sse&key=[redacted]&x=1'"),
        ("/nowhere%3Fkey=Abc123", "/nowhere%3Fkey=[redacted]"),
        ("/nowhere%3fkey%3dAbc123", "/nowhere%3fkey%3d[redacted]"),
        (f"?key=sk-{LETTERS}", "?key=[redacted]"),
        ("?monkey=1&keys=2&key=", "?monkey=1&keys=2&key="),
    ],
)
def test_key_of_any_shape_is_found_in_a_url(text: str, redacted: str) -> None:
    assert redact(text) == redacted


@pytest.mark.parametrize(
    "text",
    [
        "The model 'xai-grok-4-fast-reasoning' does not exist here.",
        "Try pplx-70b-online or gpt-4.1-mini.",
        "lr_scheduler_type is not supported with this model.",
        "task-oriented-dialogue, risk-assessment and desk-research are fine.",
        "request id: req_0123456789abcdef01234567",
        "Rate limit reached for gpt-4o in organization org-AbCdEf on tokens per min.",
    ],
)
def test_everyday_words_stay(text: str) -> None:
    assert redact(text) == text


def test_given_secret_goes_whatever_its_shape() -> None:
    assert redact("key 'plain old/secret+1' was refused", ["plain old/secret+1"]) == f"key '{MARK}' was refused"


@pytest.mark.parametrize("word", ["", "x", "none", "ollama", "EMPTY"])
def test_word_that_fills_a_field_is_no_secret(word: str) -> None:
    assert redact("there is none; ollama has x", [word]) == "there is none; ollama has x"


@pytest.mark.timeout(10)
def test_many_beginnings_of_keys_are_searched_in_no_time() -> None:
    hostile = "sk" * 500_000 + " sk- whsec_ AIza lr_abcdefgh_" * 50_000

    assert redact(hostile) == hostile


def test_json_is_redacted_in_texts_and_keys_at_every_level() -> None:
    value = {"error": {"message": f"a\nsk-{LETTERS}", f"sk-{LETTERS}": [1, None, {"x": "a secret"}]}, "n": 1.5}

    redacted = redact_json(value, ["a secret"])

    assert redacted == {"error": {"message": f"a\n{MARK}", MARK: [1, None, {"x": MARK}]}, "n": 1.5}


def test_json_that_nests_without_end_is_cut_off() -> None:
    value: list[object] = []
    for _ in range(100_000):
        value = [value]

    assert str(redact_json(value)).count("[") < 100
