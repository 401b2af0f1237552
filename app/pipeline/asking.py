"""Calls that the gateway makes for a call of a client: of a designator, of embeddings, of a search."""

import time
from collections.abc import Callable, Mapping, Sequence

from app.core.call import Call, Route, Trace
from app.core.chat import ChatRequest
from app.core.errors import RelayError, UnknownModel, UpstreamInvalid
from app.core.events import Completion
from app.core.frozen import frozen
from app.core.jsonio import InvalidJson, Json, dumps, loads
from app.core.ports import Directory, Handler
from app.core.reply import End, Outcome
from app.core.usage import Usage

WriteChat = Callable[[ChatRequest, str], Mapping[str, Json]]
"""The payload of a chat in OpenAI's dialect, for a model of that name."""
ReadChat = Callable[[bytes], Completion]
"""The answer to it. Raises `UpstreamInvalid`."""


@frozen
class Asking:
    """A call of the gateway's own.

    Attributes:
        name: of the model.
        payload: in `dialect`.
        helper: what for, as the record tells it.
        timeout_s: how long it is waited for.
    """

    name: str
    surface: str
    dialect: str
    payload: Mapping[str, Json]
    helper: str
    timeout_s: float


class Asker:
    """Sends calls of the gateway's own to the targets of models, as any call is sent and metered; each is a child of its parent's.

    Args:
        handler: what a routed call goes through: metering, limits, failover and the sender. Names are not in it: no such call
            goes through a smart model.
    """

    def __init__(self, directory: Directory, handler: Handler, write: WriteChat, read: ReadChat) -> None:
        self._directory = directory
        self._handler = handler
        self._write = write
        self._read = read

    def knows(self, model: str) -> bool:
        """Whether there is a model of that name to be asked."""
        return self._directory.find(model) is not None

    async def ask(self, parent: Call, model: str, request: ChatRequest, *, helper: str, timeout_s: float) -> Completion:
        """What `model` answers to `request`.

        Args:
            model: a name that leads to a provider's model.
            helper: what for, as the record tells it.

        Raises:
            UnknownModel: there is none of that name.
            RelayError: it did not answer within `timeout_s`, or with an error; or a limit of the caller's leaves no room.
        """
        asking = Asking(model, "chat", "openai", self._write(request, model), helper, timeout_s)
        body, _ = await self.send(parent, asking)
        return self._read(body)

    async def embed(self, parent: Call, model: str, texts: Sequence[str], *, timeout_s: float) -> list[list[float]]:
        """The embedding of each of `texts`, by `model`.

        Raises:
            UnknownModel, RelayError: as `ask`.
        """
        payload: dict[str, Json] = {"model": model, "input": list(texts), "encoding_format": "float"}
        asking = Asking(model, "embeddings", "openai-embeddings", payload, "embedding", timeout_s)
        body, _ = await self.send(parent, asking)
        return _read_vectors(body, len(texts))

    async def send(self, parent: Call, asking: Asking) -> tuple[bytes, Usage]:
        """The whole body of the reply to `asking`, in its dialect, and what it used.

        Raises:
            UnknownModel, RelayError: as `ask`.
        """
        route = self._directory.find(asking.name)
        if route is None:
            raise UnknownModel(
                f"The model {asking.name!r}, which is to be asked as {asking.helper}, does not exist here."
            )
        reply = await self._handler(child_of(parent, route, asking))
        outcome, failure = Outcome.CUT, None
        try:
            body = reply.first + b"".join([piece async for piece in reply.rest])
            outcome = Outcome.OK
            return body, reply.read_usage()
        except RelayError as exc:
            failure = exc
            raise
        finally:
            words = failure.message if failure else None
            reply.tell(
                End(outcome, reply.status, reply.read_usage(), time.monotonic(), words, outcome is Outcome.OK, failure)
            )
            await reply.aclose()


def child_of(parent: Call, route: Route, asking: Asking) -> Call:
    """A call of the gateway's own, made for `parent`. It is over when its parent has to be."""
    trace, now = parent.trace, time.monotonic()
    trace.helpers += 1
    deadline = now + asking.timeout_s
    return Call(
        id=f"{parent.id}.{asking.helper}{trace.helpers}",
        principal=parent.principal,
        surface=asking.surface,
        dialect=asking.dialect,
        name=asking.name,
        body=dumps(asking.payload),
        payload=asking.payload,
        streamed=False,
        wants_usage=True,
        started_at=now,
        received_at=time.time(),
        client=parent.client,
        deadline=deadline if parent.deadline is None else min(deadline, parent.deadline),
        route=route,
        trace=Trace(
            target=route.choices[0].target,
            alias=trace.alias,
            router=trace.router,
            cache=trace.cache,
            augmentor=trace.augmentor,
            tags=trace.tags,
            traceparent=trace.traceparent,
        ),
        tags=parent.tags,
        end_user=parent.end_user,
        receipt="none",
        parent_id=parent.id,
        helper=asking.helper,
    )


def _read_vectors(body: bytes, count: int) -> list[list[float]]:
    try:
        document = loads(body)
        vectors = [[float(number) for number in each["embedding"]] for each in document["data"]]
    except (InvalidJson, KeyError, TypeError, ValueError) as exc:
        raise UpstreamInvalid("The answer of the embedder is none.") from exc
    if len(vectors) != count or not all(vectors):
        raise UpstreamInvalid(f"The embedder gave {len(vectors)} vectors for {count} texts.")
    return vectors
