"""500 nodes of a server that bears 10 in one call: all values come, whether it tells its limits or not."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from edge_agent.config.settings import Group
from edge_agent.core.model import Scan
from edge_agent.sim.faults import Faults, Limits
from tests.faults.conftest import MakePlant
from tests.faults.following import FAST, Gateway, tag, until
from tests.faults.plants import plant

pytestmark = pytest.mark.slow

TEN = Limits(10, 10, 10, 10, 10, 10)
LIMITS = {"told": TEN, "untold": replace(TEN, told=False)}
TOO_LARGE = replace(TEN, told=False, too_large=True)
NAMES = [f"tag{number}" for number in range(500)]
SLOW = Group("fast", 1.0, mode="read", timestamp="source")
TICK_NS = 1_000_000_000


@pytest.mark.parametrize("told", LIMITS)
async def test_all_nodes_are_followed_and_read(make_plant: MakePlant, told: str) -> None:
    tags = [tag(name) for name in NAMES]
    async with make_plant(tags, tick_ns=TICK_NS, faults=Faults(limits=LIMITS[told])) as server:
        gateway = Gateway(server.endpoint, tags, {"fast": replace(FAST, interval_s=0.5, queue=100)})
        async with gateway.following() as log:
            await until(lambda: all(log.last(name) for name in NAMES), "the present values")
            seen = len(log.scans)
            await until(lambda: moved(log.scans[seen:]) == set(NAMES), "news of all")
            scan = await gateway.device.read("fast")

    assert [name for name in NAMES if (log.last(name) or ("", "none"))[1]] == []
    assert scan.quality is None
    assert [int(str(value)) // 4096 for value in scan.values] == list(range(1, 501))


async def test_nodes_are_read_where_answers_are_too_large(certificate_folder: Path) -> None:
    tags = [tag(name) for name in NAMES]
    faults = Faults(limits=TOO_LARGE)
    async with (
        plant("simulator", tags, certificate_folder, tick_ns=TICK_NS, faults=faults) as server,
        Gateway(server.endpoint, tags, {"fast": SLOW}).open() as gateway,
    ):
        scan = await gateway.device.read("fast")

    assert scan.quality is None


def moved(scans: Sequence[Scan]) -> set[str]:
    """The tags that are in any of these scans."""
    return {scan.schema.names[at] for scan in scans for at in scan.index or range(len(NAMES))}
