"""Live calls over HTTP: what is under way at all workers, as it is now and as it changes, and a stop."""

from collections.abc import AsyncGenerator
from contextlib import aclosing
from datetime import UTC, datetime
from typing import Any

from fastapi import APIRouter, Depends, Request
from pydantic import BaseModel, Field
from starlette.responses import StreamingResponse

from app.api.admin.authorise import Authorise
from app.api.admin.moments import ShownMoment, moment_of
from app.api.admin.refused import NotFound
from app.core.errors import RelayError
from app.core.reply import EVENT_STREAM_TYPE
from app.live.calls import LiveCalls, NoSuchCall
from app.live.snapshot import LiveCall, ProviderReach, Snapshot

_STREAM_HEADERS = {"cache-control": "no-store", "x-accel-buffering": "no"}
_LOOKS_A_CHECK = 5
"""So many seconds after a session is over, its stream is too, at most."""
_UNKNOWN: dict[int | str, dict[str, Any]] = {404: {"description": "It has ended, or never was."}}


class LiveCallShown(BaseModel):
    """A client's call that has not ended yet."""

    id: str
    username: str
    token_id: str
    name: str = Field(description="What the client asked for.")
    provider: str | None
    model: str | None
    surface: str
    streamed: bool
    started: ShownMoment
    answering: bool = Field(description="Bytes of the reply have come.")
    prompt_tokens: int
    completion_tokens: int = Field(description="Up to now; 0 while nothing has come.")
    estimated: bool = Field(description="The provider has not told the tokens yet: most do so at the end.")


class TargetHealthShown(BaseModel):
    """How a target has done since the workers started, at all of them together."""

    provider: str
    model: str
    key: int = Field(description="Which of the provider's API keys, counted from 1.")
    state: str = Field(
        description="Of its breaker: closed (it is asked), half-open or open; of several workers the worst."
    )
    calls: int
    failures: int
    under_way: int = Field(description="Calls that wait for its first byte.")
    first_byte_ms: float | None = Field(description="On average of late.")
    retry_s: float


class ProviderReachShown(BaseModel):
    """How asking a provider for its models went, at the worker that asked it last."""

    provider: str
    ok: bool
    words: str
    models: int | None = Field(description="How many it lists; null where it did not tell.")
    at: ShownMoment = Field(description="When it was asked.")
    ms: int = Field(description="How long it took.")


class LiveShown(BaseModel):
    """What is under way now at all workers. `count` is of all calls; of very many, only the oldest are listed."""

    at: ShownMoment = Field(description="By the gateway's clock.")
    count: int
    calls: list[LiveCallShown]
    targets: list[TargetHealthShown]
    providers: list[ProviderReachShown]


class StopAsked(BaseModel):
    """The call ends at once, or where another worker has it, within two seconds."""

    id: str


def live_router(authorise: Authorise, live: LiveCalls) -> APIRouter:
    """All below `/admin/api/live`, for those whom `authorise` lets in."""
    router = APIRouter(prefix="/admin/api/live", tags=["admin"], dependencies=[Depends(authorise)])

    @router.get("", summary="The calls that are under way, and how the targets are doing")
    async def now() -> LiveShown:
        return _shown(await live.now())

    @router.get(
        "/stream",
        summary="The same as server-sent events, whenever something has changed",
        response_class=StreamingResponse,
        responses={200: {"content": {"text/event-stream": {}}}},
    )
    async def stream(request: Request) -> StreamingResponse:
        return StreamingResponse(
            _events(request, authorise, live), media_type=EVENT_STREAM_TYPE, headers=_STREAM_HEADERS
        )

    @router.post("/{request_id}/stop", status_code=202, summary="Stop a call", responses=_UNKNOWN)
    async def stop(request_id: str) -> StopAsked:
        try:
            await live.stop(request_id)
        except NoSuchCall:
            words = f"No call {request_id[:80]!r} is under way: it has ended."
            raise NotFound(words, code="call_not_found") from None
        return StopAsked(id=request_id)

    return router


async def _events(request: Request, authorise: Authorise, live: LiveCalls) -> AsyncGenerator[bytes, None]:
    """Ends with the gateway, and with the session or token of who listens."""
    looks = 0
    last: Snapshot | None = None
    async with aclosing(live.follow()) as snapshots:
        async for snapshot in snapshots:
            looks += 1
            if looks % _LOOKS_A_CHECK == 0:
                try:
                    await authorise(request)
                except RelayError:
                    return
            yield b": still\n\n" if snapshot == last else b"data: %s\n\n" % _shown(snapshot).model_dump_json().encode()
            last = snapshot


def _shown(snapshot: Snapshot) -> LiveShown:
    return LiveShown(
        at=datetime.now(UTC),
        count=snapshot.count,
        calls=[_call(call) for call in snapshot.calls],
        targets=[TargetHealthShown.model_validate(each, from_attributes=True) for each in snapshot.targets],
        providers=[_reach(each) for each in snapshot.providers],
    )


def _call(call: LiveCall) -> LiveCallShown:
    fields = {name: getattr(call, name) for name in LiveCallShown.model_fields if name != "started"}
    return LiveCallShown(started=moment_of(call.started_ms), **fields)


def _reach(reach: ProviderReach) -> ProviderReachShown:
    fields = {name: getattr(reach, name) for name in ProviderReachShown.model_fields if name != "at"}
    return ProviderReachShown(at=datetime.fromtimestamp(reach.at, UTC), **fields)
