"""Embeddings on their way to a provider of another dialect and back, by way of canonical values."""

import time
from collections.abc import Sequence
from dataclasses import replace

from app.core.call import Call
from app.core.chat import Encoded
from app.core.embedding import EmbeddingRequest
from app.core.errors import InvalidRequest, UpstreamInvalid
from app.core.jsonio import dumps
from app.core.usage import NO_USAGE, Usage
from app.dialects.collected import Collected
from app.dialects.dialect import About
from app.dialects.embedding import EmbeddingDialect
from app.dialects.openai.usage import estimate_tokens
from app.dialects.plain import Plain
from app.dialects.registry import DIALECTS, EMBEDDINGS


def cross_embedding(call: Call, model: str, dialect: str) -> Encoded:
    """The payload of `call` for a provider that speaks `dialect`.

    Raises:
        InvalidRequest: it cannot be read, or not be written for that provider.
    """
    return EMBEDDINGS[dialect].write_request(EMBEDDINGS[call.dialect].read_request(call.payload), model)


def read_embeddings(
    call: Call, model: str, dialect: str, provider: str, secrets: Sequence[str]
) -> "Plain | CrossedEmbeddings":
    """What turns the reply of a provider that speaks `dialect` into the client's."""
    source, goal = EMBEDDINGS[dialect], EMBEDDINGS[call.dialect]
    if source is not goal:
        about = About(call.id, model, int(time.time()), call.wants_usage, call.payload, call.started_at)
        return CrossedEmbeddings(source, goal, about, provider=provider, secrets=secrets)

    def estimate() -> Usage:
        try:
            return _estimate_usage(goal.read_request(call.payload))
        except InvalidRequest:  # it passed as it was, and its provider took it
            return NO_USAGE

    return Plain(source.find_usage, estimate)


def _estimate_usage(request: EmbeddingRequest) -> Usage:
    """What a request will use: tokens are counted, those of texts estimated."""
    characters = sum(len(each) for each in request.inputs if isinstance(each, str))
    tokens = sum(len(each) for each in request.inputs if not isinstance(each, str))
    return Usage(input=estimate_tokens(characters) + tokens, estimated=True)


class CrossedEmbeddings(Collected):
    """A provider's embeddings made into the client's."""

    def __init__(
        self,
        source: EmbeddingDialect,
        goal: EmbeddingDialect,
        about: About,
        *,
        provider: str,
        secrets: Sequence[str],
    ) -> None:
        super().__init__(provider)
        self._source = source
        self._goal = goal
        self._about = about
        self._secrets = secrets
        self._request = goal.read_request(about.payload)
        self._usage = _estimate_usage(self._request)

    def close(self, *, certain: bool) -> bytes:
        """The client's body.

        Raises:
            UpstreamInvalid: what came is no reply, or has not a vector for each input.
            UpstreamError: it is an error that came with status 200.
        """
        body = self._body()
        document = self._decoded(body)
        if isinstance(document, dict) and document.get("error"):
            error = DIALECTS[self._source.name.partition("-")[0]].read_error(
                200, body, self._provider, None, self._secrets
            )
            error.body = None  # its fields would say nothing to that client
            raise error
        embeddings = self._source.read_reply(document)
        wanted, came = len(self._request.inputs), len(embeddings.vectors)
        if came != wanted:
            raise UpstreamInvalid(f"{self._provider} gave {came} embeddings where {wanted} were asked for.")
        self._usage = embeddings.usage or self._usage
        return dumps(self._goal.write_reply(replace(embeddings, usage=self._usage), self._about))

    def read_usage(self) -> Usage:
        """What was used."""
        return self._usage
