"""Users' monitors against a Parallel that is there, away, slow or forgetful: exactly one is active, whatever fails on the way."""

import asyncio
from collections import Counter
from collections.abc import Callable, Sequence
from itertools import pairwise

import pytest

from app.core.errors import InvalidRequest, RelayError, Unavailable, UpstreamError
from app.monitors.asked import AskedMonitor
from app.monitors.creating import Created, Creation
from app.monitors.desk import MonitorDesk, MonitorNotActive, NoSuchMonitor
from app.monitors.ending import AT_ONCE, Ending
from app.monitors.expiry import Expiry
from app.monitors.parallel import ParallelMonitors
from app.monitors.reconciling import GRACE_MS, Reconciler
from app.store.db import Database, DatabaseUnavailable
from app.store.monitors.rows import Monitor, add_monitor, find_monitor, list_monitors
from app.store.times import MS_PER_HOUR
from app.store.tokens import StoredToken, delete_token, insert_tokens
from tests.databases import KINDS, SQLITE
from tests.monitors.clock import Clock
from tests.parallel_server import Fault, ParallelServer
from tests.waiting import until

WEBHOOK_URL = "https://relay.example/webhooks/parallel-monitor"
ASKED = AskedMonitor("releases of Python", "1d")


@pytest.fixture
def database_kind() -> str:
    """Of most: how rows change on both kinds is tested with the rows."""
    return SQLITE


on_both = pytest.mark.parametrize("database_kind", KINDS)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def ending(database: Database, remote: ParallelMonitors, clock: Clock) -> Ending:
    return Ending(database, remote, clock)


def refuse(_url: str) -> None:
    raise InvalidRequest("no", param="forward_url")


def open_creation(database: Database, remote: ParallelMonitors, clock: Clock, **changes: object) -> Creation:
    options: dict[str, object] = {
        "webhook_url": WEBHOOK_URL,
        "per_user": 1,
        "lifetime_hours": 24,
        "check_forward_url": lambda _url: None,
        "new_secret": lambda: "whsec_new",
        "clock": clock,
    }
    return Creation(database, remote, Ending(database, remote, clock), **(options | changes))  # type: ignore[arg-type] # of a test


@pytest.fixture
def creation(database: Database, remote: ParallelMonitors, clock: Clock) -> Creation:
    return open_creation(database, remote, clock)


@pytest.fixture
def desk(database: Database, remote: ParallelMonitors, ending: Ending, clock: Clock) -> MonitorDesk:
    return MonitorDesk(database, remote, ending, clock=clock)


@pytest.fixture(autouse=True)
async def _tokens(database: Database) -> None:
    """Of those who have monitors here: without, they would be ended."""
    tokens = [StoredToken(name, name.encode(), name, rate_limit=1, created_at=1) for name in ("ana", "ben", "cy")]
    await insert_tokens(database, tokens)


@pytest.fixture
def expiry(database: Database, ending: Ending, clock: Clock) -> Expiry:
    return Expiry(database, ending, clock=clock)


@pytest.fixture
def reconciler(database: Database, remote: ParallelMonitors, ending: Ending, clock: Clock) -> Reconciler:
    return Reconciler(database, remote, ending, WEBHOOK_URL, clock=clock)


async def statuses(database: Database) -> Counter[str]:
    return Counter(each.status for each in await list_monitors(database, None, 1000))


async def test_creation_is_asked_for_as_v1_has_it(creation: Creation, parallel: ParallelServer) -> None:
    schema = {"type": "object", "properties": {"version": {"type": "string"}}}
    asked = AskedMonitor("releases of Python", "6h", "base", schema, {"team": "a"})

    created = await creation.create("ana", asked, token_id="tok00001")

    [request] = parallel.asked("create")
    assert request.body == {
        "type": "event_stream",
        "frequency": "6h",
        "processor": "base",
        "settings": {"query": "releases of Python", "output_schema": {"type": "json", "json_schema": schema}},
        "webhook": {
            "url": WEBHOOK_URL,
            "event_types": [
                "monitor.event.detected",
                "monitor.execution.completed",
                "monitor.execution.failed",
            ],
        },
        "metadata": {"team": "a", "llm_relay": created.monitor.id, "username": "ana"},
    }
    assert parallel.active == [created.monitor.parallel_id]


async def test_created_one_is_kept_with_all_that_is_known(creation: Creation, desk: MonitorDesk, clock: Clock) -> None:
    created = await creation.create("ana", ASKED, token_id="tok00001")

    [kept] = await desk.list_all("ana")
    assert kept.parallel_id == created.monitor.parallel_id
    assert (kept.status, kept.slot, kept.token_id) == ("active", 1, "tok00001")
    assert (kept.created_at, kept.expires_at) == (clock.now, clock.now + 24 * MS_PER_HOUR)


@on_both
async def test_second_creation_leaves_exactly_one_active(
    creation: Creation, database: Database, parallel: ParallelServer
) -> None:
    first = await creation.create("ana", ASKED)
    second = await creation.create("ana", ASKED)

    assert parallel.active == [second.monitor.parallel_id]
    assert [(each.id, why) for each, why in second.replaced] == [(first.monitor.id, None)]
    assert await statuses(database) == {"active": 1, "cancelled": 1}


@pytest.mark.parametrize(
    "fault", [Fault(status=503), Fault(status=422), Fault(closed=True), Fault(status=500)], ids=str
)
async def test_creation_that_fails_at_parallel_leaves_the_first_active(
    fault: Fault, creation: Creation, desk: MonitorDesk, database: Database, parallel: ParallelServer
) -> None:
    first = await creation.create("ana", ASKED)
    parallel.order(fault, "create", times=100)

    with pytest.raises(RelayError):
        await creation.create("ana", ASKED)

    assert parallel.active == [first.monitor.parallel_id]
    assert await statuses(database) == {"active": 1, "failed": 1}
    [failed] = [each for each in await desk.list_all("ana") if each.status == "failed"]
    assert failed.last_error


async def test_error_of_parallel_has_its_words_and_their_reference(
    creation: Creation, parallel: ParallelServer
) -> None:
    parallel.order(Fault(status=422), "create")

    with pytest.raises(UpstreamError, match="ref_id") as caught:
        await creation.create("ana", ASKED)

    assert caught.value.status == 422


async def test_creation_whose_answer_is_lost_is_found_again(
    creation: Creation, database: Database, parallel: ParallelServer
) -> None:
    parallel.order(Fault(lost=True), "create")

    created = await creation.create("ana", ASKED)

    assert parallel.active == [created.monitor.parallel_id]
    assert len(parallel.monitors) == 1
    assert await statuses(database) == {"active": 1}


async def test_creation_whose_answer_is_lost_for_good_is_cancelled_by_the_reconciler(
    creation: Creation, database: Database, parallel: ParallelServer, reconciler: Reconciler
) -> None:
    first = await creation.create("ana", ASKED)
    parallel.order(Fault(lost=True), "create")
    parallel.order(Fault(status=503), "list", times=100)
    with pytest.raises(RelayError):
        await creation.create("ana", ASKED)
    parallel.heal()
    assert len(parallel.active) == 2

    done = await reconciler.reconcile()

    assert parallel.active == [first.monitor.parallel_id]
    assert len(done.cancelled) == 1
    assert await statuses(database) == {"active": 1, "failed": 1}


async def test_old_one_that_cannot_be_cancelled_is_told_and_tried_again(
    creation: Creation, database: Database, parallel: ParallelServer, expiry: Expiry, clock: Clock
) -> None:
    first = await creation.create("ana", ASKED)
    parallel.order(Fault(status=503), "cancel", times=100)

    second = await creation.create("ana", ASKED)

    [(old, why)] = second.replaced
    assert old.id == first.monitor.id
    assert why is not None
    assert "503" in why
    assert await statuses(database) == {"active": 1, "cancelling": 1}
    parallel.heal()
    clock.now += 120_000
    assert await expiry.look()
    assert parallel.active == [second.monitor.parallel_id]
    assert await statuses(database) == {"active": 1, "cancelled": 1}


async def test_client_that_leaves_gets_no_half_monitor(
    creation: Creation, database: Database, parallel: ParallelServer
) -> None:
    parallel.order(Fault(delay_s=0.2), "create")
    asking = asyncio.create_task(creation.create("ana", ASKED))
    await until(lambda: parallel.asked("create"))
    asking.cancel("the client left")
    with pytest.raises(asyncio.CancelledError):
        await asking
    await creation.aclose()

    assert await statuses(database) == {"active": 1}
    assert len(parallel.active) == 1


@on_both
async def test_many_at_once_leave_exactly_one(
    creation: Creation, database: Database, parallel: ParallelServer, expiry: Expiry
) -> None:
    made = await asyncio.gather(*(creation.create("ana", ASKED) for _ in range(8)))

    assert len({each.monitor.id for each in made}) == 8
    assert (await statuses(database))["active"] == 1
    await expiry.look()
    assert len(parallel.active) == 1


async def test_database_that_cannot_keep_it_leaves_the_first_active(
    database: Database,
    remote: ParallelMonitors,
    clock: Clock,
    parallel: ParallelServer,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    creation = open_creation(database, remote, clock)
    first = await creation.create("ana", ASKED)

    async def fail(*_: object, **__: object) -> None:
        raise DatabaseUnavailable("The database is locked by another process.")

    monkeypatch.setattr("app.monitors.creating.activate", fail)
    with pytest.raises(DatabaseUnavailable):
        await creation.create("ana", ASKED)

    assert parallel.active == [first.monitor.parallel_id]
    assert await statuses(database) == {"active": 1, "failed": 1}


async def test_killed_between_creation_and_record(
    creation: Creation, database: Database, parallel: ParallelServer, reconciler: Reconciler, clock: Clock
) -> None:
    first = await creation.create("ana", ASKED)
    lost = Monitor("mon_lost", "ana", "q", "1d", "lite", "creating", clock.now, clock.now + MS_PER_HOUR)
    await add_monitor(database, lost)
    parallel.add(metadata={"llm_relay": lost.id, "username": "ana"}, webhook={"url": WEBHOOK_URL})

    assert (await reconciler.reconcile()).cancelled == []  # it may still be on its way
    clock.now += GRACE_MS + 1
    done = await reconciler.reconcile()

    assert parallel.active == [first.monitor.parallel_id]
    assert len(done.cancelled) == 1
    assert await statuses(database) == {"active": 1, "cancelled": 1}


async def test_what_was_cut_off_right_before_a_start_does_not_wait_for_an_hour(
    creation: Creation, database: Database, parallel: ParallelServer, reconciler: Reconciler, clock: Clock
) -> None:
    first = await creation.create("ana", ASKED)
    lost = Monitor("mon_lost", "ana", "q", "1d", "lite", "creating", clock.now, clock.now + MS_PER_HOUR)
    await add_monitor(database, lost)
    orphan = parallel.add(metadata={"llm_relay": lost.id, "username": "ana"}, webhook={"url": WEBHOOK_URL})
    clock.now += 1
    done = await reconciler.look()
    assert done is not None
    assert done.cancelled == []  # it may still be on its way

    clock.now += GRACE_MS
    done = await reconciler.look()

    assert done is not None
    assert done.cancelled == [orphan["monitor_id"]]
    assert parallel.active == [first.monitor.parallel_id]
    clock.now += MS_PER_HOUR // 2
    assert await reconciler.look() is None


async def test_second_monitor_of_one_creation_is_cancelled(
    creation: Creation, parallel: ParallelServer, reconciler: Reconciler
) -> None:
    first = await creation.create("ana", ASKED)
    twin = parallel.add(metadata={"llm_relay": first.monitor.id, "username": "ana"}, webhook={"url": WEBHOOK_URL})

    assert (await reconciler.reconcile()).cancelled == [twin["monitor_id"]]
    assert parallel.active == [first.monitor.parallel_id]


async def test_killed_before_creation(database: Database, reconciler: Reconciler, clock: Clock) -> None:
    lost = Monitor("mon_lost", "ana", "q", "1d", "lite", "creating", clock.now, clock.now + MS_PER_HOUR)
    await add_monitor(database, lost)
    clock.now += GRACE_MS + 1

    assert (await reconciler.reconcile()).given_up == ["mon_lost"]
    assert await statuses(database) == {"failed": 1}


async def test_reconciler_closes_what_parallel_does_not_know(
    creation: Creation,
    desk: MonitorDesk,
    database: Database,
    parallel: ParallelServer,
    reconciler: Reconciler,
    clock: Clock,
) -> None:
    gone, ended, stays = [await creation.create(name, ASKED) for name in ("ana", "ben", "cy")]
    parallel.remove(_id(gone))
    await desk._remote.cancel(_id(ended))
    clock.now += 1

    done = await reconciler.reconcile()

    assert sorted(done.closed) == sorted([_id(gone), _id(ended)])
    assert parallel.active == [_id(stays)]
    closed = await find_monitor(database, _id(gone))
    assert closed is not None
    assert (closed.status, closed.reason) == ("cancelled", "gone")


async def test_reconciler_cancels_ours_and_leaves_others_alone(
    parallel: ParallelServer, reconciler: Reconciler
) -> None:
    ours = parallel.add(metadata={"llm_relay": "mon_of_a_lost_database"}, webhook={"url": WEBHOOK_URL})
    others = [
        parallel.add(),
        parallel.add(metadata={"username": "ana"}, webhook={"url": WEBHOOK_URL}),
        parallel.add(metadata={"llm_relay": "mon_of_another"}, webhook={"url": "https://other.example/hook"}),
    ]

    done = await reconciler.reconcile()

    assert done.cancelled == [ours["monitor_id"]]
    assert sorted(parallel.active) == sorted(each["monitor_id"] for each in others)


async def test_reconciler_closes_nothing_where_parallel_does_not_answer(
    creation: Creation, database: Database, parallel: ParallelServer, reconciler: Reconciler, clock: Clock
) -> None:
    await creation.create("ana", ASKED)
    clock.now += 1
    parallel.order(Fault(status=500), "list", times=100)

    with pytest.raises(RelayError):
        await reconciler.reconcile()

    assert await statuses(database) == {"active": 1}


async def test_monitors_are_ended_after_their_lifetime(
    creation: Creation, desk: MonitorDesk, database: Database, parallel: ParallelServer, expiry: Expiry, clock: Clock
) -> None:
    await creation.create("ana", ASKED)
    clock.now += 24 * MS_PER_HOUR - 1
    await expiry.look()
    assert await statuses(database) == {"active": 1}

    clock.now += 1
    await expiry.look()

    assert parallel.active == []
    [ended] = await desk.list_all("ana")
    assert (ended.status, ended.reason, ended.cancelled_at) == ("cancelled", "expired", clock.now)


async def test_end_is_tried_again_until_parallel_agrees(
    creation: Creation, desk: MonitorDesk, database: Database, parallel: ParallelServer, expiry: Expiry, clock: Clock
) -> None:
    await creation.create("ana", ASKED)
    parallel.order(Fault(status=500), "cancel", times=1000)
    clock.now += 24 * MS_PER_HOUR
    pauses = []
    for attempt in range(1, 6):
        await expiry.look()
        [waiting] = await desk.list_all("ana")
        assert (waiting.status, waiting.attempts) == ("cancelling", attempt)
        assert waiting.last_error is not None
        assert waiting.retry_at is not None
        pauses.append(waiting.retry_at - clock.now)
        clock.now = waiting.retry_at
    assert all(earlier < later for earlier, later in pairwise(pauses))
    assert len(parallel.active) == 1

    parallel.heal()
    await expiry.look()

    assert parallel.active == []
    assert await statuses(database) == {"cancelled": 1}


async def test_end_of_one_that_parallel_does_not_know_any_more(
    creation: Creation, desk: MonitorDesk, parallel: ParallelServer
) -> None:
    created = await creation.create("ana", ASKED)
    parallel.remove(_id(created))

    assert (await desk.cancel("ana", _id(created))).status == "cancelled"


async def test_user_ends_one(creation: Creation, desk: MonitorDesk, parallel: ParallelServer) -> None:
    created = await creation.create("ana", ASKED)

    ended = await desk.cancel("ana", created.monitor.id)

    assert (ended.status, ended.reason) == ("cancelled", "user")
    assert parallel.active == []
    assert (await desk.cancel("ana", created.monitor.id)).status == "cancelled"


async def test_one_that_is_being_created_is_not_said_to_end(desk: MonitorDesk, database: Database) -> None:
    await add_monitor(database, Monitor("mon_new", "ana", "q", "1d", "lite", "creating", 1, 2))

    with pytest.raises(MonitorNotActive, match="being created"):
        await desk.cancel("ana", "mon_new")


async def test_user_ends_one_while_parallel_is_away(
    creation: Creation, desk: MonitorDesk, parallel: ParallelServer, expiry: Expiry, clock: Clock
) -> None:
    created = await creation.create("ana", ASKED)
    parallel.order(Fault(closed=True), "cancel", times=100)

    assert (await desk.cancel("ana", _id(created))).status == "cancelling"
    parallel.heal()
    clock.now += 60_000
    await expiry.look()

    assert parallel.active == []


async def test_monitors_of_who_has_no_token_any_more_are_ended(
    creation: Creation, desk: MonitorDesk, database: Database, parallel: ParallelServer, expiry: Expiry
) -> None:
    await creation.create("ana", ASKED)
    await expiry.look()
    assert len(parallel.active) == 1

    await delete_token(database, "ana")
    await expiry.look()

    assert parallel.active == []
    [ended] = await desk.list_all("ana")
    assert (ended.status, ended.reason) == ("cancelled", "user_gone")


@on_both
async def test_one_worker_ends_them_at_a_time(
    database: Database, open_another: Callable[[str], Database], ending: Ending, clock: Clock
) -> None:
    first, second = (Expiry(each, ending, clock=clock) for each in (database, open_another("relay.db")))

    assert await first.look()
    assert not await second.look()
    clock.now += 10 * 60_000  # the first is gone
    assert await second.look()
    assert not await first.look()


async def test_round_that_takes_long_stays_the_turn_of_one_worker(
    creation: Creation,
    database: Database,
    open_another: Callable[[str], Database],
    ending: Ending,
    parallel: ParallelServer,
    clock: Clock,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    first, second = (Expiry(each, ending, clock=clock) for each in (database, open_another("relay.db")))
    for number in range(3 * AT_ONCE):
        await creation.create(f"user {number}", ASKED)
    clock.now += 24 * MS_PER_HOUR
    end_all, turns_of_the_other = ending.end_all, []

    async def end_slowly(monitors: Sequence[Monitor]) -> None:
        await end_all(monitors)
        clock.now += 100_000
        turns_of_the_other.append(await second.look())

    monkeypatch.setattr(ending, "end_all", end_slowly)
    assert await first.look()

    assert turns_of_the_other == [False] * 3
    assert parallel.active == []
    assert len(parallel.asked("cancel")) == 3 * AT_ONCE


async def test_trigger_is_a_run_of_an_active_one(
    creation: Creation, desk: MonitorDesk, parallel: ParallelServer
) -> None:
    created = await creation.create("ana", ASKED)

    await desk.trigger("ana", _id(created))
    assert parallel.runs == [_id(created)]
    await desk.cancel("ana", _id(created))
    with pytest.raises(MonitorNotActive):
        await desk.trigger("ana", _id(created))


async def test_others_do_not_see_it(creation: Creation, desk: MonitorDesk, parallel: ParallelServer) -> None:
    handle = _id(await creation.create("ana", ASKED))

    for work in (desk.show, desk.cancel, desk.trigger):
        with pytest.raises(NoSuchMonitor):
            await work("ben", handle)
    with pytest.raises(NoSuchMonitor):
        await desk.events("ben", handle, 10)
    assert await desk.list_all("ben") == []
    assert parallel.active == [handle]


async def test_without_an_address_to_report_to_none_is_created(
    database: Database, remote: ParallelMonitors, clock: Clock, parallel: ParallelServer
) -> None:
    creation = open_creation(database, remote, clock, webhook_url=None)

    with pytest.raises(Unavailable, match="MONITOR_WEBHOOK_URL"):
        await creation.create("ana", ASKED)

    assert parallel.requests == []
    assert (await creation.create("ana", ASKED, webhook_url=WEBHOOK_URL)).webhook_url == WEBHOOK_URL


async def test_forwarding_is_checked_before_anything_is_asked(
    database: Database, remote: ParallelMonitors, clock: Clock, parallel: ParallelServer, desk: MonitorDesk
) -> None:
    creation = open_creation(database, remote, clock, check_forward_url=refuse)

    with pytest.raises(InvalidRequest):
        await creation.create("ana", AskedMonitor("q", "1d", forward_url="http://10.0.0.1/"))

    assert parallel.requests == []
    assert await desk.list_all("ana") == []


def _id(created: Created) -> str:
    assert created.monitor.parallel_id is not None
    return created.monitor.parallel_id
