"""Many calls at once to a real gateway, while it is killed, stopped or starved; and what became of each call.

Use `before_load` for a gateway before a provider that answers everything, `Load` to call it, `kill_a_worker` and
`DatabaseLock` to trouble it, and `rows_are_the_answered_calls` when all is over.
"""

import asyncio
import contextlib
import itertools
import os
import random
import signal
import sqlite3
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import httpx

from app.core.jsonio import loads
from tests.e2e.chat import whole, words
from tests.e2e.gateway import Gateway, Row
from tests.e2e.standin import Answer, Exchange, StandIn, running_standin

MODEL = "provider/m"
CLIENTS = 16
DAILY_LIMIT = 1_000_000
"""So that a worker's stock lasts for a while without the database."""

_WAIT_S = 60.0
_PAUSE_S = 0.004
_STREAM = replace(words("One ", "two ", "three."), pause_s=_PAUSE_S)
_WHOLE = replace(whole(), delay_s=_PAUSE_S)


@dataclass
class Tally:
    """What became of calls.

    Attributes:
        answered: the request ids of those whose client saw the answer's own end.
        broken: how many lost their connection before that, or got none.
        refused: how many got an error, by its status and code.
    """

    answered: list[str] = field(default_factory=list)
    broken: int = 0
    refused: Counter[tuple[int, str]] = field(default_factory=Counter)

    @property
    def ended(self) -> int:
        """All."""
        return len(self.answered) + self.broken + self.refused.total()


class Load:
    """Clients that call a gateway, every other time for a stream.

    Attributes:
        tally: of all calls up to now.
    """

    def __init__(self, gateway: Gateway, token: str = "", model: str = MODEL) -> None:
        self.gateway = gateway
        self.token = token or gateway.add_token(rate_limit=DAILY_LIMIT)
        self.tally = Tally()
        self._model = model
        self._ended = asyncio.Condition()

    async def call(self, calls: int, *, clients: int = CLIENTS, per_s: float = 0.0) -> None:
        """Make so many calls, by so many clients at once; with `per_s` no faster than that."""
        numbers, begun_at = itertools.count(), time.monotonic()

        async def one_client() -> None:
            async with httpx.AsyncClient(base_url=self.gateway.base_url, timeout=_WAIT_S, trust_env=False) as client:
                while (number := next(numbers)) < calls:
                    if per_s:
                        await asyncio.sleep(max(0.0, begun_at + number / per_s - time.monotonic()))
                    await self._call(client, stream=number % 2 == 0)

        async with asyncio.TaskGroup() as group:
            for _ in range(clients):
                group.create_task(one_client())

    async def until(self, ended: int) -> None:
        """Return when so many calls have ended."""
        async with asyncio.timeout(_WAIT_S), self._ended:
            await self._ended.wait_for(lambda: self.tally.ended >= ended)

    async def _call(self, client: httpx.AsyncClient, *, stream: bool) -> None:
        response, body, is_whole = None, b"", False
        try:
            async with client.stream("POST", "/v1/chat/completions", **self._request(stream=stream)) as response:
                async for piece in response.aiter_raw():
                    body += piece
            is_whole = True
        except httpx.TransportError:
            pass
        self._note(response, body, is_answered=b"data: [DONE]" in body if stream else is_whole)
        async with self._ended:
            self._ended.notify_all()

    def _note(self, response: httpx.Response | None, body: bytes, *, is_answered: bool) -> None:
        """`is_answered`: where OpenAI's SDK has all that it wants, whatever becomes of the connection then."""
        if response is not None and response.status_code != 200 and body:
            self.tally.refused[response.status_code, _code(body)] += 1
        elif response is not None and is_answered:
            self.tally.answered.append(response.headers["x-request-id"])
        else:
            self.tally.broken += 1

    def _request(self, *, stream: bool) -> dict[str, Any]:
        body = {"model": self._model, "stream": stream, "messages": [{"role": "user", "content": "Hello"}]}
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
        provider.answer = _answer
        config = {"provider": {"base_url": f"{provider.base_url}/v1", "supported_models": ["m"], "breaker": False}}
        gateway = Gateway(folder, config, environ, workers=workers)
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
    children = Path(f"/proc/{gateway.pid}/task/{gateway.pid}/children").read_text().split()
    return [int(pid) for pid in children if "spawn_main" in Path(f"/proc/{pid}/cmdline").read_text()]


async def kill_a_worker(gateway: Gateway) -> None:
    """SIGKILL for any of several workers; returns when another has taken its place."""
    before = workers_of(gateway)
    killed = random.choice(before)
    starts = gateway.output().count("Application startup complete")
    os.kill(killed, signal.SIGKILL)
    async with asyncio.timeout(_WAIT_S):
        while gateway.output().count("Application startup complete") == starts:  # noqa: ASYNC110 - another process
            await asyncio.sleep(0.05)


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


async def rows_are_the_answered_calls(load: Load, *, unseen: int = 0) -> list[Row]:
    """The rows of all calls of `load`, waited for and checked.

    Args:
        unseen: how many calls may have a row although their client saw no end: they were answered, and the connection broke on
            the way. Never the other way round.
    """
    answered, token_id = load.tally.answered, load.token[3:11]
    give_up_at = time.monotonic() + _WAIT_S
    while True:
        rows = [row for row in load.gateway.rows() if row["token_id"] == token_id]
        missing = set(answered) - {row["id"] for row in rows}
        if not missing or time.monotonic() > give_up_at:
            break
        await asyncio.sleep(0.1)
    assert len(answered) == len(set(answered))
    assert not missing, f"{len(missing)} of {len(answered)} answered calls have no row"
    assert len({row["id"] for row in rows}) == len(rows)
    assert len(rows) - len(answered) <= unseen, f"{len(rows)} rows of {len(answered)} answered calls"
    return rows


def counted(load: Load) -> int:
    """How many calls the token was charged for, by its own counter."""
    with contextlib.closing(sqlite3.connect(load.gateway.database_path)) as connection:
        statement = "SELECT lifetime_requests FROM tokens WHERE id = ?"
        return int(connection.execute(statement, (load.token[3:11],)).fetchone()[0])


def journal_files(gateway: Gateway) -> list[str]:
    """What is in the journal's folder and not in the database."""
    return sorted(path.name for path in (gateway.data_dir / "journal").glob("*.journal"))


def _answer(exchange: Exchange) -> Answer:
    return _STREAM if exchange.json.get("stream") else _WHOLE


def _code(body: bytes) -> str:
    return str(loads(body)["error"]["code"])
