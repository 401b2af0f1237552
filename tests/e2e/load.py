"""Many calls at once to a real gateway, while it is killed, stopped or starved; and what became of each call.

Use `before_load` for a gateway before a provider that answers everything, `Load` to call it, `kill_a_worker` and
`DatabaseLock` to trouble it, and `books_balance` of `tests.e2e.books` when all is over.
"""

import asyncio
import contextlib
import itertools
import os
import re
import signal
import sqlite3
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx

from app.auth.tokens import id_of
from app.core.jsonio import loads
from tests.e2e.chat import stream, whole
from tests.e2e.gateway import Gateway
from tests.e2e.standin import Answer, Exchange, StandIn, running_standin

MODEL = "provider/m"
CLIENTS = 16
DAILY_LIMIT = 1_000_000
"""So that a worker's stock lasts for a while without the database."""

USAGE = {
    "prompt_tokens": 220,
    "completion_tokens": 9,
    "total_tokens": 229,
    "prompt_tokens_details": {"cached_tokens": 20},
    "completion_tokens_details": {"reasoning_tokens": 4},
}
"""Of each call. As much as the gateway reserves for it, or some 30 tokens less."""
TOKENS = 229
PRICE = {"input": 2, "cache_read": 0.5, "output": 10}
COST = Decimal("0.000500")
"""Of a call at `PRICE`: 200 * 2 + 20 * 0.5 + 9 * 10 millionths of a USD."""

_WAIT_S = 60.0
_PAUSE_S = 0.004
_STREAM = replace(stream({"content": "One "}, {"content": "two."}, usage=USAGE), pause_s=_PAUSE_S)
_WHOLE = replace(whole(usage=USAGE), delay_s=_PAUSE_S)
_COST_COMMENT = re.compile(rb"^: x-relay-cost ([0-9.]+)", re.MULTILINE)


@dataclass
class Tally:
    """What became of calls.

    Attributes:
        answered: the request ids of those whose client saw the answer's own end.
        told: what they cost, as the clients were told, by request id.
        broken: how many lost their connection before that, or got none.
        refused: how many got an error, by its status and code.
    """

    answered: list[str] = field(default_factory=list)
    told: dict[str, Decimal] = field(default_factory=dict)
    broken: int = 0
    refused: Counter[tuple[int, str]] = field(default_factory=Counter)

    @property
    def ended(self) -> int:
        """All."""
        return len(self.answered) + self.broken + self.refused.total()


class Load:
    """Clients with one token that call gateways of one database in turns, every other time for a stream.

    Attributes:
        gateway: the first.
        limits: the token's, beside `rate_limit`.
        tally: of all calls up to now.
    """

    def __init__(self, *gateways: Gateway, rate_limit: int = DAILY_LIMIT, **limits: Any) -> None:
        self.gateway = gateways[0]
        self.rate_limit = rate_limit
        self.limits: dict[str, int] = limits
        self.token = self.gateway.add_token(rate_limit=rate_limit, **limits)
        self.tally = Tally()
        self._gateways = gateways
        self._ended = asyncio.Condition()

    @property
    def token_id(self) -> str:
        """Of its token."""
        return id_of(self.token)

    async def call(self, calls: int, *, clients: int = CLIENTS, per_s: float = 0.0) -> None:
        """Make so many calls, by so many clients at once; with `per_s` no faster than that."""
        numbers, begun_at = itertools.count(), time.monotonic()

        async def one_client(gateway: Gateway) -> None:
            async with _client(gateway) as client:
                while (number := next(numbers)) < calls:
                    if per_s:
                        await asyncio.sleep(max(0.0, begun_at + number / per_s - time.monotonic()))
                    await self._call(client, stream=number % 2 == 0)

        async with asyncio.TaskGroup() as group:
            for number in range(clients):
                group.create_task(one_client(self._gateways[number % len(self._gateways)]))

    async def use_up(self, *, clients: int = 4) -> None:
        """Call until each of so many clients is refused."""

        async def one_client(gateway: Gateway) -> None:
            async with _client(gateway) as client:
                while await self._call(client, stream=False):
                    pass

        await asyncio.gather(*(one_client(self._gateways[number % len(self._gateways)]) for number in range(clients)))

    async def until(self, ended: int) -> None:
        """Return when so many calls have ended."""
        async with asyncio.timeout(_WAIT_S), self._ended:
            await self._ended.wait_for(lambda: self.tally.ended >= ended)

    async def _call(self, client: httpx.AsyncClient, *, stream: bool) -> bool:
        """Whether it was answered."""
        response, body, is_whole = None, b"", False
        try:
            async with client.stream("POST", "/v1/chat/completions", **self._request(stream=stream)) as response:
                async for piece in response.aiter_raw():
                    body += piece
            is_whole = True
        except httpx.TransportError:
            pass
        is_answered = self._note(response, body, is_answered=b"data: [DONE]" in body if stream else is_whole)
        async with self._ended:
            self._ended.notify_all()
        return is_answered

    def _note(self, response: httpx.Response | None, body: bytes, *, is_answered: bool) -> bool:
        """`is_answered`: where OpenAI's SDK has all that it wants, whatever becomes of the connection then."""
        if response is not None and response.status_code != 200 and body:
            self.tally.refused[response.status_code, _code(body)] += 1
        elif response is not None and is_answered:
            request_id = response.headers["x-request-id"]
            self.tally.answered.append(request_id)
            comment = _COST_COMMENT.search(body)
            if told := comment[1].decode() if comment else response.headers.get("x-relay-cost"):
                self.tally.told[request_id] = Decimal(told)
            return True
        else:
            self.tally.broken += 1
        return False

    def _request(self, *, stream: bool) -> dict[str, Any]:
        messages = [{"role": "user", "content": "Hello"}]
        body = {"model": MODEL, "stream": stream, "messages": messages, "max_tokens": 16}
        return {"json": body, "headers": {"authorization": f"Bearer {self.token}"}}


class DatabaseLock:
    """Keeps everybody else from writing into a gateway's SQLite file."""

    def __init__(self, gateway: Gateway) -> None:
        self._connection = sqlite3.connect(gateway.database_path, isolation_level=None, timeout=_WAIT_S)

    def __enter__(self) -> None:
        self._connection.execute("BEGIN IMMEDIATE")

    def __exit__(self, *_: object) -> None:
        self._connection.execute("ROLLBACK")
        self._connection.close()


@contextlib.contextmanager
def before_load(
    folder: Path, environ: Mapping[str, str] | None = None, *, workers: int = 1
) -> Iterator[tuple[Gateway, StandIn]]:
    """A gateway that runs before a provider that answers all calls; what still runs at the end is killed."""
    with running_standin() as provider:
        provider.answer = answer
        gateway = Gateway(folder, config_before(provider), environ, workers=workers)
        gateway.set_price(MODEL, PRICE)
        gateway.start()
        try:
            yield gateway, provider
        finally:
            with contextlib.suppress(RuntimeError):
                for pid in [*workers_of(gateway), gateway.pid]:
                    os.kill(pid, signal.SIGKILL)
                gateway.kill()


def workers_of(gateway: Gateway) -> list[int]:
    """The processes that serve, where there are several workers; multiprocessing has a helper of its own."""
    return [pid for pid in children(gateway.pid) if _serves(Path(f"/proc/{pid}/cmdline").read_text())]


def children(pid: int) -> list[int]:
    """The processes that `pid` started."""
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def _serves(command: str) -> bool:
    """One that has ended, and that nobody has asked of yet, has no command any more."""
    return bool(command) and "resource_tracker" not in command


async def kill_a_worker(gateway: Gateway) -> None:
    """SIGKILL for the busiest of several workers; returns when another has taken its place."""
    killed = await _busiest(workers_of(gateway))
    starts = gateway.output().count("Application startup complete")
    os.kill(killed, signal.SIGKILL)
    async with asyncio.timeout(_WAIT_S):
        while gateway.output().count("Application startup complete") == starts:  # noqa: ASYNC110 - another process
            await asyncio.sleep(0.05)


async def _busiest(pids: Sequence[int]) -> int:
    """Which of these processes is at work now: calls may well be shared unevenly."""
    before = {pid: _cpu_ns(pid) for pid in pids}
    await asyncio.sleep(0.05)
    return max(pids, key=lambda pid: _cpu_ns(pid) - before[pid])


def _cpu_ns(pid: int) -> int:
    return int(Path(f"/proc/{pid}/schedstat").read_text().split()[0])


@contextlib.asynccontextmanager
async def under_load(load: Load, calls: int, *, per_s: float = 0.0) -> AsyncIterator[None]:
    """So many calls beside the body; it ends when both have."""
    async with asyncio.TaskGroup() as group:
        group.create_task(load.call(calls, per_s=per_s))
        yield


async def readiness(gateway: Gateway) -> dict[str, Any]:
    """What `/readyz` says, and its status as `code`."""
    async with httpx.AsyncClient(base_url=gateway.base_url, timeout=_WAIT_S, trust_env=False) as client:
        answer = await client.get("/readyz")
    return {"code": answer.status_code, **answer.json()}


def journal_files(gateway: Gateway) -> list[str]:
    """What is in the journal's folder and not in the database."""
    return sorted(path.name for path in (gateway.data_dir / "journal").glob("*.journal"))


def answer(exchange: Exchange) -> Answer:
    return _STREAM if exchange.json.get("stream") else _WHOLE


def config_before(provider: StandIn) -> dict[str, Any]:
    """The configuration of a gateway that calls `provider`."""
    return {"provider": {"base_url": f"{provider.base_url}/v1", "supported_models": ["m"], "breaker": False}}


def _client(gateway: Gateway) -> httpx.AsyncClient:
    # Verifying nothing makes no context of TLS, which takes longer than a call.
    return httpx.AsyncClient(base_url=gateway.base_url, timeout=_WAIT_S, trust_env=False, verify=False)


def _code(body: bytes) -> str:
    return str(loads(body)["error"]["code"])
