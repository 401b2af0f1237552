"""What is pending for a user is claimed once, whoever asks, and is pending again where it was not told."""

import asyncio
import itertools
from collections.abc import Callable, Sequence

from app.store.db import Database
from app.store.monitors.updates import (
    Claim,
    Claimed,
    claim_updates,
    mark_processed,
    release_updates,
    renew_claims,
)
from tests.monitor_rows import monitor_of, processed, put_group, put_monitor, saying

LEASE = 100
ALICES, BOBS = monitor_of("alice"), monitor_of("bob")


async def claim(
    db: Database, claim_id: str = "c1", most: int = 20, now: int = 5000, username: str = "alice"
) -> Claimed:
    return await claim_updates(db, Claim(claim_id, username), most, now=now, until=now + LEASE)


def ids(claimed: Claimed) -> Sequence[str]:
    return [group.id for group in claimed.groups]


async def test_groups_are_told_from_the_oldest_on_with_their_queries(database: Database) -> None:
    bridges, tunnels = [await put_monitor(database, query=each) for each in ("Bridges", "Tunnels")]
    await put_group(database, tunnels, "b", saying("Second."), received_at=2000)
    await put_group(database, bridges, "a", saying("First.", "And more."), received_at=1000)

    claimed = await claim(database)

    assert [(group.id, group.query, group.received_at) for group in claimed.groups] == [
        ("a", "Bridges", 1000),
        ("b", "Tunnels", 2000),
    ]
    assert [update.text for update in claimed.groups[0].updates] == ["First.", "And more."]
    assert (claimed.remaining, claimed.missing, claimed.elsewhere) == (0, 0, 0)


async def test_of_too_many_the_newest_are_claimed_in_whole_groups(database: Database) -> None:
    for number in range(5):
        await put_group(database, ALICES, f"g{number}", saying("x", "y", "z"), received_at=number)

    claimed = await claim(database, most=7)

    assert ids(claimed) == ["g3", "g4"]
    assert claimed.remaining == 9
    assert ids(await claim(database, "c2", most=7)) == ["g1", "g2"]


async def test_group_that_is_too_large_is_claimed_alone(database: Database) -> None:
    await put_group(database, ALICES, "small", received_at=1)
    await put_group(database, ALICES, "large", saying(*"abcdefgh"), received_at=2)

    assert ids(await claim(database, most=3)) == ["large"]


async def test_only_what_is_pending_for_the_user_is_claimed(database: Database) -> None:
    await put_group(database, ALICES, "mine")
    await put_group(database, ALICES, "told", processed_at=1)
    await put_group(database, ALICES, "empty", ())
    await put_group(database, BOBS, "theirs")
    await put_group(database, ALICES, "coming", fetched_at=None)
    await put_group(database, ALICES, "given up", fetched_at=None, gave_up_at=1)

    claimed = await claim(database)

    assert ids(claimed) == ["mine"]
    assert (claimed.remaining, claimed.missing, claimed.elsewhere) == (0, 1, 0)


async def test_claimed_groups_are_elsewhere_for_others_until_the_claim_is_over(database: Database) -> None:
    await put_group(database, ALICES, "a")
    await claim(database, "c1", now=5000)

    during, after = await claim(database, "c2", now=5099), await claim(database, "c3", now=5100)

    assert (ids(during), during.elsewhere, during.remaining) == ([], 1, 0)
    assert ids(after) == ["a"]


async def test_claim_that_is_renewed_holds_on(database: Database) -> None:
    await put_group(database, ALICES, "a")
    await claim(database, "c1", now=5000)

    await renew_claims(database, [Claim("c1", "alice"), Claim("other", "alice")], 6000)

    assert ids(await claim(database, "c2", now=5999)) == []


async def test_released_groups_are_pending_again(database: Database) -> None:
    await put_group(database, ALICES, "a")
    await claim(database, "c1")

    await release_updates(database, [Claim("other", "alice")])
    assert ids(await claim(database, "c2")) == []
    await release_updates(database, [Claim("c1", "alice")])
    assert ids(await claim(database, "c2")) == ["a"]


async def test_only_the_call_that_has_the_claim_marks(database: Database) -> None:
    await put_group(database, ALICES, "a")
    await claim(database, "c1", now=5000)
    await claim(database, "c2", now=6000)

    await mark_processed(database, [Claim("c1", "alice")], 6001)
    assert await processed(database) == {"a": False}
    await mark_processed(database, [Claim("c2", "alice")], 6001)
    assert await processed(database) == {"a": True}
    assert ids(await claim(database, "c3", now=9000)) == []


async def test_of_many_takers_each_group_is_claimed_by_one_and_none_is_lost(
    database: Database, open_another: Callable[[str], Database]
) -> None:
    groups = [f"g{number:02}" for number in range(30)]
    for number, group_id in enumerate(groups):
        await put_group(database, ALICES, group_id, saying("x", "y"), received_at=number % 7)
    takers = [database, *(open_another("relay.db") for _ in range(5))]

    async def take_all(number: int, db: Database) -> list[str]:
        got: list[str] = []
        while True:
            name = f"c{number}.{len(got)}"
            claimed = await claim(db, name, most=5)
            got += ids(claimed)
            if claimed.groups:
                await mark_processed(db, [Claim(name, "alice")], 5001)
            elif not claimed.remaining and not claimed.elsewhere:
                return got

    got = await asyncio.gather(*(take_all(number, db) for number, db in enumerate(takers)))

    assert sorted(itertools.chain.from_iterable(got)) == groups
    assert all((await processed(database)).values())
