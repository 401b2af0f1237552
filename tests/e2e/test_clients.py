"""Every recorded answer, read by the official SDK of every API through the running gateway."""

import contextlib
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from tests.contract.crossing import PROVIDER_DIALECTS, Facts, dialect_of, folded, read_recorded
from tests.contract.losses import as_said_in
from tests.contract.test_pairs import ANSWERS
from tests.e2e.conftest import ONE_ATTEMPT
from tests.e2e.gateway import Gateway, running_gateway
from tests.e2e.readers import READERS, Clients
from tests.e2e.standin import EVENT_STREAM, JSON, Answer, StandIn
from tests.recordings import Recording

NDJSON = {"content-type": "application/x-ndjson"}
ROOTS = {"openai": "/v1", "responses": "/v1"}
"""Where below its host a provider of these dialects is; the others bring their own folder."""

REASONS: dict[str, dict[str, str]] = {
    "openai": {"refusal": "stop", "pause": "stop"},
    "responses": {"length": "incomplete", "content_filter": "incomplete"},
    "anthropic": {
        "stop": "end_turn",
        "length": "max_tokens",
        "tool_calls": "tool_use",
        "content_filter": "refusal",
        "pause": "pause_turn",
    },
    "gemini": {
        "stop": "STOP",
        "length": "MAX_TOKENS",
        "tool_calls": "STOP",
        "content_filter": "SAFETY",
        "refusal": "SAFETY",
        "pause": "STOP",
    },
    "ollama": {"tool_calls": "stop"},
}
"""How each dialect says why a reply ended, where it has another word than the gateway inside."""


@pytest.fixture(scope="module")
def relay(provider: StandIn, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """A gateway with one provider of each dialect."""
    config: dict[str, Any] = {
        dialect: {
            "base_url": provider.base_url + ROOTS.get(dialect, ""),
            "api_format": dialect,
            "supported_models": ["m"],
            **ONE_ATTEMPT,
        }
        for dialect in PROVIDER_DIALECTS.values()
    }
    perplexity = {"base_url": provider.base_url, "supported_models": ["m"], "quirks": "perplexity"}
    config["perplexity"] = {**perplexity, **ONE_ATTEMPT}
    with running_gateway(tmp_path_factory.mktemp("clients"), config) as running:
        yield running


@pytest.fixture(scope="module")
def clients(relay: Gateway) -> Iterator[Clients]:
    """All SDKs, with a token that is good for all of it."""
    with opened(relay.base_url, relay.add_token("clients", rate_limit=100_000)) as clients:
        yield clients


@pytest.fixture(scope="module")
def direct(provider: StandIn) -> Iterator[Clients]:
    """All SDKs straight before the provider."""
    with opened(provider.base_url, "none") as clients:
        yield clients


@contextlib.contextmanager
def opened(base_url: str, token: str) -> Iterator[Clients]:
    with pytest.MonkeyPatch.context() as environ:
        environ.setenv("NO_PROXY", "127.0.0.1")
        clients = Clients(base_url, token)
        try:
            yield clients
        finally:
            clients.close()


BREAKS_ITS_OWN_SDK = {"openrouter/chat.web-search-stream"}
"""OpenAI's SDK cannot put together the annotations of these, which have no index, whoever it gets them from."""


@pytest.mark.parametrize("client", READERS)
@pytest.mark.parametrize("recording", ANSWERS)
def test_official_sdk_reads_what_the_provider_said(
    recording: Recording, client: str, clients: Clients, direct: Clients, standin: StandIn
) -> None:
    standin.answer = answer_of(recording)
    provider = "perplexity" if recording.provider == "perplexity" else dialect_of(recording)

    is_passed = dialect_of(recording) == client and provider != "perplexity"
    if is_passed and str(recording) in BREAKS_ITS_OWN_SDK:
        pytest.skip("the SDK cannot read it straight from the provider either")

    got = READERS[client](clients, f"{provider}/m", streamed=recording.streamed)

    # What passes is whatever its own SDK makes of it.
    own = READERS[client](direct, "m", streamed=recording.streamed) if is_passed else None
    want = own or expected(recording, client)
    if not want.prompt_tokens:  # the provider reported nothing: the gateway estimates
        got = replace(got, prompt_tokens=0, completion_tokens=0)
    assert got == want


def answer_of(recording: Recording) -> Answer:
    """The recording as the provider sends it."""
    if not recording.streamed:
        return Answer(200, JSON, (recording.body,))
    kind = NDJSON if "ndjson" in recording.document["response"] else EVENT_STREAM
    return Answer(200, kind, (recording.body,), chunked=True)


def expected(recording: Recording, client: str) -> Facts:
    """What the SDK should read."""
    facts = as_said_in(client, folded(read_recorded(recording)))
    reason = REASONS[client].get(facts.reason, "completed" if client == "responses" else facts.reason)
    citations = () if client == "ollama" else facts.citations
    return replace(facts, reason=reason, citations=citations, images=0)
