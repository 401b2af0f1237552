"""A real model behind the gateway, asked by the official SDK of each API: whole, streamed, and by a schema."""

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from google.genai import types as gemini

from tests.e2e.gateway import Gateway, running_gateway
from tests.e2e.readers import Clients
from tests.e2e.test_clients import opened
from tests.real_model import MODEL, missing, running_model

pytestmark = [
    pytest.mark.xdist_group("real_model"),
    pytest.mark.skipif(missing() is not None, reason=f"no real model: {missing()}"),
]

STORY = "Write a long story about a ship and its three sailors."
QUESTION = "Which city is the capital of Italy?"
SCHEMA: Any = {
    "type": "object",
    "properties": {"city": {"type": "string", "enum": ["Rome"]}},
    "required": ["city"],
    "additionalProperties": False,
}


@pytest.fixture(scope="module")
def relay(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    with running_model() as url:
        config = {"local": {"base_url": f"{url}/v1", "supported_models": [MODEL]}}
        with running_gateway(tmp_path_factory.mktemp("sdks"), config) as running:
            yield running


@pytest.fixture(scope="module")
def clients(relay: Gateway) -> Iterator[Clients]:
    with opened(relay.base_url, relay.token) as sdks:
        yield sdks


def test_responses_is_whole(clients: Clients) -> None:
    reply = clients.openai.responses.create(model=MODEL, input=STORY, max_output_tokens=20)

    assert reply.output_text.strip()
    assert reply.status == "incomplete"
    assert reply.usage is not None
    assert reply.usage.output_tokens == 20


def test_responses_is_streamed(clients: Clients) -> None:
    events = list(clients.openai.responses.create(model=MODEL, input=STORY, max_output_tokens=20, stream=True))

    pieces = [event.delta for event in events if event.type == "response.output_text.delta"]
    assert len(pieces) > 10
    assert events[-1].type == "response.incomplete"
    assert events[-1].response.output_text == "".join(pieces)


def test_messages_is_whole(clients: Clients) -> None:
    messages: Any = [{"role": "user", "content": STORY}]

    reply = clients.anthropic.messages.create(model=MODEL, max_tokens=20, messages=messages)

    assert reply.content[0].type == "text"
    assert reply.content[0].text.strip()
    assert (reply.stop_reason, reply.usage.output_tokens, reply.model) == ("max_tokens", 20, MODEL)


def test_messages_is_streamed(clients: Clients) -> None:
    messages: Any = [{"role": "user", "content": STORY}]

    with clients.anthropic.messages.stream(model=MODEL, max_tokens=20, messages=messages) as stream:
        pieces = list(stream.text_stream)
        reply = stream.get_final_message()

    assert len(pieces) > 10
    assert (reply.stop_reason, reply.usage.output_tokens) == ("max_tokens", 20)


def test_tokens_are_counted_for_messages(clients: Clients) -> None:
    messages: Any = [{"role": "user", "content": STORY}]

    counted = clients.anthropic.messages.count_tokens(model=MODEL, messages=messages)

    assert counted.input_tokens == len(STORY) // 4 + (len(STORY) % 4 > 0)


def test_generate_content_is_whole(clients: Clients) -> None:
    config = gemini.GenerateContentConfig(max_output_tokens=20)

    reply = clients.gemini.models.generate_content(model=MODEL, contents=STORY, config=config)

    assert reply.text
    assert reply.candidates is not None
    assert reply.candidates[0].finish_reason == gemini.FinishReason.MAX_TOKENS
    assert reply.usage_metadata is not None
    assert reply.usage_metadata.candidates_token_count == 20


def test_generate_content_is_streamed(clients: Clients) -> None:
    config = gemini.GenerateContentConfig(max_output_tokens=20)

    chunks = list(clients.gemini.models.generate_content_stream(model=MODEL, contents=STORY, config=config))

    assert len([chunk for chunk in chunks if chunk.text]) > 10
    assert chunks[-1].usage_metadata is not None


@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
def test_ollamas_chat_and_generate_answer(clients: Clients, *, streamed: bool) -> None:
    client: Any = clients.ollama
    asked = {"model": MODEL, "options": {"num_predict": 20}, "stream": streamed}

    chat = client.chat(messages=[{"role": "user", "content": STORY}], **asked)
    generate = client.generate(prompt=STORY, **asked)
    said, written = (list(chat), list(generate)) if streamed else ([chat], [generate])

    assert "".join(part.message.content for part in said).strip()
    assert "".join(part.response for part in written).strip()
    assert (said[-1].done_reason, said[-1].eval_count) == ("length", 20)
    assert (len(said) > 10) is streamed


def ask_responses(clients: Clients) -> str:
    form: Any = {"type": "json_schema", "name": "place", "schema": SCHEMA}
    reply = clients.openai.responses.create(model=MODEL, input=QUESTION, max_output_tokens=40, text={"format": form})
    return reply.output_text


def ask_messages(clients: Clients) -> str:
    messages: Any = [{"role": "user", "content": QUESTION}]
    form: Any = {"format": {"type": "json_schema", "schema": SCHEMA}}
    reply = clients.anthropic.messages.create(model=MODEL, max_tokens=40, messages=messages, output_config=form)
    return "".join(block.text for block in reply.content if block.type == "text")


def ask_generate_content(clients: Clients) -> str:
    config = gemini.GenerateContentConfig(
        max_output_tokens=40, response_mime_type="application/json", response_json_schema=SCHEMA
    )
    return clients.gemini.models.generate_content(model=MODEL, contents=QUESTION, config=config).text or ""


def ask_ollama(clients: Clients) -> str:
    messages = [{"role": "user", "content": QUESTION}]
    return clients.ollama.chat(model=MODEL, messages=messages, format=SCHEMA).message.content or ""


# The model knows no tools, but its server keeps it to a schema: so this is what can be asked of it in earnest.
@pytest.mark.parametrize("ask", [ask_responses, ask_messages, ask_generate_content, ask_ollama])
def test_answer_keeps_to_the_schema_that_any_client_gives(ask: Callable[[Clients], str], clients: Clients) -> None:
    assert json.loads(ask(clients)) == {"city": "Rome"}
