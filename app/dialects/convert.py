"""From the client's dialect to the provider's and back. No stage and no route knows which path is taken.

Where the two dialects are the same, bodies are not rebuilt: requests are spliced, replies pass. Where they differ, a
request crosses by way of a canonical one, and a reply by way of events.
"""

import time
from base64 import b64encode
from collections.abc import Collection, Sequence
from dataclasses import replace
from typing import Protocol

from app.core.abilities import ASK_FOR_USAGE, Rules
from app.core.call import Call
from app.core.errors import NotServed, UpstreamError
from app.core.frozen import frozen
from app.core.reply import JSON_TYPE
from app.core.usage import Usage
from app.dialects.called import called
from app.dialects.counting import estimate_usage
from app.dialects.crossing import (
    CrossedStream,
    CrossedWhole,
    NormalisedReader,
    PassedStream,
    PassedWhole,
    ReframedStream,
)
from app.dialects.dialect import About
from app.dialects.embedding_crossing import cross_embedding, read_embeddings
from app.dialects.lost import require_all_told
from app.dialects.ollama.dialect import OLLAMA_GENERATE
from app.dialects.openai.completions import COMPLETIONS
from app.dialects.openai.dialect import OPENAI
from app.dialects.openai.form import FORMS, pass_form
from app.dialects.openai.no_chat import NO_CHATS
from app.dialects.openai.request import pass_request
from app.dialects.openai.stream import ChatStream, Mender
from app.dialects.openai.whole import WholeReply
from app.dialects.opening import write_body
from app.dialects.plain import Plain
from app.dialects.registry import DIALECTS, EMBEDDINGS, RENAMES
from app.dialects.responses.dialect import RESPONSES
from app.dialects.responses.request import needs_state
from app.dialects.rules import (
    Words,
    concern_requests,
    fit_chat,
    holds_anyway,
    keep_chat,
    keep_generate,
    keep_request,
    said_as,
    without_unsupported,
)
from app.dialects.splice import Additions, rewrite

_FOREIGN = (b'"lr.', b'"' + b64encode(b"lr."))
"""How a signature begins that another dialect's provider made (`dialects.signatures`); Gemini's API wants base64."""

_KEEP = {OPENAI.name: keep_chat, OLLAMA_GENERATE.name: keep_generate}
"""How requests keep to the rules of a model in dialects that are passed on without being read."""


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
        NotServed: it builds on what another provider keeps, or a message of the user would be lost as a whole.
    """
    left_out: Sequence[str] = ()
    if rules is not None and (kind := DIALECTS.get(call.dialect) or EMBEDDINGS.get(call.dialect)) is not None:
        call, left_out = _keep_to(rules, call, kind.words, dialect)
    if call.dialect not in DIALECTS:
        return _outgoing_no_chat(call, model, additions, dialect, left_out)
    if call.dialect == OPENAI.name == dialect:
        asks_usage = call.streamed and (rules is None or rules.usage_can_be_asked)
        body = pass_request(
            call.body, call.payload, name=call.name, model=model, asks_usage=asks_usage, additions=additions
        )
        return Outgoing(body, left_out)
    if not _has_same_requests(call.dialect, dialect) or _must_be_rebuilt(call, dialect, rules):
        return _cross(call, model, additions, dialect, rules, left_out)
    return Outgoing(_pass(call, model, additions), left_out)


def _outgoing_no_chat(call: Call, model: str, additions: Additions, dialect: str, left_out: Sequence[str]) -> Outgoing:
    if call.dialect in FORMS:
        return Outgoing(pass_form(call.body, dict(call.headers)[b"content-type"], name=call.name, model=model))
    if call.dialect == dialect or call.dialect not in EMBEDDINGS:
        return Outgoing(_pass(call, model, additions), left_out)
    encoded = cross_embedding(call, model, dialect)
    return Outgoing(write_body(additions.added_to(encoded.payload)), (*left_out, *encoded.unsupported))


def require_no_state(call: Call) -> None:
    """Pass where `call` says all by itself.

    Raises:
        NotServed: it builds on what only a provider of its own API keeps.
    """
    if call.dialect == RESPONSES.name and (kept := needs_state(call.payload)) is not None:
        raise NotServed(
            f"{kept!r} needs a provider that keeps the state of conversations; that of this model does not.",
            param=kept,
            code="unsupported_parameter",
        )


def _keep_to(rules: Rules, call: Call, words: Words, dialect: str) -> tuple[Call, Sequence[str]]:
    """The call without what the model does not take, and the paths that were left out."""
    kept = without_unsupported(call.payload, rules, words)
    keep = _KEEP.get(dialect) if call.dialect == dialect else None
    payload = kept.payload if keep is None else keep(kept.payload, rules)
    if payload is not call.payload:
        call = replace(call, body=write_body(payload), payload=payload)
    if call.dialect == dialect == COMPLETIONS.name and call.wants_usage and not rules.usage_can_be_asked:
        return call, (*kept.left_out, ASK_FOR_USAGE)  # what the provider says passes, and nobody else could tell
    return call, kept.left_out


def _has_same_requests(client: str, provider: str) -> bool:
    return client == provider or DIALECTS[client].form_of == provider


def _must_be_rebuilt(call: Call, dialect: str, rules: Rules | None) -> bool:
    """Whether a request in the provider's own dialect holds what it cannot be sent."""
    if not _is_written(dialect):
        return False
    # What only another provider can read, this one would refuse.
    if any(call.body.find(mark) >= 0 for mark in _FOREIGN):
        return True
    if rules is None or not concern_requests(rules):
        return False
    request = DIALECTS[call.dialect].read_request(call.payload)
    return keep_request(request, rules)[0] is not request


def _pass(call: Call, model: str, additions: Additions) -> bytes:
    """The body of `call` for a provider that speaks its dialect and calls the model `model`."""
    if (rename := RENAMES.get(call.dialect)) is None:
        return rewrite(call.body, call.payload, name=call.name, model=model, additions=additions)
    changes = rename(call.payload, model)
    return rewrite(call.body, call.payload, name=call.name, model=None, additions=additions, changes=changes)


def _cross(
    call: Call, model: str, additions: Additions, dialect: str, rules: Rules | None, left_out: Sequence[str]
) -> Outgoing:
    """The request written anew, by way of a canonical one; what was `left_out` before is named too."""
    if dialect != RESPONSES.name:
        require_no_state(call)
    source, goal = DIALECTS[call.dialect], DIALECTS[dialect]
    asked = request = source.read_request(call.payload)
    if rules is not None:
        request, further = keep_request(request, rules)
        left_out = (*left_out, *further)
    encoded = goal.write_request(request, model, call.streamed)
    if encoded.unsupported:
        require_all_told(asked, model, call.payload, source, goal)
    payload = encoded.payload if rules is None or goal is not OPENAI else fit_chat(encoded.payload, rules)
    missed = (name for name in encoded.unsupported if not holds_anyway(name, call.payload))
    said = (said_as(name, call.payload, source.words) for name in missed)
    unsupported = (*left_out, *dict.fromkeys(called(name, call.payload, call.dialect) for name in said))
    return Outgoing(write_body(additions.added_to(payload)), unsupported)


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
        return read_embeddings(call, model, dialect, provider, secrets)
    if dialect not in DIALECTS:
        return NO_CHATS[dialect](call.payload) if dialect in NO_CHATS else Plain()
    source, goal = DIALECTS[dialect], DIALECTS[call.dialect]

    def estimate(characters: int) -> Usage:
        return estimate_usage(call, goal, characters)

    if source is goal or goal.form_of == source.name:
        if call.streamed:
            reader = source.read_stream()
            if goal.frame is not None:
                return ReframedStream(reader, goal.frame(), provider=provider, estimate=estimate, secrets=secrets)
            return PassedStream(reader, provider=provider, estimate=estimate, secrets=secrets)
        return PassedWhole(source, provider=provider, estimate=estimate, secrets=secrets)
    about = About(call.id, model, int(time.time()), call.wants_usage, call.payload, call.started_at)
    normalising = pass_through(wants_usage=True) if mender else None
    if not call.streamed:
        return CrossedWhole(
            source, goal, about, provider=provider, estimate=estimate, secrets=secrets, normalising=normalising
        )
    reader = source.read_stream()
    if normalising is not None:
        reader = NormalisedReader(normalising, reader)
    return CrossedStream(reader, goal.write_stream(about), provider=provider, estimate=estimate, secrets=secrets)


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


def choose_dialect(dialect: str, spoken: Collection[str]) -> str | None:
    """The first of the dialects `spoken` in which what is said in `dialect` can be said too; None where there is none."""
    if dialect in DIALECTS and (same := DIALECTS[dialect].form_of) in spoken:
        return same
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


def _is_written(dialect: str) -> bool:
    """Whether the gateway knows how a provider is asked in `dialect`."""
    return dialect in DIALECTS and not DIALECTS[dialect].client_only
