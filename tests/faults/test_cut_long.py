"""A cut that the server's queue does not outlast: what it had to drop is one gap with its bounds."""

import asyncio
from pathlib import Path

import pytest

from edge_agent.sim.faults import Faults
from tests.faults.following import COUNTER, TICK_NS, Gateway, Log, more, neighbours
from tests.faults.plants import on_each, plant

pytestmark = [pytest.mark.slow, pytest.mark.timeout(180)]

TOLERANCE = (
    10  # ticks of 50 ms: what is known moves by whole publishing intervals, and a busy machine is late
)


async def test_cut_of_a_minute_is_one_gap_with_its_bounds(certificate_folder: Path) -> None:
    async def cut(server: str) -> tuple[Log, int]:
        async with plant(server, COUNTER, certificate_folder, tick_ns=TICK_NS) as press:
            gateway = Gateway(press.endpoint)
            async with gateway.following() as log:
                await more(log, "counter", 20)
                since = log.ticks("counter")[-1]
                await press.switch(Faults(refuse=True, no_history=True))
                await asyncio.sleep(60)  # the cut itself; the queue holds 20 s
                await press.switch(Faults(no_history=True))
                await more(log, "counter", 400)
        return log, since

    for server, (log, since) in (await on_each(cut)).items():
        ((first, last),) = neighbours(log.missing("counter", since))
        assert last - first > 30 * 20, server
        assert [gap.reason for gap in log.gaps] == ["source:overflow"], server
        (gap,) = log.gaps
        assert gap.start_ns is not None, server
        assert gap.end_ns is not None, server
        assert first - TOLERANCE <= gap.start_ns / TICK_NS <= first, server
        assert last <= gap.end_ns / TICK_NS <= last + TOLERANCE, server
        assert log.wrong("counter") == [], server
