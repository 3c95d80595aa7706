"""A server that ends sessions or subscriptions on its own: all is made anew, and the loss is named."""

from collections.abc import Awaitable, Callable

import pytest

from tests.faults.following import COUNTER, TICK_NS, Gateway, more, until
from tests.faults.plants import SimulatedPlant

pytestmark = pytest.mark.slow

DEEDS: dict[str, Callable[[SimulatedPlant], Awaitable[None]]] = {
    "sessions": SimulatedPlant.forget,
    "subscriptions": SimulatedPlant.drop,
}


@pytest.mark.parametrize("what", DEEDS)
async def test_what_the_server_has_ended_is_made_anew_and_the_loss_is_named(what: str) -> None:
    plant = SimulatedPlant(COUNTER)
    plant.tick_ns = TICK_NS
    async with plant:
        gateway = Gateway(plant.endpoint)
        async with gateway.following() as log:
            await more(log, "counter", 20)
            since = log.ticks("counter")[-1]

            await DEEDS[what](plant)

            await until(lambda: bool(log.gaps), "the gap")
            await more(log, "counter", 20)
            counted = (plant.sessions, plant.subscriptions)

    assert counted == (1, 1)
    assert [gap.reason for gap in log.gaps] == ["source:lost"]
    (gap,) = log.gaps
    assert gap.start_ns is not None
    assert gap.end_ns is not None
    missing = [
        tick for tick in log.missing("counter", since) if not gap.start_ns <= tick * TICK_NS <= gap.end_ns
    ]
    assert missing == []
