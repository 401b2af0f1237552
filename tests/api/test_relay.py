"""What a call that failed costs: the unit of quota and the record agree, whatever went out before."""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from dataclasses import replace
from typing import Any

import pytest

from app.api.client_address import address_reader
from app.api.relay import RelayRoute, Surface
from app.api.surfaces import CHAT, COUNT_TOKENS, MESSAGES, OLLAMA_CHAT
from app.auth.guard import Guard
from app.auth.quota import Admission
from app.core.call import Call
from app.core.errors import RelayError, Unavailable, UpstreamCut
from app.core.ports import Handler
from app.core.principal import Principal
from app.core.record import CallRecord
from app.core.reply import EVENT_STREAM_TYPE, JSON_TYPE, Reply
from app.pipeline.metering import Metering
from app.pipeline.stage import chain
from tests.calls import make_reply

FIRST = b'data: {"n":1}\n\n'


class OpenGuard(Guard):
    """Lets everybody in, and counts the units that come back."""

    def __init__(self) -> None:
        self.admitted = 0
        self.given_back = 0

    async def identify(
        self, authorization: str | None, client: str, *, headers: Mapping[bytes, bytes] | None = None
    ) -> Principal:
        return Principal("tokenid0", "tester", 1000)

    async def admit(self, principal: Principal) -> Admission:
        self.admitted += 1
        return Admission(principal.token_id, 0, 1000, 999, 1)

    def give_back(self, admission: Admission) -> None:
        self.given_back += 1


class Served:
    """One request to the route before `handler`, at fake ASGI ends."""

    def __init__(
        self,
        handler: Handler,
        *,
        streamed: bool = True,
        ping_s: float = 60.0,
        surface: Surface = CHAT,
        headers: Mapping[bytes, bytes] | None = None,
        refusal: RelayError | None = None,
    ) -> None:
        self.guard = OpenGuard()
        self._refusal = refusal
        self.records: list[CallRecord] = []
        self.sent: list[dict[str, Any]] = []
        self.pinged = asyncio.Event()
        self.left = asyncio.Event()
        route = RelayRoute(
            surface,
            guard=self.guard,
            handler=chain([Metering(self)], handler),
            check_name=self._check_name,
            check_recorder=self._check_recorder,
            split_name=self._split_name,
            read_address=address_reader(()),
            max_body_bytes=1000,
            ping_s=ping_s,
        )
        body = {"model": "m", "stream": streamed, "max_tokens": 9, "messages": [{"role": "user", "content": "Hi"}]}
        self._request = json.dumps(body).encode()
        scope = {
            "type": "http",
            "headers": [*(headers or {}).items()],
            "query_string": b"",
            "client": ("192.0.2.7", 4711),
        }
        self.task = asyncio.create_task(route(scope, self._receive, self._send))

    async def _check_name(self, name: str, principal: Principal) -> None:
        raise AssertionError("no call of these tests is the gateway's own to answer")

    def _check_recorder(self) -> None:
        if self._refusal is not None:
            raise self._refusal

    async def _split_name(self, name: str) -> tuple[str, str]:
        model, _, tag = name.rpartition("@")
        return model, tag

    def record(self, *records: CallRecord) -> None:
        self.records.extend(records)

    @property
    def body(self) -> bytes:
        return b"".join([message.get("body", b"") for message in self.sent])

    @property
    def cost(self) -> tuple[int, bool]:
        """How many units came back, and whether the one record says that the call kept its own."""
        (record,) = self.records
        return self.guard.given_back, record.charged

    async def _receive(self) -> Mapping[str, Any]:
        if request := self._request:
            self._request = b""
            return {"type": "http.request", "body": request}
        await self.left.wait()
        return {"type": "http.disconnect"}

    async def _send(self, message: dict[str, Any]) -> None:
        if any(b"\n" in value for _, value in message.get("headers", ())):
            raise RuntimeError("a line break in a response header")
        self.sent.append(message)
        if message.get("body", b"").startswith(b":"):
            self.pinged.set()


KEPT, RETURNED = (0, True), (1, False)


@pytest.mark.parametrize("surface", [CHAT, MESSAGES, COUNT_TOKENS, OLLAMA_CHAT], ids=lambda surface: surface.dialect)
async def test_call_that_could_not_be_recorded_is_refused_before_it_costs_anything(surface: Surface) -> None:
    async def unasked(_call: Call) -> Reply:
        raise AssertionError("it is refused before")

    served = Served(unasked, surface=surface, refusal=Unavailable("The journal is full.", code="journal_full"))
    await served.task

    assert served.sent[0]["status"] == 503
    assert served.body == surface.voice.write_error(Unavailable("The journal is full.", code="journal_full"))
    assert (served.guard.admitted, served.guard.given_back, served.records) == (0, 0, [])


async def test_call_whose_time_cannot_be_read_takes_no_unit_and_is_not_recorded() -> None:
    async def unasked(_call: Call) -> Reply:
        raise AssertionError("it is refused before")

    served = Served(unasked, headers={b"x-relay-timeout-ms": b"soon"})
    await served.task

    assert served.sent[0]["status"] == 400
    assert (served.guard.admitted, served.records) == (0, [])


async def test_unit_comes_back_where_a_stage_fails_after_a_ping() -> None:
    go_on = asyncio.Event()

    async def failing(_call: Call) -> Reply:
        await go_on.wait()
        raise KeyError("a bug")

    served = Served(failing, ping_s=0.0)
    await served.pinged.wait()
    go_on.set()
    await served.task

    assert b"The gateway failed" in served.body
    assert served.cost == RETURNED


async def test_unit_comes_back_where_the_gateway_is_shut_down_after_a_ping() -> None:
    async def hanging(_call: Call) -> Reply:
        await asyncio.Event().wait()
        raise AssertionError("nobody waits that long")

    served = Served(hanging, ping_s=0.0)
    await served.pinged.wait()
    served.task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await served.task

    assert b"shutting down" in served.body
    assert served.cost == RETURNED


@pytest.mark.parametrize("streamed", [True, False])
async def test_unit_comes_back_where_the_server_refuses_the_replys_headers(*, streamed: bool) -> None:
    async def answering(_call: Call) -> Reply:
        reply = make_reply(FIRST, media_type=EVENT_STREAM_TYPE if streamed else JSON_TYPE)
        reply.headers.append((b"x-odd", b"a\nb"))
        return reply

    served = Served(answering, streamed=streamed)
    await served.task

    assert [message["status"] for message in served.sent if "status" in message] == [500]
    assert FIRST not in served.body
    assert served.cost == RETURNED


async def test_call_that_takes_no_unit_is_recorded_as_one_that_kept_none() -> None:
    async def answering(_call: Call) -> Reply:
        return make_reply()

    served = Served(answering, streamed=False, surface=replace(CHAT, free=True))
    await served.task

    assert served.cost == (0, False)


async def test_client_that_leaves_after_a_ping_pays() -> None:
    async def hanging(_call: Call) -> Reply:
        await asyncio.Event().wait()
        raise AssertionError("nobody waits that long")

    served = Served(hanging, ping_s=0.0)
    await served.pinged.wait()
    served.left.set()
    await served.task

    assert served.cost == KEPT


@pytest.mark.parametrize("failure", [UpstreamCut("It broke off."), KeyError("a bug")])
async def test_reply_that_breaks_off_after_its_first_byte_is_paid_for(failure: Exception) -> None:
    async def answering(_call: Call) -> Reply:
        return make_reply(FIRST, failure, media_type=EVENT_STREAM_TYPE)

    served = Served(answering)
    await served.task

    assert served.body.startswith(FIRST)
    assert served.cost == KEPT


async def test_reply_that_is_cut_by_a_shutdown_after_its_first_byte_is_paid_for() -> None:
    begun = asyncio.Event()

    async def hanging() -> AsyncIterator[bytes]:
        begun.set()
        await asyncio.Event().wait()
        yield b""

    async def answering(_call: Call) -> Reply:
        return make_reply(FIRST, rest=hanging(), media_type=EVENT_STREAM_TYPE)

    served = Served(answering)
    await begun.wait()
    served.task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await served.task

    assert served.cost == KEPT
