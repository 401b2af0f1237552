"""What every chat route does: who is it, what do they want, may they, and then the pipeline and the pump."""

import asyncio
import itertools
import logging
import secrets
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from app.api.body import ClientGone, read_body
from app.api.client_address import ReadAddress
from app.api.credentials import read_authorization
from app.api.pump import SHUT_DOWN, Client, RawHeaders, Receive, Send, Voice, pump
from app.api.tagging import Rename, SplitName, is_tagged, read_end_user, read_tagged, rename_body
from app.api.vigil import Rounds
from app.auth.quota import Admission
from app.core.call import Call
from app.core.errors import Headers, InvalidRequest, LimitReached, RelayError, Unavailable
from app.core.ports import Handler
from app.core.principal import Principal
from app.core.receipt import ReceiptForm
from app.dialects.dialect import Asked
from app.metering.bodies import BodyLog, Collected

log = logging.getLogger(__name__)

# Proxies and browsers close what is silent for a minute; half of their half is safe.
PING_S = 15.0
_MOST_TIMEOUT_MS = 86_400_001
# That of today has 55; later versions may add to it.
_LONGEST_TRACEPARENT = 128
_RECEIPTS: Mapping[bytes, ReceiptForm] = {b"comment": "comment", b"chunk": "chunk", b"none": "none"}

Scope = Mapping[str, Any]
CheckName = Callable[[str, Principal], Awaitable[None]]
"""Raises `UnknownModel` and `PermissionDenied`, as a call for a model of that name would."""


@dataclass(frozen=True)
class Surface:
    """One API for calls to models.

    Attributes:
        name: for records and errors.
        dialect: how requests and replies are written.
        read_asked: the facts of a request's body; some APIs tell a part of them in the path, which the scope has.
        forwards: headers that a provider of the same dialect is to see too.
        free: calls cost nothing of the quota.
        rename: gives the request another model's name.
        reply: the gateway's own answer to a request that asks a model for nothing, by its request id; None for all others. The
            model has to be one that the caller may use.
        needs_token: it is not there for callers without one, whatever the operator allows these.
    """

    name: str
    dialect: str
    read_asked: Callable[[bytes, Scope], Asked]
    voice: Voice
    forwards: frozenset[bytes] = frozenset()
    free: bool = False
    rename: Rename = rename_body
    reply: Callable[[Asked, str], bytes | None] | None = None
    needs_token: bool = False


class Gate(Protocol):
    """Who is calling, and may they: a `Guard`, or what stands in its place."""

    async def identify(
        self, authorization: str | None, client: str, /, *, headers: Mapping[bytes, bytes] | None = None
    ) -> Principal:
        """Who sent this `Authorization` header from the address `client`."""

    async def admit(self, principal: Principal, /) -> Admission:
        """One unit of the caller's day."""

    def give_back(self, admission: Admission, /) -> None:
        """Return it."""


class RelayRoute:
    """An ASGI application that serves one surface.

    Args:
        check_recorder: raises `Unavailable` where the record of a call could not be kept.

    Attributes:
        rounds: look after the calls that have not ended yet.
    """

    def __init__(
        self,
        surface: Surface,
        *,
        guard: Gate,
        handler: Handler,
        check_name: CheckName,
        check_recorder: Callable[[], None],
        split_name: SplitName,
        read_address: ReadAddress,
        max_body_bytes: int,
        call_timeout_s: float | None = None,
        body_log: BodyLog | None = None,
        ping_s: float = PING_S,
        note_refusal: Callable[[RelayError], None] = lambda _error: None,
        is_traced: bool = False,
    ) -> None:
        self._surface = surface
        self._guard = guard
        self._handler = handler
        self._check_name = check_name
        self._check_recorder = check_recorder
        self._split_name = split_name
        self._read_address = read_address
        self._max_body_bytes = max_body_bytes
        self._call_timeout_s = call_timeout_s
        self._body_log = body_log
        self.rounds = Rounds(ping_s)
        self._note_refusal = note_refusal
        self._is_traced = is_traced
        self._ids = _count_ids()
        self._needs_token = surface.needs_token

    @property
    def under_way(self) -> int:
        """How many calls have not ended yet."""
        return len(self.rounds)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        started_at, received_at = time.monotonic(), time.time()
        call_id = next(self._ids)
        client = Client(send, self._surface.voice, [(b"x-request-id", call_id.encode())])
        headers = dict(scope["headers"])
        address = self._read_address(scope)
        admission = collected = None
        try:
            authorization = read_authorization(headers, scope["query_string"])
            anonymously = None if self._needs_token else headers
            principal = await self._guard.identify(authorization, address, headers=anonymously)
            body = await read_body(
                receive,
                encoding=headers.get(b"content-encoding", b"").strip().lower(),
                declared=headers.get(b"content-length", b""),
                limit=self._max_body_bytes,
            )
            asked = self._surface.read_asked(body, scope)
            tags, end_user = principal.tags, None
            if is_tagged(asked, headers):
                asked, said = await self._read_tagged(asked, scope, call_id, authorization)
                tags = tuple(sorted({*tags, *said}))
            if asked.end_user is not None:
                end_user = read_end_user(asked.end_user, _credential(authorization))
            if self._surface.reply is not None and (own := self._surface.reply(asked, call_id)) is not None:
                await self._check_name(asked.name, principal)
                await client.answer(200, own, [(b"content-type", b"application/json")])
                return
            self._check_recorder()
            client.model = asked.name
            deadline = self._deadline(headers.get(b"x-relay-timeout-ms"), started_at)
            receipt = _RECEIPTS.get(headers.get(b"x-relay-receipt", b"comment"))
            if receipt is None:
                raise InvalidRequest("The header x-relay-receipt must be comment, chunk or none.")
            if not self._surface.free:
                admission = await self._guard.admit(principal)
                client.headers += _raw(admission.headers())
            call = Call(
                id=call_id,
                principal=principal,
                surface=self._surface.name,
                dialect=self._surface.dialect,
                name=asked.name,
                body=asked.body,
                payload=asked.payload,
                streamed=asked.streamed,
                wants_usage=asked.wants_usage,
                started_at=started_at,
                received_at=received_at,
                client=address,
                headers=self._forwarded(headers) if self._surface.forwards else (),
                free=self._surface.free,
                deadline=deadline,
                tags=tags,
                end_user=end_user,
                receipt=receipt,
                cache_control=headers[b"cache-control"].decode("latin-1").lower()
                if b"cache-control" in headers
                else "",
            )
            if principal.log_bodies and self._body_log is not None:
                collected = self._body_log.begin(call_id, body)
                client.send = _heard_by(collected, client.send)
            if self._is_traced:
                parent = headers.get(b"traceparent", b"")[:_LONGEST_TRACEPARENT]
                call.trace.traceparent = parent.decode("latin-1") or None
            if b"x-relay-session" in headers or b"x-session-id" in headers:
                session = headers.get(b"x-relay-session") or headers.get(b"x-session-id") or b""
                call.trace.session = session.decode("latin-1") or None
            error = await pump(call, self._handler, client, receive, self.rounds)
            if error is not None:
                if isinstance(error, LimitReached):
                    self._note_refusal(error)
                if not error.charged and admission is not None:
                    self._guard.give_back(admission)
        except RelayError as exc:
            log.info("%s refused %s: %d %s", call_id, address, exc.status, exc.message)
            self._note_refusal(exc)
            await client.fail(exc)
        except asyncio.CancelledError:  # the gateway is shut down, and waits no longer
            if not client.begun:
                if admission is not None:
                    self._guard.give_back(admission)
                await client.fail(Unavailable(SHUT_DOWN))
            raise
        except ClientGone:
            log.info("%s from %s: the client left before its request had come", call_id, address)
        except Exception:
            log.exception("%s failed by a fault of ours", call_id)
            if admission is not None and not client.begun:
                self._guard.give_back(admission)
            await client.fail(RelayError(f"The gateway failed; its log tells more under {call_id}."))
        finally:
            if collected is not None:
                collected.close()

    async def _read_tagged(
        self, asked: Asked, scope: Scope, call_id: str, authorization: str | None
    ) -> tuple[Asked, tuple[str, ...]]:
        return await read_tagged(
            asked,
            scope,
            call_id=call_id,
            credential=_credential(authorization),
            split_name=self._split_name,
            rename=self._surface.rename,
        )

    def _deadline(self, timeout_ms: bytes | None, started_at: float) -> float | None:
        """When the first byte has to be here, by the client's wish or by the operator's; the earlier of both.

        Raises:
            InvalidRequest: the client's is no number of milliseconds.
        """
        limits_s = [] if self._call_timeout_s is None else [self._call_timeout_s]
        if timeout_ms is not None:
            if not timeout_ms.isdigit() or not 0 < int(timeout_ms[:10]) < _MOST_TIMEOUT_MS:
                raise InvalidRequest("The header x-relay-timeout-ms must be a number of milliseconds, a day at most.")
            limits_s.append(int(timeout_ms) / 1000)
        return started_at + min(limits_s) if limits_s else None

    def _forwarded(self, headers: Mapping[bytes, bytes]) -> tuple[tuple[bytes, bytes], ...]:
        return tuple((name, headers[name]) for name in sorted(self._surface.forwards) if name in headers)


def new_request_id() -> str:
    """Unlike any other, and nothing to guess from."""
    return f"req_{secrets.token_hex(12)}"


def _heard_by(collected: Collected, send: Send) -> Send:
    """`send`, where the bytes of bodies are collected too: the reply's and all that the gateway itself says."""

    async def heard(message: dict[str, Any]) -> None:
        await send(message)
        if body := message.get("body"):
            collected.feed(body)

    return heard


def _credential(authorization: str | None) -> str:
    return (authorization or "").strip().partition(" ")[2].strip()


def _count_ids() -> Iterator[str]:
    """Request ids at a tenth of the cost: random for the process, which begins with its first call, and counted within it."""
    process = secrets.token_hex(8)
    for number in itertools.count():
        yield f"req_{process}{number:08x}"


def _raw(headers: Headers) -> RawHeaders:
    return [(name.encode(), value.encode()) for name, value in headers]
