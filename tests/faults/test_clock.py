"""A server whose clock is an hour ahead: whose time counts is what the group says, and how far it is off."""

import time
from dataclasses import replace

import pytest

from edge_agent.core.model import Scan
from edge_agent.sim.faults import Faults
from tests.faults.conftest import MakePlant
from tests.faults.following import FAST, Gateway, Log, S, more, tag

pytestmark = pytest.mark.slow

HOUR_S = 3600.0
TAGS = [tag(name, name) for name in ("source", "server", "agent")]
GROUPS = {name.name: replace(FAST, name=name.name, timestamp=name.name) for name in TAGS}  # type: ignore[arg-type]  # the three choices


async def test_samples_have_the_time_of_whom_the_group_says(make_plant: MakePlant) -> None:
    async with make_plant(TAGS, faults=Faults(clock_s=HOUR_S)) as plant:
        gateway = Gateway(plant.endpoint, TAGS, GROUPS)
        async with gateway.following() as log:
            for whose in GROUPS:
                await more(log, whose, 5)

    now_ns = time.time_ns()
    ahead = {whose: {hours(each.time_ns - now_ns) for each in scans(log, whose)} for whose in GROUPS}
    lag = {whose: {hours(each.lag_ns) for each in scans(log, whose)} for whose in GROUPS}
    assert ahead == {"source": {1.0}, "server": {1.0}, "agent": {0.0}}
    assert lag == {"source": {-1.0}, "server": {-1.0}, "agent": {0.0}}
    assert {each.lag_ns for each in scans(log, "agent")} == {0}


def scans(log: Log, group: str) -> list[Scan]:
    return [scan for scan in log.scans if scan.schema.group == group]


def hours(time_ns: int) -> float:
    """To a hundredth: 36 s are enough for a busy machine."""
    return round(time_ns / S / HOUR_S, 2) + 0.0
