"""A value that changes while an idle link dies unnoticed is right within 5 s of the link's return."""

import asyncio

import pytest

from edge_agent.sim.faults import Faults
from tests.faults.conftest import MakePlant
from tests.faults.following import COUNTER, Gateway, until

pytestmark = pytest.mark.slow

RIGHT_S = 5.0


async def test_change_that_dies_with_an_idle_link_is_right_soon_after_its_return(
    make_plant: MakePlant,
) -> None:
    async with make_plant(COUNTER) as plant:
        gateway = Gateway(plant.endpoint)
        async with gateway.following() as log:
            await until(lambda: len(log.samples("counter")) >= 3, "3 samples")
            await plant.stand()
            await asyncio.sleep(7)  # idle, but for signs of life
            before = log.last("counter")
            await plant.switch(Faults(frozen=True))
            await plant.step()
            await asyncio.sleep(0.5)  # the server tells it to a link that carries nothing
            await plant.switch(Faults(refuse=True))
            await until(lambda: log.last("counter") == (None, "bad:disconnected"), "the loss of the link")

            await plant.switch(Faults())

            after = following(before)
            await until(lambda: log.last("counter") == after, f"{after}, not {before}", RIGHT_S)

    assert log.gaps == []


def following(shown: tuple[object, str] | None) -> tuple[object, str]:
    """The next value of the counter."""
    assert shown is not None
    value, quality = shown
    assert isinstance(value, int)
    assert quality == ""
    return 4096 + (value + 1) % 4096, ""
