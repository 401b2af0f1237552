"""One gateway and one scripted provider for the tests of a session, and OpenAI's own SDK before either."""

import json
from collections import defaultdict
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
from openai import AsyncOpenAI, DefaultAsyncHttpxClient, DefaultHttpxClient, OpenAI

from app.auth.tokens import id_of
from app.settings import shipped_config
from tests.e2e.gateway import Gateway, free_port, running_gateway
from tests.e2e.standin import StandIn, running_standin
from tests.recordings import FOLDER

PROVIDER_KEYS = {
    "OPENAI_API_KEY": "sk-e2e-openai-8c1d52",
    "XAI_API_KEY": "xai-e2e-8c1d52",
    "PPLX_API_KEY": "pplx-e2e-8c1d52",
    "SAMBANOVA_API_KEY": "e2e-sambanova-8c1d52",
    "TOGETHER_API_KEY": "e2e-together-8c1d52",
    "OPENROUTER_API_KEY": "sk-or-e2e-8c1d52",
}
"""What the gateway signs its calls with."""

MODEL = "gpt-test-large"
"""A model that the scripted provider has as `openai`'s."""

MODELS = (MODEL, "gpt-test-small", "gpt-test-tiny", "embedding-test")

UNREACHABLE, IMPATIENT = "unreachable", "impatient"
"""Providers: one where nobody listens, and one that is waited for no longer than 0.2 s."""


class Admitted:
    """The request ids of calls that were admitted: their responses tell of the quota."""

    def __init__(self) -> None:
        self._ids: defaultdict[str, list[str]] = defaultdict(list)

    def note(self, response: Any) -> None:
        """Look at one response, as an event hook of httpx or of its successor, whichever the SDK is built on."""
        if "x-ratelimit-limit-requests" in response.headers:
            token = response.request.headers["authorization"].removeprefix("Bearer ")
            self._ids[token].append(response.headers["x-request-id"])

    async def note_async(self, response: Any) -> None:
        """The same for an asynchronous client."""
        self.note(response)

    def by(self, token: str) -> list[str]:
        """Those of one token."""
        return self._ids[token]


@pytest.fixture(scope="session")
def provider() -> Iterator[StandIn]:
    """Where all providers of `gateway` are, each under a path of its own."""
    with running_standin() as running:
        yield running


@pytest.fixture
def standin(provider: StandIn) -> StandIn:
    """`provider`, as if nothing had been asked of it before."""
    provider.forget()
    return provider


@pytest.fixture(scope="session")
def admitted() -> Admitted:
    """What `gateway` admitted."""
    return Admitted()


@pytest.fixture(scope="session")
def gateway(provider: StandIn, admitted: Admitted, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """With the providers that are shipped; at its end each call that was admitted has left exactly one row."""
    config = providers_at(provider)
    with running_gateway(tmp_path_factory.mktemp("gateway"), config, PROVIDER_KEYS) as running:
        yield running
    rows = [row["id"] for row in running.rows() if row["token_id"] == id_of(running.token)]
    assert sorted(rows) == sorted(admitted.by(running.token))


@pytest.fixture(scope="session")
def sdk(gateway: Gateway, admitted: Admitted) -> Iterator[OpenAI]:
    """OpenAI's SDK before the gateway; it never tries twice."""
    http = DefaultHttpxClient(trust_env=False, event_hooks={"response": [admitted.note]})
    with OpenAI(base_url=f"{gateway.base_url}/v1", api_key=gateway.token, max_retries=0, http_client=http) as client:
        yield client


@pytest.fixture
async def async_sdk(gateway: Gateway, admitted: Admitted) -> AsyncIterator[AsyncOpenAI]:
    """Its asynchronous half."""
    http = DefaultAsyncHttpxClient(trust_env=False, event_hooks={"response": [admitted.note_async]})
    async with AsyncOpenAI(
        base_url=f"{gateway.base_url}/v1", api_key=gateway.token, max_retries=0, http_client=http
    ) as client:
        yield client


@pytest.fixture(scope="session")
def direct(provider: StandIn) -> Iterator[OpenAI]:
    """OpenAI's SDK before the provider itself."""
    http = DefaultHttpxClient(trust_env=False)
    with OpenAI(base_url=f"{provider.base_url}/v1", api_key="none", max_retries=0, http_client=http) as client:
        yield client


ONE_ATTEMPT = {"retries": 0, "breaker": False}
"""For tests in which every call is to reach its provider, once, whatever became of the calls before."""


def providers_at(provider: StandIn) -> dict[str, Any]:
    """The shipped configuration with `provider` in the place of every provider that has a key, and the models of all recordings."""
    shipped = json.loads(shipped_config().read_text())
    config: dict[str, Any] = {}
    for key, entry in shipped.items():
        if isinstance(entry, dict) and set(_names(entry.get("api_key_env"))) & PROVIDER_KEYS.keys():
            models = [*_recorded_models(key), *(MODELS if key == "openai" else ())] or ["m"]
            config[key] = entry | {"base_url": f"{provider.base_url}/{key}/v1", "supported_models": models}
    config["perplexity"]["quirks"] = "perplexity"  # else known by its host
    config[UNREACHABLE] = {"base_url": f"http://127.0.0.1:{free_port()}", "supported_models": ["any"]}
    config[IMPATIENT] = {
        "base_url": provider.base_url,
        "supported_models": ["slow"],
        "timeouts": {"first_byte": 0.2},
    }
    return {key: entry | ONE_ATTEMPT for key, entry in config.items()}


def _names(names: str | list[str] | None) -> list[str]:
    return [names] if isinstance(names, str) else names or []


def _recorded_models(provider: str) -> list[str]:
    requests = (json.loads(path.read_text())["request"] or {} for path in (FOLDER / provider).glob("chat.*.json"))
    return sorted({body["model"] for request in requests if (body := request.get("body"))} | {"m"})
