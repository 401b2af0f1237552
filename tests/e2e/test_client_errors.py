"""Every recorded error, through the running gateway: each official SDK raises the class that belongs to it, with the provider's words."""

import json
from collections.abc import Iterator
from typing import Any

import anthropic
import ollama
import openai
import pytest
from anthropic import _exceptions as anthropic_errors  # the package does not name all of its classes
from google.genai import errors as gemini_errors

from app.dialects.registry import DIALECTS
from tests.contract.crossing import PROVIDER_DIALECTS, dialect_of, failure_in, read_recorded
from tests.e2e.conftest import ONE_ATTEMPT
from tests.e2e.gateway import running_gateway
from tests.e2e.readers import READERS, Clients
from tests.e2e.standin import EVENT_STREAM, Answer, StandIn
from tests.e2e.test_clients import ROOTS, opened
from tests.recordings import FOLDER, Recording

NONE = [pytest.param(None, marks=pytest.mark.skip(reason=f"no recordings in {FOLDER}"))]
RECORDINGS = [Recording(path) for path in sorted(FOLDER.glob("*/*error*.json"))]
CHAT = [recording for recording in RECORDINGS if dialect_of(recording) in PROVIDER_DIALECTS.values()]
ERRORS = [pytest.param(each, id=str(each)) for each in CHAT if each.status >= 400] or NONE
IN_STREAMS = [pytest.param(each, id=str(each)) for each in CHAT if each.status == 200] or NONE

OPENAI: dict[int, type[Exception]] = {
    400: openai.BadRequestError,
    401: openai.AuthenticationError,
    403: openai.PermissionDeniedError,
    404: openai.NotFoundError,
    429: openai.RateLimitError,
}
ANTHROPIC: dict[int, type[Exception]] = {
    400: anthropic.BadRequestError,
    401: anthropic.AuthenticationError,
    403: anthropic.PermissionDeniedError,
    404: anthropic.NotFoundError,
    429: anthropic.RateLimitError,
    503: anthropic_errors.ServiceUnavailableError,
    529: anthropic_errors.OverloadedError,
}
TYPES = {
    400: "invalid_request_error",
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    429: "rate_limit_error",
    503: "api_error",
    529: "overloaded_error",
}
"""What Anthropic calls an error of a status."""


@pytest.fixture(scope="module")
def clients(provider: StandIn, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Clients]:
    """All SDKs before a gateway with one provider of each dialect."""
    config: dict[str, Any] = {
        dialect: {
            "base_url": provider.base_url + ROOTS.get(dialect, ""),
            "api_format": dialect,
            "supported_models": ["m"],
            **ONE_ATTEMPT,
        }
        for dialect in PROVIDER_DIALECTS.values()
    }
    with (
        running_gateway(tmp_path_factory.mktemp("errors"), config) as relay,
        opened(relay.base_url, relay.add_token("errors", rate_limit=100_000)) as sdks,
    ):
        yield sdks


def error_class(client: str, status: int) -> type[Exception]:
    """The class that the SDK has for a status."""
    if client == "anthropic":
        return ANTHROPIC[status]
    if client == "gemini":
        return gemini_errors.ClientError if status < 500 else gemini_errors.ServerError
    return ollama.ResponseError if client == "ollama" else OPENAI.get(status, openai.InternalServerError)


@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize("client", READERS)
@pytest.mark.parametrize("recording", ERRORS)
def test_sdk_raises_the_providers_error(
    recording: Recording,
    client: str,
    clients: Clients,
    standin: StandIn,
    *,
    streamed: bool,
) -> None:
    standin.answer = Answer(recording.status, {"content-type": "application/json"}, (recording.body,))

    with pytest.raises(error_class(client, recording.status)) as raised:
        READERS[client](clients, f"{dialect_of(recording)}/m", streamed=streamed)

    assert status_of(raised.value) == recording.status
    assert words_of(recording) in words(raised.value)
    if client == "anthropic":
        body: Any = getattr(raised.value, "body", None)
        is_own = dialect_of(recording) == "anthropic"
        assert body["error"]["type"] == (
            recording.document["response"]["body"]["error"]["type"] if is_own else TYPES[recording.status]
        )


@pytest.mark.parametrize("client", READERS)
@pytest.mark.parametrize("recording", IN_STREAMS)
def test_sdk_raises_an_error_inside_a_stream(
    recording: Recording,
    client: str,
    clients: Clients,
    standin: StandIn,
) -> None:
    standin.answer = Answer(200, EVENT_STREAM, (recording.body,), chunked=True)
    failure = failure_in(read_recorded(recording))
    assert failure is not None

    with pytest.raises((openai.APIError, anthropic.APIError, gemini_errors.APIError, ollama.ResponseError)) as raised:
        READERS[client](clients, f"{dialect_of(recording)}/m", streamed=True)

    assert failure.message in words(raised.value)


def test_overload_of_anthropic_stays_one_for_every_client(
    clients: Clients,
    standin: StandIn,
) -> None:
    error = {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}
    standin.answer = Answer.json(error, 529)

    statuses = []
    for client, read in READERS.items():
        with pytest.raises(error_class(client, 529)) as raised:
            read(clients, "anthropic/m", streamed=False)
        statuses.append(status_of(raised.value))

    assert statuses == [529] * len(READERS)


def words_of(recording: Recording) -> str:
    """The provider's message, as its own dialect has it."""
    dialect = DIALECTS[dialect_of(recording) or ""]
    return dialect.read_error(recording.status, recording.body, "Acme", None, ()).message


def words(error: BaseException) -> str:
    """All that an SDK tells of an error."""
    body = getattr(error, "body", None) or getattr(error, "details", None)
    return f"{error} {getattr(error, 'message', '')} {json.dumps(body, ensure_ascii=False)}"


def status_of(error: BaseException) -> int | None:
    status: int | None = getattr(error, "status_code", None) or getattr(error, "code", None)
    return status
