"""500 nodes that are registered before they are read, at a server that bears 10 in one call."""

import pytest

from edge_agent.config.settings import Group
from edge_agent.sim.faults import Faults
from tests.faults.conftest import MakePlant
from tests.faults.following import Gateway, tag
from tests.faults.test_limits import LIMITS, NAMES, TICK_NS

pytestmark = pytest.mark.slow

REGISTERED = {"fast": Group("fast", 1.0, mode="read", timestamp="source", register=True)}


@pytest.mark.parametrize("told", LIMITS)
async def test_all_nodes_are_registered_and_read(make_plant: MakePlant, told: str) -> None:
    tags = [tag(name) for name in NAMES]
    async with (
        make_plant(tags, tick_ns=TICK_NS, faults=Faults(limits=LIMITS[told])) as server,
        Gateway(server.endpoint, tags, REGISTERED).open() as gateway,
    ):
        scan = await gateway.device.read("fast")

    assert scan.quality is None
