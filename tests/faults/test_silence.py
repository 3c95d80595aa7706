"""A server that takes connections and never answers: bad in bounded time, and well again by itself."""

import pytest

from edge_agent.sim.faults import Faults
from tests.faults.conftest import MakePlant
from tests.faults.following import COUNTER, Gateway, more, until

pytestmark = pytest.mark.slow

TIMEOUT_S = 0.5
BOUNDED_S = 10.0  # a few services of the handshake, and a busy machine


async def test_server_that_never_answers_is_a_timeout_and_followed_when_it_is_well(
    make_plant: MakePlant,
) -> None:
    async with make_plant(COUNTER) as plant:
        await plant.switch(Faults(silence=True))
        gateway = Gateway(plant.endpoint, timeout_s=TIMEOUT_S)
        async with gateway.following() as log:
            await until(lambda: log.last("counter") == (None, "bad:timeout"), "bad:timeout", BOUNDED_S)

            await plant.switch(Faults())

            await more(log, "counter", 3)
            assert log.last("counter") == (log.samples("counter")[-1][1], "")
