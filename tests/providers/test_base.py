"""A provider that is reached by HTTP: what it is sent, and what becomes of each thing that it may answer."""

import asyncio
import contextlib
import gzip
import json
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import httpx
import pytest

from app.config import ProviderConfig, Timeouts
from app.core.abilities import Rules
from app.core.call import Call, Target
from app.core.errors import (
    InvalidRequest,
    UpstreamBusy,
    UpstreamCut,
    UpstreamError,
    UpstreamFailure,
    UpstreamInvalid,
    UpstreamTimeout,
    UpstreamUnreachable,
)
from app.core.reply import Reply
from app.core.usage import Usage
from app.providers import base, failures
from app.providers.base import HttpProvider
from tests.calls import make_call
from tests.recordings import Recording, recorded

KEY = "odd/key that has no known shape"
TARGET = Target("acme", "Acme-1")
WHOLE = {
    "id": "1",
    "choices": [{"index": 0, "message": {"role": "assistant", "content": "Hi"}, "finish_reason": "stop"}],
}
ROLE = b'data: {"id":"1","choices":[{"index":0,"delta":{"role":"assistant","content":""}}]}\n\n'
HELLO = b'data: {"id":"1","choices":[{"index":0,"delta":{"content":"Hello"}}]}\n\n'
DONE = b"data: [DONE]\n\n"
EVENTS = {"content-type": "text/event-stream"}
STREAMED = {"stream": True}


@dataclass
class Body(httpx.AsyncByteStream):
    """A response's body in these pieces; an exception among them is raised in its turn."""

    pieces: Sequence[bytes | Exception]
    closed: int = 0
    taken: int = 0

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for piece in self.pieces:
            self.taken += 1
            if isinstance(piece, Exception):
                raise piece
            yield piece

    async def aclose(self) -> None:
        self.closed += 1


@dataclass
class Rig:
    """A provider, and what it was asked."""

    answer: Callable[[httpx.Request], httpx.Response]
    config: dict[str, Any] = field(default_factory=dict)
    secret: str | None = KEY
    requests: list[httpx.Request] = field(default_factory=list)

    def provider(self) -> HttpProvider:
        fields = {"base_url": "https://acme.test/v1", "name": "Acme", **self.config}
        return HttpProvider("acme", ProviderConfig(**fields), self.secret, httpx.MockTransport(self._answer))

    async def send(self, call: Call | None = None) -> Reply:
        return await self.provider().send(call or make_call(), TARGET)

    def _answer(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        return self.answer(request)


def answering(status: int = 200, **response: Any) -> Rig:
    """A provider that always gives this response."""
    return Rig(lambda _request: httpx.Response(status, **response))


def streaming(*pieces: bytes | Exception, framing: str = "chunked", **headers: str) -> tuple[Rig, Body]:
    """A provider that streams these pieces, and the stream."""
    body = Body(pieces)
    return answering(headers=EVENTS | headers, stream=body, extensions={"framing": framing}), body


def raising(error: Exception) -> Rig:
    """A provider that cannot be asked."""

    def fail(_request: httpx.Request) -> httpx.Response:
        raise error

    return Rig(fail)


async def collect(reply: Reply) -> bytes:
    try:
        return reply.first + b"".join([piece async for piece in reply.rest])
    finally:
        await reply.aclose()


async def collect_into(came: list[bytes], reply: Reply) -> None:
    try:
        async for piece in reply.rest:
            came.append(piece)  # noqa: PERF401 - a comprehension would lose what came before an error
    finally:
        await reply.aclose()


async def ends_of(reply: Reply) -> list[tuple[bytes, bool]]:
    """Each piece of a stream, and whether the reply's own end was known to be in it."""
    pieces = [(reply.first, reply.ending.ended)]
    async for piece in reply.rest:
        pieces.append((piece, reply.ending.ended))  # noqa: PERF401 - what is known then is meant
    await reply.aclose()
    return pieces


# What it is sent.


async def test_call_is_posted_with_the_providers_own_model_and_our_key() -> None:
    rig = answering(json=WHOLE)

    await rig.send(make_call({"model": "acme-1", "unknown": [1]}))

    (request,) = rig.requests
    assert (request.method, str(request.url)) == ("POST", "https://acme.test/v1/chat/completions")
    assert json.loads(request.content) == {
        "model": "Acme-1",
        "messages": [{"role": "user", "content": "Hi"}],
        "unknown": [1],
    }
    assert request.headers["authorization"] == f"Bearer {KEY}"
    assert request.headers["host"] == "acme.test"
    assert request.headers["content-type"] == "application/json"
    assert int(request.headers["content-length"]) == len(request.content)


@pytest.mark.parametrize(
    ("api_format", "base_url", "address", "models"),
    [
        ("openai", "https://a.test/v1", "/v1/chat/completions", "/v1/models"),
        ("openai", "https://a.test/v1/", "/v1/chat/completions", "/v1/models"),
        ("openai", "https://a.test/openai/v1", "/openai/v1/chat/completions", "/openai/v1/models"),
        ("openai", "https://a.test", "/chat/completions", "/models"),
        ("responses", "https://a.test/v1", "/v1/responses", "/v1/models"),
        ("anthropic", "https://a.test", "/v1/messages", "/v1/models?limit=1000"),
        ("anthropic", "https://a.test/", "/v1/messages", "/v1/models?limit=1000"),
        ("anthropic", "https://a.test/v1", "/v1/messages", "/v1/models?limit=1000"),
        ("anthropic", "https://a.test/claude", "/claude/v1/messages", "/claude/v1/models?limit=1000"),
        ("gemini", "https://a.test", "/v1beta/models/Acme-1:generateContent", "/v1beta/models?pageSize=1000"),
        ("gemini", "https://a.test/v1beta", "/v1beta/models/Acme-1:generateContent", "/v1beta/models?pageSize=1000"),
        ("gemini", "https://a.test/v1", "/v1/models/Acme-1:generateContent", "/v1/models?pageSize=1000"),
        (
            "gemini",
            "https://a.test/v1beta/openai/",
            "/v1beta/models/Acme-1:generateContent",
            "/v1beta/models?pageSize=1000",
        ),
        ("ollama", "http://a.test:11434", "/api/chat", "/api/tags"),
        ("ollama", "http://a.test:11434/api", "/api/chat", "/api/tags"),
        ("ollama", "http://a.test:11434/v1", "/api/chat", "/api/tags"),
    ],
)
async def test_base_url_may_be_given_as_the_providers_own_sdk_takes_it(
    api_format: str, base_url: str, address: str, models: str
) -> None:
    rig = Rig(lambda request: httpx.Response(200, json={"data": [], "models": []} if request.method == "GET" else {}))
    rig.config = {"base_url": base_url, "api_format": (api_format,)}

    with contextlib.suppress(UpstreamFailure):
        await rig.send()
    await rig.provider().list_models()

    assert [request.url.raw_path.decode() for request in rig.requests] == [address, models]


@pytest.mark.parametrize(
    "api_format", [("openai",), ("openai", "responses"), ("responses",), ("anthropic",), ("ollama",)]
)
async def test_path_of_the_configuration_takes_the_place_of_the_usual_one(api_format: tuple[str, ...]) -> None:
    rig = answering()
    rig.config = {"base_url": "https://a.test", "api_format": api_format, "path": "/v1beta/chat"}

    with contextlib.suppress(UpstreamFailure):
        await rig.send(make_call())

    (request,) = rig.requests
    assert request.url.path.endswith("/v1beta/chat")


async def test_path_of_the_configuration_is_for_chat_in_the_first_format_only() -> None:
    rig = answering()
    rig.config = {"base_url": "https://a.test", "api_format": ("openai", "responses"), "path": "/v1beta/chat"}

    with contextlib.suppress(UpstreamFailure):
        await rig.send(make_call({"input": "Hi"}, dialect="responses"))
    with contextlib.suppress(UpstreamFailure):
        await rig.provider().list_models()

    assert [request.url.path for request in rig.requests] == ["/responses", "/models"]


async def test_provider_without_key_gets_no_authorization() -> None:
    rig = answering(json=WHOLE)
    rig.secret = None

    await rig.send()

    assert "authorization" not in rig.requests[0].headers


async def test_configured_headers_are_sent_and_take_the_place_of_ours() -> None:
    rig = answering(json=WHOLE)
    rig.config = {"headers": {"X-Title": "Relay", "authorization": "Token abc"}}

    await rig.send()

    headers = rig.requests[0].headers
    assert headers["x-title"] == "Relay"
    assert headers.get_list("authorization") == ["Token abc"]


async def test_form_has_the_clients_content_type_only_for_it_tells_the_boundary() -> None:
    rig = answering(json={"text": "Hi"})
    rig.config = {"headers": {"Content-Type": "application/json"}}
    kind = b"multipart/form-data; boundary=b"
    fields: dict[str, Any] = {
        "dialect": "openai-transcriptions",
        "name": TARGET.model,
        "headers": ((b"content-type", kind),),
    }

    await rig.send(make_call(**fields))

    assert rig.requests[0].headers.get_list("content-type") == [kind.decode()]


async def test_configured_parameters_are_put_into_the_body() -> None:
    rig = answering(json=WHOLE)
    rig.config = {
        "payload_extra_parameters": {"usage": {"include": True}, "n": 1},
        "payload_default_parameters": {"temperature": 0.5, "top_p": 0.9},
    }

    await rig.send(make_call({"n": 5, "temperature": 1}))

    sent = json.loads(rig.requests[0].content)
    assert sent == sent | {"usage": {"include": True}, "n": 1, "temperature": 1, "top_p": 0.9}


CONFIGURED = {
    "payload_extra_parameters": {"tools": [{"type": "web_search"}]},
    "payload_default_parameters": {"temperature": 0.5},
}


@pytest.mark.parametrize(
    ("dialect", "api_format", "payload"),
    [
        ("openai-embeddings", "openai", {"model": "m", "input": "Hi"}),
        ("ollama-embed", "openai", {"model": "m", "input": "Hi"}),
        ("ollama-embed", "ollama", {"model": "m", "input": "Hi"}),
        ("gemini-embed", "gemini", {"content": {"parts": [{"text": "Hi"}]}}),
        ("openai-images", "openai", {"model": "m", "prompt": "a cat"}),
        ("openai-speech", "openai", {"model": "m", "input": "Hi"}),
        ("openai-moderations", "openai", {"model": "m", "input": "Hi"}),
        ("anthropic-count", "anthropic", {"model": "m", "messages": [{"role": "user", "content": "Hi"}]}),
        ("gemini-count", "gemini", {"contents": [{"parts": [{"text": "Hi"}]}]}),
    ],
)
async def test_configured_parameters_are_kept_out_of_calls_that_are_no_chat(
    dialect: str, api_format: str, payload: dict[str, Any]
) -> None:
    reply = {"data": [{"embedding": [0.5]}], "embedding": {"values": [0.5]}, "embeddings": [[0.5]]}
    rig = answering(json=reply)
    rig.config = {"api_format": (api_format,), **CONFIGURED}

    await rig.send(replace(make_call(), dialect=dialect, name="m", body=json.dumps(payload).encode(), payload=payload))

    (request,) = rig.requests
    assert not {"tools", "temperature"} & json.loads(request.content).keys()


async def test_configured_parameters_are_put_into_legacy_completions() -> None:
    rig = answering(json={"choices": [{"index": 0, "text": "Hi"}]})
    rig.config = CONFIGURED
    payload = {"model": "Acme-1", "prompt": "Hi"}

    body = json.dumps(payload).encode()
    await rig.send(replace(make_call(), dialect="openai-completions", name="Acme-1", body=body, payload=payload))

    (request,) = rig.requests
    assert json.loads(request.content)["temperature"] == 0.5


async def test_stream_is_asked_for_its_usage() -> None:
    rig, _ = streaming(ROLE, DONE)

    await rig.send(make_call(STREAMED))

    assert json.loads(rig.requests[0].content)["stream_options"] == {"include_usage": True}


async def test_timeouts_are_handed_to_the_transport() -> None:
    rig = answering(json=WHOLE)
    rig.config = {"timeouts": Timeouts(connect=1.0, first_byte=2.0, idle=3.0)}

    await rig.send()

    assert rig.requests[0].extensions["timeout"] == {
        "connect": 1.0,
        "pool": 1.0,
        "write": 3.0,
        "first_byte": 2.0,
        "read": 3.0,
    }


# What goes well.


async def test_whole_reply_comes_in_one_piece_and_its_response_is_closed() -> None:
    raw = json.dumps(WHOLE).encode()
    body = Body([raw[:10], raw[10:]])
    reply = await answering(stream=body, headers={"content-type": "application/json"}).send()

    assert (reply.status, reply.media_type, reply.first) == (200, "application/json", raw)
    assert await collect(reply) == raw
    assert body.closed


async def test_stream_begins_with_its_first_event_before_the_rest_is_there() -> None:
    rig, body = streaming(ROLE, HELLO, DONE)

    reply = await rig.send(make_call(STREAMED))

    assert (reply.media_type, reply.first, body.taken) == ("text/event-stream; charset=utf-8", ROLE, 1)
    assert await collect(reply) == ROLE + HELLO + DONE
    assert body.closed


async def test_stream_under_another_type_is_taken_all_the_same() -> None:
    rig, _ = streaming(ROLE, HELLO, DONE, **{"content-type": "text/plain"})

    assert await collect(await rig.send(make_call(STREAMED))) == ROLE + HELLO + DONE


@pytest.mark.parametrize("streamed", [True, False])
async def test_compressed_reply_is_decompressed(*, streamed: bool) -> None:
    plain = ROLE + HELLO + DONE if streamed else json.dumps(WHOLE).encode()
    packed = gzip.compress(plain)
    headers = {"content-encoding": "gzip"} | (EVENTS if streamed else {})

    reply = await answering(stream=Body([packed[:15], packed[15:]]), headers=headers).send(
        make_call({"stream": streamed})
    )

    assert await collect(reply) == plain


async def test_closing_the_reply_closes_the_providers_response() -> None:
    rig, body = streaming(ROLE, HELLO, DONE)
    reply = await rig.send(make_call(STREAMED))

    await reply.aclose()

    assert body.closed


async def test_what_follows_the_end_is_read_only_for_a_moment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(base, "_LINGER_S", 0.02)

    class Endless(Body):
        async def __aiter__(self) -> AsyncIterator[bytes]:
            yield ROLE + DONE
            while True:
                await asyncio.sleep(0.001)
                yield b": more\n\n"

    body = Endless([])
    reply = await answering(headers=EVENTS, stream=body).send(make_call(STREAMED))

    async with asyncio.timeout(2):
        assert await collect(reply) == ROLE + DONE
    assert body.closed


async def test_usage_is_known_at_the_end() -> None:
    usage = {"prompt_tokens": 3, "completion_tokens": 4, "total_tokens": 7}
    reply = await answering(json=WHOLE | {"usage": usage}).send()

    assert reply.read_usage().total == 7


# What goes wrong before the first byte.


@pytest.mark.parametrize("status", [400, 401, 402, 403, 404, 409, 422, 429, 499, 500, 502, 503, 529, 599])
@pytest.mark.parametrize("streamed", [True, False])
async def test_error_status_is_kept(status: int, *, streamed: bool) -> None:
    rig = answering(status, json={"error": {"message": "No.", "code": "c"}}, headers={"retry-after": "7"})

    with pytest.raises(UpstreamError, match="No") as caught:
        await rig.send(make_call({"stream": streamed}))

    assert (caught.value.status, caught.value.code, caught.value.retry_after) == (status, "c", "7")


@pytest.mark.parametrize("status", [201, 204, 301, 302, 307, 304, 600, 999])
async def test_status_that_is_neither_success_nor_error_is_a_bad_gateway(status: int) -> None:
    rig = answering(status, headers={"location": "https://elsewhere.test"})

    with pytest.raises(UpstreamInvalid, match=str(status)) as caught:
        await rig.send()

    assert caught.value.status == 502
    assert len(rig.requests) == 1


@pytest.mark.parametrize(
    ("error", "kind", "status"),
    [
        (httpx.ConnectError("refused"), UpstreamUnreachable, 502),
        (httpx.ConnectTimeout("5 s"), UpstreamUnreachable, 502),
        (httpx.PoolTimeout("busy"), UpstreamBusy, 503),
        (httpx.ProxyError("407"), UpstreamUnreachable, 502),
        (httpx.UnsupportedProtocol("x"), UpstreamUnreachable, 502),
        (httpx.ReadTimeout("60 s"), UpstreamTimeout, 504),
        (httpx.WriteTimeout("60 s"), UpstreamTimeout, 504),
        (httpx.RemoteProtocolError("no HTTP"), UpstreamInvalid, 502),
        (httpx.ReadError("reset"), UpstreamCut, 502),
        (httpx.WriteError("reset"), UpstreamCut, 502),
    ],
)
async def test_failure_of_the_transport_is_told_by_its_kind(
    error: Exception, kind: type[UpstreamFailure], status: int
) -> None:
    with pytest.raises(kind, match="Acme") as caught:
        await raising(error).send()

    assert caught.value.status == status
    assert not caught.value.charged


@pytest.mark.parametrize(
    ("error", "setting"),
    [
        (httpx.ConnectTimeout("x"), "timeouts.connect"),
        (httpx.ReadTimeout("x"), "timeouts.first_byte"),
        (httpx.WriteTimeout("x"), "timeouts.idle"),
    ],
)
async def test_timeout_names_its_setting(error: Exception, setting: str) -> None:
    with pytest.raises(UpstreamFailure, match=f"Setting: {setting} of 'acme'"):
        await raising(error).send()


async def test_key_in_a_failure_of_the_transport_is_taken_out() -> None:
    with pytest.raises(UpstreamFailure) as caught:
        await raising(httpx.LocalProtocolError(f"illegal header value Bearer {KEY}")).send()

    assert KEY not in caught.value.message


@pytest.mark.parametrize("streamed", [True, False])
@pytest.mark.parametrize("status", [200, 401])
async def test_key_in_an_error_is_taken_out(status: int, *, streamed: bool) -> None:
    rig = answering(status, json={"error": {"message": f"The key {KEY} is wrong."}})

    with pytest.raises(UpstreamError) as caught:
        await rig.send(make_call({"stream": streamed}))

    assert caught.value.message == "The key [redacted] is wrong."
    assert KEY not in json.dumps(caught.value.body)


async def test_key_in_an_error_inside_a_stream_is_taken_out() -> None:
    rig, _ = streaming(ROLE, b'data: {"error":{"message":"%s"}}\n\n' % KEY.encode(), DONE)

    reply = await rig.send(make_call(STREAMED))

    assert KEY.encode() not in await collect(reply)
    assert reply.read_failure() == "[redacted]"


async def test_completion_in_one_piece_where_a_stream_was_asked_for_is_a_bad_gateway() -> None:
    with pytest.raises(UpstreamInvalid, match="application/json"):
        await answering(json=WHOLE).send(make_call(STREAMED))


@pytest.mark.parametrize("streamed", [True, False])
async def test_error_with_status_200_has_the_status_of_its_code(*, streamed: bool) -> None:
    with pytest.raises(UpstreamError, match="Slow") as caught:
        await answering(json={"error": {"message": "Slow down", "code": 429}}).send(make_call({"stream": streamed}))

    assert caught.value.status == 429


async def test_page_where_a_stream_was_asked_for_is_a_bad_gateway() -> None:
    with pytest.raises(UpstreamInvalid, match="text/html"):
        await answering(html="<h1>Hello</h1>").send(make_call(STREAMED))


@pytest.mark.parametrize("pieces", [[], [b""], [b": ping\n\n"[:3]], [b"\n\n"]])
async def test_stream_without_events_is_cut_before_its_first_byte(pieces: list[bytes]) -> None:
    rig, body = streaming(*pieces)

    with pytest.raises(UpstreamCut):
        await collect(await rig.send(make_call(STREAMED)))
    assert body.closed


async def test_garbage_where_a_compressed_reply_was_announced_is_a_bad_gateway() -> None:
    with pytest.raises(UpstreamInvalid, match="decompressed"):
        await answering(stream=Body([b"no gzip"]), headers={"content-encoding": "gzip"}).send()


async def test_error_that_is_cut_keeps_its_status() -> None:
    with pytest.raises(UpstreamError) as caught:
        await answering(503, stream=Body([b"Over", httpx.ReadError("reset")])).send()

    assert (caught.value.status, caught.value.message) == (503, "Over")


async def test_error_without_end_is_not_collected_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(failures, "_MAX_ERROR_BYTES", 1000)
    body = Body([b"error " * 50] * 1000)

    with pytest.raises(UpstreamError):
        await answering(500, stream=body).send()

    assert body.taken < 10
    assert body.closed


@pytest.mark.parametrize(
    "pieces", [[httpx.ReadError("reset")], [b"data: nope\n\n"], [b'data: {"a":1']], ids=["broken", "garbage", "cut"]
)
async def test_response_is_closed_when_its_first_byte_fails(pieces: list[bytes | Exception]) -> None:
    rig, body = streaming(*pieces)

    with pytest.raises(UpstreamFailure):
        await rig.send(make_call(STREAMED))

    assert body.closed


async def test_call_that_is_cancelled_before_the_first_byte_closes_the_response() -> None:
    class Silent(Body):
        async def __aiter__(self) -> AsyncIterator[bytes]:
            self.taken += 1
            await asyncio.Event().wait()
            yield b""

    body = Silent([])
    task = asyncio.create_task(answering(headers=EVENTS, stream=body).send(make_call(STREAMED)))
    while not body.taken:  # noqa: ASYNC110 - the body tells nobody
        await asyncio.sleep(0)

    task.cancel()

    with pytest.raises(asyncio.CancelledError):
        await task
    assert body.closed


# What goes wrong later.


@pytest.mark.parametrize(
    ("error", "kind"), [(httpx.ReadError("reset"), UpstreamCut), (httpx.ReadTimeout("120 s"), UpstreamTimeout)]
)
async def test_stream_that_breaks_off_raises_after_what_came(error: Exception, kind: type[UpstreamFailure]) -> None:
    rig, body = streaming(ROLE, HELLO, error)
    reply = await rig.send(make_call(STREAMED))
    came = [reply.first]

    with pytest.raises(kind) as caught:
        await collect_into(came, reply)

    assert came == [ROLE, HELLO]
    assert kind is not UpstreamTimeout or "timeouts.idle" in caught.value.message
    assert body.closed


@pytest.mark.parametrize(("framing", "whole"), [("close", False), ("chunked", True), ("length", True)])
async def test_end_without_done_is_a_cut_where_the_transport_cannot_know(framing: str, *, whole: bool) -> None:
    rig, _ = streaming(ROLE, HELLO, framing=framing)
    reply = await rig.send(make_call(STREAMED))

    if whole:
        assert await collect(reply) == ROLE + HELLO + DONE
        return
    with pytest.raises(UpstreamCut):
        await collect(reply)


# The list of models.


async def test_models_are_listed_in_the_providers_spelling_and_order() -> None:
    rig = answering(json={"data": [{"id": "B"}, {"id": "a"}, {"name": "c"}, 5]})

    assert [each.model for each in await rig.provider().list_models()] == ["B", "a"]
    assert (rig.requests[0].method, str(rig.requests[0].url)) == ("GET", "https://acme.test/v1/models")
    assert rig.requests[0].headers["authorization"] == f"Bearer {KEY}"


@pytest.mark.parametrize(
    ("rig", "kind"),
    [
        (answering(401, json={"error": "no"}), UpstreamError),
        (answering(302), UpstreamInvalid),
        (answering(text="<html>"), UpstreamInvalid),
        (answering(json={"object": "list"}), UpstreamInvalid),
        (answering(json=5), UpstreamInvalid),
        (answering(stream=Body([b"x"]), headers={"content-encoding": "gzip"}), UpstreamInvalid),
        (raising(httpx.ConnectError("refused")), UpstreamUnreachable),
    ],
)
async def test_list_that_cannot_be_had_is_a_failure_of_the_provider(rig: Rig, kind: type[UpstreamFailure]) -> None:
    with pytest.raises(kind):
        await rig.provider().list_models()


async def test_key_that_the_transport_quotes_is_kept_out_of_the_failure_to_list_models() -> None:
    with pytest.raises(UpstreamUnreachable) as raised:
        await raising(httpx.LocalProtocolError(f"Illegal header value 'Bearer {KEY}'")).provider().list_models()

    assert KEY not in raised.value.message


@pytest.mark.parametrize("encoding", ["identity", "gzip"])
async def test_list_without_end_is_not_collected_for_ever(monkeypatch: pytest.MonkeyPatch, encoding: str) -> None:
    monkeypatch.setattr(base, "_MAX_LIST_BYTES", 50_000)
    zeros = b"0" * 100_000
    body = Body([gzip.compress(zeros)] if encoding == "gzip" else [zeros[:10_000]] * 100)
    rig = answering(stream=body, headers={"content-encoding": encoding})

    with pytest.raises(UpstreamInvalid, match="The model list of Acme is longer than 50000 bytes"):
        await rig.provider().list_models()

    assert (body.taken <= 6, body.closed) == (True, 1)


async def test_provider_that_does_not_list_its_models_in_time_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(base, "_MODEL_LIST_S", 0.02)

    class Silent(Body):
        async def __aiter__(self) -> AsyncIterator[bytes]:
            await asyncio.Event().wait()
            yield b""

    body = Silent([])

    with pytest.raises(UpstreamTimeout):
        await answering(stream=body).provider().list_models()
    assert body.closed


# What its models do not take.


def keeping(rules: Rules | None, **config: Any) -> tuple[HttpProvider, list[httpx.Request]]:
    """A provider whose model has these rules, and what it was asked."""
    asked: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(request)
        return httpx.Response(200, json=WHOLE)

    fields = {"base_url": "https://acme.test/v1", "name": "Acme", **config}
    entry = ProviderConfig(**fields)
    return HttpProvider("acme", entry, None, httpx.MockTransport(answer), lambda _model: rules), asked


SAMPLED = {"temperature": 0.5, "top_p": 0.9, "max_tokens": 7, "own": {"a": 1}}


async def test_parameters_that_a_model_does_not_take_are_left_out_and_named_though_the_body_passes() -> None:
    provider, asked = keeping(Rules(max_completion_tokens=True, unsupported=("temperature", "top_p", "stop")))

    reply = await provider.send(make_call(SAMPLED), TARGET)

    body = json.loads(asked[0].content)
    assert body == {
        "model": "Acme-1",
        "messages": [{"role": "user", "content": "Hi"}],
        "max_completion_tokens": 7,
        "own": {"a": 1},
    }
    assert dict(reply.headers)[b"x-relay-warnings"] == b"acme/Acme-1 cannot take: temperature, top_p"


@pytest.mark.parametrize("policy", ["warn", "drop"])
async def test_parameters_that_are_left_out_are_noted_also_where_the_client_is_not_told(policy: str) -> None:
    provider, _ = keeping(Rules(unsupported=("temperature", "top_p")), unsupported_parameters=policy)
    call = make_call(SAMPLED)

    reply = await provider.send(call, TARGET)

    assert call.trace.warnings == ("temperature", "top_p")
    assert bool(reply.headers) == (policy == "warn")


async def test_names_that_a_client_makes_up_are_noted_up_to_a_bound() -> None:
    provider, _ = keeping(Rules(unsupported=("temperature",)), api_format="anthropic")
    call = make_call({f"made-up-{number}-{'x' * 100}": 1 for number in range(30)})

    await_failure = provider.send(call, TARGET)
    with pytest.raises(UpstreamInvalid):  # the stand-in answers in another dialect
        await await_failure

    assert (len(call.trace.warnings), max(map(len, call.trace.warnings))) == (20, 60)


async def test_control_characters_of_a_models_name_stay_out_of_the_warning() -> None:
    provider, _ = keeping(Rules(unsupported=("temperature",)))

    reply = await provider.send(make_call(SAMPLED), Target("acme", "a\0b\tc\x7f\r\nx: y"))

    assert dict(reply.headers)[b"x-relay-warnings"] == b"acme/abcx: y cannot take: temperature"


async def test_dropped_parameters_are_not_named() -> None:
    provider, asked = keeping(Rules(unsupported=("temperature",)), unsupported_parameters="drop")

    reply = await provider.send(make_call(SAMPLED), TARGET)

    assert "temperature" not in json.loads(asked[0].content)
    assert list(reply.headers) == []


async def test_parameters_that_a_model_does_not_take_are_refused_where_that_is_wished() -> None:
    provider, asked = keeping(Rules(unsupported=("top_p",)), unsupported_parameters="reject")

    with pytest.raises(InvalidRequest, match="acme/Acme-1 cannot take: top_p") as caught:
        await provider.send(make_call(SAMPLED), TARGET)

    assert (caught.value.param, caught.value.code) == ("top_p", "unsupported_parameter")
    assert asked == []


async def test_helper_calls_are_not_refused_for_what_the_gateway_says_in_them() -> None:
    provider, asked = keeping(Rules(unsupported=("top_p",)), unsupported_parameters="reject")

    reply = await provider.send(replace(make_call(SAMPLED), helper="designator"), TARGET)

    assert reply.status == 200
    assert "top_p" not in json.loads(asked[0].content)


@pytest.mark.parametrize("rules", [None, Rules(unsupported=("stop",)), Rules(max_completion_tokens=False)])
async def test_body_that_needs_no_change_is_not_rebuilt(rules: Rules | None) -> None:
    provider, asked = keeping(rules)
    body = b'{"messages" : [{"role":"user","content":"Hi"}],  "model":"gpt-x", "max_tokens": 7}'

    await provider.send(replace(make_call({"max_tokens": 7}), body=body), TARGET)

    assert asked[0].content == body.replace(b"gpt-x", b"Acme-1")


async def test_rules_are_asked_for_once_a_model() -> None:
    asked_for: list[str] = []

    def find_rules(model: str) -> None:
        asked_for.append(model)

    transport = httpx.MockTransport(lambda _request: httpx.Response(200, json=WHOLE))
    provider = HttpProvider("acme", ProviderConfig(base_url="https://acme.test/v1"), None, transport, find_rules)

    for model in ("a", "b", "a"):
        await provider.send(make_call(), Target("acme", model))

    assert asked_for == ["a", "b"]


async def test_what_is_configured_for_a_provider_is_put_in_whatever_the_model_takes() -> None:
    provider, asked = keeping(Rules(unsupported=("temperature",)), payload_default_parameters={"temperature": 0.1})

    await provider.send(make_call(SAMPLED), TARGET)

    assert json.loads(asked[0].content)["temperature"] == 0.1


def describing(**response: Any) -> Rig:
    rig = answering(**response)
    rig.config = {"base_url": "http://ollama.test:11434", "api_format": ("ollama",)}
    return rig


@pytest.mark.parametrize("recording", recorded("native-show.*", "ollama"))
async def test_ollamas_own_words_on_a_model_are_asked_for(recording: Recording) -> None:
    rig = describing(content=recording.body)

    described = await rig.provider().describe("gemma4")

    assert described == json.loads(recording.body)
    (request,) = rig.requests
    assert (request.method, str(request.url)) == ("POST", "http://ollama.test:11434/api/show")
    assert json.loads(request.content) == {"model": "gemma4"}


@pytest.mark.parametrize(
    "response",
    [{"status": 404, "json": {"error": "no"}}, {"content": b"<html>"}, {"json": ["a"]}, {"content": b"0" * 60}],
)
async def test_provider_that_does_not_describe_a_model_is_done_without(
    monkeypatch: pytest.MonkeyPatch, response: dict[str, Any]
) -> None:
    monkeypatch.setattr(base, "_MAX_LIST_BYTES", 50)

    assert await describing(**response).provider().describe("m") is None


async def test_provider_that_takes_too_long_to_describe_a_model_is_done_without(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(base, "_DESCRIBE_S", 0.02)

    class Hanging(httpx.AsyncBaseTransport):
        async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
            await asyncio.Event().wait()
            raise AssertionError(request)

    entry = ProviderConfig(base_url="http://ollama.test:11434", api_format=("ollama",))

    assert await HttpProvider("ollama", entry, None, Hanging()).describe("m") is None


async def test_provider_of_another_api_is_not_asked_to_describe_a_model() -> None:
    rig = answering(json={})

    assert await rig.provider().describe("m") is None
    assert rig.requests == []


# The end of a stream.


async def test_end_of_a_stream_is_known_with_the_piece_that_holds_it() -> None:
    rig, _ = streaming(ROLE, HELLO, DONE)

    assert await ends_of(await rig.send(make_call(STREAMED))) == [(ROLE, False), (HELLO, False), (DONE, True)]


async def test_end_of_a_stream_that_comes_in_one_piece_is_known_with_it() -> None:
    rig, _ = streaming(ROLE + HELLO + DONE)

    assert await ends_of(await rig.send(make_call(STREAMED))) == [(ROLE + HELLO + DONE, True)]


async def test_end_that_the_gateway_adds_is_known_too() -> None:
    rig, _ = streaming(ROLE, HELLO)

    assert (await ends_of(await rig.send(make_call(STREAMED))))[-1] == (DONE, True)


async def test_end_is_known_where_the_stream_is_translated() -> None:
    rig, _ = streaming(ROLE, HELLO.replace(b'"}}', b'"},"finish_reason":"stop"}'), DONE)
    payload = {"stream": True, "max_tokens": 9}

    pieces = await ends_of(await rig.send(make_call(payload, dialect="anthropic", surface="messages")))

    assert [b"message_stop" in piece for piece, _ in pieces] == [ended for _, ended in pieces]
    assert pieces[-1][1]


# What a call used that nobody waited for.


@pytest.mark.parametrize("streamed", [True, False])
@pytest.mark.parametrize("answered", [True, False])
async def test_call_that_is_cancelled_before_its_reply_has_used_its_request(*, answered: bool, streamed: bool) -> None:
    asked = asyncio.Event()

    class Silent(Body):
        async def __aiter__(self) -> AsyncIterator[bytes]:
            asked.set()
            await asyncio.Event().wait()
            yield b""

    async def answer(_request: httpx.Request) -> httpx.Response:
        if not answered:
            asked.set()
            await asyncio.Event().wait()
        return httpx.Response(200, stream=Silent([]), headers=EVENTS if streamed else {})

    provider = HttpProvider("acme", ProviderConfig(base_url="https://acme.test/v1"), None, httpx.MockTransport(answer))
    call = make_call({"stream": streamed, "messages": [{"role": "user", "content": "x" * 40}]})
    task = asyncio.create_task(provider.send(call, TARGET))
    await asked.wait()

    task.cancel()

    with pytest.raises(asyncio.CancelledError):
        await task
    assert call.trace.used == Usage(input=10, estimated=True)


async def test_call_that_is_cancelled_while_an_error_is_read_has_used_nothing() -> None:
    asked = asyncio.Event()

    class Silent(Body):
        async def __aiter__(self) -> AsyncIterator[bytes]:
            asked.set()
            await asyncio.Event().wait()
            yield b""

    call = make_call()
    task = asyncio.create_task(answering(429, stream=Silent([])).provider().send(call, TARGET))
    await asked.wait()

    task.cancel()

    with pytest.raises(asyncio.CancelledError):
        await task
    assert call.trace.used is None
