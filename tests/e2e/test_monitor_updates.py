"""Model `speed` before real clients: what monitors found is told once, and only where it was asked for and arrived."""

import asyncio
import contextlib
import json
import socket
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, TypeVar

import httpx
import pytest
from sqlalchemy import text

from app.auth.tokens import id_of
from app.providers.updates import NOTHING
from app.store.db import Database
from app.store.monitors.rows import Monitor
from app.store.schema import upgrade
from tests.databases import KINDS, SQLITE
from tests.e2e.conftest import ONE_ATTEMPT
from tests.e2e.gateway import Gateway
from tests.e2e.readers import Clients
from tests.e2e.smart_models import add_smart_models
from tests.e2e.speakers import SPEAKERS
from tests.e2e.standin import Answer, Exchange, StandIn
from tests.e2e.stored import in_database
from tests.e2e.surfaces import EACH_WAY, OPENAI, SURFACES, Surface
from tests.monitor_rows import UPDATE, processed, put_group, put_monitor, rows, saying
from tests.postgres import Postgres
from tests.smart import make_smart
from tests.waiting import WAIT_S, until, wait_for

pytestmark = [pytest.mark.xdist_group("monitor_updates")]

T = TypeVar("T")
NEWS = "What’s new?"
PROXIED = "Parallel says hello."
MOST = 5

NAMES = (
    make_smart("alias", "whats-up", target="Speed"),
    make_smart("alias", "upstream", target="parallelai/speed"),
    make_smart("cache", "kept", target_model="whats-up", min_cached_tokens=0, recheck_percent=0, time_budget_ms=30_000),
    make_smart("cache", "kept-updates", target_model="monitor-updates", min_cached_tokens=0, time_budget_ms=30_000),
)


def answered(exchange: Exchange) -> Answer:
    """What Parallel says to all chats."""
    if exchange.json.get("stream"):
        chunks = ({"choices": [{"index": 0, "delta": {"role": "assistant", "content": PROXIED}}]},)
        return Answer.events(*chunks)
    return Answer.json({"choices": [{"index": 0, "message": {"role": "assistant", "content": PROXIED}}]})


ON_BOTH = pytest.mark.parametrize("url", KINDS, indirect=True)
"""For what the database decides: whose an update is when several want it, and what is known of it afterwards."""


@pytest.fixture(scope="module", params=[SQLITE])
def url(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Of the database of all machines; on SQLite, where a test does not say otherwise."""
    if request.param == SQLITE:
        yield f"sqlite:///{tmp_path_factory.mktemp('shared') / 'relay.db'}"
        return
    postgres: Postgres = request.getfixturevalue("postgres")
    name = postgres.create()
    yield postgres.url(name)
    postgres.drop(name)


@pytest.fixture(scope="module")
def machines(url: str, provider: StandIn, tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Gateway]]:
    """Two gateways on one database; on SQLite, the second of two workers."""
    key = {"PARALLEL_API_KEY": "plk-e2e-0c61", "MONITOR_UPDATES_PER_REPLY": str(MOST), "DATABASE_URL": url}
    key |= {"METRICS_CIDRS": "127.0.0.0/8"}
    config = {
        "parallelai": {
            "base_url": f"{provider.base_url}/parallel",
            "api_key_env": "PARALLEL_API_KEY",
            "supported_models": ["speed"],
            "quirks": "parallel",
            **ONE_ATTEMPT,
        }
    }
    add_smart_models(url, *NAMES)
    made = [
        Gateway(tmp_path_factory.mktemp("machine"), config, key, workers=workers)
        for workers in (1, 2 if url.startswith("sqlite") else 1)
    ]
    with contextlib.ExitStack() as stack:
        for machine in made:
            machine.token = "none"  # made below; the first start of the first shows one that nobody needs
            machine.start()
            stack.callback(machine.stop)
        yield made


class User:
    """Somebody with a monitor, whom nobody knows yet."""

    _count = 0

    def __init__(self, gateway: Gateway, name: str = "", **fields: Any) -> None:
        User._count += 1
        self.gateway = gateway
        self.name = name or f"user-{User._count}-{time.monotonic_ns()}"
        self.token = gateway.add_token(self.name, **fields)
        self.http = httpx.Client(
            base_url=gateway.base_url,
            headers={"authorization": f"Bearer {self.token}"},
            trust_env=False,
            timeout=WAIT_S,
        )

        self._monitors: dict[str, Monitor] = {}

    def put(self, *texts: str, number: int = 0, about: str = "bridges", **fields: Any) -> None:
        """An event group of a monitor of theirs."""

        async def put(db: Database) -> None:
            if about not in self._monitors:
                self._monitors[about] = await put_monitor(db, self.name, query=f"About {about}")
            group = f"{self.name}-{about}-{number}"
            await put_group(db, self._monitors[about], group, saying(*texts), received_at=1000 + number, **fields)

        self.in_database(put)

    def pending(self) -> int:
        """How many of their event groups were not told, as far as that is known."""
        return self.in_database(self._count_pending)

    def wait_until_told(self, but: int = 0) -> None:
        """What was delivered is marked a moment later."""

        async def is_told(db: Database) -> bool:
            return await self._count_pending(db) == but

        self._wait_until(is_told)

    def wait_until_free(self) -> None:
        """So is what is put back."""
        self._wait_until(partial(self._are_all, "claimed_by IS NULL"))

    def wait_until_claimed(self) -> None:
        self._wait_until(partial(self._are_all, "claimed_by IS NOT NULL"))

    def ask(
        self, said: str = NEWS, model: str = "speed", surface: Surface = OPENAI, *, streamed: bool = False
    ) -> httpx.Response:
        return surface.ask(self.http, model, streamed=streamed, text=said)

    def told(self, *args: Any, streamed: bool = False, **more: Any) -> str:
        """The text of the answer."""
        surface = more.get("surface", OPENAI)
        answer = surface.read(self.ask(*args, streamed=streamed, **more), streamed=streamed)
        assert answer.reason == "stop"
        return str(answer.text)

    def rows(self, count: int) -> list[dict[str, Any]]:
        """Of `request_logs`, waited for."""
        query = text("SELECT * FROM request_logs WHERE username = :user ORDER BY received_at")

        async def read(db: Database) -> list[dict[str, Any]]:
            async with db.read() as connection:
                found = [dict(row) for row in (await connection.execute(query, {"user": self.name})).mappings()]
            return found if len(found) >= count else []

        found: list[dict[str, Any]] = self.in_database(lambda db: until(lambda: read(db)))
        return found

    def in_database(self, work: Callable[[Database], Coroutine[Any, Any, T]]) -> T:
        """What `work` gives of the gateway's."""
        return in_database(self.gateway.database_url, work)

    async def _count_pending(self, db: Database) -> int:
        found = await processed(db)
        return sum(not told for group, told in found.items() if group.startswith(f"{self.name}-"))

    async def _are_all(self, condition: str, db: Database) -> bool:
        others = f"SELECT 1 FROM monitor_events WHERE username = '{self.name}' AND NOT ({condition})"
        return not await rows(db, others)

    def _wait_until(self, is_so: Callable[[Database], Coroutine[Any, Any, bool]]) -> None:
        self.in_database(lambda db: until(lambda: is_so(db)))


@pytest.fixture(autouse=True)
def _answering(standin: StandIn) -> None:
    standin.answer = answered


NewUser = Callable[..., User]


@pytest.fixture
def new_user(machines: list[Gateway]) -> Iterator[NewUser]:
    """Makes further users of the first machine."""
    with contextlib.ExitStack() as stack:

        def make(gateway: Gateway = machines[0], **fields: Any) -> User:
            made = User(gateway, **fields)
            stack.callback(made.http.close)
            return made

        yield make


@pytest.fixture
def user(new_user: NewUser) -> User:
    return new_user()


@EACH_WAY
@pytest.mark.parametrize("client", SPEAKERS)
@pytest.mark.parametrize("model", ["speed", "monitor-updates"])
def test_each_client_is_told_once_what_monitors_found(user: User, client: str, streamed: bool, model: str) -> None:
    user.put("A bridge was built.")
    with contextlib.closing(Clients(user.gateway.base_url, user.token)) as clients:
        speaker = SPEAKERS[client](clients, model, streamed=streamed)

        speaker.say(NEWS)
        first = speaker.ask()
        user.wait_until_told()
        again = SPEAKERS[client](clients, model, streamed=streamed)
        again.say("Any news?")
        second = again.ask()

    assert all(each in first.text for each in ("**2026-04-07**", "A bridge was built.", *UPDATE.sources))
    assert second.text == NOTHING


@ON_BOTH
@EACH_WAY
def test_oldest_comes_first_and_each_monitor_is_named_where_there_are_several(user: User, streamed: bool) -> None:
    user.put("Second.", number=2, about="tunnels")
    user.put("First.", number=1)
    user.put("Third.", "Fourth.", number=3)

    words = user.told(streamed=streamed)

    places = [
        words.index(each) for each in ("## About bridges", "First.", "## About tunnels", "Second.", "Third.", "Fourth.")
    ]
    assert places == sorted(places)
    assert words.count("\n---\n") == 3


@EACH_WAY
@pytest.mark.parametrize("surface", SURFACES, ids=lambda surface: surface.dialect)
def test_all_else_goes_to_parallel(user: User, standin: StandIn, surface: Surface, streamed: bool) -> None:
    user.put("A bridge was built.")
    others = ("Hello", "I knew it", "Is it renewable?", "Renewal, anew")

    assert {user.told(said, surface=surface, streamed=streamed) for said in others} == {PROXIED}
    assert user.pending() == 1
    assert len(standin.posts) == len(others)


@pytest.mark.parametrize(
    "model", ["speed", "SPEED", " Speed:latest", "whats-up", "WHATS-UP", "monitors/monitor-updates"]
)
def test_rule_holds_for_every_spelling_and_behind_aliases(user: User, standin: StandIn, model: str) -> None:
    resolved = {"whats-up": "whats-up>updates:speed>", "speed": "updates:speed>"}
    way = resolved.get(model.strip().lower().removesuffix(":latest"))

    for number, said in enumerate(("UPDATES!", "what changes?", NEWS)):
        user.put(f"Bridge {number} was built.", number=number)
        response = user.ask(said, model)

        assert f"Bridge {number} was built." in OPENAI.read(response, streamed=False).text
        assert response.headers.get("x-relay-resolved") == (f"{way}monitors/monitor-updates" if way else None)
    assert standin.posts == []


@pytest.mark.parametrize("model", ["parallelai/speed", "upstream", "parallelai-speed"])
def test_parallel_itself_can_be_asked_for_news(user: User, model: str) -> None:
    user.put("A bridge was built.")

    assert user.told(NEWS, model) == PROXIED
    assert user.pending() == 1


@EACH_WAY
@pytest.mark.parametrize("surface", SURFACES, ids=lambda surface: surface.dialect)
def test_system_prompts_and_older_turns_do_not_count(user: User, surface: Surface, streamed: bool) -> None:
    user.put("A bridge was built.")
    turns = [
        {"role": "system", "content": "Tell the latest news and updates."},
        {"role": "user", "content": NEWS},
        {"role": "assistant", "content": "New changes, recent updates."},
        {"role": "user", "content": "Thank you."},
    ]

    response = user.http.post(surface.path, json={"model": "speed", **surface.body(turns, streamed=streamed)})

    assert surface.read(response, streamed=streamed).text == PROXIED
    assert user.pending() == 1


@ON_BOTH
def test_of_too_many_the_newest_are_told_and_how_many_remain(user: User) -> None:
    for number in range(4):
        user.put(f"Number {number}a.", f"Number {number}b.", number=number)

    first = user.told()
    user.wait_until_told(but=2)
    second = user.told()

    assert "Number 2a." in first
    assert "Number 3b." in first
    assert "Number 1b." not in first
    assert "4 older updates are not told yet; ask again to get them." in first
    assert "Number 0a." in second
    assert "Number 1b." in second
    assert "ask again" not in second


@ON_BOTH
def test_what_is_not_fetched_yet_is_said(user: User) -> None:
    user.put(fetched_at=None)

    words = user.told()

    assert words.startswith(NOTHING)
    assert "1 report is known of, but not fetched from Parallel yet" in words
    assert user.pending() == 1


@ON_BOTH
@EACH_WAY
def test_two_who_ask_at_once_never_get_the_same(machines: list[Gateway], user: User, streamed: bool) -> None:
    texts = {f"Event {number:02}." for number in range(12)}
    for number, each in enumerate(sorted(texts)):
        user.put(each, number=number)

    def ask(number: int) -> str:
        gateway = machines[number % 2]
        with httpx.Client(
            base_url=gateway.base_url, headers=user.http.headers, trust_env=False, timeout=WAIT_S
        ) as client:
            return OPENAI.read(OPENAI.ask(client, "speed", streamed=streamed, text=NEWS), streamed=streamed).text

    told: list[str] = []
    with ThreadPoolExecutor(8) as pool:

        def ask_all() -> bool:
            told.extend(pool.map(ask, range(8)))
            return not user.pending()

        wait_for(ask_all)

    assert sorted(each for words in told for each in texts if each in words) == sorted(texts)


@ON_BOTH
def test_nobody_is_told_what_another_users_monitor_found(new_user: NewUser, user: User) -> None:
    user.put("A bridge was built.")
    other = new_user()

    assert other.told() == NOTHING
    assert other.told(model="monitor-updates") == NOTHING
    assert user.pending() == 1


@ON_BOTH
@EACH_WAY
def test_call_is_recorded_at_no_cost_and_takes_a_unit_of_quota(new_user: NewUser, streamed: bool) -> None:
    user = new_user(rate_limit=1, budget_per_month=1_000_000)
    user.put("A bridge was built.")

    assert user.ask(streamed=streamed).status_code == 200
    assert user.ask(streamed=streamed).status_code == 429

    (row,) = user.rows(1)
    assert (row["name"], row["provider"], row["model"]) == ("speed", "monitors", "monitor-updates")
    assert (row["status"], row["outcome"], row["cost"]) == (200, "ok", 0)
    assert (row["token_id"], row["streamed"]) == (id_of(user.token), streamed)


@pytest.mark.parametrize(
    ("models", "model"), [(["speed"], "speed"), (["whats-up"], "whats-up"), (["monitor-updates"], "monitor-updates")]
)
def test_token_for_a_name_may_ask_by_that_name(new_user: NewUser, models: list[str], model: str) -> None:
    assert new_user(models=models).told(model=model) == NOTHING


def test_token_that_is_for_neither_may_not(new_user: NewUser) -> None:
    user = new_user(models=["gpt-x"])

    assert {user.ask(model=model).status_code for model in ("speed", "monitor-updates")} == {403}


def test_token_for_parallels_chat_alone_is_answered_by_it(new_user: NewUser) -> None:
    assert new_user(models=["parallelai/speed"]).told(model="speed") == PROXIED


@EACH_WAY
@pytest.mark.parametrize("model", ["kept", "kept-updates"])
def test_cache_neither_keeps_nor_gives_again_what_is_told_once(user: User, model: str, streamed: bool) -> None:
    user.put("A bridge was built.")

    first = user.ask(model=model, streamed=streamed)
    user.wait_until_told()
    second = user.ask(model=model, streamed=streamed)

    assert [each.headers["x-relay-cache"] for each in (first, second)] == ["bypass", "bypass"]
    assert "A bridge was built." in OPENAI.read(first, streamed=streamed).text
    assert OPENAI.read(second, streamed=streamed).text == NOTHING


def test_cache_before_speed_keeps_what_parallel_says(user: User) -> None:
    wait_for(lambda: user.ask("Who built the Golden Gate Bridge?", "kept").headers["x-relay-cache"] == "hit")


def request_bytes(user: User, *, streamed: bool) -> bytes:
    body = json.dumps({"model": "speed", "stream": streamed, "messages": [{"role": "user", "content": NEWS}]}).encode()
    return (
        b"POST /v1/chat/completions HTTP/1.1\r\nhost: relay\r\ncontent-type: application/json\r\n"
        b"authorization: Bearer %b\r\ncontent-length: %d\r\n\r\n%b" % (user.token.encode(), len(body), body)
    )


def connected(user: User) -> socket.socket:
    opened = socket.socket()
    opened.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)  # so that not all of an answer is on its way at once
    opened.connect(("127.0.0.1", user.gateway.port))
    return opened


def wait_for_calls(gateway: Gateway, count: int) -> None:
    """Return when so many are under way."""
    line = f"llm_relay_calls_under_way {count}.0"
    with httpx.Client(base_url=gateway.base_url, trust_env=False, timeout=WAIT_S) as client:
        wait_for(lambda: line in client.get("/metrics").text.splitlines())


@contextlib.asynccontextmanager
async def nobody_writes(db: Database) -> AsyncIterator[None]:
    """Whoever would claim something has to wait."""
    async with db.begin() as connection:
        if db.path is None:
            await connection.execute(text("LOCK TABLE monitor_events IN ACCESS EXCLUSIVE MODE"))
        yield


@ON_BOTH
@EACH_WAY
def test_client_that_leaves_before_the_answer_keeps_its_updates_pending(user: User, streamed: bool) -> None:
    user.put("A bridge was built.")
    assert user.told("Hello") == PROXIED  # the quota is there now, and no write has to come before the claim

    def leave() -> None:
        with connected(user) as client:
            client.sendall(request_bytes(user, streamed=streamed))
            wait_for_calls(user.gateway, 1)
        wait_for_calls(user.gateway, 0)

    async def work(db: Database) -> None:
        async with nobody_writes(db):
            await asyncio.to_thread(leave)

    user.in_database(work)

    assert user.rows(2)[1]["outcome"] == "client_gone"
    user.wait_until_free()
    assert user.pending() == 1
    assert "A bridge was built." in user.told(streamed=streamed)


@ON_BOTH
@EACH_WAY
def test_client_that_asks_and_leaves_was_told_just_where_its_row_says_so(user: User, streamed: bool) -> None:
    for number in range(24):
        user.put(f"Number {number}.", number=number)
        with connected(user) as client:
            client.sendall(request_bytes(user, streamed=streamed))
            time.sleep(number % 12 / 1000)
        wait_for_calls(user.gateway, 0)
    assert user.told("Hello") == PROXIED

    user.wait_until_free()
    outcomes = [row["outcome"] for row in user.rows(1)[:-1]]

    assert set(outcomes) <= {"ok", "client_gone"}
    assert (user.pending() < 24) == ("ok" in outcomes)


@ON_BOTH
@EACH_WAY
def test_client_that_leaves_amid_the_answer_keeps_its_updates_pending(user: User, streamed: bool) -> None:
    for number in range(4):
        user.put("x" * 2_000_000, number=number)

    with connected(user) as client:
        client.sendall(request_bytes(user, streamed=streamed))
        client.recv(4096)
        user.wait_until_claimed()
    user.wait_until_free()

    assert user.pending() == 4
    assert user.rows(1)[0]["outcome"] == "client_gone"
    assert user.told(streamed=streamed).count("x" * 2_000_000) == 4
    user.wait_until_told()


@ON_BOTH
def test_connection_that_is_kept_alive_is_told_more_than_once(user: User) -> None:
    for number in range(3):
        user.put(f"Number {number}.", number=number)
        assert f"Number {number}." in user.told()
        user.wait_until_told()


@pytest.fixture(scope="module")
def czech(provider: StandIn, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """Has words of its own, and takes calls without a token."""
    key = {"PARALLEL_API_KEY": "plk-e2e-0c61", "MONITOR_WORDS": "novinky, ZMĚNY"}
    key |= {"ANONYMOUS_USER": "lan", "ANONYMOUS_CIDRS": "127.0.0.1"}
    config = {
        "parallelai": {"base_url": f"{provider.base_url}/parallel", "supported_models": ["speed"], "quirks": "parallel"}
    }
    gateway = Gateway(tmp_path_factory.mktemp("czech"), config, key)
    in_database(gateway.database_url, upgrade)
    gateway.start()
    yield gateway
    gateway.stop()


@pytest.mark.parametrize(("said", "is_told"), [("Jaké jsou změny?", True), ("NOVINKY", True), (NEWS, False)])
def test_words_can_be_set(czech: Gateway, said: str, is_told: bool) -> None:
    user = User(czech)
    with user.http:
        assert user.told(said) == (NOTHING if is_told else PROXIED)


def test_caller_without_a_token_gets_no_updates_of_the_user_as_whom_it_runs(czech: Gateway) -> None:
    user = User(czech, "lan")
    user.put("Most byl postaven.")
    with user.http:
        wait_for(lambda: user.http.get("/v1/models").status_code == 200)
        token = user.http.headers.pop("authorization")
        listed = {each["id"] for each in user.http.get("/v1/models").json()["data"]}
        refused = user.ask(model="monitor-updates")

        assert user.told("Novinky?") == PROXIED
        assert (refused.status_code, "a token of one's own" in refused.text) == (403, True)
        assert "speed" in listed
        assert "monitor-updates" not in listed
        assert user.http.get("/v1/models/monitor-updates").status_code == 404
        user.http.headers["authorization"] = token
        assert "Most byl postaven." in user.told("Novinky?")


@EACH_WAY
@pytest.mark.parametrize("receipt", ["comment", "chunk", "none"])
@pytest.mark.parametrize("surface", SURFACES, ids=lambda surface: surface.dialect)
def test_delivery_is_known_whatever_the_client_is_told_of_costs(
    user: User, surface: Surface, receipt: str, streamed: bool
) -> None:
    user.put("A bridge was built.")

    response = surface.ask(user.http, "speed", streamed=streamed, text=NEWS, headers={"x-relay-receipt": receipt})
    user.wait_until_told()

    assert "A bridge was built." in surface.read(response, streamed=streamed).text


@EACH_WAY
@pytest.mark.parametrize(
    ("path", "fields"),
    [
        ("/v1/completions", {"prompt": NEWS}),
        ("/api/generate", {"prompt": NEWS}),
        ("/v1/responses", {"input": NEWS}),
    ],
)
def test_prompts_are_answered_too(user: User, path: str, fields: dict[str, Any], streamed: bool) -> None:
    user.put("A bridge was built.")

    response = user.http.post(path, json={"model": "speed", "stream": streamed, **fields})
    user.wait_until_told()

    assert "A bridge was built." in response.text


def test_models_are_listed_with_it(user: User) -> None:
    listed = {each["id"] for each in user.http.get("/v1/models").json()["data"]}

    assert {"monitor-updates", "speed"} <= listed
