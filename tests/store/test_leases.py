"""Whose turn it is, when several ask."""

import asyncio
from collections.abc import Callable

from app.store.db import Database
from app.store.leases import hold_lease, release_lease


async def hold(db: Database, holder: str, now: int = 1000, name: str = "sweep") -> bool:
    return await hold_lease(db, name, holder, now=now, for_ms=100)


async def test_one_of_many_gets_a_lease(database: Database, open_another: Callable[[str], Database]) -> None:
    others = [open_another("relay.db") for _ in range(4)]

    got = await asyncio.gather(*(hold(db, f"worker-{number}") for number, db in enumerate([database, *others])))

    assert sum(got) == 1


async def test_holder_may_renew_it_and_others_wait_until_it_is_over(database: Database) -> None:
    assert await hold(database, "a", 1000)
    assert await hold(database, "a", 1050)

    assert not await hold(database, "b", 1149)
    assert await hold(database, "b", 1150)
    assert not await hold(database, "a", 1160)


async def test_lease_is_released_by_its_holder_alone(database: Database) -> None:
    await hold(database, "a")

    await release_lease(database, "sweep", "b")
    assert not await hold(database, "b")
    await release_lease(database, "sweep", "a")
    assert await hold(database, "b")


async def test_leases_have_nothing_to_do_with_each_other(database: Database) -> None:
    assert await hold(database, "a", name="sweep")
    assert await hold(database, "b", name="expiry")
