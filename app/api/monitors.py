"""`/v1/monitors`: users' own monitors. Each request is a call: it takes a unit of quota and leaves a record."""

import contextlib
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from urllib.parse import parse_qs

from starlette.routing import Route

from app.api.pump import Voice
from app.api.relay import RelayRoute, Scope, Surface
from app.core.call import Call, Target
from app.core.errors import InvalidRequest
from app.core.jsonio import Json, dumps
from app.core.ports import Handler, Priced, Recorder
from app.core.principal import Principal
from app.core.reply import EVENT_STREAM_TYPE, JSON_TYPE, Reply
from app.core.usage import Usage
from app.dialects.dialect import Asked
from app.dialects.opening import open_body
from app.dialects.registry import DIALECTS
from app.monitors.asked import read_asked
from app.monitors.creating import Creation
from app.monitors.desk import STATUSES, MonitorDesk
from app.monitors.feed import EventFeed
from app.monitors.messages import OPENING
from app.monitors.telling import told_created, told_delivery, told_events, told_monitor
from app.pipeline.limits import Limits
from app.pipeline.metering import Metering
from app.pipeline.stage import chain

PROVIDER = "monitors"
"""The provider of these calls in records."""
MOST_EVENTS, USUAL_EVENTS = 100, 20

OpenRoute = Callable[[Surface, Handler], RelayRoute]
Answer = tuple[int, Json]
IsGood = Callable[[Principal], bool]
Run = Callable[[Principal, Mapping[str, Json]], Awaitable[Answer]]

_OPENAI = DIALECTS["openai"]
_VOICE = Voice(_OPENAI.write_error, _OPENAI.write_error_event)


class _Free:
    """Nothing here costs anything; Parallel's runs have no call of their own."""

    def price(self, target: Target, usage: Usage, at: float) -> Priced:
        return Priced(Decimal(0), None)


@dataclass(frozen=True)
class Operation:
    """One of them.

    Attributes:
        name: for records.
        path: with `{monitor_id}` and `{delivery_id}` where they are in it.
        run: gives the status and the body; of what the path, the query and the body say.
    """

    name: str
    method: str
    path: str
    run: Run
    has_body: bool = False


def monitor_routes(
    open_route: OpenRoute,
    creation: Creation,
    desk: MonitorDesk,
    feed: EventFeed,
    recorder: Recorder,
    limits: Limits,
    is_good: IsGood,
) -> list[Route]:
    """All of them.

    Args:
        is_good: whether a caller's token is good still.
    """
    plain = [_route(operation, open_route, recorder, limits) for operation in _operations(creation, desk)]
    return [_stream_route(feed, open_route, recorder, is_good), *plain]


def _route(operation: Operation, open_route: OpenRoute, recorder: Recorder, limits: Limits) -> Route:
    async def answer(call: Call) -> Reply:
        call.trace.target = Target(PROVIDER, operation.name)
        await limits.admit(call)
        status, value = await operation.run(call.principal, call.payload)
        return Reply(status, JSON_TYPE, dumps(value))

    surface = Surface("monitors", "openai", lambda body, scope: _read(operation, body, scope), _VOICE, needs_token=True)
    route = open_route(surface, chain([Metering(recorder, _Free())], answer))
    return Route(operation.path, route, methods=[operation.method])


def _stream_route(feed: EventFeed, open_route: OpenRoute, recorder: Recorder, is_good: IsGood) -> Route:
    """What the caller's monitors find, as it comes: a call that goes on until its client leaves, or its token is no longer good."""

    async def answer(call: Call) -> Reply:
        # Nothing is reserved: it is no call to a model, and would keep a place among those at the same time for hours.
        call.trace.target = Target(PROVIDER, "stream")
        last = call.payload.get("last_event_id")
        told = await feed.stream(call.principal.username, str(last) if last else None)
        events = _while_good(told, lambda: is_good(call.principal))
        return Reply(200, EVENT_STREAM_TYPE, OPENING, events, events.aclose)

    def read(body: bytes, scope: Scope) -> Asked:
        last = dict(scope["headers"]).get(b"last-event-id", b"").decode("latin-1")
        return Asked(body, {"last_event_id": last}, "monitors", True, True)

    surface = Surface("monitors", "openai", read, _VOICE, needs_token=True)
    route = open_route(surface, chain([Metering(recorder, _Free())], answer))
    return Route("/v1/monitors/events/stream", route, methods=["GET"])


async def _while_good(told: AsyncGenerator[bytes, None], is_good: Callable[[], bool]) -> AsyncGenerator[bytes, None]:
    async with contextlib.aclosing(told):
        async for event in told:
            if not is_good():
                return
            yield event


def _read(operation: Operation, body: bytes, scope: Scope) -> Asked:
    payload: dict[str, Json] = {}
    if operation.has_body:
        body, payload = open_body(body)
    else:
        query = parse_qs(scope["query_string"].decode("latin-1"), keep_blank_values=True)
        payload = {name: values[-1] for name, values in query.items()} | dict(scope["path_params"])
    return Asked(body, payload, "monitors", False, True)


def _operations(creation: Creation, desk: MonitorDesk) -> list[Operation]:
    async def create(principal: Principal, payload: Mapping[str, Json]) -> Answer:
        asked = read_asked(payload)
        return 200, told_created(await creation.create(principal.username, asked, token_id=principal.token_id))

    async def list_all(principal: Principal, payload: Mapping[str, Json]) -> Answer:
        status = payload.get("status")
        if status is not None and status not in STATUSES:
            raise InvalidRequest(f"'status' must be one of {', '.join(STATUSES)}.", param="status")
        found = await desk.list_all(principal.username)
        return 200, {"monitors": [told_monitor(each) for each in found if status in (None, each.status)]}

    async def show(principal: Principal, payload: Mapping[str, Json]) -> Answer:
        return 200, told_monitor(await desk.show(principal.username, _id(payload)))

    async def cancel(principal: Principal, payload: Mapping[str, Json]) -> Answer:
        monitor = await desk.cancel(principal.username, _id(payload))
        return 202 if monitor.status == "cancelling" else 200, told_monitor(monitor)

    async def trigger(principal: Principal, payload: Mapping[str, Json]) -> Answer:
        return 202, told_monitor(await desk.trigger(principal.username, _id(payload)))

    async def events(principal: Principal, payload: Mapping[str, Json]) -> Answer:
        most = _limit(payload)
        monitor = await desk.show(principal.username, _id(payload))
        groups = await desk.events(principal.username, monitor.id, most)
        return 200, {"event_groups": [told_events(each, monitor.handle) for each in groups]}

    async def deliveries(principal: Principal, payload: Mapping[str, Json]) -> Answer:
        found = await desk.deliveries(principal.username, _id(payload), _limit(payload))
        return 200, {"deliveries": [told_delivery(each) for each in found]}

    async def replay(principal: Principal, payload: Mapping[str, Json]) -> Answer:
        delivery = await desk.replay(principal.username, _id(payload), str(payload["delivery_id"]))
        return 202, told_delivery(delivery)

    one = "/v1/monitors/{monitor_id}"
    return [
        Operation("create", "POST", "/v1/monitors/create", create, has_body=True),
        Operation("create", "POST", "/v1/monitors", create, has_body=True),
        Operation("list", "GET", "/v1/monitors", list_all),
        Operation("get", "GET", one, show),
        Operation("cancel", "DELETE", one, cancel),
        Operation("trigger", "POST", f"{one}/trigger", trigger),
        Operation("events", "GET", f"{one}/events", events),
        Operation("deliveries", "GET", f"{one}/deliveries", deliveries),
        Operation("replay", "POST", f"{one}/deliveries/{{delivery_id}}/replay", replay),
    ]


def _id(payload: Mapping[str, Json]) -> str:
    return str(payload["monitor_id"])


def _limit(payload: Mapping[str, Json]) -> int:
    text = payload.get("limit")
    if text is None:
        return USUAL_EVENTS
    if not isinstance(text, str) or not text.isascii() or not text.isdigit() or not 1 <= int(text[:6]) <= MOST_EVENTS:
        raise InvalidRequest(f"'limit' must be a number from 1 to {MOST_EVENTS}.", param="limit")
    return int(text)
