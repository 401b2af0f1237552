"""One request on its way inward: frozen, so that a stage that wants a change passes a new one on."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

from app.core.frozen import frozen
from app.core.jsonio import Json
from app.core.principal import Principal
from app.core.receipt import ReceiptForm
from app.core.record import Failure, Hold
from app.core.usage import Usage

Strategy = Literal["order", "weighted", "fastest"]


@frozen
class Target:
    """A provider, by its key in the configuration, and its own name for a model.

    `secret` tells, counted from 0, by which of the provider's API keys it is asked.
    """

    provider: str
    model: str
    secret: int = 0

    def __str__(self) -> str:
        return f"{self.provider}/{self.model}"

    @property
    def name(self) -> tuple[str, str]:
        """What is the same for all API keys."""
        return self.provider, self.model

    def is_for(self, principal: Principal) -> bool:
        """Whether `principal` may use it, and so know of it."""
        return principal.may_use(str(self).lower(), self.model.lower())


@frozen
class Choice:
    """One of the targets that a name stands for.

    Attributes:
        retries: how often it is asked again after it failed.
        weight: its share of the calls; with 0 it is asked when all others have failed.
        breaker: it is left alone when it fails too often.
    """

    target: Target
    retries: int = 0
    weight: float = 1.0
    breaker: bool = True


@frozen
class Route:
    """What a name stands for.

    Attributes:
        choices: at least one, in their order.
        strategy: `order` takes them so, but the API keys of one provider by lot; `weighted` by lot, `fastest` by their time to the first byte.
        name: where it was given one in the configuration.
        rescue: a stream that breaks off is to be carried on by another choice.
        tags: of every call for it.
    """

    choices: tuple[Choice, ...]
    strategy: Strategy = "order"
    name: str | None = None
    rescue: bool = False
    tags: tuple[str, ...] = ()

    def choices_for(self, principal: Principal) -> tuple[Choice, ...]:
        """The choices that `principal` may use: all where its token is for the name, else those that it is for."""
        if self.name is not None and principal.may_use(self.name.lower()):
            return self.choices
        return tuple(choice for choice in self.choices if choice.target.is_for(principal))


@frozen
class Step:
    """One name that a call came through on its way to a target.

    Attributes:
        kind: of smart model; `default` where the default model stood in.
        target: the name that it was led to.
    """

    kind: str
    name: str
    target: str

    def __str__(self) -> str:
        return self.name if self.kind == "alias" else f"{self.kind}:{self.name}"


@frozen
class Broken:
    """A part of a stream that broke off before another target carried it on.

    Attributes:
        target: whose it was.
        began_at, ended_at: on the monotonic clock, in seconds.
        error: why.
        warnings: as of a record.
    """

    target: Target
    usage: Usage
    began_at: float
    ended_at: float
    error: str
    warnings: tuple[str, ...] = ()


@dataclass(slots=True)
class Trace:
    """What happened to a call, noted as it happens and shared by all its copies; read once, at the end.

    Attributes:
        target: the one whose reply the client gets, or while none has begun, that was asked last.
        attempts: how often any was asked.
        rescued: a stream that broke off was carried on by another target.
        alias, router, cache, augmentor: the names that it came through.
        cache_hit: it was answered by the cache named.
        tags: of the names that it came through.
        failures: what went wrong with attempts.
        holds: what was reserved of limits.
        traceparent: where in a trace the client is (W3C Trace Context); None also where nobody is told of traces.
        warnings: the names of parameters that the target could not take.
        broken: the parts of its stream that others carried on.
        used: by the target, where it was asked and no reply came of it.
        way: the smart models that it came through up to now.
        notes: what stages on that way could not do, in a few words each.
        gaps: what is lacking from what they did do.
        helpers: how many calls were made for it.
        asked_at: when the target was asked, on the monotonic clock; None while none was.
        similarity: of the question to that whose answer was in the cache; None where no answer was.
        session: how the client calls the conversation that it belongs to, where it says so in a header.
    """

    target: Target | None = None
    attempts: int = 0
    rescued: bool = False
    alias: str | None = None
    router: str | None = None
    cache: str | None = None
    augmentor: str | None = None
    cache_hit: bool = False
    tags: tuple[str, ...] = ()
    failures: tuple[Failure, ...] = ()
    holds: tuple[Hold, ...] = ()
    traceparent: str | None = None
    warnings: tuple[str, ...] = ()
    broken: tuple[Broken, ...] = ()
    used: Usage | None = None
    way: tuple[Step, ...] = ()
    notes: tuple[str, ...] = ()
    gaps: tuple[str, ...] = ()
    helpers: int = 0
    session: str | None = None
    asked_at: float | None = None
    similarity: float | None = None


@frozen
class Call:
    """A well-formed, admitted request.

    Attributes:
        id: unique, also the `x-request-id` of the reply.
        surface: the API it came in by, such as `chat`.
        dialect: how its body is written and its reply is to be.
        name: what the client put into `model`.
        body: the bytes as they came (decompressed): one JSON object, or a form with a file in it.
        payload: `body` decoded, of a form what was read of it; to be read only.
        streamed: the client asked for a stream.
        wants_usage: the client asked for usage at the end of that stream.
        started_at: arrival, on the monotonic clock in seconds.
        received_at: arrival, in seconds since the epoch.
        client: the caller's address.
        headers: those of the request that a provider of the same dialect is to see too, by lower-case name.
        route: what its name stands for; None until names are resolved.
        target: where it goes; None until that is chosen.
        free: it took no unit of quota.
        tags: those of the client and of its token; sorted, each once.
        end_user: who the client says that it asks for.
        deadline: when the last attempt has to have its first byte, on the monotonic clock; None for never.
        receipt: where the client wants to be told what the call cost.
        cache_control: what the client asks of caches, in lower case; mostly empty.
        way: the smart models that it came through.
        parent_id: the call that this one is made for; None for a client's own.
        helper: what for, as in a record.
    """

    id: str
    principal: Principal
    surface: str
    dialect: str
    name: str
    body: bytes
    payload: Mapping[str, Json]
    streamed: bool
    wants_usage: bool
    started_at: float
    received_at: float
    client: str
    headers: tuple[tuple[bytes, bytes], ...] = ()
    deadline: float | None = None
    route: Route | None = None
    target: Target | None = None
    trace: Trace = field(default_factory=Trace)
    free: bool = False
    tags: tuple[str, ...] = ()
    end_user: str | None = None
    receipt: ReceiptForm = "comment"
    cache_control: str = ""
    way: tuple[Step, ...] = ()
    parent_id: str | None = None
    helper: str | None = None

    @property
    def wanted(self) -> str:
        """The name that is to be resolved: the client's, or what the last smart model led to."""
        return self.way[-1].target if self.way else self.name

    def led(self, kind: str, name: str, target: str) -> "Call":
        """The same call, led by a smart model to the name `target`."""
        return replace(self, way=(*self.way, Step(kind, name, target)))

    def routed(self, route: Route) -> "Call":
        """The same call, with what its name stands for."""
        return self._with(route, None)

    def aimed(self, target: Target) -> "Call":
        """The same call, with `target` to go to."""
        return self._with(self.route, target)

    def _with(self, route: Route | None, target: Target | None) -> "Call":
        # By hand, since `dataclasses.replace` takes eight times as long and every call comes by here.
        return Call(
            self.id,
            self.principal,
            self.surface,
            self.dialect,
            self.name,
            self.body,
            self.payload,
            self.streamed,
            self.wants_usage,
            self.started_at,
            self.received_at,
            self.client,
            self.headers,
            self.deadline,
            route,
            target,
            self.trace,
            self.free,
            self.tags,
            self.end_user,
            self.receipt,
            self.cache_control,
            self.way,
            self.parent_id,
            self.helper,
        )
