"""The server of the stand-in: its routes, the faults that a test orders, and the runs of its monitors."""

import asyncio
import contextlib
import functools
import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from app.core.jsonio import InvalidJson, dumps, loads
from tests.e2e.standin import Answer, Exchange, StandIn
from tests.parallel_server.checking import EVENT_TYPES, TYPES, Invalid, check_changes, check_new, whole
from tests.parallel_server.faults import BROKEN_OFF, Fault, refusal
from tests.parallel_server.state import Json, State, text_event
from tests.parallel_server.webhooks import Delivery, deliver, sign

KEY = "planted-parallel-key"
DETECTED, COMPLETED, FAILED = EVENT_TYPES
OPERATIONS = ("create", "list", "get", "update", "cancel", "trigger", "events")

_MOST_PAGE, _PAGE = 10_000, 100
_MOST_EVENTS, _EVENTS = 100, 20
_ROOT = "/v1/monitors"
_SOON_S = 10.0


@dataclass(frozen=True)
class Asked:
    """A request that came.

    Attributes:
        operation: one of `OPERATIONS`; "" where it is none.
        status: of our answer; 0 where there was none.
        body: decoded; None where there is none.
    """

    operation: str
    method: str
    path: str
    headers: Mapping[str, str]
    body: Json
    status: int


class ParallelServer(StandIn):
    """The Monitor API on a loopback port, in a thread of its own.

    Attributes:
        key: that is taken as `x-api-key`.
        secrets: the account's, by which webhooks are signed; two of them during a rotation.
        legacy: they are signed as those of older accounts.
        pace: by which Parallel's pauses between attempts are multiplied: the first is 5 s, and each further one twice as long.
        first_run: what the first run of each monitor that is created finds; its webhook may overtake the answer.
        requests: that came, in their order.
        deliveries: of webhooks, in their order.
    """

    def __init__(
        self,
        *,
        key: str = KEY,
        secrets: Sequence[str] = (),
        legacy: bool = False,
        pace: float = 0.004,
        first_run: Sequence[str | Mapping[str, Json]] = (),
        port: int = 0,
    ) -> None:
        super().__init__(port)
        self.answer = self.models = self._answered
        self.key = key
        self.secrets = list(secrets)
        self.legacy = legacy
        self.pace = pace
        self.first_run = first_run
        self.requests: list[Asked] = []
        self.deliveries: list[Delivery] = []
        self._state = State()
        self._faults: list[tuple[str | None, Fault]] = []

    @property
    def monitors(self) -> list[dict[str, Json]]:
        """All of them as they are told, the oldest first."""
        with self._state.lock:
            return [dict(monitor) for monitor in self._state.monitors.values()]

    @property
    def active(self) -> list[str]:
        """The ids of those that are active, the oldest first."""
        return [monitor["monitor_id"] for monitor in self.monitors if monitor["status"] == "active"]

    @property
    def runs(self) -> list[str]:
        """The ids of monitors, as often as each was triggered."""
        return list(self._state.runs)

    def asked(self, operation: str) -> list[Asked]:
        """The requests for one operation."""
        return [each for each in self.requests if each.operation == operation]

    def order(self, fault: Fault, operation: str | None = None, *, times: int = 1) -> None:
        """Let it befall the next requests, of any operation or of one; those ordered first come first."""
        assert operation in (None, *OPERATIONS), operation
        with self._state.lock:
            self._faults += [(operation, fault)] * times

    def heal(self) -> None:
        """Forget the faults that are still to come."""
        with self._state.lock:
            self._faults.clear()

    def add(self, **fields: Json) -> dict[str, Json]:
        """A monitor that nobody asked for by the API; `fields` of its `CreateMonitorRequest`."""
        return self._state.create(
            {"type": "event_stream", "frequency": "1d", "settings": {"query": "AI startup funding announcements"}}
            | fields
        )

    def remove(self, monitor_id: str) -> None:
        """Forget one, as if it had never been."""
        with self._state.lock:
            del self._state.monitors[monitor_id], self._state.events[monitor_id]

    def detect(
        self, monitor_id: str, *found: str | Mapping[str, Json], group: str | None = None, reports: bool = True
    ) -> str:
        """A run that finds something; the id of its event group. Its webhook, where the monitor has one for it, is on its way.

        Args:
            found: texts or events, the oldest first.
            reports: otherwise no webhook is sent.
        """
        events = [text_event(each) if isinstance(each, str) else each for each in found]
        group = self._state.add_run(monitor_id, events, group)
        if reports:
            self.report(monitor_id, DETECTED, {"event_group_id": group})
        return group

    def complete(self, monitor_id: str) -> None:
        """A run that finds nothing."""
        self._state.add_run(monitor_id, [{"event_type": "completion"}])
        self.report(monitor_id, COMPLETED, {"type": "completion", "monitor_ts": f"completed_{_now()}"})

    def fail(self, monitor_id: str, error: str) -> None:
        """A run that fails."""
        self._state.add_run(monitor_id, [{"event_type": "error", "error_message": error}])
        event = {"type": "error", "error": error, "id": f"error_{uuid.uuid4().hex}", "date": _now()}
        self.report(monitor_id, FAILED, event)

    def report(self, monitor_id: str, kind: str, event: Mapping[str, Json]) -> Delivery | None:
        """Send a webhook for a monitor, where it has one for this kind."""
        monitor = self._state.monitors[monitor_id]
        webhook = monitor.get("webhook")
        if webhook is None or kind not in (webhook.get("event_types") or EVENT_TYPES):
            return None
        data = {"monitor_id": monitor_id, "event": dict(event), "metadata": monitor.get("metadata")}
        body = dumps({"type": kind, "timestamp": _now(), "data": data})
        delivery = Delivery(f"whevent_{uuid.uuid4().hex}", kind, webhook["url"], body)
        self.deliveries.append(delivery)
        self.send(delivery)
        return delivery

    def send(self, delivery: Delivery) -> None:
        """Send a message; one that was sent before comes once more, as replays do."""
        delivery.ended.clear()
        self._loop.call_soon_threadsafe(self._begin, delivery)

    def wait_for_deliveries(self, timeout_s: float = _SOON_S) -> None:
        """Return when each was taken, or given up."""
        for delivery in list(self.deliveries):
            assert delivery.ended.wait(timeout_s), f"{delivery.type} was not taken: {delivery.statuses}"

    def _begin(self, delivery: Delivery) -> None:
        def headers() -> dict[str, str]:
            return sign(delivery.id, delivery.body, self.secrets, legacy=self.legacy)

        task = asyncio.ensure_future(deliver(delivery, headers, self.pace))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _answered(self, exchange: Exchange) -> Answer:
        route = _route(exchange)
        operation = route[0] if route else ""
        fault = self._next_fault(operation)
        answer = fault.answer
        if answer is None:
            answer = self._work(exchange, route)
            if fault.lost:
                answer = BROKEN_OFF
            elif fault.delay_s:
                answer = replace(answer, delay_s=fault.delay_s)
        body = None
        with contextlib.suppress(InvalidJson):
            body = exchange.json if exchange.body else None
        asked = Asked(operation, exchange.method, exchange.path, exchange.headers, body, answer.status)
        self.requests.append(asked)
        return answer

    def _next_fault(self, operation: str) -> Fault:
        with self._state.lock:
            for index, (wanted, fault) in enumerate(self._faults):
                if wanted in (None, operation):
                    del self._faults[index]
                    return fault
        return Fault()

    def _work(self, exchange: Exchange, route: tuple[str, str] | None) -> Answer:
        if route is None:
            return Answer.json({"detail": "Not Found"}, 404)
        if exchange.headers.get("x-api-key") != self.key:
            return refusal(401, "Unauthorized: invalid or missing credentials")
        operation, monitor_id = route
        if monitor_id and monitor_id not in self._state.monitors:
            return refusal(404, "Monitor not found")
        try:
            return self._work_on(operation, monitor_id, exchange)
        except Invalid as exc:
            if operation in ("list", "get"):
                wrong = {"loc": ["query", exc.field], "msg": exc.why, "type": "value_error"}
                return Answer.json({"detail": [wrong]}, 422)
            detail = {"errors": [{"loc": [exc.field], "msg": exc.why}]}
            return refusal(422, "Unprocessable content: request validation error", detail)

    def _work_on(self, operation: str, monitor_id: str, exchange: Exchange) -> Answer:
        params = parse_qs(urlsplit(exchange.path).query, keep_blank_values=True)
        one = functools.partial(_one, params)
        state = self._state
        match operation:
            case "create":
                body = _body(exchange)
                check_new(body)
                monitor = state.create(body)
                if self.first_run:
                    self.detect(monitor["monitor_id"], *self.first_run)
                return Answer.json(monitor, 201)
            case "list":
                limit = whole(one("limit"), "limit", _PAGE, _MOST_PAGE)
                statuses, types = _many(params, "status") or ["active"], _many(params, "type") or TYPES
                return Answer.json(state.page(statuses, types, one("cursor"), limit))
            case "get":
                return Answer.json(state.monitors[monitor_id])
            case "update":
                body = _body(exchange)
                check_changes(body)
                return Answer.json(state.update(monitor_id, body))
            case "cancel":
                return Answer.json(state.cancel(monitor_id))
            case "trigger":
                state.trigger(monitor_id)
                return Answer(204, {}, ())
            case _:
                limit = whole(one("limit"), "limit", _EVENTS, _MOST_EVENTS)
                completions = one("include_completions") in ("true", "True", "1")
                return Answer.json(
                    state.page_of_events(
                        monitor_id, one("event_group_id"), one("cursor"), limit, with_completions=completions
                    )
                )


@contextlib.contextmanager
def running_parallel(**options: Any) -> Iterator[ParallelServer]:
    """A `ParallelServer` for the length of the block."""
    server = ParallelServer(**options)
    server.start()
    try:
        yield server
    finally:
        server.stop()


def _route(exchange: Exchange) -> tuple[str, str] | None:
    """The operation, and the id of the monitor that it names, or ""."""
    path = urlsplit(exchange.path).path
    if path == _ROOT:
        operation = {"POST": "create", "GET": "list"}.get(exchange.method)
        return (operation, "") if operation else None
    if not path.startswith(_ROOT + "/"):
        return None
    monitor_id, _, last = path.removeprefix(_ROOT + "/").partition("/")
    posts, gets = {"update", "cancel", "trigger"}, {"", "events"}
    if last not in (posts if exchange.method == "POST" else gets if exchange.method == "GET" else ()):
        return None
    return last or "get", unquote(monitor_id)


def _body(exchange: Exchange) -> Json:
    try:
        return loads(exchange.body)
    except InvalidJson:
        raise Invalid("body", "is no JSON") from None


def _one(params: Mapping[str, Sequence[str]], name: str) -> str | None:
    return params[name][-1] if name in params else None


def _many(params: Mapping[str, Sequence[str]], name: str) -> list[str]:
    """Given several times, as the OpenAPI document has it, or with commas between, as the official SDK writes it."""
    return [value for text in params.get(name, ()) for value in text.split(",")]


def _now() -> str:
    return datetime.now(UTC).isoformat()
