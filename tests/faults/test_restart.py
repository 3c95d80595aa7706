"""A server that comes back with other namespaces, a node less, or nodes that appear later."""

from pathlib import Path

import pytest

from edge_agent.sim.faults import Faults, Late
from tests.faults.conftest import MakePlant
from tests.faults.following import Gateway, Log, more, tag, until
from tests.faults.plants import on_each, plant

pytestmark = pytest.mark.slow

TAGS = (tag("force"), tag("heat"), tag("gone"))
TICK_NS = 200_000_000
UNKNOWN = (None, "bad:BadNodeIdUnknown")


async def test_shifted_namespaces_and_a_node_that_is_gone_leave_the_others_right(
    make_plant: MakePlant,
) -> None:
    async with make_plant(TAGS) as plant:
        gateway = Gateway(plant.endpoint, TAGS)
        async with gateway.following() as log:
            await more(log, "gone", 3)
            await plant.switch(Faults(namespaces=("urn:new", "urn:newer"), missing=frozenset({"gone"})))
            await plant.restart()
            await until(lambda: log.last("gone") == UNKNOWN, "the node to be unknown")
            for name in ("force", "heat"):
                await more(log, name, 5)

    assert log.last("gone") == UNKNOWN
    assert [log.wrong(name, index, TICK_NS) for index, name in enumerate(("force", "heat", "gone"), 1)] == [
        []
    ] * 3
    assert {gap.reason for gap in log.gaps} == {"source:lost"}


async def test_nodes_that_are_late_come_by_themselves_and_the_others_flow_meanwhile(
    certificate_folder: Path,
) -> None:
    async def late(server: str) -> Log:
        async with plant(server, TAGS, certificate_folder) as press:
            gateway = Gateway(press.endpoint, TAGS)
            async with gateway.following() as log:
                await more(log, "heat", 3)
                await press.switch(Faults(late_nodes=Late(8.0, frozenset({"heat"}))))
                await press.restart()
                await until(lambda: log.last("heat") == UNKNOWN, "the node to be unknown")
                await more(log, "force", 10)
                assert log.last("heat") == UNKNOWN

                await more(log, "heat", 5)
        return log

    for server, log in (await on_each(late)).items():
        wrong = [log.wrong(name, index, TICK_NS) for index, name in enumerate(("force", "heat"), 1)]
        assert wrong == [[], []], server
