"""What the queue of a server was too short for is had from what it has recorded."""

import asyncio
from dataclasses import replace

import pytest

from edge_agent.sim.faults import Faults
from tests.faults.conftest import MakePlant
from tests.faults.following import COUNTER, FAST, TICK_NS, Gateway, more

pytestmark = pytest.mark.slow

SHORT = replace(FAST, queue=10, history_s=600.0)  # half a second of the counter


async def test_cut_that_the_queue_does_not_outlast_is_filled_from_history(make_plant: MakePlant) -> None:
    async with make_plant(COUNTER, tick_ns=TICK_NS, faults=Faults()) as plant:
        gateway = Gateway(plant.endpoint, groups={"fast": SHORT})
        async with gateway.following() as log:
            await more(log, "counter", 20)
            since = log.ticks("counter")[-1]
            await plant.switch(Faults(refuse=True))
            await asyncio.sleep(3)  # the cut itself
            await plant.switch(Faults())
            await more(log, "counter", 100)

    assert log.missing("counter", since) == []
    assert log.gaps == []
    assert log.wrong("counter") == []
