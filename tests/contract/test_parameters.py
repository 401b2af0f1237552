"""Parameters between all dialects: what is said to be taken is taken, and what is not gives a warning in the client's words."""

import json
from dataclasses import asdict, replace
from typing import Any

import pytest

from app.core.abilities import Rules
from app.core.call import Call
from app.core.chat import ChatRequest, Message, Text
from app.core.jsonio import dumps
from app.dialects.convert import outgoing
from app.dialects.parameters import PARAMETERS, taken
from app.dialects.registry import DIALECTS
from app.dialects.rules import find, without_unsupported
from app.dialects.splice import Additions
from app.overrides import load_overrides
from tests.calls import make_call
from tests.contract.parameters import COLUMNS, OPEN_MODELS, PAGE, page

MESSAGES = (Message("user", (Text("Hello"),)),)
EACH_DIALECT = pytest.mark.parametrize("dialect", COLUMNS)
EACH_PARAMETER = pytest.mark.parametrize("name", PARAMETERS)

MODELS = [
    ("openai", "openai", "gpt-4o"),
    ("openai", "openai", "o3"),
    ("openai", "mistral", "mistral-large-latest"),
    ("openai", "perplexity", "sonar"),
    ("responses", "openai", "gpt-4o"),
    ("responses", "xai", "grok-4"),
    ("anthropic", "anthropic", "claude-haiku-4-5"),
    ("anthropic", "anthropic", "claude-opus-4-8"),
    ("anthropic", "anthropic", "claude-3-5-haiku-20241022"),
    ("gemini", "google", "gemini-2.5-pro"),
    ("gemini", "google", "gemini-3-pro-preview"),
    ("gemini", "google", "gemma-3-27b-it"),
    ("ollama", "ollama", "qwen3"),
]
"""Dialect, provider and model; with the rules that are shipped."""

ALIASED = {("top_k", "openai"), *((name, "responses") for name in ("top_k", "presence_penalty", "frequency_penalty"))}
"""What servers like OpenAI's take, and OpenAI does not: clients may say it, and we never do."""

OTHER_WAYS: dict[str, list[tuple[str, str, Any, dict[str, Any]]]] = {
    "openai": [
        ("max_tokens", "max_completion_tokens", 5, {}),
        ("reasoning_effort", "reasoning", {"effort": "low"}, {}),
        ("tools", "functions", [{"name": "look"}], {}),
        ("tool_choice", "function_call", "auto", {"functions": [{"name": "look"}]}),
        ("top_k", "top_k", 5, {}),
    ],
    "responses": [
        ("reasoning_effort", "reasoning.max_tokens", 5000, {}),
        ("reasoning_effort", "reasoning.enabled", True, {}),
        ("top_k", "top_k", 5, {}),
        ("presence_penalty", "presence_penalty", 0.5, {}),
        ("frequency_penalty", "frequency_penalty", 0.5, {}),
    ],
    "anthropic": [
        ("reasoning_effort", "output_config.effort", "low", {}),
        ("response_format", "output_format", {"type": "json_schema", "schema": {"type": "object"}}, {}),
    ],
    "gemini": [
        ("response_format", "generationConfig.responseSchema", {"type": "OBJECT"}, {}),
        ("response_format", "generationConfig.responseMimeType", "application/json", {}),
    ],
    "ollama": [],
}
"""What clients may say beside what we write ourselves: parameter, path, value, and what else must be there."""


def asked(dialect: str, fields: dict[str, Any]) -> dict[str, Any]:
    """A client's payload."""
    encoded = DIALECTS[dialect].write_request(ChatRequest(MESSAGES, **fields), OPEN_MODELS[dialect], False)
    payload: dict[str, Any] = json.loads(dumps(encoded.payload))
    return payload


def call_of(dialect: str, payload: dict[str, Any]) -> Call:
    return replace(make_call(), dialect=dialect, name=payload.get("model", "m"), body=dumps(payload), payload=payload)


def put(payload: dict[str, Any], path: str, value: Any) -> None:
    *parents, last = path.split(".")
    for step in parents:
        payload = payload.setdefault(step, {})
    payload[last] = value


def named(name: str, client: str) -> set[str]:
    """All that a warning may call the parameter for that client."""
    return {
        name,
        *DIALECTS[client].words.get(name, ()),
        *({"tools.web_search", "tools.googleSearch"} if name == "web_search_options" else ()),
    }


# The words of each dialect.


@EACH_PARAMETER
@EACH_DIALECT
def test_word_that_is_written_is_read_as_the_same_parameter(dialect: str, name: str) -> None:
    word = taken(dialect, OPEN_MODELS[dialect], None).get(name)
    if word is None:
        assert name not in DIALECTS[dialect].words or (name, dialect) in ALIASED, "there is a word that is not written"
        return

    payload = asked(dialect, dict(PARAMETERS[name]))

    assert find(payload, word) is not None
    assert name == "web_search_options" or word in DIALECTS[dialect].words[name]
    read = asdict(DIALECTS[dialect].read_request(payload))
    without = asdict(DIALECTS[dialect].read_request(asked(dialect, {})))
    assert [field for field in PARAMETERS[name] if read[field] == without[field]] == []


@pytest.mark.parametrize(
    ("dialect", "name", "path", "value", "beside"),
    [(dialect, *way) for dialect, ways in OTHER_WAYS.items() for way in ways],
)
def test_other_word_is_read_as_the_same_parameter_and_can_be_left_out(
    dialect: str, name: str, path: str, value: Any, beside: dict[str, Any]
) -> None:
    dialect_ = DIALECTS[dialect]
    before = {**asked(dialect, {}), **beside}
    for word in dialect_.words[name]:
        assert (find(before, word) is None) or name == "max_tokens"
    payload = json.loads(dumps(before))
    put(payload, path, value)

    assert path in dialect_.words[name]
    assert dialect_.read_request(payload) != dialect_.read_request(before)
    kept = without_unsupported(payload, Rules(unsupported=(name,)), dialect_.words)
    assert kept.left_out == (path,)
    assert kept.payload == before


@EACH_DIALECT
def test_every_word_was_tried(dialect: str) -> None:
    written = set(taken(dialect, OPEN_MODELS[dialect], None).values())
    others = {path for _, path, _, _ in OTHER_WAYS[dialect]}

    words = {path for paths in DIALECTS[dialect].words.values() for path in paths}

    spelled_otherwise = {path for path in words if dialect == "gemini" and "_" in path}
    assert words - spelled_otherwise == (written | others) & words


# What is taken.


@EACH_PARAMETER
@pytest.mark.parametrize("client", COLUMNS)
@pytest.mark.parametrize(("dialect", "provider", "model"), MODELS)
def test_what_is_said_to_be_taken_is_taken_and_else_there_is_a_warning(
    dialect: str, provider: str, model: str, client: str, name: str
) -> None:
    if name not in taken(client, OPEN_MODELS[client], None) and name not in DIALECTS[client].words:
        return  # that client has no word for it
    rules = load_overrides(None).rules(provider, model)
    if client == dialect and name not in (rules.unsupported if rules else ()):
        return  # it passes, and the provider judges
    payload = asked(client, dict(PARAMETERS[name]))
    for _, path, value, beside in (
        way for way in OTHER_WAYS[client] if way[0] == name and find(payload, way[1]) is None
    ):
        if all(find(payload, word) is None for word in DIALECTS[client].words[name]):
            payload |= beside
            put(payload, path, value)
            break

    sent = outgoing(call_of(client, payload), model, Additions(), dialect=dialect, rules=rules)

    warned = {
        each for each in sent.unsupported if any(f"{word}.".startswith(f"{each}.") for word in named(name, client))
    }
    word = taken(dialect, model, rules).get(name)
    if word is None:
        assert warned != set()
    else:
        assert warned == set()
        assert find(json.loads(sent.body), word) is not None


@pytest.mark.parametrize(("dialect", "provider", "model"), MODELS)
def test_what_is_not_taken_is_not_sent(dialect: str, provider: str, model: str) -> None:
    rules = load_overrides(None).rules(provider, model)
    words = DIALECTS[dialect].words
    unsaid = [name for name in PARAMETERS if name not in taken(dialect, model, rules)]

    for name in unsaid:
        sent = outgoing(
            call_of("openai", asked("openai", dict(PARAMETERS[name])) | ({"top_k": 5} if name == "top_k" else {})),
            model,
            Additions(),
            dialect=dialect,
            rules=rules,
        )
        body = json.loads(sent.body)
        # What passes is judged by the provider itself, but for what the file says.
        if dialect != "openai" or (rules is not None and name in rules.unsupported):
            assert [path for path in words.get(name, ()) if find(body, path) is not None] == []


@pytest.mark.parametrize("client", COLUMNS)
@pytest.mark.parametrize("dialect", COLUMNS)
def test_system_messages_reach_a_model_that_takes_none_in_the_users_words(client: str, dialect: str) -> None:
    messages = (Message("system", (Text("Be brief."),)), *MESSAGES)
    encoded = DIALECTS[client].write_request(ChatRequest(messages), OPEN_MODELS[client], False)
    payload = json.loads(dumps(encoded.payload))

    sent = outgoing(call_of(client, payload), "m", Additions(), dialect=dialect, rules=Rules(system_prompt=False))

    (message,) = DIALECTS[dialect].read_request(json.loads(sent.body)).messages
    assert message.role == "user"
    assert [text for part in message.parts if isinstance(part, Text) for text in part.text.split("\n\n")] == [
        "Be brief.",
        "Hello",
    ]
    assert sent.unsupported == ()


def test_page_on_parameters_tells_how_it_is() -> None:
    assert PAGE.read_text() == page(), "write it anew: python -m tests.contract.parameters"
