"""The facts of a call under the names of OpenTelemetry's conventions, as its own package spells them."""

from decimal import Decimal

import pytest
from opentelemetry.semconv._incubating.attributes import gen_ai_attributes as names

from app.core.reply import Outcome
from app.core.usage import NO_USAGE, Usage
from app.metering.genai import common_attributes, error_type, span_attributes
from tests.calls import make_record


def where(provider: str) -> str | None:
    return {"openai": "https://api.openai.com/v1", "ollama": "http://127.0.0.1:11434"}.get(provider)


@pytest.mark.parametrize(
    ("surface", "operation"),
    [
        ("chat", names.GenAiOperationNameValues.CHAT.value),
        ("messages", names.GenAiOperationNameValues.CHAT.value),
        ("responses", names.GenAiOperationNameValues.CHAT.value),
        ("generate", names.GenAiOperationNameValues.GENERATE_CONTENT.value),
        ("completions", names.GenAiOperationNameValues.TEXT_COMPLETION.value),
        ("embeddings", names.GenAiOperationNameValues.EMBEDDINGS.value),
        ("speech", "speech"),
    ],
)
def test_operation_is_named_as_the_conventions_have_it(surface: str, operation: str) -> None:
    assert common_attributes(make_record(surface=surface), "m", where)[names.GEN_AI_OPERATION_NAME] == operation


@pytest.mark.parametrize(
    ("provider", "name"),
    [
        ("openai", names.GenAiProviderNameValues.OPENAI.value),
        ("google", names.GenAiProviderNameValues.GCP_GEMINI.value),
        ("xai", names.GenAiProviderNameValues.X_AI.value),
        ("mistral", names.GenAiProviderNameValues.MISTRAL_AI.value),
        ("anthropic", names.GenAiProviderNameValues.ANTHROPIC.value),
        ("my-own", "my-own"),
    ],
)
def test_provider_is_named_as_the_conventions_have_it(provider: str, name: str) -> None:
    assert common_attributes(make_record(provider=provider), "m", where)[names.GEN_AI_PROVIDER_NAME] == name


def test_server_is_where_the_provider_is() -> None:
    assert common_attributes(make_record(), "gpt-x", where) == {
        names.GEN_AI_OPERATION_NAME: "chat",
        names.GEN_AI_REQUEST_MODEL: "gpt-x",
        names.GEN_AI_PROVIDER_NAME: "openai",
        "server.address": "api.openai.com",
        "server.port": 443,
    }
    assert common_attributes(make_record(provider="ollama"), "m", where)["server.port"] == 11434
    assert "server.address" not in common_attributes(make_record(provider="demo"), "m", where)


def test_call_that_asked_nobody_names_no_provider() -> None:
    record = make_record(provider=None, model=None, outcome=Outcome.ERROR, status=404, usage=NO_USAGE)

    assert common_attributes(record, "gpt-9", where) == {
        names.GEN_AI_OPERATION_NAME: "chat",
        names.GEN_AI_REQUEST_MODEL: "gpt-9",
        "error.type": "404",
    }


def test_tokens_of_a_span_are_all_of_the_request_and_all_of_the_reply() -> None:
    usage = Usage(input=1, cache_read=2, cache_write=3, cache_write_1h=4, output=5, reasoning=6)

    attributes = span_attributes(make_record(usage=usage, cost=Decimal("0.25")))

    assert attributes[names.GEN_AI_USAGE_INPUT_TOKENS] == 10
    assert attributes[names.GEN_AI_USAGE_OUTPUT_TOKENS] == 11
    assert attributes[names.GEN_AI_USAGE_CACHE_READ_INPUT_TOKENS] == 2
    assert attributes[names.GEN_AI_USAGE_CACHE_CREATION_INPUT_TOKENS] == 7
    assert attributes[names.GEN_AI_USAGE_REASONING_OUTPUT_TOKENS] == 6
    assert attributes[names.GEN_AI_RESPONSE_MODEL] == "gpt-x"
    assert attributes["llm_relay.cost_usd"] == 0.25


@pytest.mark.parametrize(
    ("status", "outcome", "error"),
    [
        (200, Outcome.OK, None),
        (503, Outcome.ERROR, "503"),
        (200, Outcome.ERROR, "error"),
        (200, Outcome.CUT, "cut"),
        (499, Outcome.CLIENT_GONE, "client_gone"),
        (200, Outcome.CLIENT_GONE, None),
    ],
)
def test_error_is_told_by_its_status_or_how_the_call_ended(status: int, outcome: Outcome, error: str | None) -> None:
    assert error_type(make_record(status=status, outcome=outcome)) == error
