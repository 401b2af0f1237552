"""From the client's dialect to the provider's and back. No stage and no route knows which path is taken.

Where the two dialects are the same, bodies are not rebuilt: requests are spliced, replies pass. Where they differ, a
request crosses by way of a canonical one, and a reply by way of events.
"""

import time
from base64 import b64encode
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Protocol

from app.core.abilities import Rules
from app.core.call import Call
from app.core.chat import Reasoning, Text, ToolCall, ToolResult
from app.core.errors import InvalidRequest, UpstreamError
from app.core.frozen import frozen
from app.core.jsonio import InvalidJson, Json, dumps
from app.core.reply import JSON_TYPE
from app.core.usage import NO_USAGE, Usage
from app.dialects.anthropic.dialect import ANTHROPIC
from app.dialects.anthropic.tokens import write_count as write_anthropic_count
from app.dialects.crossing import CrossedStream, CrossedWhole, NormalisedReader, PassedStream, PassedWhole
from app.dialects.dialect import About, Dialect, EventReader
from app.dialects.embedding_crossing import CrossedEmbeddings, cross_embedding, estimate_usage, pass_embedding
from app.dialects.gemini.dialect import GEMINI
from app.dialects.gemini.tokens import write_count as write_gemini_count
from app.dialects.openai.dialect import OPENAI
from app.dialects.openai.form import FORMS, pass_form
from app.dialects.openai.request import pass_request
from app.dialects.openai.stream import ChatStream, Mender
from app.dialects.openai.usage import estimate_tokens
from app.dialects.openai.whole import WholeReply
from app.dialects.plain import Plain
from app.dialects.registry import DIALECTS, EMBEDDINGS
from app.dialects.responses.dialect import RESPONSES
from app.dialects.responses.request import needs_state
from app.dialects.rules import concern_requests, fit_chat, keep_chat, keep_request, said_as, without_unsupported
from app.dialects.splice import Additions, rewrite

_COUNTS: dict[str, tuple[Callable[[int], bytes], Dialect]] = {
    "anthropic-count": (write_anthropic_count, ANTHROPIC),
    "gemini-count": (write_gemini_count, GEMINI),
}
_FOREIGN = (b'"lr.', b'"' + b64encode(b"lr."))
"""How a signature begins that another dialect's provider made (`dialects.signatures`); Gemini's API wants base64."""


class Incoming(Protocol):
    """Turns the bytes of a provider's reply into those of the client's.

    Attributes:
        ended: the reply said that it is over; further bytes are of no interest.
        failure: the provider's words, where it reported an error in the midst of a reply.
    """

    ended: bool
    failure: str | None

    def feed(self, data: bytes) -> bytes:
        """The client's next bytes, if `data` completes any."""

    def close(self, *, certain: bool) -> bytes:
        """The client's last bytes. `certain`: the transport knows that nothing is missing."""

    def read_usage(self) -> Usage:
        """What was used up to now."""


@frozen
class Outgoing:
    """A body for a provider. `unsupported` names what the client asked for and the model cannot be told, in the client's words."""

    body: bytes
    unsupported: Sequence[str] = ()


def outgoing(
    call: Call, model: str, additions: Additions, *, dialect: str = OPENAI.name, rules: Rules | None = None
) -> Outgoing:
    """The body of `call` for a provider that speaks `dialect` and calls the model `model`, whose `rules` it keeps to.

    Raises:
        InvalidRequest: it cannot be read, or not be written for that provider.
    """
    left_out: Sequence[str] = ()
    if rules is not None and call.dialect in DIALECTS:
        call, left_out = _keep_to(rules, call, dialect)
    if call.dialect == OPENAI.name == dialect:
        return Outgoing(
            pass_request(
                call.body,
                call.payload,
                name=call.name,
                model=model,
                asks_usage=call.streamed and (rules is None or rules.usage_can_be_asked),
                additions=additions,
            ),
            left_out,
        )
    if call.dialect in EMBEDDINGS:
        if call.dialect == dialect:
            return Outgoing(pass_embedding(call, model, additions))
        encoded = cross_embedding(call, model, dialect)
        return Outgoing(_dumped(additions.added_to(encoded.payload)), encoded.unsupported)
    if dialect in FORMS:
        return Outgoing(pass_form(call.body, dict(call.headers)[b"content-type"], name=call.name, model=model))
    if call.dialect == dialect and not (_is_read(dialect) and _must_be_rebuilt(call, rules)):
        named = model if "model" in call.payload else None
        return Outgoing(rewrite(call.body, call.payload, name=call.name, model=named, additions=additions), left_out)
    if call.dialect == RESPONSES.name != dialect and (kept := needs_state(call.payload)) is not None:
        raise InvalidRequest(
            f"{kept!r} needs a provider that keeps the state of conversations; that of this model does not.",
            param=kept,
            code="unsupported_parameter",
        )
    source, goal = DIALECTS[call.dialect], DIALECTS[dialect]
    request = source.read_request(call.payload)
    if rules is not None:
        request, further = keep_request(request, rules)
        left_out = (*left_out, *further)
    encoded = goal.write_request(request, model, call.streamed)
    payload = encoded.payload if rules is None or goal is not OPENAI else fit_chat(encoded.payload, rules)
    unsupported = (*left_out, *(said_as(name, call.payload, source.words) for name in encoded.unsupported))
    return Outgoing(_dumped(additions.added_to(payload)), unsupported)


def _keep_to(rules: Rules, call: Call, dialect: str) -> tuple[Call, Sequence[str]]:
    """The call without what the model does not take, and the paths that were left out."""
    kept = without_unsupported(call.payload, rules, DIALECTS[call.dialect].words)
    payload = keep_chat(kept.payload, rules) if call.dialect == OPENAI.name == dialect else kept.payload
    return (call if payload is call.payload else replace(call, body=_dumped(payload), payload=payload)), kept.left_out


def _must_be_rebuilt(call: Call, rules: Rules | None) -> bool:
    """Whether a request in the provider's own dialect holds what it cannot be sent."""
    if _holds_foreign_signature(call.body):
        return True
    if rules is None or not concern_requests(rules):
        return False
    request = DIALECTS[call.dialect].read_request(call.payload)
    return keep_request(request, rules)[0] is not request


def _dumped(payload: Mapping[str, Json]) -> bytes:
    try:
        return dumps(payload)
    except InvalidJson as exc:
        raise InvalidRequest(f"The request body cannot be passed on: {exc}.", code="invalid_json") from None


def incoming(
    call: Call,
    *,
    provider: str,
    model: str,
    dialect: str = OPENAI.name,
    secret: str | None = None,
    mender: Mender | None = None,
) -> Incoming:
    """What turns the reply of a provider that speaks `dialect` into the client's.

    `secret` is kept out of what it says of errors; `mender` puts right what a provider of OpenAI's dialect does its own way.
    """
    secrets = (secret,) if secret else ()

    def pass_through(*, wants_usage: bool) -> ChatStream | WholeReply:
        if not call.streamed:
            return WholeReply(provider=provider, request=call.payload, mender=mender, secrets=secrets)
        return ChatStream(
            call_id=call.id,
            model=model,
            provider=provider,
            wants_usage=wants_usage,
            request=call.payload,
            mender=mender,
            secrets=secrets,
        )

    if call.dialect == OPENAI.name == dialect:
        return pass_through(wants_usage=call.wants_usage)
    if dialect in EMBEDDINGS:
        return _incoming_embeddings(call, model, dialect, provider, secrets)
    if not _is_read(dialect):
        return Plain()
    source, goal = DIALECTS[dialect], DIALECTS[call.dialect]

    def estimate(characters: int) -> Usage:
        asked = estimate_tokens(count_characters(call, goal))
        return Usage(input=asked, output=estimate_tokens(characters), estimated=True)

    if source is goal:
        if call.streamed:
            return PassedStream(source.read_stream(), provider=provider, estimate=estimate, secrets=secrets)
        return PassedWhole(source, provider=provider, estimate=estimate, secrets=secrets)
    about = About(call.id, model, int(time.time()), call.wants_usage, call.payload)
    normalising = pass_through(wants_usage=True) if mender else None
    if not call.streamed:
        return CrossedWhole(
            source, goal, about, provider=provider, estimate=estimate, secrets=secrets, normalising=normalising
        )
    reader: EventReader = source.read_stream()
    if normalising is not None:
        reader = NormalisedReader(normalising, reader)
    return CrossedStream(reader, goal.write_stream(about), provider=provider, estimate=estimate, secrets=secrets)


def count_tokens(call: Call) -> bytes | None:
    """An estimate where a client asks how many tokens a request has, for providers that do not count; None for all else."""
    if (written := _COUNTS.get(call.dialect)) is None:
        return None
    write, dialect = written
    return write(estimate_tokens(count_characters(call, dialect)))


def incoming_error(
    status: int,
    body: bytes,
    *,
    provider: str,
    retry_after: str | None,
    secret: str | None,
    dialect: str = OPENAI.name,
    goal: str = OPENAI.name,
) -> UpstreamError:
    """The error response of a provider that speaks `dialect` as ours, for a client that speaks `goal`."""
    family = dialect.partition("-")[0]
    error = DIALECTS[family].read_error(status, body, provider, retry_after, (secret,) if secret else ())
    if goal.partition("-")[0] != family:
        error.body = None  # its fields would say nothing to that client
    return error


def choose_dialect(dialect: str, spoken: Iterable[str]) -> str | None:
    """The first of the dialects `spoken` in which what is said in `dialect` can be said too; None where there is none."""
    kin = next((kind for kind in (DIALECTS, EMBEDDINGS) if dialect in kind), {})
    return next((other for other in spoken if other in kin), None)


def reply_type(call: Call) -> str | None:
    """The media type of the reply; None where it is the provider's own."""
    if call.dialect in EMBEDDINGS:
        return JSON_TYPE
    goal = DIALECTS.get(call.dialect)
    if goal is None:
        return None
    return goal.stream_type if call.streamed else JSON_TYPE


def _is_read(dialect: str) -> bool:
    """Whether the gateway knows what a provider says in `dialect`."""
    return dialect in DIALECTS and not DIALECTS[dialect].client_only


def _incoming_embeddings(call: Call, model: str, dialect: str, provider: str, secrets: Sequence[str]) -> Incoming:
    source, goal = EMBEDDINGS[dialect], EMBEDDINGS[call.dialect]
    if source is goal:

        def estimate() -> Usage:
            try:
                return estimate_usage(goal.read_request(call.payload))
            except InvalidRequest:  # it passed as it was, and its provider took it
                return NO_USAGE

        return Plain(source.find_usage, estimate)
    about = About(call.id, model, int(time.time()), call.wants_usage, call.payload)
    return CrossedEmbeddings(source, goal, about, provider=provider, secrets=secrets)


def _holds_foreign_signature(body: bytes) -> bool:
    """Whether the history holds what only another provider can read: this one would refuse it, so it must be taken out."""
    return any(body.find(mark) >= 0 for mark in _FOREIGN)


def count_characters(call: Call, dialect: Dialect) -> int:
    """Characters of text in a request; images and other parts count nothing, nor does what cannot be read."""
    try:
        messages = dialect.read_request(call.payload).messages
    except InvalidRequest:  # it passed as it was, and its provider took it
        return 0
    total = 0
    for message in messages:
        for part in message.parts:
            inner = part.parts if isinstance(part, ToolResult) else (part,)
            total += sum(len(piece.text) for piece in inner if isinstance(piece, Text | Reasoning))
            total += len(part.arguments) if isinstance(part, ToolCall) else 0
    return total
