"""The model that a request of Ollama's API names, in whichever of two words, and what becomes of it for a provider."""

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from app.core.errors import InvalidRequest
from app.dialects.convert import outgoing
from app.dialects.dialect import Asked
from app.dialects.ollama import embed
from app.dialects.ollama.request import read_asked, read_asked_generate
from app.dialects.splice import Additions
from tests.calls import make_call

HI = [{"role": "user", "content": "Hi"}]
CALLS: list[tuple[str, Callable[[bytes], Asked], dict[str, Any]]] = [
    ("ollama", read_asked, {"messages": HI, "keep_alive": 5}),
    ("ollama-embed", embed.read_asked, {"input": "Hi"}),
    ("ollama-embeddings", embed.read_asked, {"prompt": "Hi"}),
]


@pytest.mark.parametrize(
    "named", [{"name": "alias"}, {"model": "alias", "name": "other"}, {"model": "", "name": "alias"}]
)
@pytest.mark.parametrize(("dialect", "read", "payload"), CALLS)
def test_provider_is_told_its_own_name_in_the_word_that_it_knows(
    dialect: str, read: Callable[[bytes], Asked], payload: dict[str, Any], named: dict[str, str]
) -> None:
    asked = read(json.dumps({**named, **payload}).encode())
    call = replace(make_call(), dialect=dialect, name=asked.name, body=asked.body, payload=asked.payload)

    sent = outgoing(call, "llama", Additions(), dialect=dialect)

    assert asked.name == "alias"
    assert json.loads(asked.body) == asked.payload
    assert json.loads(sent.body) == {"model": "llama", **payload}


@pytest.mark.parametrize("read", [read_asked, read_asked_generate, embed.read_asked])
def test_body_that_says_model_is_left_as_it_is(read: Callable[[bytes], Asked]) -> None:
    body = b'{"model" : "m",  "messages":[], "prompt":"", "x": 1.50}'

    assert read(body).body == body


def test_prompt_of_a_client_that_says_name_crosses() -> None:
    asked = read_asked_generate(b'{"name":"alias","prompt":"Hi"}')
    call = replace(make_call(), dialect="ollama-generate", name="alias", body=asked.body, payload=asked.payload)

    sent = outgoing(call, "gpt", Additions())

    assert (json.loads(sent.body)["model"], sent.unsupported) == ("gpt", ())


def test_body_that_cannot_be_written_anew_is_refused() -> None:
    deep = b'{"name":"m","messages":[],"x":' + b"[" * 1015 + b"]" * 1015 + b"}"

    with pytest.raises(InvalidRequest, match="cannot be passed on"):
        read_asked(deep)
