"""Ten subscriptions of 100 ms over a round trip of 100 ms: the server never waits for a publish request."""

import asyncio
from dataclasses import replace

import pytest

from edge_agent.sim.faults import Faults
from tests.faults.conftest import MakePlant
from tests.faults.following import FAST, TICK_NS, Gateway, more, tag

pytestmark = pytest.mark.slow

NAMES = [f"group{number}" for number in range(10)]
TAGS = [tag(name, name) for name in NAMES]
WINDOW_S = 3.0
WINDOWS = (
    6  # a busy machine holds up the server itself now and then; a client that starves it never comes near
)


async def test_ninety_nine_of_a_hundred_notifications_a_second_arrive(make_plant: MakePlant) -> None:
    rates: list[float] = []
    async with make_plant(TAGS, tick_ns=TICK_NS) as plant:
        gateway = Gateway(plant.endpoint, TAGS, {name: replace(FAST, name=name) for name in NAMES})
        async with gateway.following() as log:
            for name in NAMES:
                await more(log, name, 3)
            since = {name: log.ticks(name)[-1] for name in NAMES}
            await plant.switch(Faults(slow_s=0.1))
            await asyncio.sleep(1)  # until what was under way has come
            loop = asyncio.get_running_loop()
            while len(rates) < WINDOWS and max(rates, default=0) < 99:
                before, began = log.notifications, loop.time()
                await asyncio.sleep(WINDOW_S)
                rates.append((log.notifications - before) / (loop.time() - began))

    assert max(rates) >= 99, rates
    assert log.gaps == []
    assert [name for name in NAMES if log.missing(name, since[name])] == []
