"""A server with room for one session, or for few publish requests: everything is told all the same."""

from dataclasses import replace
from pathlib import Path

import pytest

from edge_agent.sim.faults import Faults
from tests.faults.conftest import MakePlant
from tests.faults.following import COUNTER, FAST, TICK_NS, Gateway, more, tag
from tests.faults.plants import plant

pytestmark = pytest.mark.slow

NAMES = [f"group{number}" for number in range(4)]
TAGS = [tag(name, name) for name in NAMES]


async def test_link_that_is_cut_again_and_again_never_needs_a_second_session(make_plant: MakePlant) -> None:
    async with make_plant(COUNTER, tick_ns=TICK_NS, faults=Faults(no_history=True, sessions=1)) as press:
        gateway = Gateway(press.endpoint)
        async with gateway.following() as log:
            await more(log, "counter", 20)
            since = log.ticks("counter")[-1]
            for _ in range(3):
                await press.cut()
                await more(log, "counter", 20)
            sessions, _ = await press.count()

    assert sessions == 1
    assert log.missing("counter", since) == []
    assert log.gaps == []


async def test_groups_share_what_publish_requests_the_server_allows(certificate_folder: Path) -> None:
    faults = Faults(no_history=True, publish=2)
    async with plant("simulator", TAGS, certificate_folder, tick_ns=TICK_NS, faults=faults) as press:
        gateway = Gateway(press.endpoint, TAGS, {name: replace(FAST, name=name) for name in NAMES})
        async with gateway.following() as log:
            for name in NAMES:
                await more(log, name, 10)
            since = {name: log.ticks(name)[-1] for name in NAMES}
            for name in NAMES:
                await more(log, name, 30)

    assert log.gaps == []
    assert [name for name in NAMES if log.missing(name, since[name])] == []
