"""A link that is cut for a while: nothing is missing that the server could hold."""

import asyncio
from itertools import pairwise
from pathlib import Path

import pytest

from edge_agent.sim.faults import Faults
from tests.faults.conftest import MakePlant
from tests.faults.following import COUNTER, TICK_NS, Gateway, Log, S, more
from tests.faults.plants import on_each, plant

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("seconds", [2.0, 10.0])
async def test_cut_that_the_queue_of_the_server_outlasts_costs_no_sample(
    seconds: float, certificate_folder: Path
) -> None:
    async def cut(server: str) -> tuple[Log, int]:
        async with plant(server, COUNTER, certificate_folder, tick_ns=TICK_NS) as press:
            gateway = Gateway(press.endpoint)
            async with gateway.following() as log:
                await more(log, "counter", 20)
                since = log.ticks("counter")[-1]
                await press.switch(Faults(refuse=True, no_history=True))
                await asyncio.sleep(seconds)  # the cut itself
                await press.switch(Faults(no_history=True))
                await more(log, "counter", round(seconds * 20) + 40)
        return log, since

    for server, (log, since) in (await on_each(cut)).items():
        assert log.missing("counter", since) == [], server
        assert log.gaps == [], server
        assert log.wrong("counter") == [], server


async def test_samples_that_the_server_had_queued_come_before_what_is_read_now(make_plant: MakePlant) -> None:
    async with make_plant(COUNTER, tick_ns=TICK_NS, faults=Faults(no_history=True)) as press:
        gateway = Gateway(press.endpoint)
        async with gateway.following() as log:
            await more(log, "counter", 20)
            await press.switch(Faults(refuse=True, no_history=True))
            await asyncio.sleep(3)  # the cut itself
            await press.switch(Faults(no_history=True))
            await more(log, "counter", 100)

    times = [at for at, _ in log.samples("counter")]
    # What is read is newer by a publishing interval or two than the next samples, never by the cut.
    assert [(before, after) for before, after in pairwise(times) if before - after > S] == []
