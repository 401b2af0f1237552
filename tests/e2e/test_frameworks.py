"""What people build with, before the gateway and a real model: LangChain for four APIs, and the command line tool `llm`."""

import gc
import os
import subprocess
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from langchain_anthropic import ChatAnthropic
from langchain_ollama import ChatOllama
from langchain_openai import ChatOpenAI

from tests.e2e.gateway import Gateway, running_gateway
from tests.real_model import MODEL, missing, running_model

pytestmark = [
    pytest.mark.xdist_group("real_model"),
    pytest.mark.skipif(missing() is not None, reason=f"no real model: {missing()}"),
]

APIS = ("openai", "responses", "anthropic", "ollama")
STORY = "Write a long story about a ship and its three sailors."


@pytest.fixture(scope="module")
def relay(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    with running_model() as url:
        config = {"local": {"base_url": f"{url}/v1"}}
        with running_gateway(tmp_path_factory.mktemp("frameworks"), config) as running:
            yield running


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


@pytest.fixture(autouse=True)
def nothing_is_left_open() -> Iterator[None]:
    """LangChain's models have no way to close their connections: they go here, not in the midst of another test."""
    yield
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        gc.collect()


def chat_model(api: str, relay: Gateway) -> Any:
    """LangChain's class for an API, before the gateway."""
    url, token = relay.base_url, relay.token
    if api == "anthropic":
        return ChatAnthropic(model=MODEL, base_url=url, api_key=token, max_tokens=12)
    if api == "ollama":
        headers = {"headers": {"Authorization": f"Bearer {token}"}}
        return ChatOllama(model=MODEL, base_url=url, client_kwargs=headers, num_predict=12)
    responses = api == "responses"
    limit: Any = {"max_tokens": 16 if responses else 12}
    return ChatOpenAI(model=MODEL, base_url=f"{url}/v1", api_key=token, use_responses_api=responses, **limit)


@pytest.mark.parametrize("api", APIS)
def test_langchain_gets_a_whole_reply_with_its_usage(api: str, relay: Gateway) -> None:
    reply = chat_model(api, relay).invoke(STORY)

    assert reply.text.strip()
    assert 0 < reply.usage_metadata["output_tokens"] <= 16
    assert reply.usage_metadata["input_tokens"] > 10


@pytest.mark.parametrize("api", APIS)
def test_langchain_gets_a_stream(api: str, relay: Gateway) -> None:
    texts = [str(chunk.text) for chunk in chat_model(api, relay).stream(STORY)]

    assert len([text for text in texts if text]) > 5


def test_llm_on_the_command_line_gets_an_answer(relay: Gateway, tmp_path: Path) -> None:
    (tmp_path / "extra-openai-models.yaml").write_text(
        f"- model_id: relay\n  model_name: {MODEL}\n  api_base: {relay.base_url}/v1\n  api_key_name: relay\n"
    )
    # The plugin that carries the weights wants a compiler run of its own.
    environ = {**os.environ, "LLM_USER_PATH": str(tmp_path), "LLM_LOAD_PLUGINS": "", "NO_PROXY": "127.0.0.1"}
    command = [sys.executable, "-m", "llm", "-m", "relay", "--key", relay.token, "-o", "max_tokens", "12", STORY]

    done = subprocess.run(command, env=environ, capture_output=True, text=True, timeout=60, check=False)

    assert done.returncode == 0, done.stderr
    assert len(done.stdout.split()) > 3
