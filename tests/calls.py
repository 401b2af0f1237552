"""Calls, replies and records as tests need them."""

import time
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from typing import Any

from app.core.call import Call
from app.core.jsonio import dumps
from app.core.principal import Principal
from app.core.record import CallRecord
from app.core.reply import Outcome, Reply
from app.core.usage import Usage

PRINCIPAL = Principal(token_id="Ab3dEf9h", username="alice", daily_limit=1000)


def make_call(payload: dict[str, Any] | None = None, *, principal: Principal = PRINCIPAL, **fields: Any) -> Call:
    """An admitted call with this payload; whatever else a call has can be given."""
    payload = {"model": "gpt-x", "messages": [{"role": "user", "content": "Hi"}], **(payload or {})}
    options = payload.get("stream_options") or {}
    call = Call(
        id="req_0123456789",
        principal=principal,
        surface="chat",
        dialect="openai",
        name=payload["model"],
        body=dumps(payload),
        payload=payload,
        streamed=payload.get("stream") is True,
        wants_usage=options.get("include_usage") is True,
        started_at=time.monotonic(),
        received_at=time.time(),
        client="192.0.2.7",
    )
    return replace(call, **fields)


def make_reply(*pieces: bytes | BaseException, **fields: Any) -> Reply:
    """A reply of these pieces; an exception among the later ones is raised in its turn."""
    first, *rest = pieces or (b"{}",)
    assert isinstance(first, bytes)
    reply = Reply(200, "application/json", first, _each(rest), _do_nothing)
    return replace(reply, **fields)


async def _each(pieces: Sequence[bytes | BaseException]) -> AsyncIterator[bytes]:
    for piece in pieces:
        if isinstance(piece, BaseException):
            raise piece
        yield piece


async def _do_nothing() -> None:
    pass


def make_record(**fields: Any) -> CallRecord:
    """The record of a call that went well."""
    record = CallRecord(
        id="req_0123456789",
        received_at=1767225600.25,
        token_id=PRINCIPAL.token_id,
        username=PRINCIPAL.username,
        name="GPT-X:latest",
        provider="openai",
        model="gpt-x",
        surface="chat",
        streamed=False,
        status=200,
        outcome=Outcome.OK,
        usage=Usage(input=10, cache_read=5, output=7, reasoning=3),
        first_byte_ms=120,
        total_ms=340,
        client="192.0.2.7",
        charged=True,
        attempts=1,
    )
    return record._replace(**fields)
