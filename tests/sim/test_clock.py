"""Does virtual time pass as real time would, only at once?"""

import asyncio
import time

import pytest

from controller.sim.clock import VirtualClock

pytestmark = pytest.mark.anyio


async def test_a_sleep_takes_virtual_time_and_no_other() -> None:
    clock, began_s = VirtualClock(), time.monotonic()
    wall_s = clock.wall()
    await clock.sleep(86_400.0)
    assert clock.now() == 86_400.0
    assert clock.wall() - wall_s == 86_400.0
    assert time.monotonic() - began_s < 3600


async def test_sleepers_wake_in_the_order_of_their_times() -> None:
    clock, woken = VirtualClock(), []

    async def sleeper(every_s: float, times: int) -> None:
        for _ in range(times):
            await clock.sleep(every_s)
            woken.append((float(clock.now()), every_s))

    await asyncio.gather(sleeper(3.0, 2), sleeper(1.0, 7), sleeper(2.5, 2))
    assert woken == sorted(woken, key=lambda entry: entry[0])
    assert [at for at, every_s in woken if every_s == 2.5] == [2.5, 5.0]
    assert clock.now() == 7.0


async def test_a_cancelled_sleeper_does_not_move_time() -> None:
    clock = VirtualClock()
    alarm = asyncio.create_task(clock.sleep(60.0))
    await clock.sleep(1.0)
    alarm.cancel()
    await clock.sleep(1.0)
    assert clock.now() == 2.0


async def test_a_sleep_of_nothing_lets_others_run() -> None:
    clock, ran = VirtualClock(), []

    async def other() -> None:
        ran.append(True)

    task = asyncio.create_task(other())
    await clock.sleep(0.0)
    assert ran == [True]
    await task
