"""The deadline that moves."""

import asyncio

import pytest

from app.providers.http1.alarm import Alarm


class Bell:
    """Counts how often it rang, and when."""

    def __init__(self) -> None:
        self.rang_at: list[float] = []

    def __call__(self) -> None:
        self.rang_at.append(asyncio.get_running_loop().time())


async def test_alarm_rings_once_when_its_time_has_come() -> None:
    bell = Bell()
    started = asyncio.get_running_loop().time()

    Alarm(bell).set(0.05)
    await asyncio.sleep(0.2)

    assert len(bell.rang_at) == 1
    assert bell.rang_at[0] - started > 0.045


async def test_alarm_that_is_set_anew_rings_at_the_new_time() -> None:
    bell = Bell()
    alarm = Alarm(bell)
    alarm.set(0.05)
    await asyncio.sleep(0.03)
    again = asyncio.get_running_loop().time()

    alarm.set(0.1)
    await asyncio.sleep(0.3)

    assert len(bell.rang_at) == 1
    assert bell.rang_at[0] - again > 0.095


async def test_alarm_that_is_set_earlier_rings_earlier() -> None:
    bell = Bell()
    alarm = Alarm(bell)
    alarm.set(60)

    alarm.set(0.02)
    await asyncio.sleep(0.2)

    assert len(bell.rang_at) == 1
    alarm.stop()


@pytest.mark.parametrize("silence", ["clear", "stop", "never"])
async def test_alarm_that_was_silenced_does_not_ring(silence: str) -> None:
    bell = Bell()
    alarm = Alarm(bell)
    alarm.set(0.02)

    if silence == "never":
        alarm.set(None)
    else:
        getattr(alarm, silence)()
    await asyncio.sleep(0.1)

    assert bell.rang_at == []
